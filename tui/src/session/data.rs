//! The connection through which Redis commands run: to one proxy at a time, to another when that one is away.
//!
//! A command whose reply is not there yet is not sent a second time, except one that only reads: nobody knows whether
//! it ran.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use bytes::Bytes;
use redis_cluster::{
    client::{self, ClientError, Connection, Dialogue},
    id::ProxyId,
    protocol::Value,
};

use super::{Options, Outcome, Status, alive, figures::reachable_address, guard, view::ClusterView};
use crate::language::quote_word;

/// To complete the name of a key the cluster is asked so often at most, and looks at so many keys each time.
const SCANS_MAX: usize = 4;
const SCAN_COUNT: &[u8] = b"500";
/// More names than these help nobody.
const KEYS_MAX: usize = 64;

/// Why there is no reply.
#[derive(Debug, thiserror::Error)]
pub(super) enum DataError {
    /// Nothing was sent.
    #[error("no proxy can be reached: {0}")]
    NoProxy(String),
    /// A proxy answered what a connection begins with by an error. The command was not sent.
    #[error("proxy {proxy} answers {asked}: {error}")]
    Answered {
        /// Which.
        proxy: ProxyId,
        /// What it was told, without passwords.
        asked: String,
        /// Its words.
        error: String,
    },
    /// Sent, and the connection broke before the reply.
    #[error("the connection to proxy {proxy} broke; the command may or may not have run ({source})")]
    Lost {
        /// Which.
        proxy: ProxyId,
        /// How.
        source: ClientError,
    },
}

impl From<DataError> for Outcome {
    /// What a server answered is an error reply; everything else means that there was none.
    fn from(error: DataError) -> Self {
        let text = error.to_string();
        match error {
            DataError::Answered { proxy, error, asked } => {
                let reply = Outcome::reply(Value::Error(error.into()));
                Outcome { via: Some(proxy.clone()), ..reply }
                    .with_note(format!("the command was not sent: proxy {proxy} answered that to {asked}"))
            }
            DataError::NoProxy(_) | DataError::Lost { .. } => Outcome::failure(Status::Unreachable, text),
        }
    }
}

/// Why there is no connection.
enum ConnectError {
    Away(String),
    Answered { asked: String, error: String },
}

/// A connection to a proxy.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) proxy: ProxyId,
    pub(super) connection: Connection,
}

impl Open {
    async fn call(&mut self, arguments: &[Vec<u8>]) -> Result<Value, ClientError> {
        let address = self.connection.address().to_owned();
        alive::reply_of(&address, alive::OF_PROXY, self.connection.call(arguments)).await
    }

    /// Sends what was queued.
    pub(super) async fn flush(&mut self) -> Result<(), ClientError> {
        let address = self.connection.address().to_owned();
        alive::reply_of(&address, alive::OF_PROXY, self.connection.flush()).await
    }

    /// The next reply to what was sent.
    pub(super) async fn read(&mut self) -> Result<Value, ClientError> {
        let address = self.connection.address().to_owned();
        alive::reply_of(&address, alive::OF_PROXY, self.connection.read()).await
    }
}

impl Dialogue for Open {
    type Error = ClientError;

    async fn ask(&mut self, commands: &[Vec<Bytes>]) -> Result<Vec<Value>, ClientError> {
        let address = self.connection.address().to_owned();
        alive::reply_of(&address, alive::OF_PROXY, self.connection.ask(commands)).await
    }
}

/// The connection, while there is one, and what a new one has to be told.
#[derive(Debug)]
pub(super) struct Link {
    open: Option<Open>,
    database: u32,
    /// The same, for those who must not wait for the link.
    shown: Arc<AtomicU32>,
    /// The proxy that was lost last: any other is better.
    lost: Option<ProxyId>,
}

impl Link {
    /// No connection yet.
    pub(super) fn new(shown: Arc<AtomicU32>) -> Self {
        Self { open: None, database: shown.load(Ordering::Relaxed), shown, lost: None }
    }

    /// Takes the connection, or makes one. Whoever does not give it back closes it: a reply that was not read must
    /// not become the reply of the next command.
    pub(super) async fn take(&mut self, view: &ClusterView, options: &Options) -> Result<Open, DataError> {
        self.take_in(view, options, self.database).await
    }

    async fn take_in(
        &mut self,
        view: &ClusterView,
        options: &Options,
        database: u32,
    ) -> Result<Open, DataError> {
        if let Some(mut open) = self.open.take()
            && !open.connection.is_closed()
        {
            return Ok(open);
        }
        let mut reasons = Vec::new();
        let mut answered = None;
        // One that is stopped takes connections all the same: what is known of it decides who is tried last.
        let mut proxies: Vec<_> = view.proxies.iter().collect();
        proxies.sort_by_key(|(id, proxy)| (self.lost.as_ref() == Some(*id), proxy.rank()));
        for (id, proxy) in proxies {
            match connect(&proxy.record.address, options, database).await {
                Ok(connection) => return Ok(Open { proxy: id.clone(), connection }),
                Err(ConnectError::Away(error)) => reasons.push(format!("proxy {id}: {error}")),
                Err(ConnectError::Answered { asked, error }) => {
                    answered = answered.or(Some(DataError::Answered { proxy: id.clone(), asked, error }));
                }
            }
        }
        if let Some(answered) = answered {
            return Err(answered);
        }
        Err(DataError::NoProxy(if reasons.is_empty() {
            format!(
                "none is registered in cluster {:?}; start one with `proxy_node ID ADDRESS {}`",
                view.cluster,
                view.registry.endpoints.join(",")
            )
        } else {
            reasons.join("; ")
        }))
    }

    /// For the next command.
    pub(super) fn give_back(&mut self, open: Open) {
        self.open = Some(open);
    }

    /// One command, one reply, and who gave it.
    pub(super) async fn call(
        &mut self,
        view: &ClusterView,
        options: &Options,
        arguments: &[Vec<u8>],
    ) -> Result<(Value, ProxyId), DataError> {
        let mut again = guard::only_reads(arguments);
        // Whoever selects a database need not be able to select the one before.
        let selects = matches!(arguments, [name, _] if name.eq_ignore_ascii_case(b"select"));
        loop {
            let is_new = self.open.is_none();
            let database = if selects { 0 } else { self.database };
            let mut open = self.take_in(view, options, database).await?;
            match open.call(arguments).await {
                Ok(reply) => {
                    self.note(arguments, &reply);
                    let proxy = open.proxy.clone();
                    self.lost.take_if(|lost| *lost == proxy);
                    // One that was not told of the database is good for the one that it selected.
                    if !(selects && is_new && reply.as_error().is_some()) {
                        self.give_back(open);
                    }
                    return Ok((reply, proxy));
                }
                Err(ClientError::Io { .. }) if again => {
                    again = false;
                    self.lost = Some(open.proxy);
                }
                Err(source) => return Err(DataError::Lost { proxy: open.proxy, source }),
            }
        }
    }

    /// Deletes a key if it holds this string.
    pub(super) async fn delete_if(
        &mut self,
        view: &ClusterView,
        options: &Options,
        key: &Bytes,
        value: &Bytes,
    ) -> Result<(Value, ProxyId), DataError> {
        let mut open = self.take(view, options).await?;
        match client::delete_if_value(&mut open, key, value).await {
            Ok(reply) => {
                let proxy = open.proxy.clone();
                self.give_back(open);
                Ok((reply, proxy))
            }
            Err(source) => Err(DataError::Lost { proxy: open.proxy, source }),
        }
    }

    /// Remembers what the next connection has to be told.
    pub(super) fn note(&mut self, arguments: &[Vec<u8>], reply: &Value) {
        if let [name, database] = arguments
            && name.eq_ignore_ascii_case(b"select")
            && matches!(reply, Value::Simple(_))
        {
            // A server that takes it knows numbers only.
            let number = std::str::from_utf8(database).ok().and_then(|text| text.parse().ok());
            self.select(number.unwrap_or(self.database));
        }
        if matches!(arguments, [name] if name.eq_ignore_ascii_case(b"reset")) && reply.as_error().is_none() {
            self.select(0);
        }
    }

    fn select(&mut self, database: u32) {
        self.database = database;
        self.shown.store(database, Ordering::Relaxed);
    }
}

/// Names of keys that begin with `prefix`, found by a few `SCAN`s on a connection of their own: it is in no transaction.
pub(super) async fn keys_like(
    view: &ClusterView,
    options: &Options,
    database: u32,
    prefix: &[u8],
) -> Vec<Vec<u8>> {
    let mut pattern: Vec<u8> = Vec::with_capacity(prefix.len() + 1);
    for &byte in prefix {
        if b"*?[]\\^".contains(&byte) {
            pattern.push(b'\\');
        }
        pattern.push(byte);
    }
    pattern.push(b'*');
    let mut found = BTreeSet::new();
    let Some(proxy) = view.proxies.values().min_by_key(|proxy| proxy.rank()) else {
        return Vec::new();
    };
    let Ok(mut connection) = connect(&proxy.record.address, options, database).await else {
        return Vec::new();
    };
    let mut cursor = b"0".to_vec();
    for _ in 0..SCANS_MAX {
        let asked: [&[u8]; 6] = [b"SCAN", &cursor, b"MATCH", &pattern, b"COUNT", SCAN_COUNT];
        // Without keys a line can be completed all the same.
        let Ok(Value::Array(reply)) = connection.call(&asked).await else { break };
        let [next, Value::Array(keys)] = reply.as_slice() else { break };
        found.extend(keys.iter().filter_map(|key| Some(key.as_bytes()?.to_vec())));
        cursor = next.as_bytes().unwrap_or(b"0").to_vec();
        if cursor == b"0" || found.len() >= KEYS_MAX {
            break;
        }
    }
    found.into_iter().take(KEYS_MAX).collect()
}

/// A connection to a proxy for a few questions; why there is none is for the operator.
pub(super) async fn connection(
    address: &str,
    options: &Options,
    database: u32,
) -> Result<Connection, String> {
    connect(address, options, database).await.map_err(|error| match error {
        ConnectError::Away(error) => error,
        ConnectError::Answered { asked, error } => format!("answers {asked} with: {error}"),
    })
}

async fn connect(address: &str, options: &Options, database: u32) -> Result<Connection, ConnectError> {
    let address = reachable_address(address);
    let connected = Connection::connect(&address, options.connect_timeout).await;
    let mut connection = connected.map_err(|error| ConnectError::Away(error.to_string()))?;
    let introduced = async {
        if let Some((user, password)) = &options.login {
            let asked = format!("AUTH as {}", quote_word(user.as_bytes()));
            introduce(&mut connection, asked, &[b"AUTH", user.as_bytes(), password]).await?;
        }
        if options.resp3 {
            introduce(&mut connection, "HELLO 3".to_owned(), &[b"HELLO", b"3"]).await?;
        }
        if database == 0 {
            return Ok(());
        }
        let number = database.to_string();
        introduce(&mut connection, format!("SELECT {number}"), &[b"SELECT", number.as_bytes()]).await
    };
    match tokio::time::timeout(options.connect_timeout, introduced).await {
        Ok(introduced) => introduced.map(|()| connection),
        Err(_) => {
            let waited = options.connect_timeout;
            Err(ConnectError::Away(format!("{address}: no answer after {waited:?}")))
        }
    }
}

async fn introduce(connection: &mut Connection, asked: String, words: &[&[u8]]) -> Result<(), ConnectError> {
    match connection.call(words).await {
        Ok(Value::Error(text)) => {
            Err(ConnectError::Answered { asked, error: String::from_utf8_lossy(&text).into_owned() })
        }
        Ok(_) => Ok(()),
        Err(error) => Err(ConnectError::Away(error.to_string())),
    }
}
