//! Two or three faults at once, chosen by a seed with their moments and how long they last.
//!
//! A few seeds run with the other tests. `CHAOS_SEEDS=1000..1100 ./test chaos::combined` runs as many as are wanted; a seed that
//! found something is repeated by `CHAOS_SEEDS=1042`. What happens between the faults depends on the machine too.

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng, seq::IndexedRandom as _};

use super::*;

/// With the other tests.
const SEEDS: std::ops::Range<u64> = 1..5;
/// Clusters side by side.
const AT_ONCE: usize = 2;
/// How long a fault may last, milliseconds: shorter than a hold, than a node's timeout, than a lease, and longer.
const LENGTHS: [u64; 5] = [200, 1_000, 3_000, 7_000, 13_000];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Driver,
    Other,
    Source,
    Target,
    Etcd,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    /// Killed, and started again.
    Killed,
    Sleeps,
    /// From etcd.
    CutOff,
}

const KINDS: [(Who, What); 9] = [
    (Who::Driver, What::Killed),
    (Who::Driver, What::Sleeps),
    (Who::Driver, What::CutOff),
    (Who::Other, What::Killed),
    (Who::Other, What::Sleeps),
    (Who::Other, What::CutOff),
    (Who::Source, What::Sleeps),
    (Who::Target, What::Sleeps),
    (Who::Etcd, What::Killed),
];

#[derive(Clone, Debug)]
struct Scheduled {
    moment: Moment,
    who: Who,
    what: What,
    lasts: Duration,
}

/// The faults of a seed, in the order of their moments; nobody has two.
fn faults(seed: u64) -> Vec<Scheduled> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut faults: Vec<Scheduled> = Vec::new();
    let count = random.random_range(2..=3);
    while faults.len() < count {
        let (who, what) = *KINDS.choose(&mut random).unwrap();
        let moment = *MOMENTS.choose(&mut random).unwrap();
        let lasts = Duration::from_millis(*LENGTHS.choose(&mut random).unwrap());
        if faults.iter().all(|fault| fault.who != who) {
            faults.push(Scheduled { moment, who, what, lasts });
        }
    }
    faults.sort_by_key(|fault| fault.moment);
    faults
}

/// Adds node 2 and removes it again, with the faults of the seed on the way of the one or the other.
async fn run(seed: u64) {
    let faults = faults(seed);
    eprintln!("seed {seed}: {faults:?}");
    let Some(mut etcd) = etcd() else { return };
    let mut chaos = Chaos::start(&etcd.url(), "default").await;
    let registers = Registers::begin(&chaos.proxies.each_ref().map(Server::address));
    let freezes = Freezes::watch(chaos.registry.watch(keys::TOPOLOGY));
    let url = chaos.nodes[1].url();
    for (words, way) in [(vec!["add", "2", &url], 0), (vec!["remove", "2"], 1)] {
        let driver = chaos.driver().await;
        let mut watches: Vec<Watch> = faults.iter().map(|_| chaos.registry.watch(keys::TOPOLOGY)).collect();
        let mut asked = chaos.console(&words).spawn().unwrap();
        let mut heals = Vec::new();
        // The second way with the first fault only, else every run would take the longest of all.
        for fault in faults.iter().take(if way == 0 { faults.len() } else { 1 }) {
            let comes = chaos.phase_comes(watches.remove(0), fault.moment.phase());
            // An earlier fault may keep it from coming.
            let came = tokio::time::timeout(Duration::from_secs(5), comes).await.is_ok();
            let found = if fault.who == Who::Etcd { String::new() } else { chaos.found().await };
            eprintln!(
                "seed {seed}: {:?} {:?} at {:?} (came: {came}, found {found})",
                fault.who, fault.what, fault.moment
            );
            let proxy = if fault.who == Who::Driver { driver } else { 1 - driver };
            match (fault.who, fault.what) {
                (Who::Etcd, _) => etcd.restart(),
                (Who::Source, _) => chaos.nodes[way].signal("STOP"),
                (Who::Target, _) => chaos.nodes[1 - way].signal("STOP"),
                (_, What::Killed) => chaos.proxies[proxy].kill(),
                (_, What::Sleeps) => chaos.proxies[proxy].signal("STOP"),
                (_, What::CutOff) => chaos.wires[proxy].cut(),
            }
            heals.push((tokio::time::Instant::now() + fault.lasts, fault.who, fault.what, proxy));
        }
        heals.sort_by_key(|heal| heal.0);
        for (at, who, what, proxy) in heals {
            tokio::time::sleep_until(at).await;
            match (who, what) {
                (Who::Etcd, _) => {}
                (Who::Source, _) => chaos.nodes[way].signal("CONT"),
                (Who::Target, _) => chaos.nodes[1 - way].signal("CONT"),
                (_, What::Killed) => chaos.proxies[proxy].restart(),
                (_, What::Sleeps) => chaos.proxies[proxy].signal("CONT"),
                (_, What::CutOff) => chaos.wires[proxy].heal(),
            }
        }
        let status = tokio::time::timeout(TIMEOUT, asked.wait()).await;
        let status = status.unwrap_or_else(|_| panic!("seed {seed}: {words:?} does not end")).unwrap();
        chaos.in_the_end(&words, status.code()).await;
        chaos.history.progress().await;
    }
    eprintln!("seed {seed}: the longest hold lasted {:?}", freezes.longest());
    registers.end().await;
    chaos.verify().await;
}

/// `7` or `1000..1100`.
fn seeds() -> std::ops::Range<u64> {
    let Ok(text) = std::env::var("CHAOS_SEEDS") else { return SEEDS };
    let number = |text: &str| text.trim().parse::<u64>().unwrap_or_else(|_| panic!("CHAOS_SEEDS={text}"));
    match text.split_once("..") {
        Some((first, end)) => number(first)..number(end),
        None => number(&text)..number(&text) + 1,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_or_three_faults_at_once() {
    let seeds: Vec<u64> = seeds().collect();
    for some in seeds.chunks(AT_ONCE) {
        let runs: Vec<_> = some.iter().map(|&seed| tokio::spawn(run(seed))).collect();
        for run in runs {
            run.await.unwrap();
        }
    }
}
