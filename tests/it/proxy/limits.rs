//! Clients that take up too much of a proxy: they are cut off, counted, and nobody else notices.

use cluster_fixture::proxy_with;

use super::*;

/// A client that asks for so many values of a megabyte and reads none of them.
async fn deaf(address: &str, count: usize) -> Connection {
    let mut client = Connection::connect(address, TIMEOUT).await.unwrap();
    for _ in 0..count {
        client.queue(&["GET", "big"]);
    }
    client.flush().await.unwrap();
    client
}

/// Reads until the connection ends, which is before all has come.
async fn is_cut(mut client: Connection, count: usize) {
    for _ in 0..count {
        match tokio::time::timeout(TIMEOUT, client.read()).await.expect("it ends") {
            Ok(value) => assert!(value.as_bytes().is_some(), "{value:?}"),
            Err(_) => return,
        }
    }
    panic!("everything came");
}

async fn cut(proxy: &Server, why: &str, count: u64) {
    let mut client = Connection::connect(&proxy.address(), TIMEOUT).await.unwrap();
    let deadline = Instant::now() + TIMEOUT;
    loop {
        let info = call(&mut client, "INFO stats").await;
        let info = String::from_utf8(info.as_bytes().unwrap().to_vec()).unwrap();
        if info.contains(&format!("proxy_clients_cut_{why}:{count}\r\n")) {
            return;
        }
        assert!(Instant::now() < deadline, "{why}: {info}");
    }
}

async fn with_big_value(cluster: &Cluster, options: &[&str]) -> Server {
    let proxy = proxy_with("2", &cluster.etcd.url(), options);
    cluster.proxy_comes_to("2", Epoch(1)).await;
    let mut client = Connection::connect(&proxy.address(), TIMEOUT).await.unwrap();
    client.call(&["SET", "big", &"x".repeat(1 << 20)]).await.unwrap();
    proxy
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_read_is_cut_at_once_or_after_a_while() {
    let Some(cluster) = Cluster::start().await else { return };
    let options = ["--client-output-buffer-limit", "normal 16mb 1mb 1"];
    let proxy = with_big_value(&cluster, &options).await;
    let (much, little) = (deaf(&proxy.address(), 64).await, deaf(&proxy.address(), 12).await);
    // Whoever reads may get as much as he likes.
    let mut reader = Connection::connect(&proxy.address(), TIMEOUT).await.unwrap();
    for _ in 0..64 {
        assert_eq!(call(&mut reader, "GET big").await.as_bytes().map(<[u8]>::len), Some(1 << 20));
    }
    cut(&proxy, "output_buffer", 2).await;
    is_cut(much, 64).await;
    is_cut(little, 12).await;
    assert_eq!(
        call(&mut reader, "CONFIG GET client-output-buffer-limit").await,
        Value::Array(vec![
            Value::Bulk("client-output-buffer-limit".into()),
            Value::Bulk(
                "normal 16777216 1048576 1 slave 268435456 67108864 60 pubsub 33554432 8388608 60".into()
            ),
        ])
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_largest_go_when_all_together_take_too_much() {
    let Some(cluster) = Cluster::start().await else { return };
    let proxy = with_big_value(&cluster, &["--maxmemory-clients", "24mb"]).await;
    let small = deaf(&proxy.address(), 8).await;
    let large = deaf(&proxy.address(), 30).await;
    cut(&proxy, "memory", 1).await;
    is_cut(large, 30).await;
    let mut small = small;
    for _ in 0..8 {
        assert!(small.read().await.unwrap().as_bytes().is_some(), "it is within what is left");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_without_an_end_is_not_kept() {
    let Some(cluster) = Cluster::start().await else { return };
    let proxy = with_big_value(&cluster, &["--client-query-buffer-limit", "2mb"]).await;
    let mut stream = TcpStream::connect(proxy.address()).unwrap();
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    stream.write_all(b"*2\r\n$3\r\nGET\r\n$8388608\r\n").unwrap();
    let sent = stream.write_all(&vec![b'x'; 7 << 20]);
    let end = stream.read(&mut [0; 16]);
    assert!(sent.is_err() || matches!(end, Ok(0) | Err(_)), "{sent:?} {end:?}");
    cut(&proxy, "query_buffer", 1).await;
}
