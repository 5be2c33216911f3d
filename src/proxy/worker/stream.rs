//! What a worker reads from and writes to: a client's TCP connection, or one end of a socket pair for callers in this process.

use std::{
    io::{self, Read, Write},
    net::Shutdown,
};

use mio::{Interest, Registry, Token, event::Source};

/// A non-blocking byte stream.
#[derive(Debug)]
pub(in crate::proxy) enum Stream {
    /// From the network.
    Tcp(mio::net::TcpStream),
    /// From within the process.
    Local(mio::net::UnixStream),
    /// Not there yet, or not any more.
    Closed,
}

impl Stream {
    /// Reads once: bytes, or `None` if there are none now.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        retry(|| match self {
            Self::Tcp(stream) => stream.read(buffer),
            Self::Local(stream) => stream.read(buffer),
            Self::Closed => Ok(0),
        })
    }
}

impl Stream {
    /// Throws away what comes. False: nothing will any more.
    pub(super) fn discard(&mut self, scratch: &mut [u8]) -> bool {
        loop {
            match self.read(scratch) {
                Ok(None) => return true,
                Ok(Some(0)) | Err(_) => return false,
                Ok(Some(_)) => {}
            }
        }
    }

    /// Says that nothing more is sent.
    ///
    /// # Errors
    /// The other end is gone.
    pub(super) fn shut_down(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Self::Local(stream) => stream.shutdown(Shutdown::Write),
            Self::Closed => Err(io::ErrorKind::NotConnected.into()),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(bytes),
            Self::Local(stream) => stream.write(bytes),
            Self::Closed => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    fn write_vectored(&mut self, slices: &[io::IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write_vectored(slices),
            Self::Local(stream) => stream.write_vectored(slices),
            Self::Closed => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Repeats a call that a signal interrupted; "not now" becomes `None`.
pub(in crate::proxy) fn retry(mut call: impl FnMut() -> io::Result<usize>) -> io::Result<Option<usize>> {
    loop {
        match call() {
            Ok(count) => return Ok(Some(count)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

impl Source for Stream {
    fn register(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.register(registry, token, interests),
            Self::Local(stream) => stream.register(registry, token, interests),
            Self::Closed => Ok(()),
        }
    }

    fn reregister(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.reregister(registry, token, interests),
            Self::Local(stream) => stream.reregister(registry, token, interests),
            Self::Closed => Ok(()),
        }
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.deregister(registry),
            Self::Local(stream) => stream.deregister(registry),
            Self::Closed => Ok(()),
        }
    }
}
