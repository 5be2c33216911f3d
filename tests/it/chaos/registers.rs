//! Registers that one writer counts up and every proxy is asked for: no read may find less than was acknowledged before it was
//! sent, however late it is answered.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use redis_cluster::{client::Connection, protocol::Value};

use super::history::did_not_run;

/// Enough that some are in any range of slots that moves.
const REGISTERS: usize = 64;
/// A reader that waits is what this is about: its proxy may sleep.
const PATIENCE: Duration = Duration::from_secs(60);
const WRITE_PATIENCE: Duration = Duration::from_secs(30);
const PACE: Duration = Duration::from_millis(1);

/// One register: the key in use, and what was acknowledged last. After a write of unknown outcome another key takes over, because
/// that write may still come.
#[derive(Clone, Debug, Default)]
struct Register {
    generation: u64,
    acknowledged: u64,
}

fn name(register: usize, generation: u64) -> String {
    format!("register:{register}:{generation}")
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    registers: Mutex<Vec<Register>>,
    reads: AtomicU64,
    /// Longest that an acknowledged write waited, milliseconds.
    longest_ms: AtomicU64,
}

/// The writer and a reader for each proxy.
pub(super) struct Registers {
    shared: Arc<Shared>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Registers {
    pub(super) fn begin(proxies: &[String]) -> Self {
        let shared = Arc::new(Shared::default());
        *shared.registers.lock().unwrap() = vec![Register::default(); REGISTERS];
        let mut tasks = vec![tokio::spawn(write(Arc::clone(&shared), proxies.to_vec()))];
        for proxy in proxies {
            tasks.push(tokio::spawn(read(Arc::clone(&shared), proxy.clone())));
        }
        Self { shared, tasks }
    }

    /// The longest that an acknowledged write has waited so far.
    pub(super) fn longest(&self) -> Duration {
        Duration::from_millis(self.shared.longest_ms.load(Ordering::Relaxed))
    }

    /// Ends them; a reader or writer that saw something wrong makes this panic.
    pub(super) async fn end(self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.unwrap();
        }
        assert!(self.shared.reads.load(Ordering::Relaxed) > 0, "nothing was read");
    }
}

async fn write(shared: Arc<Shared>, proxies: Vec<String>) {
    let mut connection: Option<Connection> = None;
    let mut proxy = 0;
    for turn in 0.. {
        if shared.stop.load(Ordering::Relaxed) {
            return;
        }
        tokio::time::sleep(PACE).await;
        let Some(open) = connection.as_mut() else {
            proxy += 1;
            connection =
                Connection::connect(&proxies[proxy % proxies.len()], Duration::from_secs(1)).await.ok();
            continue;
        };
        let register = turn % REGISTERS;
        let Register { generation, acknowledged } = shared.registers.lock().unwrap()[register].clone();
        let (key, value) = (name(register, generation), acknowledged + 1);
        let sent = Instant::now();
        let reply = tokio::time::timeout(WRITE_PATIENCE, open.call(&["SET", &key, &value.to_string()])).await;
        let register = &mut shared.registers.lock().unwrap()[register];
        match reply {
            Ok(Ok(Value::Simple(_))) => {
                register.acknowledged = value;
                let waited = u64::try_from(sent.elapsed().as_millis()).unwrap();
                shared.longest_ms.fetch_max(waited, Ordering::Relaxed);
            }
            Ok(Ok(Value::Error(error))) if did_not_run(&error) => connection = None,
            _ => {
                *register = Register { generation: generation + 1, acknowledged: 0 };
                connection = None;
            }
        }
    }
}

async fn read(shared: Arc<Shared>, proxy: String) {
    let mut connection: Option<Connection> = None;
    for turn in 0.. {
        if shared.stop.load(Ordering::Relaxed) {
            return;
        }
        tokio::time::sleep(PACE).await;
        let Some(open) = connection.as_mut() else {
            connection = Connection::connect(&proxy, Duration::from_secs(1)).await.ok();
            continue;
        };
        let Register { generation, acknowledged } =
            shared.registers.lock().unwrap()[turn * 7 % REGISTERS].clone();
        let key = name(turn * 7 % REGISTERS, generation);
        let found = match tokio::time::timeout(PATIENCE, open.call(&["GET", &key])).await {
            Ok(Ok(Value::Null)) => 0,
            Ok(Ok(Value::Error(_))) => continue,
            Ok(Ok(value)) => value.as_i64().unwrap_or_else(|| panic!("{key}: {value:?}")).unsigned_abs(),
            Ok(Err(_)) | Err(_) => {
                connection = None;
                continue;
            }
        };
        assert!(
            found >= acknowledged,
            "{key} through {proxy} is {found}, but {acknowledged} was acknowledged"
        );
        shared.reads.fetch_add(1, Ordering::Relaxed);
    }
}
