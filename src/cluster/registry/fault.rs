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
    /// The endpoint answered that it will not; trying elsewhere would give the same answer.
    Refused(Code, String),
}

impl Fault {
    pub(super) fn reason(&self) -> &str {
        match self {
            Self::Absent(reason)
            | Self::NotRun(reason)
            | Self::Uncertain(reason)
            | Self::Refused(_, reason) => reason,
        }
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        match error {
            Error::GRpcStatus(status) => classify(&status),
            Error::TransportError(error) => Self::Uncertain(innermost(&error)),
            other => Self::Uncertain(other.to_string()),
        }
    }
}

fn classify(status: &tonic::Status) -> Fault {
    if let Some(source) = status.source() {
        // Made on this side: the connection failed, before or after sending.
        let reason = innermost(source);
        return if is_connect(source) { Fault::Absent(reason) } else { Fault::Uncertain(reason) };
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
