//! Waiting for a reply: for as long as the server that owes it lives, however long the command takes, and no longer.

use std::{io, time::Duration};

use redis_cluster::client::{ClientError, Connection};
use tokio::time;

/// After so long a silence a proxy is asked, on another connection, whether it lives; it has as long to say so. It always can.
pub(super) const OF_PROXY: Duration = Duration::from_millis(1500);
/// The same for a node, which may be at work for that long and hear nobody.
pub(super) const OF_NODE: Duration = Duration::from_secs(5);

/// Waits for `reply`, which the server at `address` owes. After `silence` it is asked whether it lives.
///
/// # Errors
/// Those of `reply`, and an [`io::ErrorKind::TimedOut`] when the server does not even answer PING.
pub(super) async fn reply_of<T>(
    address: &str,
    silence: Duration,
    reply: impl Future<Output = Result<T, ClientError>>,
) -> Result<T, ClientError> {
    let mut reply = std::pin::pin!(reply);
    loop {
        if let Ok(reply) = time::timeout(silence, &mut reply).await {
            return reply;
        }
        tokio::select! {
            biased;
            reply = &mut reply => return reply,
            alive = ping(address, silence) => alive?,
        }
    }
}

/// Any reply will do, also that a password is missing.
async fn ping(address: &str, silence: Duration) -> Result<(), ClientError> {
    let asked = async { Connection::connect(address, silence).await?.call(&["PING"]).await };
    match time::timeout(silence, asked).await {
        Ok(answer) => answer.map(drop),
        Err(_) => Err(ClientError::Io {
            address: address.to_owned(),
            source: io::Error::new(
                io::ErrorKind::TimedOut,
                format!("silent for {} s, to PING too", 2.0 * silence.as_secs_f64()),
            ),
        }),
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    use super::*;

    /// A server that answers PING, and nothing else, until it is dropped.
    async fn slow_server() -> (String, tokio::task::JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let serving = tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = [0; 64];
                let read = stream.read(&mut request).await.unwrap();
                assert!(request[..read].ends_with(b"PING\r\n"));
                stream.write_all(b"+PONG\r\n").await.unwrap();
            }
        });
        (address, serving)
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_reply_is_waited_for() {
        let (address, serving) = slow_server().await;
        let reply = async {
            time::sleep(Duration::from_secs(60)).await;
            Ok(7)
        };
        assert_eq!(reply_of(&address, OF_NODE, reply).await.unwrap(), 7);
        serving.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_says_nothing_at_all_is_given_up() {
        // The system accepts for it, nobody reads.
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let never = std::future::pending::<Result<(), ClientError>>();
        let began = time::Instant::now();
        let error = reply_of(&address, OF_NODE, never).await.unwrap_err();
        assert!(error.to_string().contains("silent for 10 s"), "{error}");
        assert_eq!(began.elapsed().as_secs(), 10);
    }
}
