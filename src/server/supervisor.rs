//! Tells whoever started the process how it is, in systemd's way (`Type=notify`), where that is asked for: a datagram to the socket
//! that `NOTIFY_SOCKET` names.

use std::{env, ffi::OsStr, io, os::unix::net::UnixDatagram};

/// Says that the process serves. Without `NOTIFY_SOCKET` nobody wants to know.
///
/// # Errors
/// The socket cannot be reached.
pub fn notify_ready() -> io::Result<()> {
    env::var_os("NOTIFY_SOCKET").map_or(Ok(()), |socket| notify(&socket, "READY=1"))
}

/// Says that the process is about to end.
///
/// # Errors
/// The socket cannot be reached.
pub fn notify_stopping() -> io::Result<()> {
    env::var_os("NOTIFY_SOCKET").map_or(Ok(()), |socket| notify(&socket, "STOPPING=1"))
}

fn notify(socket: &OsStr, state: &str) -> io::Result<()> {
    let sender = UnixDatagram::unbound()?;
    #[cfg(target_os = "linux")]
    if let Some(name) = socket.as_encoded_bytes().strip_prefix(b"@") {
        use std::os::{linux::net::SocketAddrExt as _, unix::net::SocketAddr};
        return sender.send_to_addr(state.as_bytes(), &SocketAddr::from_abstract_name(name)?).map(drop);
    }
    sender.send_to(state.as_bytes(), socket).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_listens_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        notify(path.as_os_str(), "READY=1").unwrap();
        let mut told = [0; 32];
        let len = socket.recv(&mut told).unwrap();
        assert_eq!(&told[..len], b"READY=1");
        assert!(notify(directory.path().join("nobody").as_os_str(), "READY=1").is_err());
    }
}
