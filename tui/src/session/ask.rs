//! Questions that a page of the screen asks again and again: on connections of their own, with a deadline, and only such
//! as change nothing.
//!
//! Not here: when to ask, and how often (`screen::pages`).

use std::{collections::BTreeMap, time::Duration};

use redis_cluster::{
    client::{ClientError, Connection},
    cluster::member::Kind,
    id::{NodeId, ProxyId},
    protocol::Value,
    server::grpc::v1::{CountKeysRequest, control_client::ControlClient},
    slot::SlotRange,
};
use tokio::{sync::Mutex, time::timeout};
use tonic::transport::Endpoint;

use super::{Session, data, figures::root_cause, guard};

/// Whoever does not answer within this time is said not to answer.
const DEADLINE: Duration = Duration::from_secs(2);
/// A connection whose replies were larger gives its buffers back by being closed, bytes.
const KEPT_REPLY_MAX: usize = 1 << 20;

/// Whom a question is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// A node itself, past the proxies.
    Node(NodeId),
    /// A proxy, about itself.
    Proxy(ProxyId),
    /// The cluster, through any proxy, in the database that commands run in.
    Cluster,
}

/// Connections that wait for the next question.
#[derive(Debug, Default)]
pub(super) struct Idle(Mutex<BTreeMap<(Target, u32), Connection>>);

impl Session {
    /// Asks, all commands at once; one reply for each.
    ///
    /// # Errors
    /// When a command may change something, or there are no replies within two seconds; the text is for the operator.
    pub async fn ask(&self, target: &Target, commands: &[Vec<Vec<u8>>]) -> Result<Vec<Value>, String> {
        if let Some(other) = commands.iter().find(|command| !guard::only_reads(command)) {
            let name = String::from_utf8_lossy(other.first().map_or(b"".as_slice(), Vec::as_slice));
            return Err(format!("{name} may change something; type it to run it"));
        }
        match timeout(DEADLINE, self.ask_without_limit(target, commands)).await {
            Ok(replies) => replies,
            Err(_) => Err(format!("no answer within {} s", DEADLINE.as_secs())),
        }
    }

    /// Keys of a node in each of these ranges; [`Value::Null`] where it cannot say, as a stock server.
    ///
    /// # Errors
    /// When there is no answer within two seconds; the text is for the operator.
    pub async fn count_keys(&self, target: &Target, ranges: &[SlotRange]) -> Result<Vec<Value>, String> {
        let Target::Node(id) = target else { return Err("only nodes count keys".to_owned()) };
        let view = self.now();
        let node = view.nodes.get(id).ok_or_else(|| format!("node {id} is no member any more"))?;
        if node.record.address.kind() == Kind::Stock {
            return Ok(vec![Value::Null; ranges.len()]);
        }
        let counting = async {
            let endpoint = Endpoint::from_shared(format!("http://{}", node.record.address.connect_to()));
            let endpoint = endpoint.map_err(|error| error.to_string())?;
            let channel = endpoint.connect().await.map_err(|error| root_cause(&error))?;
            let mut client = ControlClient::new(channel);
            let mut counts = Vec::with_capacity(ranges.len());
            for range in ranges {
                let request = CountKeysRequest { slots: vec![String::from(*range)] };
                let reply = client.count_keys(request).await.map_err(|status| status.message().to_owned())?;
                let keys: u64 = reply.into_inner().databases.iter().map(|database| database.keys).sum();
                counts.push(Value::Integer(keys.cast_signed()));
            }
            Ok(counts)
        };
        match timeout(DEADLINE, counting).await {
            Ok(counts) => counts,
            Err(_) => Err(format!("no answer within {} s", DEADLINE.as_secs())),
        }
    }

    async fn ask_without_limit(
        &self,
        target: &Target,
        commands: &[Vec<Vec<u8>>],
    ) -> Result<Vec<Value>, String> {
        let key = (target.clone(), self.database());
        let idle = self.inner.idle.0.lock().await.remove(&key);
        let kept = idle.filter(|_| !commands.is_empty());
        // One that was closed meanwhile says nothing about whoever is at its end.
        let (mut connection, replies) = match kept {
            Some(mut connection) => match exchange(&mut connection, commands).await {
                Ok(replies) => (connection, replies),
                Err(_) => self.ask_anew(target, commands).await?,
            },
            None => self.ask_anew(target, commands).await?,
        };
        let size: usize = replies.iter().map(size_of).sum();
        if size <= KEPT_REPLY_MAX && !connection.is_closed() {
            self.inner.idle.0.lock().await.insert(key, connection);
        }
        Ok(replies)
    }

    async fn ask_anew(
        &self,
        target: &Target,
        commands: &[Vec<Vec<u8>>],
    ) -> Result<(Connection, Vec<Value>), String> {
        let mut connection = self.connect_to(target).await?;
        let replies = exchange(&mut connection, commands).await.map_err(|error| error.to_string())?;
        Ok((connection, replies))
    }

    /// A new connection, introduced.
    pub(super) async fn connect_to(&self, target: &Target) -> Result<Connection, String> {
        let (view, options) = (self.now(), self.options());
        match target {
            Target::Node(id) => {
                let node = view.nodes.get(id).ok_or_else(|| format!("node {id} is no member any more"))?;
                let address = &node.record.address;
                let connected = Connection::connect(&address.connect_to(), options.connect_timeout).await;
                let mut connection = connected.map_err(|error| error.to_string())?;
                if let Some((user, password)) = address.login() {
                    let reply = connection.call(&["AUTH", user, password]).await;
                    let reply = reply.map_err(|error| error.to_string())?;
                    if let Some(error) = reply.as_error() {
                        return Err(format!("node {id} answers AUTH with: {error}"));
                    }
                }
                Ok(connection)
            }
            Target::Proxy(id) => {
                let proxy =
                    view.proxies.get(id).ok_or_else(|| format!("proxy {id} is not registered any more"))?;
                data::connection(&proxy.record.address, options, 0).await
            }
            Target::Cluster => {
                let mut trouble = "no proxy is registered".to_owned();
                let mut proxies: Vec<_> = view.proxies.iter().collect();
                proxies.sort_by_key(|(_, proxy)| proxy.rank());
                for (id, proxy) in proxies {
                    match data::connection(&proxy.record.address, options, self.database()).await {
                        Ok(connection) => return Ok(connection),
                        Err(error) => trouble = format!("proxy {id}: {error}"),
                    }
                }
                Err(trouble)
            }
        }
    }
}

async fn exchange(connection: &mut Connection, commands: &[Vec<Vec<u8>>]) -> Result<Vec<Value>, ClientError> {
    for command in commands {
        connection.queue(command);
    }
    connection.flush().await?;
    let mut replies = Vec::with_capacity(commands.len());
    for _ in commands {
        replies.push(connection.read().await?);
    }
    Ok(replies)
}

fn size_of(value: &Value) -> usize {
    match value {
        Value::Array(values) | Value::Set(values) | Value::Push(values) => values.iter().map(size_of).sum(),
        Value::Map(pairs) => pairs.iter().map(|(key, value)| size_of(key) + size_of(value)).sum(),
        other => other.as_bytes().map_or(8, <[u8]>::len),
    }
}
