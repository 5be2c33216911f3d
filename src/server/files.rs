//! Open files: every connection is one, and shells give a process 1024 of them. What Redis does at its start, a daemon does here; a
//! node or proxy in a process with others leaves it alone.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Files a daemon has open beside its clients: listener, epoll, logs.
const OWN: u64 = 128;

/// Raises the limit on open files, as far as the system lets it, so that `clients` connections fit, and `others` where it lets so many.
/// Returns how many clients do.
#[must_use]
pub fn room_for(clients: u64, others: u64) -> u64 {
    let wanted = clients.saturating_add(OWN).saturating_add(others);
    let limit = getrlimit(Resource::Nofile);
    // No limit is said as `None`.
    let Some(current) = limit.current.filter(|&current| current < wanted) else { return clients };
    let possible = limit.maximum.map_or(wanted, |maximum| maximum.min(wanted));
    let raised = setrlimit(Resource::Nofile, Rlimit { current: Some(possible), maximum: limit.maximum });
    let files = if raised.is_ok() { possible } else { current };
    files.saturating_sub(OWN).min(clients)
}

/// [`room_for`], with a warning when it is less than was asked for.
#[must_use]
pub fn room_for_or_warn(clients: u64, others: u64) -> u64 {
    let room = room_for(clients, others).max(1);
    if room < clients {
        tracing::warn!(
            asked = clients,
            maxclients = room,
            "the limit on open files (ulimit -n) allows fewer clients"
        );
    }
    room
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_more_than_asked_for_and_never_more_than_fit() {
        assert_eq!(room_for(1, 0), 1);
        assert_eq!(room_for(1, u64::MAX), 1, "what is wished for beside them takes nothing from clients");
        let room = room_for(u64::MAX, 0);
        let limit = getrlimit(Resource::Nofile).current;
        assert!(limit.is_none_or(|files| room <= files), "{room} {limit:?}");
    }
}
