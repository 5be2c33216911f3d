//! One RESP connection to one server, for those who ask rather than serve: the mover, the console, pollers, tests.
//!
//! Not here: the data path of a proxy, which forwards bytes it does not decode.

mod compare;

use std::{io, time::Duration};

use bytes::{Buf, BytesMut};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::protocol::{Value, encode_command};

pub use compare::{Dialogue, delete_if_value};

/// Why a call has no reply.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The connection could not be made, or broke. What was sent may or may not have run.
    #[error("{address}: {source}")]
    Io {
        /// Which server.
        address: String,
        /// What happened.
        source: io::Error,
    },
    /// The server sent something that is not RESP.
    #[error("{address}: not a RESP reply: {reason}")]
    Protocol {
        /// Which server.
        address: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// A connection. Calls are answered in order; [`Connection::queue`] and [`Connection::flush`] send many at once.
#[derive(Debug)]
pub struct Connection {
    address: String,
    stream: TcpStream,
    input: BytesMut,
    output: Vec<u8>,
}

impl Connection {
    /// Connects to `host:port`.
    ///
    /// # Errors
    /// When there is no connection after `timeout`.
    pub async fn connect(address: &str, timeout: Duration) -> Result<Self, ClientError> {
        let failed = |source| ClientError::Io { address: address.to_owned(), source };
        let stream = tokio::time::timeout(timeout, TcpStream::connect(address))
            .await
            .map_err(|_| {
                failed(io::Error::new(io::ErrorKind::TimedOut, format!("no connection after {timeout:?}")))
            })?
            .map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        Ok(Self { address: address.to_owned(), stream, input: BytesMut::new(), output: Vec::new() })
    }

    /// `host:port` of the server.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Whether the server closed the connection meanwhile. Only meaningful between calls, when no reply is due.
    pub fn is_closed(&mut self) -> bool {
        match self.stream.try_read_buf(&mut self.input) {
            Ok(0) => true,
            Ok(_) => false,
            Err(error) => error.kind() != io::ErrorKind::WouldBlock,
        }
    }

    /// Queues a command; nothing is sent before [`Connection::flush`].
    pub fn queue<A: AsRef<[u8]>>(&mut self, arguments: &[A]) {
        encode_command(&mut self.output, arguments);
    }

    /// Sends what is queued.
    ///
    /// # Errors
    /// When the connection broke.
    pub async fn flush(&mut self) -> Result<(), ClientError> {
        let result = self.stream.write_all(&self.output).await;
        self.output.clear();
        result.map_err(|source| self.io(source))
    }

    /// The next reply, pushes included.
    ///
    /// # Errors
    /// When the connection broke or closed, or the reply is not RESP.
    pub async fn read(&mut self) -> Result<Value, ClientError> {
        loop {
            match Value::decode(&self.input) {
                Ok(Some((value, used))) => {
                    self.input.advance(used);
                    return Ok(value);
                }
                Ok(None) => {}
                Err(error) => {
                    return Err(ClientError::Protocol {
                        address: self.address.clone(),
                        reason: error.to_string(),
                    });
                }
            }
            self.input.reserve(16 << 10);
            match self.stream.read_buf(&mut self.input).await {
                Ok(0) => {
                    return Err(
                        self.io(io::Error::new(io::ErrorKind::UnexpectedEof, "connection closed by server"))
                    );
                }
                Ok(_) => {}
                Err(source) => return Err(self.io(source)),
            }
        }
    }

    /// One command, one reply. An error reply is a [`Value::Error`], not an `Err`.
    ///
    /// # Errors
    /// When the connection broke.
    pub async fn call<A: AsRef<[u8]>>(&mut self, arguments: &[A]) -> Result<Value, ClientError> {
        self.queue(arguments);
        self.flush().await?;
        self.read().await
    }

    fn io(&self, source: io::Error) -> ClientError {
        ClientError::Io { address: self.address.clone(), source }
    }
}
