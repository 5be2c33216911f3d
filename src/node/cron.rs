//! Housekeeping: what a node does without being asked.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    Node,
    aof::log::Wrap,
    clients::{BLOCKED, PUBSUB, RUNNING, Signal},
    persist,
};
use crate::time::Millis;

/// Between looks for idle clients, and at how much memory is used.
const IDLE_CHECK: Duration = Duration::from_secs(1);

/// Records that one hold of the lock looks at: some 100 microseconds.
const EXPIRE_BUDGET: usize = 1000;

/// Runs until the node stops, and tells its clients then.
pub(super) async fn run(node: Arc<Node>) {
    run_by(node, Millis::now).await;
}

/// As [`run`], by a clock for what is a date: expiry and idle time.
async fn run_by(node: Arc<Node>, clock: impl Fn() -> Millis) {
    let stop = node.state.stop.clone();
    let (mut sampled, mut checked) = (Instant::now(), Instant::now());
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            () = tokio::time::sleep(node.state.config.tick()) => {}
        }
        if node.state.cron_paused.load(Relaxed) {
            continue;
        }
        node.state.limit_clients(None);
        expire(&node, &clock).await;
        let now = Instant::now();
        node.state.stats.sample(now - sampled);
        sampled = now;
        if now - checked >= IDLE_CHECK {
            checked = now;
            let date = clock();
            close_idle(&node, date);
            close_lagging(&node, date);
            if let Some(mut store) = node.store_unless_script() {
                node.state.used_memory(&store.keyspace);
                node.state.aof.look(&mut store, &node.state);
            }
        } else if node.state.aof.wants_base()
            && let Some(mut store) = node.store_unless_script()
        {
            node.state.aof.look(&mut store, &node.state);
        }
    }
    node.state.clients.send_all(Signal::Drain);
}

/// Removes keys whose time has come: in short holds of the lock, and for at most a quarter of the time.
async fn expire(node: &Node, clock: &impl Fn() -> Millis) {
    let deadline = Instant::now() + node.state.config.tick() / 4;
    let budget = EXPIRE_BUDGET * usize::try_from(node.state.config.expire_effort()).unwrap_or(1);
    loop {
        let unfinished = {
            // The thread has connections to serve, which are told of a script that takes long.
            let Some(mut store) = node.store_unless_script() else { return };
            let now = clock();
            let gone = std::mem::take(&mut *node.state.gone());
            gone.iter().for_each(|client| store.forget(client, &node.state, now));
            if store.pause.is_over(now) {
                store.unpause();
            }
            if store.pause.is_on(now) {
                // Nothing is to change that others hear of.
                return;
            }
            if node.state.expires_lazily.load(Relaxed) {
                return;
            }
            if node.state.persist.is_loading() {
                // What goes is up to the file.
                return;
            }
            store.make_room(&node.state, now);
            persist::save::begin_if_due(&mut store, &node.state, now);
            let begun = Instant::now();
            let cycle = store.keyspace.expire_cycle(now, budget);
            let no_more_fields = store.keyspace.expire_fields_cycle(now, budget);
            store.current = None;
            store.end_unit(Wrap::Apart, &node.state, now);
            store.settle(&node.state, now);
            store.broadcast(&node.state, now);
            if let Some(garbage) = store.keyspace.take_garbage() {
                node.state.freer.free(garbage);
            }
            node.state.note_slow("expire-cycle", begun.elapsed(), now);
            cycle.unfinished || !no_more_fields
        };
        if !unfinished || Instant::now() >= deadline {
            return;
        }
        tokio::task::yield_now().await;
    }
}

/// `timeout`.
fn close_idle(node: &Node, now: Millis) {
    let timeout = node.state.config.idle_timeout();
    if timeout == 0 {
        return;
    }
    for client in node.state.clients.all() {
        // Who waits or listens has good reason to be silent.
        if client.has_flag(BLOCKED | RUNNING | PUBSUB) {
            continue;
        }
        if now.0 - client.last_active().0 > timeout {
            tracing::debug!(client = %client.addresses.remote, "closed: idle");
            client.send(Signal::Kill);
        }
    }
}

/// The soft limits of `client-output-buffer-limit`, for clients that are sent nothing more.
fn close_lagging(node: &Node, now: Millis) {
    let limits = node.state.config.output_limits();
    for client in node.state.clients.all() {
        client.check_lag(&limits, now);
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            exclusive::Exclusive,
            keyspace::{Key, Ttl, Value},
            state::NodeState,
            store::Store,
        },
        *,
    };
    use crate::server::Addresses;

    const KEYS: u32 = 20_000;

    /// A node with keys that expire within ten seconds, and as many that do not.
    fn node() -> Arc<Node> {
        let mut store = Store::new(16);
        let keyspace = &mut store.keyspace;
        let access = keyspace.access(Millis(0), true);
        for number in 0..KEYS {
            let ttl = Ttl::At(Millis(i64::from(number % 10_000)));
            keyspace.db_mut(3).set(Key::new(&number.to_le_bytes()), Value::Int(0), ttl, access);
            keyspace.db_mut(5).set(Key::new(&number.to_le_bytes()), Value::Int(0), Ttl::None, access);
        }
        Arc::new(Node { state: NodeState::default(), store: Exclusive::new(store) })
    }

    /// Starts the loop on a clock that begins at 0 and goes as the time of the test does.
    fn start(node: &Arc<Node>) -> tokio::task::JoinHandle<()> {
        let start = Instant::now();
        let clock = move || Millis(i64::try_from(start.elapsed().as_millis()).unwrap());
        tokio::spawn(run_by(Arc::clone(node), clock))
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_asks_for_expires_soon_after_its_time() {
        let node = node();
        let running = start(&node);
        for second in 1..=10_u32 {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let due = KEYS / 10 * second;
            let left = node.store().keyspace.db(3).len();
            let expected = (KEYS - due) as usize;
            assert!(left.abs_diff(expected) <= 2 * KEYS as usize / 100, "{left} keys after {second} s");
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
        {
            let keyspace = &node.store().keyspace;
            assert_eq!((keyspace.db(3).len(), keyspace.db(5).len()), (0, KEYS as usize));
            assert_eq!(keyspace.stats().expired, u64::from(KEYS));
            // The peak was seen when there were more.
            assert!(node.state.peak_memory() > node.state.used_memory(keyspace));
        }
        node.state.stop.cancel();
        running.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn idle_clients_are_closed_and_all_are_told_of_the_end() {
        let node = node();
        let nowhere = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
        let addresses = Addresses { remote: nowhere, local: nowhere };
        let user = Arc::clone(node.state.acl.default_user());
        let [idle, active] =
            [0, 7000].map(|now| node.state.clients.add(addresses, Arc::clone(&user), Millis(now)));
        node.state.config.preset("timeout", "5").unwrap();
        let running = start(&node);
        tokio::time::sleep(Duration::from_secs(4)).await;
        assert_eq!(idle.signal(), Signal::None);
        tokio::time::sleep(Duration::from_secs(4)).await;
        assert_eq!((idle.signal(), active.signal()), (Signal::Kill, Signal::None));
        node.state.stop.cancel();
        running.await.unwrap();
        assert_eq!(active.signal(), Signal::Drain);
    }
}
