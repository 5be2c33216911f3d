//! Commands that the table does not have, as members describe them (`COMMAND INFO`): each is asked for when a client first sends it, and what
//! was said is believed for a while, as long as the members are the same processes.
//!
//! All members are asked, because they may have different versions and modules. What a command means is in [`crate::command::learned`], what
//! is done with it in the worker.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
    time::{Duration, Instant},
};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{
    daemon::Proxy,
    polls::Link,
    routing::{Member, NodeIndex, Routing},
    slab::Key,
    worker::{Mailbox, Message},
};
use crate::{
    command::learned::{Learned, NAME_MAX},
    protocol::Value,
};

/// Names that are remembered, whether there are such commands or not. When there are more, all are forgotten.
const NAMES_MAX: usize = 1000;
/// How long it is believed what all members have said alike.
const BELIEVED: Duration = Duration::from_secs(60);
/// The same where some do not have it, or nobody: a module may be loaded into them.
const DOUBTED: Duration = Duration::from_secs(5);
/// For a member to answer.
const PATIENCE: Duration = Duration::from_secs(1);
/// Connections to members are kept so long for the next question.
const IDLE: Duration = Duration::from_secs(5);
/// Clients whose questions are asked together.
const AT_ONCE: usize = 1000;

/// A command, and who does not have it.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) command: Learned,
    lacking: Vec<NodeIndex>,
}

impl Known {
    /// Whether a member has said that it does not have it.
    pub(super) fn is_lacking(&self, node: NodeIndex) -> bool {
        self.lacking.contains(&node)
    }
}

/// What was learned of a name; none: no member that could be asked has it.
pub(super) type Lesson = Option<Arc<Known>>;

/// A client that goes on when something was learned.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) client: Key,
    /// Lower case.
    pub(super) name: String,
}

/// What [`run`] takes.
pub(super) type Questions = mpsc::UnboundedReceiver<Wanted>;

/// See the module.
#[derive(Debug)]
pub(super) struct Commands {
    known: RwLock<Table>,
    questions: mpsc::UnboundedSender<Wanted>,
}

#[derive(Debug, Default)]
struct Table {
    by_name: HashMap<String, (Lesson, Instant)>,
    /// How often everything was forgotten.
    forgotten: u64,
}

/// The name of a command as it is asked for, if a module or another server may have one like that.
pub(super) fn asked_for(name: &[u8]) -> Option<String> {
    // With a bar, `COMMAND INFO` would find a subcommand.
    let may_be_one = !name.is_empty()
        && name.len() <= NAME_MAX
        && name.iter().all(|&byte| byte.is_ascii_graphic() && byte != b'|');
    may_be_one.then(|| String::from_utf8_lossy(name).to_ascii_lowercase())
}

impl Commands {
    pub(super) fn new() -> (Self, Questions) {
        let (questions, receiver) = mpsc::unbounded_channel();
        (Self { known: RwLock::default(), questions }, receiver)
    }

    fn read(&self) -> RwLockReadGuard<'_, Table> {
        // Nothing in it is left half done.
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Table> {
        self.known.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known of a name; `None` if it has to be asked for.
    pub(super) fn get(&self, name: &str, now: Instant) -> Option<Lesson> {
        self.read().by_name.get(name).filter(|(_, until)| now < *until).map(|(lesson, _)| lesson.clone())
    }

    /// Asks for it. The client is told in a message; none comes only when the proxy ends.
    pub(super) fn ask(&self, wanted: Wanted) {
        // Who asks ends with the proxy.
        let _ = self.questions.send(wanted);
    }

    /// Members are others than before, or have started again.
    pub(super) fn forget(&self) {
        let mut known = self.write();
        known.by_name.clear();
        known.forgotten += 1;
    }

    /// Keeps what was said, if everything was forgotten no more often than this when it was asked for.
    fn keep(&self, forgotten: u64, lessons: &[(String, Lesson, Instant)]) {
        let mut known = self.write();
        if known.forgotten != forgotten {
            return;
        }
        if known.by_name.len() + lessons.len() > NAMES_MAX {
            known.by_name.clear();
        }
        let lessons = lessons.iter().map(|(name, lesson, until)| (name.clone(), (lesson.clone(), *until)));
        known.by_name.extend(lessons.take(NAMES_MAX));
    }
}

/// Asks members for those who wait, until the proxy stops.
pub(super) async fn run(proxy: Arc<Proxy>, mut questions: Questions, stop: CancellationToken) {
    let mut changes = proxy.routing_changes();
    let mut members = BTreeSet::new();
    let mut links: HashMap<NodeIndex, Link> = HashMap::new();
    loop {
        let mut waiting = Vec::new();
        tokio::select! {
            () = stop.cancelled() => return,
            changed = changes.changed() => {
                if changed.is_err() {
                    return;
                }
                let now: BTreeSet<NodeIndex> = changes.borrow_and_update().members().map(|(index, _)| index).collect();
                if now != members {
                    members = now;
                    proxy.shared.learned.forget();
                }
                continue;
            }
            count = questions.recv_many(&mut waiting, AT_ONCE) => if count == 0 { return },
            () = tokio::time::sleep(IDLE), if !links.is_empty() => {
                links.clear();
                continue;
            }
        }
        let learned = &proxy.shared.learned;
        let forgotten = learned.read().forgotten;
        let routing = proxy.routing();
        let names: BTreeSet<&str> = waiting.iter().map(|wanted| &*wanted.name).collect();
        let names: Vec<&str> = names.into_iter().collect();
        let Some(lessons) = stop.run_until_cancelled(ask(&routing, &mut links, &names)).await else { return };
        learned.keep(forgotten, &lessons);
        for wanted in waiting {
            let lesson = lessons.iter().find(|(name, ..)| *name == wanted.name);
            let lesson = lesson.and_then(|(_, lesson, _)| lesson.clone());
            wanted.mailbox.send(Message::Learned { client: wanted.client, lesson });
        }
    }
}

/// What all members say, and until when it is believed.
async fn ask(
    routing: &Routing,
    links: &mut HashMap<NodeIndex, Link>,
    names: &[&str],
) -> Vec<(String, Lesson, Instant)> {
    let members: Vec<(NodeIndex, &Arc<Member>, Option<Link>)> =
        routing.members().map(|(index, member)| (index, member, links.remove(&index))).collect();
    let asks = members.into_iter().map(async |(index, member, link)| {
        match tokio::time::timeout(PATIENCE, of_member(member, link, names)).await {
            Ok(Ok((said, link))) => (index, Some(said), Some(link)),
            Ok(Err(reason)) => {
                tracing::debug!(node = %member.id, reason, "it does not say which commands it has");
                (index, None, None)
            }
            Err(_) => (index, None, None),
        }
    });
    let mut answers = Vec::new();
    for (index, said, link) in futures::future::join_all(asks).await {
        links.extend(link.map(|link| (index, link)));
        answers.push((index, said));
    }
    let now = Instant::now();
    let of_name = |(at, name): (usize, &&str)| {
        let infos = answers.iter().map(|(index, said)| (*index, said.as_ref().map(|said| said.get(at))));
        let (lesson, is_certain) = lesson(name, infos);
        ((*name).to_owned(), lesson, now + if is_certain { BELIEVED } else { DOUBTED })
    };
    names.iter().enumerate().map(of_name).collect()
}

/// What members say of one command, each its element of the reply, or nothing where it did not answer; and whether all have it.
fn lesson<'a>(
    name: &str,
    said: impl Iterator<Item = (NodeIndex, Option<Option<&'a Value>>)>,
) -> (Lesson, bool) {
    let (mut command, mut lacking, mut is_certain) = (None, Vec::new(), true);
    for (node, info) in said {
        let Some(info) = info else {
            is_certain = false;
            continue;
        };
        match info.and_then(|info| Learned::parse(name, info)) {
            Some(learned) => command = command.or(Some(learned)),
            None => {
                is_certain = false;
                lacking.push(node);
            }
        }
    }
    (command.map(|command| Arc::new(Known { command, lacking })), is_certain)
}

/// The reply of one member, over the connection there is or a new one.
async fn of_member(
    member: &Member,
    link: Option<Link>,
    names: &[&str],
) -> Result<(Vec<Value>, Link), String> {
    let login = member.access.login()?;
    let words: Vec<&str> = ["COMMAND", "INFO"].into_iter().chain(names.iter().copied()).collect();
    // A connection that was closed meanwhile is opened again once.
    if let Some(mut open) = link.filter(|link| link.login == *login)
        && let Ok(said) = open.connection.call(&words).await
    {
        return elements(said).map(|said| (said, open));
    }
    let mut open = Link::open(login).await?;
    let said = open.connection.call(&words).await.map_err(|error| error.to_string())?;
    elements(said).map(|said| (said, open))
}

fn elements(said: Value) -> Result<Vec<Value>, String> {
    match said {
        Value::Array(elements) => Ok(elements),
        other => {
            Err(other.as_error().map_or_else(|| "COMMAND INFO answered no array".to_owned(), Into::into))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(arity: i64) -> Value {
        let none = || Value::Array(Vec::new());
        let numbers = [1, 1, 1].map(Value::Integer);
        let head = [Value::Bulk("x".into()), Value::Integer(arity), none()];
        Value::Array(head.into_iter().chain(numbers).chain([none()]).collect())
    }

    #[test]
    fn what_members_say_together() {
        let (has, has_not) = (info(2), Value::Null);
        let of = |said: &[Option<&Value>]| {
            let said = said.iter().enumerate().map(|(at, info)| (at as NodeIndex, info.map(Some)));
            let (lesson, is_certain) = lesson("x", said);
            (lesson.map(|known| known.lacking.clone()), is_certain)
        };
        assert_eq!(of(&[Some(&has), Some(&has)]), (Some(vec![]), true));
        assert_eq!(of(&[Some(&has_not), Some(&has)]), (Some(vec![0]), false));
        // Who did not answer may have it.
        assert_eq!(of(&[None, Some(&has)]), (Some(vec![]), false));
        assert_eq!(of(&[None, Some(&has_not)]), (None, false));
        assert_eq!(of(&[]), (None, true));
    }

    #[test]
    fn names_that_nobody_can_have_are_not_asked_for() {
        assert_eq!(asked_for(b"JSON.Set").as_deref(), Some("json.set"));
        for name in [&b""[..], b"client|list", b"a b", b"\xff", &[b'x'; NAME_MAX + 1]] {
            assert_eq!(asked_for(name), None, "{}", name.escape_ascii());
        }
    }

    #[test]
    fn what_is_known_is_bounded_and_grows_old() {
        let (commands, _questions) = Commands::new();
        let (now, later) = (Instant::now(), Instant::now() + DOUBTED);
        let lessons = |from: usize, count: usize| -> Vec<(String, Lesson, Instant)> {
            (from..from + count).map(|number| (number.to_string(), None, later)).collect()
        };
        commands.keep(0, &lessons(0, NAMES_MAX));
        assert!(commands.get("0", now).is_some() && commands.get("0", later).is_none());
        assert!(commands.get("none", now).is_none());
        commands.keep(0, &lessons(NAMES_MAX, 1));
        assert_eq!(commands.read().by_name.len(), 1);
        commands.forget();
        // It was asked for before.
        commands.keep(0, &lessons(0, 1));
        assert!(commands.get("0", now).is_none());
        commands.keep(1, &lessons(0, 1));
        assert!(commands.get("0", now).is_some());
    }
}
