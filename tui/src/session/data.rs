//! The connection through which Redis commands run: to one proxy at a time, to another when that one is away.
//!
//! A command whose reply is not there yet is not sent a second time, except one that only reads: nobody knows whether
//! it ran.

use redis_cluster::{
    client::{ClientError, Connection},
    cluster::ProxyId,
    protocol::Value,
};

use super::{Options, alive, figures::reachable_address, guard, view::ClusterView};

/// Why there is no reply.
#[derive(Debug, thiserror::Error)]
pub(super) enum DataError {
    /// Nothing was sent.
    #[error("no proxy can be reached: {0}")]
    NoProxy(String),
    /// Sent, and the connection broke before the reply.
    #[error("the connection to proxy {proxy} broke; the command may or may not have run ({source})")]
    Lost {
        /// Which.
        proxy: ProxyId,
        /// How.
        source: ClientError,
    },
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
        alive::reply_of(&address, self.connection.call(arguments)).await
    }

    /// Sends what was queued.
    pub(super) async fn flush(&mut self) -> Result<(), ClientError> {
        let address = self.connection.address().to_owned();
        alive::reply_of(&address, self.connection.flush()).await
    }

    /// The next reply to what was sent.
    pub(super) async fn read(&mut self) -> Result<Value, ClientError> {
        let address = self.connection.address().to_owned();
        alive::reply_of(&address, self.connection.read()).await
    }
}

/// The connection, while there is one, and what a new one has to be told.
#[derive(Debug)]
pub(super) struct Link {
    open: Option<Open>,
    database: Option<Vec<u8>>,
}

impl Link {
    /// No connection yet.
    pub(super) fn new(database: u32) -> Self {
        Self { open: None, database: (database != 0).then(|| database.to_string().into_bytes()) }
    }

    /// Takes the connection, or makes one. Whoever does not give it back closes it: a reply that was not read must
    /// not become the reply of the next command.
    pub(super) async fn take(&mut self, view: &ClusterView, options: &Options) -> Result<Open, DataError> {
        if let Some(mut open) = self.open.take()
            && !open.connection.is_closed()
        {
            return Ok(open);
        }
        let mut reasons = Vec::new();
        for (id, proxy) in &view.proxies {
            match connect(&proxy.record.address, options, self.database.as_deref()).await {
                Ok(connection) => return Ok(Open { proxy: id.clone(), connection }),
                Err(error) => reasons.push(format!("proxy {id}: {error}")),
            }
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
        loop {
            let mut open = self.take(view, options).await?;
            match open.call(arguments).await {
                Ok(reply) => {
                    self.note(arguments, &reply);
                    let proxy = open.proxy.clone();
                    self.give_back(open);
                    return Ok((reply, proxy));
                }
                Err(ClientError::Io { .. }) if again => again = false,
                Err(source) => return Err(DataError::Lost { proxy: open.proxy, source }),
            }
        }
    }

    /// Remembers what the next connection has to be told.
    pub(super) fn note(&mut self, arguments: &[Vec<u8>], reply: &Value) {
        if let [name, database] = arguments
            && name.eq_ignore_ascii_case(b"select")
            && matches!(reply, Value::Simple(_))
        {
            self.database = Some(database.clone());
        }
    }

    /// The database that was selected.
    pub(super) fn database(&self) -> u32 {
        let number = self.database.as_deref().and_then(|text| std::str::from_utf8(text).ok());
        number.and_then(|text| text.parse().ok()).unwrap_or(0)
    }
}

async fn connect(address: &str, options: &Options, database: Option<&[u8]>) -> Result<Connection, String> {
    let address = reachable_address(address);
    let connected = Connection::connect(&address, options.connect_timeout).await;
    let mut connection = connected.map_err(|error| error.to_string())?;
    let introduced = async {
        if let Some((user, password)) = &options.login {
            introduce(&mut connection, &[b"AUTH", user.as_bytes(), password.as_bytes()]).await?;
        }
        if options.resp3 {
            introduce(&mut connection, &[b"HELLO", b"3"]).await?;
        }
        match database {
            Some(database) => introduce(&mut connection, &[b"SELECT", database]).await,
            None => Ok(()),
        }
    };
    match tokio::time::timeout(options.connect_timeout, introduced).await {
        Ok(introduced) => introduced.map(|()| connection),
        Err(_) => Err(format!("{address}: no answer after {:?}", options.connect_timeout)),
    }
}

async fn introduce(connection: &mut Connection, words: &[&[u8]]) -> Result<(), String> {
    match connection.call(words).await {
        Ok(Value::Error(text)) => Err(String::from_utf8_lossy(&text).into_owned()),
        Ok(_) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}
