//! Callers within the process (gRPC): each is a client of a worker, over a socket pair, with all that a client has.

use std::{convert::Infallible, io, os::unix::net::UnixStream, sync::Arc};

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::worker::{Mailbox, Message, stream::Stream};
use crate::{
    client::Dialogue,
    protocol::{Value, encode_command},
    server::grpc::UNCERTAIN,
};

/// A connection to a worker; made with the first command.
#[derive(Debug)]
pub(super) struct LocalClient {
    mailbox: Option<Arc<Mailbox>>,
    stream: Option<tokio::net::UnixStream>,
    input: BytesMut,
}

impl Dialogue for LocalClient {
    type Error = Infallible;

    async fn ask(&mut self, commands: &[Vec<Bytes>]) -> Result<Vec<Value>, Infallible> {
        Ok(self.call(commands).await)
    }
}

impl LocalClient {
    pub(super) fn new(mailbox: Option<Arc<Mailbox>>) -> Self {
        Self { mailbox, stream: None, input: BytesMut::new() }
    }

    /// Runs a pipeline; one reply per command. Without a connection every reply is an error.
    pub(super) async fn call(&mut self, commands: &[Vec<Bytes>]) -> Vec<Value> {
        let mut replies = Vec::with_capacity(commands.len());
        let outcome = self.try_call(commands, &mut replies).await;
        if let Err(error) = outcome {
            self.stream = None;
            let text = format!("ERR the proxy closed the connection of this call: {error}; {UNCERTAIN}");
            replies.resize(commands.len(), Value::Error(text.into()));
        }
        replies
    }

    async fn try_call(&mut self, commands: &[Vec<Bytes>], replies: &mut Vec<Value>) -> io::Result<()> {
        let mut out = Vec::new();
        if self.stream.is_none() {
            self.connect()?;
        }
        for command in commands {
            if command.is_empty() {
                // An empty request has no reply; as a command it is an unknown one.
                encode_command(&mut out, &[""]);
            } else {
                encode_command(&mut out, command);
            }
        }
        let Some(stream) = &mut self.stream else { return Err(io::ErrorKind::NotConnected.into()) };
        let (mut reader, mut writer) = stream.split();
        let input = &mut self.input;
        let read = async {
            while replies.len() < commands.len() {
                match Value::decode(input).map_err(io::Error::other)? {
                    Some((value, used)) => {
                        input.advance(used);
                        replies.push(value);
                    }
                    None => {
                        if reader.read_buf(input).await? == 0 {
                            return Err(io::ErrorKind::UnexpectedEof.into());
                        }
                    }
                }
            }
            Ok(())
        };
        // Both at once: a long pipeline fills both directions.
        tokio::try_join!(writer.write_all(&out), read)?;
        Ok(())
    }

    fn connect(&mut self) -> io::Result<()> {
        let Some(mailbox) = &self.mailbox else { return Err(io::ErrorKind::NotConnected.into()) };
        let (ours, theirs) = UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        theirs.set_nonblocking(true)?;
        self.stream = Some(tokio::net::UnixStream::from_std(ours)?);
        self.input.clear();
        let stream = Stream::Local(mio::net::UnixStream::from_std(theirs));
        mailbox.send(Message::Connection { stream, read: Vec::new(), peer: None, ended: None });
        Ok(())
    }
}
