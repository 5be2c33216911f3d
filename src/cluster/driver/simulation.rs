//! The moves of one slot between two nodes, under any order of events that a seed can think of: processes that sleep, die and
//! wake, wires that are cut, leases that end, freezes that are given up, drivers that are replaced. One key is written and read
//! through all proxies; no read may find less than what was acknowledged before it was sent, and nothing acknowledged may be
//! gone in the end.
//!
//! Who counts as having come to an epoch is decided by the driver's own [`Roll`]; registry, proxies and nodes are models of a
//! few lines. `SIMULATION_SEEDS=100000` runs more of them. Each rule of doc/resharding.md can be taken out, and then the simulation must find what it is for.

use std::collections::{BTreeSet, VecDeque};

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

use super::barrier::{Place, Registration, Roll};
use crate::{
    cluster::{member::ProxyRecord, registry::Revision, topology::Phase},
    id::Epoch,
};

const PROXIES: usize = 3;
/// Of one run, before everything wakes.
const STEPS: usize = 1_000;
const SEEDS: u64 = 2_000;
const TTL: u64 = 10_000;
const MARGIN: u64 = 1_000;

/// A rule that is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Without {
    Nothing,
    /// The driver opens when its patience ends.
    WaitingForEverybody,
    /// Proxies read from the source whatever their lease.
    LookingAtTheLease,
    /// A table is trusted by the lease of a later registration.
    OneLeaseForOneTable,
    /// What others ended is forgotten at once.
    KnowingTheRetired,
    /// The source is emptied without a fence.
    FencingBeforeReaping,
    /// The target is emptied without a fence.
    FencingBeforeWiping,
    /// The copy begins without a fence.
    FencingBeforeCopying,
    /// The target keeps what it has of the slots.
    WipingTheTarget,
    /// A freeze is acknowledged while writes are under way.
    DrainingWrites,
}

/// A topology with one slot and at most one move.
#[derive(Clone, Copy, Debug)]
struct View {
    epoch: u64,
    owner: usize,
    moving: Option<(Phase, u64)>,
    /// The registration under which it was read.
    instance: u64,
}

#[derive(Clone, Copy, Debug)]
enum Request {
    Write(u64),
    /// What it must find at least.
    Read(u64),
}

/// On its way to a node, or in its socket while it sleeps.
#[derive(Clone, Copy, Debug)]
struct Sent {
    proxy: usize,
    instance: u64,
    /// Of the process: replies to one that died go nowhere.
    life: u64,
    request: Request,
}

#[derive(Debug)]
struct Proxy {
    alive: bool,
    awake: bool,
    cut: bool,
    life: u64,
    instance: u64,
    lease_until: u64,
    view: Option<View>,
    /// From clients: not looked at yet, or held.
    requests: VecDeque<Request>,
}

#[derive(Debug, Default)]
struct Node {
    asleep: bool,
    value: Option<u64>,
    fenced: BTreeSet<u64>,
    inbox: VecDeque<Sent>,
}

#[derive(Debug)]
struct Registered {
    instance: u64,
    epoch: u64,
    lease_end: u64,
    retired: bool,
}

/// What the driver of this term remembers of the move.
#[derive(Debug, Default)]
struct Memory {
    froze: bool,
    copied: bool,
    fenced: BTreeSet<String>,
}

struct World {
    without: Without,
    random: StdRng,
    now: u64,
    topology: View,
    registry: Vec<Registered>,
    proxies: Vec<Proxy>,
    nodes: [Node; 2],
    driver: Memory,
    instances: u64,
    /// The write under way, if one is, and what was acknowledged.
    writing: Option<u64>,
    written: u64,
    acknowledged: u64,
}

/// What a write leaves: every third one deletes the key.
fn left_by(write: u64) -> Option<u64> {
    (!write.is_multiple_of(3)).then_some(write)
}

fn user(instance: u64) -> String {
    format!("rc-proxy-1-{instance}")
}

impl World {
    fn new(seed: u64, without: Without) -> Self {
        let view = View { epoch: 1, owner: 0, moving: None, instance: 0 };
        let mut world = Self {
            without,
            random: StdRng::seed_from_u64(seed),
            now: 0,
            topology: view,
            registry: Vec::new(),
            proxies: Vec::new(),
            nodes: [Node::default(), Node::default()],
            driver: Memory::default(),
            instances: 0,
            writing: None,
            written: 0,
            acknowledged: 0,
        };
        for proxy in 0..PROXIES {
            world.proxies.push(Proxy {
                alive: true,
                awake: true,
                cut: false,
                life: 0,
                instance: 0,
                lease_until: 0,
                view: None,
                requests: VecDeque::new(),
            });
            world.register(proxy);
        }
        world
    }

    fn roll(&self) -> Roll {
        let registrations = self.registry.iter().map(|of| Registration {
            record: ProxyRecord {
                id: "1".parse().unwrap(),
                instance: of.instance.to_string(),
                address: String::new(),
                host: String::new(),
                version: String::new(),
                epoch: Epoch(of.epoch),
                draining: false,
            },
            place: match of.retired {
                true => Place::Retired,
                false => Place::Registered { created: Revision(1), lease: None },
            },
        });
        Roll { registrations: registrations.collect() }
    }

    fn register(&mut self, proxy: usize) {
        self.instances += 1;
        let (instance, lease_end) = (self.instances, self.now + TTL);
        self.registry.push(Registered { instance, epoch: 0, lease_end, retired: false });
        (self.proxies[proxy].instance, self.proxies[proxy].lease_until) = (instance, lease_end);
    }

    fn retire(&mut self, instance: u64) {
        if let Some(found) = self.registry.iter_mut().find(|of| of.instance == instance) {
            found.retired = true;
        }
        if self.without == Without::KnowingTheRetired {
            self.registry.retain(|of| of.instance != instance);
        }
    }

    /// Shuts whoever is not registered out of a node that is awake.
    fn fence(&mut self, node: usize) -> bool {
        if self.nodes[node].asleep {
            return false;
        }
        let roll = self.roll();
        let stale: BTreeSet<u64> =
            (1..=self.instances).filter(|&instance| !roll.has_registered(&user(instance))).collect();
        let node = &mut self.nodes[node];
        node.fenced.extend(&stale);
        // Their connections are gone, and what lay in them.
        let (kept, lost): (Vec<_>, Vec<_>) =
            node.inbox.drain(..).partition(|sent| !stale.contains(&sent.instance));
        node.inbox.extend(kept);
        for sent in lost {
            self.unanswered(sent.request);
        }
        true
    }

    /// A request ends without having run.
    fn unanswered(&mut self, request: Request) {
        if let Request::Write(value) = request
            && self.writing == Some(value)
        {
            self.writing = None;
        }
    }

    fn commit(&mut self, phase: Option<Phase>) {
        self.topology.epoch += 1;
        self.topology.moving = phase.map(|phase| (phase, self.topology.epoch));
    }

    /// One thing that the driver can do now.
    fn drive(&mut self) {
        let impatient = self.random.random_bool(0.3);
        let Some((phase, since)) = self.topology.moving else {
            self.driver = Memory::default();
            self.commit(Some(Phase::Planned));
            return;
        };
        let roll = self.roll();
        let since = Epoch(since);
        let (owner, other) = (self.topology.owner, 1 - self.topology.owner);
        let instances = |of: Vec<&Registration>| -> Vec<u64> {
            of.iter().map(|of| of.record.instance.parse().unwrap()).collect()
        };
        match phase {
            Phase::Planned => {
                let late = instances(roll.late(since));
                if !late.is_empty() {
                    if impatient {
                        late.into_iter().for_each(|instance| self.retire(instance));
                    }
                    return;
                }
                if self.nodes[other].asleep || self.nodes[owner].asleep {
                    return;
                }
                if self.without != Without::FencingBeforeWiping {
                    self.fence(other);
                }
                if self.without != Without::WipingTheTarget {
                    self.nodes[other].value = None;
                }
                self.commit(Some(Phase::Frozen));
                self.driver.froze = true;
            }
            Phase::Frozen if !self.driver.froze || impatient && self.random.random_bool(0.3) => {
                self.commit(Some(Phase::Aborting));
            }
            Phase::Frozen if !self.driver.copied => {
                if !roll.late(since).is_empty() {
                    return;
                }
                let fenced = self.without == Without::FencingBeforeCopying || self.fence(owner);
                if fenced && !self.nodes[owner].asleep && !self.nodes[other].asleep {
                    // A copy that finds nothing leaves what there is.
                    let value = self.nodes[owner].value;
                    self.nodes[other].value = value.or(self.nodes[other].value);
                    self.driver.copied = true;
                }
            }
            Phase::Frozen => {
                self.topology.owner = other;
                self.commit(Some(Phase::Switched));
            }
            Phase::Switched => {
                let behind = instances(roll.behind(since, &self.driver.fenced));
                let gives_up = self.without == Without::WaitingForEverybody && impatient;
                if behind.is_empty() || gives_up {
                    self.commit(Some(Phase::Open));
                } else if impatient {
                    behind.iter().for_each(|&instance| self.retire(instance));
                    if self.fence(other) {
                        self.driver.fenced.extend(behind.into_iter().map(user));
                    }
                }
            }
            Phase::Open => {
                let late = instances(roll.late(since));
                if !late.is_empty() && !impatient {
                    return;
                }
                late.into_iter().for_each(|instance| self.retire(instance));
                if self.without == Without::FencingBeforeReaping && !self.nodes[other].asleep
                    || self.fence(other)
                {
                    self.nodes[other].value = None;
                    self.commit(None);
                } else if self.random.random_bool(0.2) {
                    // Copies are left.
                    self.commit(None);
                }
            }
            Phase::Aborting => {
                if !self.nodes[other].asleep {
                    self.nodes[other].value = None;
                }
                self.commit(None);
            }
        }
    }

    /// A proxy that runs looks at what its clients sent.
    fn serve(&mut self, at: usize) {
        let proxy = &mut self.proxies[at];
        let Some(view) = proxy.view else {
            let requests = std::mem::take(&mut proxy.requests);
            requests.into_iter().for_each(|request| self.unanswered(request));
            return;
        };
        let frozen = matches!(view.moving, Some((Phase::Frozen, _)));
        let held = frozen || matches!(view.moving, Some((Phase::Switched, _)));
        let same = view.instance == proxy.instance || self.without == Without::OneLeaseForOneTable;
        let certain =
            self.without == Without::LookingAtTheLease || same && self.now + MARGIN <= proxy.lease_until;
        let mut kept = VecDeque::new();
        let (mut refused, mut sent) = (Vec::new(), Vec::new());
        for request in std::mem::take(&mut proxy.requests) {
            match request {
                Request::Write(_) if held => kept.push_back(request),
                Request::Read(_) if frozen && !certain => refused.push(request),
                request => {
                    sent.push(Sent { proxy: at, instance: view.instance, life: proxy.life, request });
                }
            }
        }
        proxy.requests = kept;
        refused.into_iter().for_each(|request| self.unanswered(request));
        for sent in sent {
            if self.nodes[view.owner].fenced.contains(&sent.instance) {
                self.unanswered(sent.request);
            } else {
                self.nodes[view.owner].inbox.push_back(sent);
            }
        }
    }

    /// A node that is awake answers one request.
    fn answer(&mut self, node: usize) -> Result<(), String> {
        let Some(sent) = self.nodes[node].inbox.pop_front() else { return Ok(()) };
        let heard = self.proxies[sent.proxy].life == sent.life;
        match sent.request {
            Request::Write(write) => {
                self.nodes[node].value = left_by(write);
                self.writing = None;
                if heard {
                    self.acknowledged = write;
                }
            }
            Request::Read(floor) => {
                let found = self.nodes[node].value;
                if heard && !self.may_find(found, floor) {
                    return Err(format!(
                        "node {node} answered {found:?}, but write {floor} was acknowledged"
                    ));
                }
            }
        }
        Ok(())
    }

    /// Whether a write that came at `floor` or later, acknowledged or not, leaves this.
    fn may_find(&self, found: Option<u64>, floor: u64) -> bool {
        floor == 0 && found.is_none()
            || (floor..=self.written).any(|write| write > 0 && left_by(write) == found)
    }

    /// What a proxy that reaches the registry does there.
    fn meet_registry(&mut self, at: usize) {
        let instance = self.proxies[at].instance;
        let Some(found) = self.registry.iter().position(|of| of.instance == instance && !of.retired) else {
            self.registry.retain(|of| of.instance != instance);
            self.register(at);
            return;
        };
        if self.random.random_bool(0.5) {
            self.registry[found].lease_end = self.now + TTL;
            self.proxies[at].lease_until = self.now + TTL;
        }
        if self.random.random_bool(0.7) {
            self.proxies[at].view = Some(View { instance, ..self.topology });
        }
        let Some(view) = self.proxies[at].view.filter(|view| view.instance == instance) else { return };
        let under_way = |node: usize, writes: bool| {
            self.nodes[node]
                .inbox
                .iter()
                .any(|sent| sent.proxy == at && matches!(sent.request, Request::Write(_)) == writes)
        };
        let drained = match view.moving {
            Some((Phase::Frozen, _)) => {
                self.without == Without::DrainingWrites || !under_way(view.owner, true)
            }
            Some((Phase::Open, _)) => !under_way(1 - view.owner, false),
            _ => true,
        };
        if drained && self.random.random_bool(0.7) {
            self.registry[found].epoch = view.epoch;
        }
    }

    /// A fault, or the end of one.
    fn fault(&mut self) {
        let at = self.random.random_range(0..PROXIES);
        // Some at the worst of times: to a proxy that has acknowledged a freeze, to the source when it has been left.
        if self.random.random_bool(0.5) {
            match self.topology.moving {
                Some((Phase::Frozen, since)) => {
                    let instance = self.proxies[at].instance;
                    let acknowledged = |of: &Registered| of.instance == instance && of.epoch >= since;
                    if self.registry.iter().any(acknowledged) {
                        match self.random.random_bool(0.5) {
                            true => self.proxies[at].cut = true,
                            false => self.proxies[at].awake = false,
                        }
                        return;
                    }
                }
                Some((Phase::Switched, _)) => {
                    self.nodes[1 - self.topology.owner].asleep = true;
                    return;
                }
                _ => {}
            }
        }
        match self.random.random_range(0..7) {
            0 | 1 => self.proxies[at].awake = !self.proxies[at].awake,
            2 | 3 => self.proxies[at].cut = !self.proxies[at].cut,
            4 | 5 => {
                let node = self.random.random_range(0..2);
                self.nodes[node].asleep = !self.nodes[node].asleep;
            }
            _ if self.proxies[at].alive => {
                let proxy = &mut self.proxies[at];
                proxy.alive = false;
                proxy.life += 1;
                proxy.view = None;
                let requests = std::mem::take(&mut proxy.requests);
                requests.into_iter().for_each(|request| self.unanswered(request));
                // Started again at once or later, it takes over from itself.
            }
            _ => {
                let instance = self.proxies[at].instance;
                self.proxies[at].alive = true;
                self.retire(instance);
                self.register(at);
            }
        }
    }

    fn step(&mut self) -> Result<(), String> {
        let at = self.random.random_range(0..PROXIES);
        let runs = self.proxies[at].alive && self.proxies[at].awake;
        match self.random.random_range(0..100) {
            0..3 => self.fault(),
            3..8 => {
                self.now += [1, 100, 1_000, 3_000][self.random.random_range(0..4)];
                let now = self.now;
                self.registry.retain(|of| of.lease_end > now);
            }
            8 => self.driver = Memory::default(),
            9 => {
                // A proxy ends the freeze that it sees.
                let sees = self.proxies[at].view.and_then(|view| view.moving);
                if runs
                    && !self.proxies[at].cut
                    && sees == self.topology.moving
                    && matches!(sees, Some((Phase::Frozen, _)))
                {
                    self.commit(Some(Phase::Aborting));
                }
            }
            10..18 => self.drive(),
            18..40 if runs && !self.proxies[at].cut => self.meet_registry(at),
            40..60 if runs => self.serve(at),
            60..80 => {
                let node = self.random.random_range(0..2);
                while !self.nodes[node].asleep && !self.nodes[node].inbox.is_empty() {
                    self.answer(node)?;
                }
            }
            80..90 if self.writing.is_none() => {
                self.written += 1;
                self.writing = Some(self.written);
                self.proxies[at].requests.push_back(Request::Write(self.written));
            }
            80..100 => {
                let floor = self.acknowledged;
                self.proxies[at].requests.push_back(Request::Read(floor));
            }
            _ => {}
        }
        Ok(())
    }

    /// Everybody wakes, moves end, and every proxy is asked.
    fn settle(&mut self) -> Result<(), String> {
        for at in 0..PROXIES {
            (self.proxies[at].awake, self.proxies[at].cut) = (true, false);
            if !self.proxies[at].alive {
                self.proxies[at].alive = true;
                self.register(at);
            }
        }
        self.nodes.iter_mut().for_each(|node| node.asleep = false);
        for _ in 0..100_000 {
            let at = self.random.random_range(0..PROXIES);
            self.meet_registry(at);
            self.serve(at);
            self.answer(at % 2)?;
            let epoch = self.topology.epoch;
            let follow = self.registry.iter().all(|of| of.retired || of.epoch == epoch);
            if self.topology.moving.is_some() {
                self.drive();
            } else if follow && self.nodes.iter().all(|node| node.inbox.is_empty()) {
                let found = self.nodes[self.topology.owner].value;
                return if self.may_find(found, self.acknowledged) {
                    Ok(())
                } else {
                    Err(format!(
                        "write {} was acknowledged, {found:?} is there in the end",
                        self.acknowledged
                    ))
                };
            }
            self.now += 10;
            let now = self.now;
            self.registry.retain(|of| of.lease_end > now);
        }
        Err("it does not come to rest".to_owned())
    }
}

/// What a seed finds, if it finds something.
fn run(seed: u64, without: Without) -> Result<(), String> {
    let mut world = World::new(seed, without);
    for _ in 0..STEPS {
        world.step()?;
    }
    world.settle()
}

#[test]
fn no_read_is_stale_and_nothing_is_lost() {
    let more = std::env::var("SIMULATION_SEEDS").ok();
    let seeds = more.map_or(SEEDS, |text| text.parse().expect("SIMULATION_SEEDS is a number"));
    for seed in 0..seeds {
        if let Err(found) = run(seed, Without::Nothing) {
            panic!("seed {seed}: {found}");
        }
    }
}

#[test]
fn without_any_one_of_the_rules_the_simulation_finds_what_it_is_for() {
    let mut missed = Vec::new();
    for without in [
        Without::WaitingForEverybody,
        Without::LookingAtTheLease,
        Without::OneLeaseForOneTable,
        Without::KnowingTheRetired,
        Without::FencingBeforeReaping,
        Without::FencingBeforeWiping,
        Without::FencingBeforeCopying,
        Without::WipingTheTarget,
        Without::DrainingWrites,
    ] {
        let found = (0..SEEDS).find_map(|seed| run(seed, without).err().map(|found| (seed, found)));
        match found {
            Some((seed, found)) => eprintln!("without {without:?}, seed {seed}: {found}"),
            None => missed.push(without),
        }
    }
    assert_eq!(missed, []);
}
