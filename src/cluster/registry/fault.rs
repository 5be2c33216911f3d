//! What a failed attempt means: did it run, may it be tried elsewhere, what to tell the operator.

use std::error::Error as _;

use etcd_client::Error;
use tonic::Code;

/// One failed attempt at one endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// There was no connection, so it was not sent: safe to try elsewhere.
    Absent(String),
    /// The endpoint said that it did not run: safe to try elsewhere, and later.
    NotRun(String),
    /// It was sent, and may have run or may still run.
    Uncertain(String),
    /// There was no connection that both ends trust, so it was not sent: another endpoint may have better certificates.
    Untrusted(String),
    /// The endpoint answered that it will not; trying elsewhere would give the same answer.
    Refused(Code, String),
}

impl Fault {
    pub(super) fn reason(&self) -> &str {
        match self {
            Self::Absent(reason)
            | Self::NotRun(reason)
            | Self::Uncertain(reason)
            | Self::Untrusted(reason)
            | Self::Refused(_, reason) => reason,
        }
    }

    /// The endpoint does not know who asks any more: a token of before its restart, or of before users and roles changed.
    /// Logging in anew helps. It did not run.
    pub(super) fn is_stale_login(&self) -> bool {
        const STALE: [&str; 4] = [
            "invalid auth token",
            "revision of auth store is old",
            "user name is empty",
            "authentication is not enabled",
        ];
        matches!(self, Self::Refused(_, reason) if STALE.iter().any(|text| reason.contains(text)))
    }

    /// It has no users, so there is nobody to log in as.
    pub(super) fn is_without_users(&self) -> bool {
        matches!(self, Self::Refused(_, reason) if reason.contains("authentication is not enabled"))
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        match error {
            Error::GRpcStatus(status) => classify(&status),
            Error::TransportError(error) => of_transport(&error),
            other => Self::Uncertain(other.to_string()),
        }
    }
}

fn classify(status: &tonic::Status) -> Fault {
    if let Some(source) = status.source() {
        // Made on this side: the connection failed, before or after sending.
        return of_transport(source);
    }
    let message = status.message().to_owned();
    match status.code() {
        Code::Unavailable if message.contains("no leader") => {
            Fault::NotRun("it sees no leader: most members of etcd are away".to_owned())
        }
        Code::ResourceExhausted if message.contains("too many requests") => Fault::NotRun(message),
        Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::Unauthenticated
        | Code::FailedPrecondition
        | Code::OutOfRange
        | Code::ResourceExhausted
        | Code::Unimplemented
        | Code::DataLoss => Fault::Refused(status.code(), message),
        Code::Ok
        | Code::Unavailable
        | Code::DeadlineExceeded
        | Code::Cancelled
        | Code::Aborted
        | Code::Internal
        | Code::Unknown => {
            Fault::Uncertain(if message.is_empty() { status.code().to_string() } else { message })
        }
    }
}

fn of_transport(error: &(dyn std::error::Error + 'static)) -> Fault {
    let reason = innermost(error);
    // The words of TLS on this end, of the other end, and of somebody who does not speak it.
    let of_tls = ["invalid peer certificate", "received fatal alert", "received corrupt message"];
    if of_tls.iter().any(|text| reason.contains(text)) {
        Fault::Untrusted(format!("TLS: {reason}"))
    } else if is_connect(error) {
        Fault::Absent(reason)
    } else {
        Fault::Uncertain(reason)
    }
}

/// No connection came about, so nothing was sent.
fn is_connect(error: &(dyn std::error::Error + 'static)) -> bool {
    std::iter::successors(Some(error), |&error| error.source())
        .any(<dyn std::error::Error + 'static>::is::<tonic::ConnectError>)
}

/// The cause at the bottom: `connection refused` rather than `transport error`.
fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let last = std::iter::successors(Some(error), |&error| error.source()).last().unwrap_or(error);
    let text = last.to_string();
    // "Connection refused (os error 111)" -> "connection refused"
    let text = text.split(" (os error").next().unwrap_or(&text);
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_server_says() {
        let fault = |code, message: &str| classify(&tonic::Status::new(code, message));
        assert!(matches!(fault(Code::Unavailable, "etcdserver: no leader"), Fault::NotRun(_)));
        assert!(matches!(fault(Code::Unavailable, "etcdserver: request timed out"), Fault::Uncertain(_)));
        assert!(matches!(fault(Code::Unavailable, "etcdserver: leader changed"), Fault::Uncertain(_)));
        assert!(matches!(
            fault(Code::NotFound, "etcdserver: requested lease not found"),
            Fault::Refused(Code::NotFound, _)
        ));
    }
}
