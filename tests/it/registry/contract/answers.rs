//! Answers that are lost on the way: was it done?

use std::{
    future::Future,
    time::{Duration, Instant},
};

use redis_cluster::cluster::registry::{Commit, RegistryError, Revision, Txn};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{put, soon};
use crate::registry::servers::{Peer, open};

/// One endpoint gets this long before the next one is asked (`cluster::registry`).
const ATTEMPT: Duration = Duration::from_millis(1500);

/// Forwards one connection to `server`, until the client has sent `word` and `ran` has seen to it that the server acted on
/// it; then both sides are cut, and whoever comes next is refused.
async fn cut_after(
    listener: tokio::net::TcpListener,
    server: String,
    word: &'static str,
    ran: impl Future<Output = ()>,
) {
    let (client, _) = listener.accept().await.unwrap();
    drop(listener);
    let upstream = tokio::net::TcpStream::connect(server).await.unwrap();
    let ((mut from_client, mut to_client), (mut from_server, mut to_server)) =
        (client.into_split(), upstream.into_split());
    let (sent, was_sent) = tokio::sync::oneshot::channel::<()>();
    let mut sent = Some(sent);
    let requests = async move {
        let (mut buffer, mut seen) = (vec![0; 16 << 10], Vec::new());
        loop {
            let count = from_client.read(&mut buffer).await.unwrap();
            to_server.write_all(&buffer[..count]).await.unwrap();
            seen.extend_from_slice(&buffer[..count]);
            if count == 0 || seen.windows(word.len()).any(|window| window == word.as_bytes()) {
                sent.take().unwrap().send(()).unwrap();
                // Held open: the end of this side would cancel the request.
                return std::future::pending::<()>().await;
            }
        }
    };
    // Answers pass until the word was sent.
    let answers = async move {
        let mut buffer = vec![0; 16 << 10];
        tokio::select! {
            biased;
            _ = was_sent => {}
            () = async {
                loop {
                    let count = from_server.read(&mut buffer).await.unwrap();
                    to_client.write_all(&buffer[..count]).await.unwrap();
                }
            } => {}
        }
        ran.await;
    };
    tokio::select! {
        () = requests => {}
        () = answers => {}
    }
}

/// Commits by way of an endpoint that is lost when the transaction, which holds `word`, has run and `ran` has been there too.
async fn commit_and_lose_the_answer(
    peer: &Peer,
    txn: Txn,
    word: &'static str,
    ran: impl Future<Output = ()> + Send + 'static,
) -> Result<Commit, RegistryError> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let cut = tokio::spawn(cut_after(listener, peer.server.address(), word, ran));
    let registry = open(&[url, peer.server.url()]);
    let commit = soon(registry.commit(txn)).await;
    soon(cut).await.unwrap();
    commit
}

/// The answer was lost, and nothing tells what came of it. On a busy machine the endpoint that is lost can be slower than one
/// attempt may take: then the next endpoint ran the transaction, and said so.
fn assert_nobody_knows(commit: &Result<Commit, RegistryError>, took: Duration) {
    let by_the_next = took >= ATTEMPT && matches!(commit, Ok(Commit::Done { .. }));
    assert!(by_the_next || matches!(commit, Err(RegistryError::Unknown { .. })), "{commit:?} after {took:?}");
}

pub(super) async fn a_lost_answer_is_found_out(peer: Peer) {
    let direct = peer.registry();
    for (key, word, txn) in [
        ("created", "word: created", Txn::new().if_absent("created").put("created", "word: created")),
        ("blind", "word: blind", Txn::new().put("blind", "word: blind")),
    ] {
        let ran = {
            let direct = direct.clone();
            async move { while direct.get(key).await.unwrap().is_none() {} }
        };
        let commit = commit_and_lose_the_answer(&peer, txn, word, ran).await;
        let entry = direct.get(key).await.unwrap().unwrap();
        assert_eq!(commit.unwrap(), Commit::Done { revision: entry.mod_revision });
        assert_eq!(entry.create_revision, entry.mod_revision, "made twice");
    }
    // Nothing that stands there afterwards tells who did it.
    let created = put(&direct, "deleted", "x").await;
    let ran = {
        let direct = direct.clone();
        async move { while direct.get("deleted").await.unwrap().is_some() {} }
    };
    let txn = Txn::new().if_created("deleted", created).delete("deleted");
    let started = Instant::now();
    let commit = commit_and_lose_the_answer(&peer, txn, "test/deleted", ran).await;
    assert_nobody_knows(&commit, started.elapsed());
}

/// What one transaction made is unmade by others before it is sent again: its conditions hold once more.
pub(super) async fn nothing_runs_twice(peer: Peer) {
    let direct = peer.registry();
    for (word, txn) in [
        ("word: absent", Txn::new().if_absent("a").put("a", "word: absent")),
        ("word: zero", Txn::new().if_revision("a", Revision(0)).put("a", "word: zero")),
        ("word: blind", Txn::new().put("a", "word: blind")),
    ] {
        let ran = {
            let direct = direct.clone();
            async move {
                while direct.get("a").await.unwrap().is_none() {}
                assert!(direct.commit(Txn::new().if_present("a").delete("a")).await.unwrap().is_done());
            }
        };
        let started = Instant::now();
        let commit = commit_and_lose_the_answer(&peer, txn, word, ran).await;
        assert_nobody_knows(&commit, started.elapsed());
        assert_eq!(direct.get("a").await.unwrap(), None, "{word} ran twice");
    }
    // Nobody sees how that is done.
    assert_eq!(direct.list("").await.unwrap().entries, []);
}
