//! What can go wrong with a call.

use super::LeaseId;

/// Why a call gave no answer. The texts are meant for an operator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    /// An endpoint that cannot be used.
    #[error("etcd endpoint {endpoint:?}: {reason}; use http://HOST:PORT or https://HOST:PORT")]
    Endpoint {
        /// As it was given, without its login.
        endpoint: String,
        /// What is wrong with it.
        reason: std::borrow::Cow<'static, str>,
    },
    /// Login and certificates do not go together, or cannot be read.
    #[error("login to etcd: {reason}")]
    Access {
        /// What is wrong.
        reason: String,
    },
    /// A cluster cannot have this name: it is part of every key.
    #[error("cluster name {name:?}: use 1 to 64 letters, digits, '.', '_' or '-'")]
    ClusterName {
        /// As it was given.
        name: String,
    },
    /// No endpoint answered in time. Nothing was changed.
    #[error("{detail}")]
    Unavailable {
        /// Which endpoints, what each said, and what to look at.
        detail: String,
    },
    /// A change was sent, and no endpoint could say what became of it.
    #[error("{detail}; whether {what} was changed is not known: look before you try again")]
    Unknown {
        /// The keys.
        what: String,
        /// Which endpoints, and what each said.
        detail: String,
    },
    /// The lease a key was to be put under has ended. Nothing was changed.
    #[error("lease {lease} has ended; {what} was not changed")]
    LeaseGone {
        /// Which.
        lease: LeaseId,
        /// The keys.
        what: String,
    },
    /// An endpoint answered that it will not do this. Nothing was changed.
    #[error("etcd at {endpoint} refused: {reason}")]
    Refused {
        /// Which.
        endpoint: String,
        /// Its words.
        reason: String,
    },
}

impl RegistryError {
    /// Nobody could be reached, or nobody could say: trying again later may help.
    #[must_use]
    pub fn is_outage(&self) -> bool {
        matches!(self, Self::Unavailable { .. } | Self::Unknown { .. })
    }
}
