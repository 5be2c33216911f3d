//! Nodes that die, and nodes that are slow: who feels it, how soon, and how it ends.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use super::*;

#[tokio::test]
async fn a_dead_node_is_felt_by_its_slots_only_and_comes_back() {
    let Some(mut cluster) = Cluster::start().await else { return };
    let mut ours = cluster.connect().await;
    let (one, two) = (key_of(1, 1), key_of(2, 1));
    assert_eq!(call(&mut ours, &format!("MSET {one} 1 {two} 2")).await, Value::Simple("OK".into()));
    cluster.nodes[1].kill();
    let refused = format!(
        "CLUSTERDOWN node 2 (127.0.0.1:{}) is unreachable: connection refused; nothing was done",
        cluster.nodes[1].port()
    );
    let deadline = Instant::now() + TIMEOUT;
    loop {
        let text = error(&call(&mut ours, &format!("GET {two}")).await);
        if text == refused {
            break;
        }
        let known = text.contains("it may or may not have run") || text.ends_with("nothing was done");
        assert!(known && Instant::now() < deadline, "{text}");
    }
    let asked = Instant::now();
    for _ in 0..100 {
        assert_eq!(call(&mut ours, &format!("GET {one}")).await, Value::Bulk("1".into()));
        error(&call(&mut ours, &format!("MSET {one} x {two} y")).await);
    }
    assert!(asked.elapsed() < Duration::from_secs(5), "errors come at once");
    assert_eq!(
        call(&mut ours, &format!("GET {one}")).await,
        Value::Bulk("1".into()),
        "all or nothing was sent"
    );
    cluster.nodes[1].restart();
    let deadline = Instant::now() + TIMEOUT;
    while call(&mut ours, &format!("SET {two} again")).await != Value::Simple("OK".into()) {
        assert!(Instant::now() < deadline, "{}", cluster.proxy.log());
    }
    assert_eq!(
        call(&mut ours, &format!("MGET {one} {two}")).await.clone(),
        Value::Array(vec![Value::Bulk("1".into()), Value::Bulk("again".into()),])
    );
}

/// What one client saw that asks one thing after the other.
#[derive(Default)]
struct Seen {
    asked: AtomicU64,
    errors: AtomicU64,
    /// Of the last error.
    error_at: std::sync::Mutex<Option<(Instant, String)>>,
    /// The longest that any answer took, microseconds.
    slowest: AtomicU64,
    stop: AtomicBool,
}

impl Seen {
    /// Asks for one key on one connection until told to stop.
    async fn ask(self: Arc<Self>, address: String, key: String) {
        let mut connection = Connection::connect(&address, TIMEOUT).await.unwrap();
        while !self.stop.load(Ordering::Relaxed) {
            let asked = Instant::now();
            let reply = call(&mut connection, &format!("SET {key} x")).await;
            self.slowest.fetch_max(asked.elapsed().as_micros() as u64, Ordering::Relaxed);
            if let Some(text) = reply.as_error() {
                *self.error_at.lock().unwrap() = Some((Instant::now(), text.into_owned()));
                self.errors.fetch_add(1, Ordering::Relaxed);
            }
            self.asked.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn count(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }

    fn errors(&self) -> u64 {
        self.errors.load(Ordering::Relaxed)
    }
}

/// Clients that write to node 1 and to node 2.
fn load(cluster: &Cluster) -> [Arc<Seen>; 2] {
    [1, 2].map(|node| {
        let seen = Arc::new(Seen::default());
        for client in 0..4 {
            tokio::spawn(Arc::clone(&seen).ask(cluster.proxy.address(), key_of(node, client)));
        }
        seen
    })
}

/// Waits for a condition off the runtime's threads.
async fn until(what: &str, condition: impl Fn() -> bool + Send + 'static) {
    let met = tokio::task::spawn_blocking(move || cluster_fixture::within(TIMEOUT, condition));
    assert!(met.await.unwrap(), "{what}");
}

async fn goes_on(seen: &Arc<Seen>) {
    let (seen, goal) = (Arc::clone(seen), seen.count() + 500);
    until("requests are answered", move || seen.count() >= goal).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_dies_under_load() {
    let Some(mut cluster) = Cluster::start().await else { return };
    let [one, two] = load(&cluster);
    goes_on(&one).await;
    goes_on(&two).await;
    assert_eq!((one.errors(), two.errors()), (0, 0));
    let killed = Instant::now();
    cluster.nodes[1].kill();
    let first = Arc::clone(&two);
    until("the first error", move || first.errors() > 0).await;
    let (at, text) = two.error_at.lock().unwrap().clone().unwrap();
    let after = at.saturating_duration_since(killed);
    eprintln!("the first error came {after:?} after the kill: {text}");
    assert!(after < Duration::from_millis(500), "{after:?}");
    // Everybody there gets errors at once, again and again; nobody else any.
    two.slowest.store(0, Ordering::Relaxed);
    let before = two.errors();
    goes_on(&two).await;
    assert!(two.errors() - before >= 499, "{}", two.errors() - before);
    let slowest = Duration::from_micros(two.slowest.load(Ordering::Relaxed));
    eprintln!("the slowest error took {slowest:?}");
    assert!(slowest < Duration::from_secs(1), "{slowest:?}");
    goes_on(&one).await;
    assert_eq!(one.errors(), 0);
    cluster.nodes[1].restart();
    let restarted = Instant::now();
    let deadline = restarted + TIMEOUT;
    loop {
        let (asked, errors) = (two.count(), two.errors());
        goes_on(&two).await;
        if two.count() - asked >= 500 && two.errors() == errors {
            break;
        }
        assert!(Instant::now() < deadline, "no recovery:\n{}", cluster.proxy.log());
    }
    eprintln!("no errors any more {:?} after the restart", restarted.elapsed());
    assert_eq!(one.errors(), 0);
    for seen in [one, two] {
        seen.stop.store(true, Ordering::Relaxed);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_node_slows_its_own_slots_only() {
    let Some(cluster) = Cluster::start().await else { return };
    let [one, two] = load(&cluster);
    goes_on(&one).await;
    goes_on(&two).await;
    cluster.nodes[1].signal("STOP");
    // What was under way may still come back.
    let stuck = Arc::clone(&two);
    let last = std::sync::Mutex::new((0, Instant::now()));
    until("the slow node's clients wait", move || {
        let mut last = last.lock().unwrap();
        if last.0 != stuck.count() {
            *last = (stuck.count(), Instant::now());
        }
        last.1.elapsed() > Duration::from_millis(100)
    })
    .await;
    one.slowest.store(0, Ordering::Relaxed);
    for _ in 0..4 {
        goes_on(&one).await;
    }
    let slowest = Duration::from_micros(one.slowest.load(Ordering::Relaxed));
    eprintln!("slowest answer of the other node meanwhile: {slowest:?}");
    assert!(slowest < Duration::from_secs(1), "{slowest:?}");
    assert_eq!(one.errors(), 0);
    cluster.nodes[1].signal("CONT");
    goes_on(&two).await;
    // Waited for, not given up: it was back within the proxy's patience.
    assert_eq!(two.errors(), 0, "{:?}", two.error_at.lock().unwrap());
    for seen in [one, two] {
        seen.stop.store(true, Ordering::Relaxed);
    }
}
