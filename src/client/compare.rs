//! Deleting a key only if it holds a certain string, at any server and through any proxy: the key is watched, so that a transaction
//! deletes it only if nobody has changed it since it was looked at.

use bytes::Bytes;

use super::{ClientError, Connection};
use crate::protocol::Value;

/// Others may change the key every time; that often nobody does by accident.
const ATTEMPTS: usize = 1000;

/// Whom commands are sent to, and who keeps what was watched between them.
pub trait Dialogue {
    /// Why there are no replies.
    type Error;

    /// Sends commands together; one reply for each.
    ///
    /// # Errors
    /// When replies are missing: what was sent may or may not have run.
    fn ask(
        &mut self,
        commands: &[Vec<Bytes>],
    ) -> impl Future<Output = Result<Vec<Value>, Self::Error>> + Send;
}

impl Dialogue for Connection {
    type Error = ClientError;

    async fn ask(&mut self, commands: &[Vec<Bytes>]) -> Result<Vec<Value>, ClientError> {
        commands.iter().for_each(|command| self.queue(command));
        self.flush().await?;
        let mut replies = Vec::with_capacity(commands.len());
        for _ in commands {
            replies.push(self.read().await?);
        }
        Ok(replies)
    }
}

/// 1 if it was deleted, 0 if it does not exist or holds another string; or the server's error.
///
/// # Errors
/// When replies are missing.
pub async fn delete_if_value<D: Dialogue>(
    server: &mut D,
    key: &Bytes,
    value: &Bytes,
) -> Result<Value, D::Error> {
    let word = |word: &'static str| vec![Bytes::from_static(word.as_bytes())];
    let about = |word: &'static str| vec![Bytes::from_static(word.as_bytes()), key.clone()];
    for _ in 0..ATTEMPTS {
        let mut looked = server.ask(&[about("WATCH"), about("GET")]).await?.into_iter();
        let held = match (looked.next(), looked.next()) {
            (Some(Value::Simple(_)), Some(held)) => held,
            (refused, _) => return Ok(refused.unwrap_or(Value::Null)),
        };
        if !matches!(&held, Value::Bulk(held) if held == value) {
            server.ask(&[word("UNWATCH")]).await?;
            return Ok(match held {
                Value::Bulk(_) | Value::Null => Value::Integer(0),
                other => other,
            });
        }
        match server.ask(&[word("MULTI"), about("DEL"), word("EXEC")]).await?.pop() {
            // Somebody was faster: look again.
            Some(Value::Null) => {}
            Some(Value::Array(replies)) => return Ok(replies.into_iter().next().unwrap_or(Value::Null)),
            Some(other) => return Ok(other),
            None => return Ok(Value::Null),
        }
    }
    Ok(Value::Error("ERR the key is changed all the time; nothing was deleted".into()))
}

#[cfg(test)]
mod tests {
    use std::{collections::VecDeque, convert::Infallible};

    use super::*;

    /// What is answered, and what was asked.
    struct Script(VecDeque<Vec<Value>>, Vec<String>);

    impl Dialogue for Script {
        type Error = Infallible;

        async fn ask(&mut self, commands: &[Vec<Bytes>]) -> Result<Vec<Value>, Infallible> {
            let name = |command: &Vec<Bytes>| String::from_utf8_lossy(&command[0]).into_owned();
            self.1.push(commands.iter().map(name).collect::<Vec<_>>().join(" "));
            Ok(self.0.pop_front().expect("it is asked no more than this"))
        }
    }

    fn ok() -> Value {
        Value::Simple("OK".into())
    }

    async fn delete(replies: &[Vec<Value>]) -> (Value, Vec<String>) {
        let mut script = Script(replies.iter().cloned().collect(), Vec::new());
        let Ok(reply) = delete_if_value(&mut script, &"k".into(), &"v".into()).await;
        assert!(script.0.is_empty(), "everything was asked for");
        (reply, script.1)
    }

    #[tokio::test]
    async fn it_looks_again_when_somebody_was_faster() {
        let looked = vec![ok(), Value::Bulk("v".into())];
        let queued = Value::Simple("QUEUED".into());
        let lost = vec![ok(), queued.clone(), Value::Null];
        let done = vec![ok(), queued, Value::Array(vec![Value::Integer(1)])];
        let (reply, asked) = delete(&[looked.clone(), lost.clone(), looked.clone(), done]).await;
        assert_eq!(reply, Value::Integer(1));
        assert_eq!(asked, ["WATCH GET", "MULTI DEL EXEC", "WATCH GET", "MULTI DEL EXEC"]);
        let other = vec![ok(), Value::Bulk("w".into())];
        let (reply, asked) = delete(&[looked, lost, other, vec![ok()]]).await;
        assert_eq!((reply, asked.last().map(String::as_str)), (Value::Integer(0), Some("UNWATCH")));
    }

    #[tokio::test]
    async fn errors_are_the_servers() {
        let error = |text: &'static str| Value::Error(text.into());
        let (reply, _) = delete(&[vec![error("NOAUTH x"), error("NOAUTH x")]]).await;
        assert_eq!(reply, error("NOAUTH x"));
        let (reply, asked) = delete(&[vec![ok(), error("WRONGTYPE x")], vec![ok()]]).await;
        assert_eq!((reply, asked.len()), (error("WRONGTYPE x"), 2));
        let full = vec![ok(), error("OOM x"), error("EXECABORT x")];
        let (reply, _) = delete(&[vec![ok(), Value::Bulk("v".into())], full]).await;
        assert_eq!(reply, error("EXECABORT x"));
    }
}
