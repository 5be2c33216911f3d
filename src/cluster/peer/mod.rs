//! A member as the driver and the console see it: any server that speaks Redis's protocol, ours or stock.
//!
//! Here: logging in, what kind of server it is, its keys by slot ([`keys`]), its ACL users ([`fence`]), its functions, whose it is ([`mark`]).
//! Only commands that every Redis since 6.2 and Valkey have.

mod events;
pub mod fence;
mod functions;
pub mod keys;
pub mod mark;

use std::time::{Duration, Instant};

use crate::{
    client::{ClientError, Connection},
    cluster::member::{Address, Kind},
    protocol::{Value, info},
    time::Millis,
};

/// Why a member did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    /// No connection, or it broke.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// Connected, but no reply in time.
    #[error("{address}: no reply to {command} after {after:?}")]
    Timeout {
        /// Which member.
        address: String,
        /// Asked what.
        command: String,
        /// Waited how long.
        after: Duration,
    },
    /// An error reply.
    #[error("{address}: {command}: {error}")]
    Refused {
        /// Which member.
        address: String,
        /// Asked what.
        command: String,
        /// Its words.
        error: String,
    },
    /// It cannot read a value, which trying again does not change.
    #[error(
        "{address} cannot take the value of {key}: {error}. It is of a form that this version does not know, such as a \
         hash whose fields expire before Redis 7.4; use a newer server"
    )]
    Untaken {
        /// Which member.
        address: String,
        /// The key, quoted.
        key: String,
        /// Its words.
        error: String,
    },
    /// A reply of a kind that no Redis gives.
    #[error("{address}: {command}: unexpected reply {reply}")]
    Unexpected {
        /// Which member.
        address: String,
        /// Asked what.
        command: String,
        /// What came.
        reply: String,
    },
}

impl PeerError {
    /// Whether it reads its files, and will answer when it has.
    #[must_use]
    pub fn is_loading(&self) -> bool {
        matches!(self, Self::Refused { error, .. } if error.starts_with("LOADING"))
    }
}

/// For making a connection, and for each reply.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Databases a Redis has unless configured otherwise, and all that a cluster uses.
pub const DATABASES: u32 = 16;

/// A connection to a member.
#[derive(Debug)]
pub struct Peer {
    connection: Connection,
    address: Address,
    /// Whether it tells when a key expires as a point in time (since 7.0).
    has_pexpiretime: bool,
}

impl Peer {
    /// Connects and logs in with what the address names.
    ///
    /// # Errors
    /// When it cannot be reached, refuses the login, or is no Redis.
    pub async fn open(address: &Address) -> Result<Self, PeerError> {
        let connection = Connection::connect(&address.connect_to(), TIMEOUT).await?;
        let mut peer = Self { connection, address: address.clone(), has_pexpiretime: false };
        if let Some((user, password)) = address.login() {
            peer.ok(&["AUTH", user, password]).await?;
        }
        peer.call(&["PING"]).await?;
        peer.queue(&["PEXPIRETIME", ""]);
        peer.flush().await?;
        peer.has_pexpiretime = matches!(peer.raw_reply("PEXPIRETIME").await?, Value::Integer(_));
        Ok(peer)
    }

    /// Where it is.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Whether its SCAN cursor is `slot << 39 | …`, so that some slots can be listed without the others.
    #[must_use]
    pub fn scans_by_slot(&self) -> bool {
        self.address.kind() == Kind::Node
    }

    /// One command; an error reply is an error.
    ///
    /// # Errors
    /// See [`PeerError`].
    pub async fn call<A: AsRef<[u8]>>(&mut self, arguments: &[A]) -> Result<Value, PeerError> {
        self.queue(arguments);
        self.flush().await?;
        self.reply(&name_of(arguments)).await
    }

    /// One command that answers OK.
    ///
    /// # Errors
    /// See [`PeerError`].
    pub async fn ok<A: AsRef<[u8]>>(&mut self, arguments: &[A]) -> Result<(), PeerError> {
        match self.call(arguments).await? {
            Value::Simple(text) if text == "OK" => Ok(()),
            other => Err(self.unexpected(&name_of(arguments), &other)),
        }
    }

    /// One command that answers an integer.
    ///
    /// # Errors
    /// See [`PeerError`].
    pub async fn integer<A: AsRef<[u8]>>(&mut self, arguments: &[A]) -> Result<i64, PeerError> {
        match self.call(arguments).await? {
            Value::Integer(number) => Ok(number),
            other => Err(self.unexpected(&name_of(arguments), &other)),
        }
    }

    /// Queues a command for [`Peer::flush`]; its reply is read by [`Peer::reply`], in order.
    fn queue<A: AsRef<[u8]>>(&mut self, arguments: &[A]) {
        self.connection.queue(arguments);
    }

    async fn flush(&mut self) -> Result<(), PeerError> {
        let sent = tokio::time::timeout(TIMEOUT, self.connection.flush()).await;
        Ok(sent.map_err(|_| self.timed_out("a pipeline"))??)
    }

    async fn raw_reply(&mut self, command: &str) -> Result<Value, PeerError> {
        let reply = tokio::time::timeout(TIMEOUT, self.connection.read()).await;
        Ok(reply.map_err(|_| self.timed_out(command))??)
    }

    async fn reply(&mut self, command: &str) -> Result<Value, PeerError> {
        match self.raw_reply(command).await? {
            Value::Error(text) => Err(self.refused(command, &text)),
            value => Ok(value),
        }
    }

    fn refused(&self, command: &str, text: &[u8]) -> PeerError {
        PeerError::Refused {
            address: self.address.to_string(),
            command: command.to_owned(),
            error: String::from_utf8_lossy(text).into_owned(),
        }
    }

    fn timed_out(&self, command: &str) -> PeerError {
        PeerError::Timeout { address: self.address.to_string(), command: command.to_owned(), after: TIMEOUT }
    }

    fn unexpected(&self, command: &str, reply: &Value) -> PeerError {
        PeerError::Unexpected {
            address: self.address.to_string(),
            command: command.to_owned(),
            reply: format!("{reply:?}").chars().take(200).collect(),
        }
    }

    /// `redis 7.0.15`, `valkey 8.0.1`, `redis_node 0.1.0`: what INFO says it is.
    ///
    /// # Errors
    /// See [`PeerError`].
    pub async fn version(&mut self) -> Result<String, PeerError> {
        let info = self.info("server").await?;
        info::version(&info).ok_or_else(|| self.unexpected("INFO server", &Value::Bulk(info.into())))
    }

    /// A section of INFO.
    ///
    /// # Errors
    /// See [`PeerError`].
    pub async fn info(&mut self, section: &str) -> Result<String, PeerError> {
        let reply = self.call(&["INFO", section]).await?;
        match reply.as_bytes() {
            Some(text) => Ok(String::from_utf8_lossy(text).into_owned()),
            None => Err(self.unexpected("INFO", &reply)),
        }
    }

    /// The databases that hold keys, and how many each.
    ///
    /// # Errors
    /// See [`PeerError`].
    pub async fn databases(&mut self) -> Result<Vec<(u32, u64)>, PeerError> {
        let info = self.info("keyspace").await?;
        Ok(info::databases(&info).map(|database| (database.number, database.keys)).collect())
    }

    /// Keys in all databases.
    ///
    /// # Errors
    /// See [`PeerError`].
    pub async fn key_count(&mut self) -> Result<u64, PeerError> {
        Ok(self.databases().await?.iter().map(|(_, keys)| keys).sum())
    }

    /// Its clock, minus ours; and how far off that may be.
    ///
    /// # Errors
    /// See [`PeerError`].
    pub async fn clock(&mut self) -> Result<Clock, PeerError> {
        let (before, asked) = (Millis::now(), Instant::now());
        let reply = self.call(&["TIME"]).await?;
        let round_trip = i64::try_from(asked.elapsed().as_millis()).unwrap_or(i64::MAX);
        let Value::Array(parts) = &reply else { return Err(self.unexpected("TIME", &reply)) };
        let [seconds, micros] = [0, 1].map(|part| parts.get(part).and_then(Value::as_i64));
        let (Some(seconds), Some(micros)) = (seconds, micros) else {
            return Err(self.unexpected("TIME", &reply));
        };
        Ok(Clock {
            ahead_ms: seconds * 1000 + micros / 1000 - before.0 - round_trip / 2,
            within_ms: round_trip / 2 + 1,
        })
    }
}

/// How far a member's clock is from ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// Its time minus ours, milliseconds.
    pub ahead_ms: i64,
    /// The measurement is off by no more than this.
    pub within_ms: i64,
}

impl Clock {
    /// The clock of this process.
    pub const OURS: Self = Self { ahead_ms: 0, within_ms: 0 };

    /// What to add to a time on this clock to get it on `other`; 0 when the difference is no more than the error of the
    /// two measurements, because clocks of one machine must not change a TTL.
    #[must_use]
    pub fn to(self, other: Self) -> i64 {
        let difference = other.ahead_ms - self.ahead_ms;
        if difference.abs() <= self.within_ms + other.within_ms { 0 } else { difference }
    }
}

fn name_of<A: AsRef<[u8]>>(arguments: &[A]) -> String {
    // Never the arguments: they may be keys, values or passwords.
    let word = |index: usize| arguments.get(index).map(|word| String::from_utf8_lossy(word.as_ref()));
    match (word(0), word(1)) {
        (Some(name), Some(sub)) if matches!(&*name, "ACL" | "CLIENT" | "CONFIG" | "INFO" | "SCAN") => {
            format!("{name} {sub}")
        }
        (Some(name), _) => name.into_owned(),
        (None, _) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_differ_only_when_that_is_certain() {
        let clock = |ahead_ms, within_ms| Clock { ahead_ms, within_ms };
        assert_eq!(clock(3, 2).to(clock(-1, 2)), 0);
        assert_eq!(clock(0, 2).to(clock(500, 2)), 500);
        assert_eq!(clock(500, 2).to(clock(0, 2)), -500);
    }

    #[test]
    fn names_in_errors_hold_no_secrets() {
        assert_eq!(name_of(&["AUTH", "ops", "s3cret"]), "AUTH");
        assert_eq!(name_of(&["ACL", "SETUSER", "x", ">s3cret"]), "ACL SETUSER");
    }
}
