//! What takes long at a node, and nodes that do not come back: who feels it.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use cluster_fixture::proxy_with;

use super::*;

/// Counts to what it is given.
const SCRIPT: &str = "for number = 1, tonumber(ARGV[1]) do end return KEYS[1]";
/// Longer than a node may be silent otherwise.
const LONG: Duration = Duration::from_millis(800);

/// How far a node counts for longer than that.
async fn counts_long(node: &Server) -> String {
    let mut connection = Connection::connect(&node.address(), TIMEOUT).await.unwrap();
    let mut number: u64 = 1_000_000;
    loop {
        let asked = Instant::now();
        connection.call(&["EVAL", SCRIPT, "1", "k", &number.to_string()]).await.unwrap();
        let took = asked.elapsed();
        if took > LONG + LONG / 2 {
            return number.to_string();
        }
        let times = (LONG * 2).as_secs_f64() / took.as_secs_f64().max(0.001);
        number = (number as f64 * times.clamp(1.2, 20.0)) as u64;
    }
}

/// The longest that this was asked for, again and again until told to stop; no error is tolerated.
async fn ask(address: String, key: String, stop: Arc<AtomicBool>) -> Duration {
    let mut connection = Connection::connect(&address, TIMEOUT).await.unwrap();
    let mut longest = Duration::ZERO;
    while !stop.load(Ordering::Relaxed) {
        let asked = Instant::now();
        let reply = call(&mut connection, &format!("SET {key} x")).await;
        assert_eq!(reply, Value::Simple("OK".into()), "{key}");
        longest = longest.max(asked.elapsed());
    }
    longest
}

async fn a_long_script_fails_nobody_else(members: Members) {
    let Some(cluster) = Cluster::of(members).await else { return };
    let proxy = proxy_with("2", &cluster.etcd.url(), &["--node-timeout", "400", "--workers", "2"]);
    cluster.proxy_comes_to("2", Epoch(1)).await;
    let number = counts_long(&cluster.nodes[0]).await;
    let stop = Arc::new(AtomicBool::new(false));
    // Of each node some on each worker.
    let clients: Vec<_> = (0..8)
        .map(|number| {
            let key = key_of(1 + number % 2, number);
            tokio::spawn(ask(proxy.address(), key, Arc::clone(&stop)))
        })
        .collect();
    let mut caller = Connection::connect(&proxy.address(), TIMEOUT).await.unwrap();
    let key = key_of(1, 99);
    caller.queue(&["SET", &key, "before"]);
    caller.queue(&["EVAL", SCRIPT, "1", &key, &number]);
    caller.queue(&["GET", &key]);
    let asked = Instant::now();
    caller.flush().await.unwrap();
    assert_eq!(caller.read().await.unwrap(), Value::Simple("OK".into()));
    assert_eq!(caller.read().await.unwrap(), Value::Bulk(key.clone().into()));
    assert!(asked.elapsed() > LONG, "{:?}", asked.elapsed());
    assert_eq!(caller.read().await.unwrap(), Value::Bulk("before".into()), "in its order");
    stop.store(true, Ordering::Relaxed);
    let mut longest = [Duration::ZERO; 2];
    for (number, client) in clients.into_iter().enumerate() {
        let of_node = &mut longest[number % 2];
        *of_node = (*of_node).max(client.await.expect("no client sees an error"));
    }
    eprintln!(
        "{members:?}: longest at the node of the script {:?}, at the other one {:?}",
        longest[0], longest[1]
    );
    assert!(longest[1] < Duration::from_millis(600), "{longest:?}");
    assert!(!proxy.log().contains("no reply within"), "{}", proxy.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_script_at_a_stock_server_fails_nobody_else() {
    a_long_script_fails_nobody_else(Members::Stock).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_script_at_our_node_fails_nobody_else() {
    a_long_script_fails_nobody_else(Members::Ours).await;
}

/// Whoever listens where a node was sees how often it is tried: by the proxy, and not once for each client.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_clients_are_no_storm_for_a_dead_node() {
    let Some(mut cluster) = Cluster::start().await else { return };
    let stop = Arc::new(AtomicBool::new(false));
    let answered = Arc::new(AtomicUsize::new(0));
    let clients: Vec<_> = (0..1000)
        .map(|number| {
            let (address, key) = (cluster.proxy.address(), key_of(2, number % 10));
            let (stop, answered) = (Arc::clone(&stop), Arc::clone(&answered));
            tokio::spawn(async move {
                let mut connection = Connection::connect(&address, TIMEOUT).await.unwrap();
                while !stop.load(Ordering::Relaxed) {
                    call(&mut connection, &format!("GET {key}")).await;
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let reach = async |goal: usize| {
        let deadline = Instant::now() + TIMEOUT;
        while answered.load(Ordering::Relaxed) < goal {
            assert!(Instant::now() < deadline, "{}", answered.load(Ordering::Relaxed));
            tokio::task::yield_now().await;
        }
    };
    reach(2000).await;
    cluster.nodes[1].kill();
    let listener = tokio::net::TcpListener::bind(cluster.nodes[1].address()).await.unwrap();
    let (began, mut attempts) = (Instant::now(), 0);
    let window = Duration::from_secs(2);
    let before = answered.load(Ordering::Relaxed);
    while let Ok(accepted) =
        tokio::time::timeout(window.saturating_sub(began.elapsed()), listener.accept()).await
    {
        drop(accepted.unwrap());
        attempts += 1;
    }
    let meanwhile = answered.load(Ordering::Relaxed) - before;
    eprintln!("{attempts} attempts in {window:?}, while {meanwhile} requests were answered");
    // Two workers, each with a few connections; who logs in, and who asks for figures.
    assert!(attempts < 60 && meanwhile > 1000, "{attempts} attempts, {meanwhile} answers");
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.unwrap();
    }
}
