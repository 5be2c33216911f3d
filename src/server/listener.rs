//! Listening sockets, and the `host:port` an operator writes for them.

use std::{
    fmt, io,
    net::{Ipv4Addr, SocketAddr, TcpListener, ToSocketAddrs as _},
    str::FromStr,
};

use socket2::{Domain, Protocol, Socket, Type};

/// Connections the kernel may hold before they are accepted; it takes the smaller of this and `somaxconn`.
const BACKLOG: i32 = 4096;

/// Where to listen: `0.0.0.0:8001`, `localhost:8001`, `[::1]:8001`, or `:8001` for all IPv4 interfaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenAddress {
    host: String,
    port: u16,
}

/// The text is no listen address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("address {text:?}: {reason}; write HOST:PORT, such as 0.0.0.0:8001, localhost:8001 or :8001")]
pub struct InvalidListenAddress {
    text: String,
    reason: &'static str,
}

impl FromStr for ListenAddress {
    type Err = InvalidListenAddress;

    fn from_str(text: &str) -> Result<Self, InvalidListenAddress> {
        let invalid = |reason| InvalidListenAddress { text: text.to_owned(), reason };
        if text.contains("://") {
            return Err(invalid("an address to listen on has no scheme"));
        }
        let (host, port) = text.rsplit_once(':').ok_or_else(|| {
            invalid(if text.parse::<u16>().is_ok() {
                "a port alone wants a colon before it"
            } else {
                "no port"
            })
        })?;
        let port = port.parse().map_err(|_| invalid("the port is not a number from 0 to 65535"))?;
        let host = match host.strip_prefix('[') {
            Some(inner) => inner.strip_suffix(']').ok_or_else(|| invalid("unbalanced brackets"))?,
            None if host.contains(':') => return Err(invalid("an IPv6 address wants brackets")),
            None if host.is_empty() => "0.0.0.0",
            None => host,
        };
        if host.contains(|c: char| c.is_whitespace() || "/@?#[]".contains(c)) {
            return Err(invalid("no valid host"));
        }
        Ok(Self { host: host.to_owned(), port })
    }
}

impl From<SocketAddr> for ListenAddress {
    fn from(address: SocketAddr) -> Self {
        Self { host: address.ip().to_string(), port: address.port() }
    }
}

impl ListenAddress {
    /// A port on the loopback interface; 0 for any free one.
    #[must_use]
    pub fn loopback(port: u16) -> Self {
        SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into()
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// Why nobody can listen there.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The name has no address.
    #[error("cannot listen on {address}: host name not found: {source}")]
    Resolve {
        /// What was asked for.
        address: String,
        /// The resolver's words.
        source: io::Error,
    },
    /// Somebody listens there already.
    #[error("cannot listen on {0}: address in use by another process; stop it or choose another port")]
    InUse(SocketAddr),
    /// Anything else.
    #[error("cannot listen on {address}: {source}")]
    Io {
        /// What was asked for.
        address: SocketAddr,
        /// The system's words.
        source: io::Error,
    },
}

/// Listens on every address the host has (`localhost` may have two), all on one port.
///
/// # Errors
/// When the host is unknown, or one of its addresses cannot be listened on.
pub fn bind(address: &ListenAddress) -> Result<Vec<TcpListener>, BindError> {
    let resolve = |source| BindError::Resolve { address: address.to_string(), source };
    let mut resolved: Vec<SocketAddr> =
        (address.host.as_str(), address.port).to_socket_addrs().map_err(resolve)?.collect();
    resolved.sort_by_key(SocketAddr::is_ipv6);
    resolved.dedup();
    if resolved.is_empty() {
        return Err(resolve(io::Error::new(io::ErrorKind::NotFound, "no address")));
    }
    let mut listeners: Vec<TcpListener> = Vec::with_capacity(resolved.len());
    let mut port = address.port;
    for mut address in resolved {
        address.set_port(port);
        match bind_one(address) {
            Ok((listener, local)) => {
                port = local.port();
                listeners.push(listener);
            }
            // A machine without IPv6 still resolves localhost to ::1.
            Err(BindError::Io { source, .. })
                if !listeners.is_empty() && source.kind() == io::ErrorKind::AddrNotAvailable => {}
            Err(error) => return Err(error),
        }
    }
    Ok(listeners)
}

fn bind_one(address: SocketAddr) -> Result<(TcpListener, SocketAddr), BindError> {
    let listen = || -> io::Result<(TcpListener, SocketAddr)> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        // A restarted daemon must not wait for connections of the one before to time out.
        socket.set_reuse_address(true)?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        let listener = TcpListener::from(socket);
        let local = listener.local_addr()?;
        Ok((listener, local))
    };
    listen().map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => BindError::InUse(address),
        _ => BindError::Io { address, source },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_as_operators_write_them() {
        for (text, shown) in [
            ("0.0.0.0:8001", "0.0.0.0:8001"),
            (":8001", "0.0.0.0:8001"),
            ("localhost:8001", "localhost:8001"),
            ("[::1]:8001", "[::1]:8001"),
        ] {
            assert_eq!(text.parse::<ListenAddress>().unwrap().to_string(), shown);
        }
        for bad in
            ["8001", "localhost", "http://localhost:8001", "::1:8001", "h:99999", "[::1:80", "a b:1", "h:"]
        {
            let error = bad.parse::<ListenAddress>().unwrap_err().to_string();
            assert!(error.contains(bad) && error.contains("HOST:PORT"), "{error}");
        }
    }

    #[test]
    fn a_port_in_use_is_said_so() {
        let first = bind(&ListenAddress::loopback(0)).unwrap();
        let port = first[0].local_addr().unwrap().port();
        let error = bind(&ListenAddress::loopback(port)).unwrap_err();
        assert!(matches!(error, BindError::InUse(_)));
        assert!(error.to_string().contains("address in use by another process"), "{error}");
    }
}
