//! Changes of membership, and waiting for them: `add`, `remove`, `plan`, `sync`.
//!
//! The console hands a plan in (`cluster::plan`) and watches the registry; the driver does the work, whether or not the
//! console stays. Where no proxy is alive, the console that waits drives itself ([`driving`](super::driving)).

use std::time::{Duration, Instant};

use redis_cluster::{
    cluster::{
        loss::{self, Noted},
        member::Address,
        plan::{
            AddRequest, PlanId, Preview, Refusal, RemoveRequest, Submitted,
            questions::{self, Answer, Question},
        },
        registry::{RegistryError, Revision},
    },
    id::{Epoch, NodeId},
    protocol::Value,
};
use serde_json::Value as Cell;

use super::{
    ClusterView, Session, StartsNodes, Table,
    driving::Stand,
    outcome::{Body, Outcome, Status},
    show::registry_failure,
    view::PlanState,
};
use crate::{
    format::counted,
    language::{ChangeOptions, PlanRequest},
};

/// How long `sync` waits by itself.
const SYNC_PATIENCE: Duration = Duration::from_secs(10);
/// After a change, how long the proxies get to learn of it before the command returns anyway.
const SETTLE_PATIENCE: Duration = Duration::from_secs(2);

pub(super) async fn add(
    session: &Session,
    id: NodeId,
    address: Option<Address>,
    options: ChangeOptions,
) -> Outcome {
    let (address, mut started) = match (address, &session.inner.starter) {
        (Some(address), _) => (address, None),
        (None, Some(starter)) => match session.now().nodes.get(&id) {
            Some(node) => (node.record.address.clone(), None),
            None => match starter.start_node(id.as_str()) {
                Ok(address) => (address.clone(), Some(Started { starter: &**starter, address, keep: false })),
                Err(error) => return Outcome::failure(Status::Refused, error),
            },
        },
        (None, None) => {
            let usage = "only an embedded cluster starts nodes by itself; usage: add ID http://HOST:PORT";
            return Outcome::failure(Status::Usage, usage);
        }
    };
    let request = add_request(id, address, options);
    let submitted = submit(session, Question::Add(request.clone())).await;
    if let Some(started) = &mut started {
        // A plan that was accepted, and perhaps one of which nobody knows, needs its node.
        started.keep = matches!(submitted, Ok(_) | Err(Refusal::Registry(RegistryError::Unknown { .. })));
    }
    let mut outcome = match submitted {
        Ok(Submitted::Plan(plan)) => {
            finish(session, plan, options, &format!("node {} added", request.id)).await
        }
        Ok(Submitted::NothingToDo(words)) => nothing_to_do(words),
        Err(refusal) => return refused(&refusal),
    };
    if let Some(started) = &mut started
        && outcome.status == Status::ErrorReply
    {
        let member =
            session.inner.registry.get(&redis_cluster::cluster::records::keys::node(&request.id)).await;
        started.keep = !matches!(member, Ok(None));
    }
    if request.address.is_wildcard() {
        outcome = outcome.with_note(format!(
            "warning: {} means \"this machine\" on every machine: proxies and consoles elsewhere cannot reach node {}; \
             use an address that they can",
            request.address, request.id
        ));
    }
    outcome
}

/// A node that was started for a plan; it ends with this value unless it is to be kept.
struct Started<'a> {
    starter: &'a dyn StartsNodes,
    address: Address,
    keep: bool,
}

impl Drop for Started<'_> {
    fn drop(&mut self) {
        if !self.keep {
            self.starter.stop_node(&self.address);
        }
    }
}

pub(super) async fn remove(session: &Session, id: NodeId, options: ChangeOptions) -> Outcome {
    let request = remove_request(id, options);
    match submit(session, Question::Remove(request.clone())).await {
        Ok(Submitted::Plan(plan)) => {
            finish(session, plan, options, &format!("node {} removed", request.id)).await
        }
        Ok(Submitted::NothingToDo(words)) => nothing_to_do(words),
        Err(refusal) => refused(&refusal),
    }
}

pub(super) async fn dry_run(session: &Session, request: PlanRequest) -> Outcome {
    match preview(session, request, ChangeOptions::default()).await {
        Ok(preview) => previewed(&preview),
        Err(refusal) => refused(&refusal),
    }
}

/// What a change with these options would do; changes nothing.
pub(super) async fn preview(
    session: &Session,
    request: PlanRequest,
    options: ChangeOptions,
) -> Result<Preview, Refusal> {
    let question = match request {
        PlanRequest::Add { id, address } => Question::PreviewAdd(add_request(id, address, options)),
        PlanRequest::Remove { id } => Question::PreviewRemove(remove_request(id, options)),
    };
    match look(session, question).await? {
        Answer::Preview { preview } => Ok(preview),
        other => Err(other.refusal()),
    }
}

/// Hands a plan in.
async fn submit(session: &Session, question: Question) -> Result<Submitted, Refusal> {
    match look(session, question).await? {
        Answer::Submitted { submitted } => Ok(submitted),
        other => Err(other.refusal()),
    }
}

/// Looks at the node from here or, if it cannot be reached from here, from where the driver is: it has to reach it anyway.
async fn look(session: &Session, question: Question) -> Result<Answer, Refusal> {
    let registry = &session.inner.registry;
    // Who has not seen the registry yet knows of no proxy.
    let has_proxies = async || session.first_look().await.is_ok_and(|view| !view.proxies.is_empty());
    // Keys are given up only if the driver cannot reach them either.
    let unforced = question.without_force();
    match unforced.look(registry).await {
        Err(refusal @ (Refusal::Unreachable { .. } | Refusal::NodeUnreachable { .. }))
            if has_proxies().await =>
        {
            match questions::ask(registry, &question).await? {
                Some(answer) => Ok(answer),
                None if question.is_forced() => question.look(registry).await,
                None => Err(refusal),
            }
        }
        Err(Refusal::Registry(error)) => Err(error.into()),
        Err(_) if question.is_forced() => question.look(registry).await,
        looked => looked,
    }
}

fn add_request(id: NodeId, address: Address, options: ChangeOptions) -> AddRequest {
    let words = format!("add {id} {address}{}", words_of(options));
    let ChangeOptions { force, if_revision, .. } = options;
    AddRequest { id, address, force, if_revision: if_revision.map(Revision), by: operator(), words }
}

fn remove_request(id: NodeId, options: ChangeOptions) -> RemoveRequest {
    let words = format!("remove {id}{}", words_of(options));
    let ChangeOptions { force, if_revision, .. } = options;
    RemoveRequest { id, force, if_revision: if_revision.map(Revision), by: operator(), words }
}

fn words_of(options: ChangeOptions) -> String {
    let force = if options.force { " --force" } else { "" };
    let revision = options.if_revision.map(|revision| format!(" --if-rev {revision}")).unwrap_or_default();
    format!("{force}{revision}")
}

/// `user@host`, for the records.
pub(super) fn operator() -> String {
    let user =
        std::env::var("USER").or_else(|_| std::env::var("LOGNAME")).unwrap_or_else(|_| "unknown".to_owned());
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    format!("{user}@{}", if host.trim().is_empty() { "localhost" } else { host.trim() })
}

/// The cluster is as it was asked to be: as good as done.
fn nothing_to_do(words: String) -> Outcome {
    Outcome::done(Body::Reply(Value::Simple("OK".into()))).with_note(words)
}

pub(super) fn refused(refusal: &Refusal) -> Outcome {
    match refusal {
        Refusal::Registry(error) => registry_failure(error),
        refusal => Outcome::failure(Status::Refused, format!("refused: {refusal}; nothing was changed")),
    }
}

fn previewed(preview: &Preview) -> Outcome {
    let mut table = Table::new(&["from", "to", ">slots", ">keys_about", "ranges"]);
    for (transfer, keys) in &preview.transfers {
        let ranges: Vec<String> = transfer.slots.iter().map(|range| String::from(*range)).collect();
        table.push(vec![
            transfer.from.as_ref().map_or(Cell::Null, |from| from.as_str().into()),
            transfer.to.as_str().into(),
            transfer.count().into(),
            keys.map_or(Cell::Null, Cell::from),
            ranges.join(" ").into(),
        ]);
    }
    let slots: usize = preview.transfers.iter().map(|(transfer, _)| transfer.count()).sum();
    let slots = counted(slots as u64, "slot");
    let note = format!(
        "dry run, nothing was changed: {slots} would move; made for epoch {}; to be refused if the cluster changes \
         first, add --if-rev {}",
        preview.epoch, preview.revision
    );
    let outcome = Outcome::done(Body::Table(table)).with_note(note);
    preview.warnings.iter().fold(outcome, |outcome, warning| outcome.with_note(format!("warning: {warning}")))
}

/// Waits for the end of a plan that was accepted.
async fn finish(session: &Session, plan: PlanId, options: ChangeOptions, done: &str) -> Outcome {
    let ok = || Outcome::done(Body::Reply(Value::Simple("OK".into())));
    if options.no_wait {
        let alone = if session.now().proxies.is_empty() { "; it waits until a proxy is alive" } else { "" };
        return ok().with_note(format!("plan {plan} accepted{alone}; `show moves` follows it"));
    }
    let mut stand = Stand::new(session, &operator());
    let outcome = match ended(session, &mut stand, plan).await {
        End::Failed(reason) => Outcome::failure(Status::ErrorReply, format!("plan {plan} failed: {reason}")),
        End::Done { slots, keys } => {
            // Whoever asks a proxy next should find the change there. One that is late only answers as before.
            let mut view = session.view();
            let _ =
                tokio::time::timeout(SETTLE_PATIENCE, view.wait_for(|view| behind(view).is_empty())).await;
            let (slots, keys) = (counted(slots as u64, "slot"), counted(keys, "key"));
            ok().with_note(format!("{done}: {slots} and {keys} moved (plan {plan})"))
        }
    };
    if stand.end().await {
        return outcome.with_note(format!("no proxy was alive: this console carried plan {plan} out itself"));
    }
    outcome
}

enum End {
    Done { slots: usize, keys: u64 },
    Failed(String),
}

async fn ended(session: &Session, stand: &mut Stand, plan: PlanId) -> End {
    let mut view = session.view();
    loop {
        let look_again = {
            let view = view.borrow_and_update();
            if let Some(plan) = view.plans.iter().find(|known| known.id == plan.0) {
                match &plan.state {
                    PlanState::Done => return End::Done { slots: plan.slots_done, keys: plan.keys_done },
                    PlanState::Failed(reason) => return End::Failed(reason.clone()),
                    PlanState::Waiting | PlanState::Running => {}
                }
            }
            stand.look(&view)
        };
        let changed = tokio::select! {
            changed = view.changed() => changed,
            () = at(look_again) => Ok(()),
        };
        if changed.is_err() {
            return End::Failed("the session has ended".to_owned());
        }
    }
}

/// At that time, or never.
async fn at(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time.into()).await,
        None => std::future::pending().await,
    }
}

/// Nobody is told of a node's lost keys any more.
pub(super) async fn ack(session: &Session, id: NodeId) -> Outcome {
    let ok = || Outcome::done(Body::Reply(Value::Simple("OK".into())));
    match loss::acknowledge(&session.inner.registry, &id, &operator(), &format!("ack {id}")).await {
        Ok(Noted::Loss(loss)) => ok().with_note(format!("noted: {}", loss.describe())),
        Ok(Noted::Nothing) => {
            ok().with_note(format!("node {id} has lost no keys that are not noted; nothing to do"))
        }
        Err(refusal) => refused(&refusal),
    }
}

/// Proxies that have not confirmed the current epoch.
fn behind(view: &ClusterView) -> Vec<String> {
    let Some(epoch) = view.topology.as_ref().map(|view| view.topology.epoch) else { return Vec::new() };
    let late = view.proxies.iter().filter(|(_, proxy)| proxy.record.epoch < epoch);
    late.map(|(id, proxy)| format!("proxy {id} has epoch {} of {epoch}", proxy.record.epoch)).collect()
}

/// Waits until every proxy has the current epoch.
pub(super) async fn sync(session: &Session) -> Outcome {
    let mut view = session.view();
    let waited = tokio::time::timeout(SYNC_PATIENCE, view.wait_for(|view| behind(view).is_empty())).await;
    let in_step = matches!(waited, Ok(Ok(_)));
    drop(waited);
    let view = session.now();
    if !in_step {
        let text = format!("after {} s still behind: {}", SYNC_PATIENCE.as_secs(), behind(&view).join(", "));
        return Outcome::failure(Status::TimedOut, text);
    }
    let epoch = view.topology.as_ref().map_or(Epoch(0), |view| view.topology.epoch);
    let note = match view.proxies.len() {
        1 => format!("the only proxy has epoch {epoch}"),
        count => format!("all {count} proxies have epoch {epoch}"),
    };
    Outcome::done(Body::Reply(Value::Simple("OK".into()))).with_note(note)
}
