//! What the registry says of a node and of a proxy.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::userinfo;
use crate::id::{Epoch, NodeId, ProxyId};

/// How a member is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// `http://`: our node, RESP and gRPC on one port.
    Node,
    /// `redis://`: a stock Redis or Valkey server.
    Stock,
}

/// `http://host:port` or `redis://[[user]:password@]host:port`, percent signs in the login as in any URL.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Address {
    stock: bool,
    host: String,
    port: u16,
    user: Option<String>,
    password: Option<String>,
}

/// An address that cannot be used. Shows no password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "address {address:?}: {reason}; use http://HOST:PORT for a redis_node or redis://HOST:PORT for a stock server"
)]
pub struct InvalidAddress {
    address: String,
    reason: userinfo::Reason,
}

impl Address {
    /// What kind of member listens there.
    #[must_use]
    pub fn kind(&self) -> Kind {
        if self.stock { Kind::Stock } else { Kind::Node }
    }

    /// Host name or IP address, without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// TCP port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// User and password to log in with, if the address names any.
    #[must_use]
    pub fn login(&self) -> Option<(&str, &str)> {
        self.password.as_deref().map(|password| (self.user.as_deref().unwrap_or("default"), password))
    }

    /// `0.0.0.0` or `::`: good to listen on, and to reach from the same machine only.
    #[must_use]
    pub fn is_wildcard(&self) -> bool {
        matches!(self.host.as_str(), "0.0.0.0" | "::")
    }

    /// What to connect to: `host:port`, with the loopback address in place of a wildcard.
    #[must_use]
    pub fn connect_to(&self) -> String {
        match self.host.as_str() {
            "0.0.0.0" => format!("127.0.0.1:{}", self.port),
            "::" => format!("[::1]:{}", self.port),
            host if host.contains(':') => format!("[{host}]:{}", self.port),
            host => format!("{host}:{}", self.port),
        }
    }

    /// `host:port` as it was given, for screens.
    #[must_use]
    pub fn host_port(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

impl FromStr for Address {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        let wrong = |reason| InvalidAddress { address: userinfo::masked(text), reason };
        let invalid = |reason: &'static str| wrong(reason.into());
        let (stock, rest) = if let Some(rest) = text.strip_prefix("http://") {
            (false, rest)
        } else if let Some(rest) = text.strip_prefix("redis://") {
            (true, rest)
        } else if text.starts_with("rediss://") {
            return Err(invalid(
                "there is no TLS to members in this version; use redis:// on a network of their own",
            ));
        } else if text.starts_with("https://") {
            return Err(invalid(
                "a redis_node has no TLS in this version; use http:// on a network of their own",
            ));
        } else {
            return Err(invalid("no scheme"));
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (login, authority) = match rest.rsplit_once('@') {
            Some((login, authority)) => (Some(login), authority),
            None => (None, rest),
        };
        let (user, password) = match login {
            None => (None, None),
            Some(login) => match userinfo::parse(login).map_err(wrong)? {
                (user, Some(password)) => (Some(user).filter(|user| !user.is_empty()), Some(password)),
                (_, None) => return Err(invalid("a user without a password")),
            },
        };
        let (host, port) = authority.rsplit_once(':').ok_or_else(|| invalid("no port"))?;
        let host = match host.strip_prefix('[') {
            Some(inner) => inner.strip_suffix(']').ok_or_else(|| invalid("unbalanced brackets"))?,
            None if host.contains(':') => return Err(invalid("an IPv6 address wants brackets")),
            None => host,
        };
        if host.is_empty() || host.contains(|c: char| c.is_whitespace() || "/?#[]".contains(c)) {
            return Err(invalid("no valid host"));
        }
        let port = port.parse().ok().filter(|&port| port != 0).ok_or_else(|| invalid("no valid port"))?;
        Ok(Self { stock, host: host.to_owned(), port, user, password })
    }
}

impl fmt::Display for Address {
    /// Without the password: this is what screens and logs show.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.stock { "redis://" } else { "http://" }, self.host_port())
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl TryFrom<String> for Address {
    type Error = InvalidAddress;
    fn try_from(text: String) -> Result<Self, InvalidAddress> {
        text.parse()
    }
}

impl From<Address> for String {
    /// With the login, as the registry keeps it.
    fn from(address: Address) -> Self {
        let scheme = if address.stock { "redis://" } else { "http://" };
        let login = address
            .login()
            .map_or(String::new(), |(user, password)| format!("{}@", userinfo::write(user, password)));
        format!("{scheme}{login}{}", address.host_port())
    }
}

/// `nodes/ID`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeRecord {
    /// The same as in the key.
    pub id: NodeId,
    /// Where it listens.
    pub address: Address,
    /// Milliseconds since 1970.
    pub added_at_ms: i64,
    /// `user@host` of the console.
    pub added_by: String,
    /// Server version when it was added, such as `redis 7.0.15`.
    #[serde(default)]
    pub version: String,
    /// Of the server's process when it was added: the same server is known by it under any name of its machine.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub run_id: String,
}

/// `proxies/ID`, under the proxy's lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProxyRecord {
    /// The same as in the key.
    pub id: ProxyId,
    /// New at every registration; names its ACL user at the nodes.
    pub instance: String,
    /// `host:port` for clients, RESP and gRPC.
    pub address: String,
    /// The machine it runs on, as that calls itself: on the same machine only one process can have an address.
    #[serde(default)]
    pub host: String,
    /// Of the program.
    pub version: String,
    /// The topology it routes by, everything of the one before finished.
    pub epoch: Epoch,
    /// It is about to end: to be used no more by who has another one. Until it is gone it follows the topology as before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub draining: bool,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn addresses() {
        let address: Address = "http://0.0.0.0:8001".parse().unwrap();
        assert_eq!((address.kind(), address.is_wildcard()), (Kind::Node, true));
        assert_eq!(address.connect_to(), "127.0.0.1:8001");
        let address: Address = "redis://ops:s3cret@[::1]:6379/".parse().unwrap();
        assert_eq!(address.login(), Some(("ops", "s3cret")));
        assert_eq!(address.to_string(), "redis://[::1]:6379");
        assert_eq!(String::from(address.clone()).parse::<Address>().unwrap(), address);
        let address: Address = "redis://ops:p%40ss%3A%2F%25%23@h:1".parse().unwrap();
        assert_eq!(address.login(), Some(("ops", "p@ss:/%#")));
        assert_eq!(String::from(address), "redis://ops:p%40ss%3A%2F%25%23@h:1");
        for bad in [
            "localhost:8001",
            "http://",
            "http://h",
            "http://h:0",
            "http://h:x",
            "https://h:1",
            "http://a b:1",
        ] {
            let error = bad.parse::<Address>().unwrap_err().to_string();
            assert!(error.contains(bad) && error.contains("http://HOST:PORT"), "{error}");
        }
        assert!("rediss://h:1".parse::<Address>().unwrap_err().to_string().contains("no TLS to members"));
        assert!(
            "https://h:1".parse::<Address>().unwrap_err().to_string().contains("a redis_node has no TLS")
        );
    }

    #[test]
    fn errors_show_no_password() {
        for bad in [
            "redis://ops:s3cret@h",
            "redis://ops:s3cret%zz@h:1",
            "redis://ops:s3cret%ff@h:1",
            "rediss://ops:s3cret@h:1",
            "https://ops:s3cret@h:1",
            "ops:s3cret@h:1",
            "redis://ops:s3cret@::1:1",
            "redis://ops:s3cret@[::1:1",
            "redis://s3cret@h:1",
            "redis://ops:s3/cret@s3cret@h:x",
        ] {
            let error = bad.parse::<Address>().unwrap_err();
            assert!(!format!("{error} {error:?}").contains("s3"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn every_login_comes_back_from_the_registry(user in "\\PC{1,8}", password: String, host in "[a-z]{1,5}|\\[::1\\]") {
            let text = format!("redis://{}@{host}:6379", userinfo::write(&user, &password));
            let address: Address = text.parse().unwrap();
            prop_assert_eq!(address.login(), Some((user.as_str(), password.as_str())));
            let json = serde_json::to_string(&address).unwrap();
            let again: Address = serde_json::from_str(&json).unwrap();
            prop_assert_eq!(&again, &address);
            let shown = format!("{address} {address:?}");
            prop_assert!(!shown.contains('@'));
        }
    }
}
