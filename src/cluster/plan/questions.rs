//! Checks of a plan made from where the moves are made: a console that reaches only etcd asks whoever drives to look at a node for
//! it. The question stands in the registry under a lease of the one who asks, and the answer under the same lease, so neither
//! outlives the asking; and only who may write to the registry can ask.

use std::{convert::Infallible, time::Duration};

use futures::{StreamExt as _, stream::FuturesUnordered};
use serde::{Deserialize, Serialize};

use super::{
    AddRequest, Preview, Refusal, RemoveRequest, Submitted, preview_add, preview_remove, submit_add,
    submit_remove,
};
use crate::cluster::{
    records::{keys, parse, to_json},
    registry::{Change, Entry, Registry, RegistryError, Txn, WatchEvent},
};

/// What the driver is to look at.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "lowercase")]
pub enum Question {
    /// Hand in a plan that adds a node.
    Add(AddRequest),
    /// Hand in a plan that removes one.
    Remove(RemoveRequest),
    /// Say what the first would do.
    PreviewAdd(AddRequest),
    /// Say what the second would do.
    PreviewRemove(RemoveRequest),
}

/// What it found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "lowercase")]
pub enum Answer {
    /// What the plan would do.
    Preview {
        /// All of it.
        preview: Preview,
    },
    /// The plan was handed in.
    Submitted {
        /// What came of it.
        submitted: Submitted,
    },
    /// It is refused, and nothing was changed.
    Refused {
        /// Why.
        reason: String,
    },
    /// The registry did not answer the driver: if a plan was to be handed in, it may have been.
    Unknown {
        /// Its words.
        reason: String,
    },
}

impl Question {
    /// Looks from here.
    ///
    /// # Errors
    /// Why not.
    pub async fn look(&self, registry: &Registry) -> Result<Answer, Refusal> {
        let previewed = |preview| Answer::Preview { preview };
        let handed_in = |submitted| Answer::Submitted { submitted };
        match self {
            Self::Add(request) => submit_add(registry, request).await.map(handed_in),
            Self::Remove(request) => submit_remove(registry, request).await.map(handed_in),
            Self::PreviewAdd(request) => preview_add(registry, request).await.map(previewed),
            Self::PreviewRemove(request) => preview_remove(registry, request).await.map(previewed),
        }
    }

    /// Whether keys may be given up.
    #[must_use]
    pub fn is_forced(&self) -> bool {
        match self {
            Self::Add(AddRequest { force, .. })
            | Self::PreviewAdd(AddRequest { force, .. })
            | Self::Remove(RemoveRequest { force, .. })
            | Self::PreviewRemove(RemoveRequest { force, .. }) => *force,
        }
    }

    /// The same where no keys may be given up.
    #[must_use]
    pub fn without_force(&self) -> Self {
        let mut question = self.clone();
        match &mut question {
            Self::Add(AddRequest { force, .. })
            | Self::PreviewAdd(AddRequest { force, .. })
            | Self::Remove(RemoveRequest { force, .. })
            | Self::PreviewRemove(RemoveRequest { force, .. }) => *force = false,
        }
        question
    }
}

impl Answer {
    /// As whoever drives came to it.
    fn of(looked: Result<Self, Refusal>) -> Self {
        looked.unwrap_or_else(|refusal| match refusal {
            Refusal::Registry(error) => Self::Unknown { reason: error.to_string() },
            refusal => Self::Refused { reason: refusal.to_string() },
        })
    }

    /// Why there is nothing else.
    #[must_use]
    pub fn refusal(self) -> Refusal {
        match self {
            Self::Refused { reason } => Refusal::Elsewhere(reason),
            Self::Unknown { reason } => {
                Refusal::Registry(RegistryError::Unknown { what: "the cluster".to_owned(), detail: reason })
            }
            Self::Preview { .. } | Self::Submitted { .. } => {
                Refusal::Elsewhere("the driver answered another question".to_owned())
            }
        }
    }
}

/// Nobody has answered: there is no driver, or it is of a version before this.
const PATIENCE: Duration = Duration::from_secs(10);

/// Asks the driver; `None` if nobody answers.
///
/// # Errors
/// The registry's: if a plan was to be handed in, it may have been.
pub async fn ask(registry: &Registry, question: &Question) -> Result<Option<Answer>, RegistryError> {
    let id = format!("{:016x}", getrandom::u64().expect("the operating system gives random bytes"));
    let lease = registry.grant(PATIENCE * 2).await?;
    let mut answers = registry.watch(&keys::answer(&id));
    let txn = Txn::new().put_leased(keys::question(&id), to_json(question), lease.id());
    registry.commit(txn).await?;
    let answered = async {
        loop {
            let entries = entries(answers.next().await);
            if let Some(answer) = entries.iter().find_map(|entry| parse(entry).ok()) {
                return answer;
            }
        }
    };
    let answer = tokio::time::timeout(PATIENCE, answered).await.ok();
    if let Err(error) = lease.revoke().await {
        tracing::debug!(%error, "a question stays until its lease ends");
    }
    Ok(answer)
}

/// Answers whoever asks. Never returns; to be run by whoever drives.
pub(in crate::cluster) async fn answer_all(registry: &Registry) -> Infallible {
    let mut questions = registry.watch(keys::QUESTIONS);
    let mut open = FuturesUnordered::new();
    loop {
        tokio::select! {
            event = questions.next() => {
                open.extend(entries(event).into_iter().map(|entry| answer_one(registry, entry)));
            }
            Some(()) = open.next() => {}
        }
    }
}

async fn answer_one(registry: &Registry, entry: Entry) {
    let (Some(id), Some(lease)) = (entry.key.strip_prefix(keys::QUESTIONS), entry.lease) else { return };
    let answer = match parse::<Question>(&entry) {
        Ok(question) => Answer::of(question.look(registry).await),
        Err(unreadable) => Answer::Refused { reason: unreadable.to_string() },
    };
    // Whoever stopped asking took the question away.
    let txn = Txn::new().if_present(&entry.key).put_leased(keys::answer(id), to_json(&answer), lease);
    if let Err(error) = registry.commit(txn).await {
        tracing::warn!(%error, "a question of a console stays without an answer");
    }
}

/// What an event puts.
fn entries(event: WatchEvent) -> Vec<Entry> {
    match event {
        WatchEvent::Reset { entries, .. } => entries,
        WatchEvent::Changed { changes, .. } => {
            let put = |change| match change {
                Change::Put(entry) => Some(entry),
                Change::Deleted { .. } => None,
            };
            changes.into_iter().filter_map(put).collect()
        }
        WatchEvent::Down { .. } | WatchEvent::Up => Vec::new(),
    }
}
