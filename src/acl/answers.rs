//! The `ACL` commands that ask and change nothing, once for node and proxy. Each writes one reply, or returns an error, code first,
//! having written nothing.

use super::{Acl, Denied, user::Shown};
use crate::{
    command::{self, ResolveError, Spec, TABLE, misused_subcommand, resolve},
    protocol::{Encoder, Request, number::parse_i64, quote::c_string},
    time::Millis,
};

/// One reply was written, or nothing.
pub type Answered = Result<(), Vec<u8>>;

/// Entries of the log that are shown if nobody says how many.
const SHOWN: i64 = 10;
/// Bytes of a category that an error repeats.
const CATEGORY_SHOWN: usize = 128;
/// Of a password.
const BITS_MAX: i64 = 4096;

/// There is no ACL file to load or to save.
pub const NO_FILE: &str = "ERR This Redis instance is not configured to use an ACL file. You may want to specify users via the ACL \
                           SETUSER command and then issue a CONFIG REWRITE (assuming you have a Redis configuration file set) in \
                           order to store users in the Redis configuration.";
/// The default user stays.
pub const DEFAULT_STAYS: &str = "ERR The 'default' user cannot be removed";

fn integer(argument: &[u8]) -> Result<i64, Vec<u8>> {
    parse_i64(argument).ok_or_else(|| b"ERR value is not an integer or out of range".to_vec())
}

/// `ACL LIST`.
pub fn list(acl: &Acl, reply: &mut Encoder<'_>) {
    let lines = acl.lines();
    reply.array(lines.len());
    lines.iter().for_each(|line| reply.bulk(line));
}

/// `ACL USERS`.
pub fn users(acl: &Acl, reply: &mut Encoder<'_>) {
    let users = acl.users();
    reply.array(users.len());
    users.iter().for_each(|user| reply.bulk(user.name()));
}

/// `ACL GETUSER`.
pub fn getuser(acl: &Acl, request: &Request<'_>, reply: &mut Encoder<'_>) {
    let Some(user) = acl.user(request.arg(2)) else { return reply.null() };
    reply.map(6);
    reply.bulk("flags");
    let flags = user.flag_names();
    reply.set(flags.len());
    flags.iter().for_each(|flag| reply.bulk(flag));
    reply.bulk("passwords");
    let passwords = user.password_hashes();
    reply.array(passwords.len());
    passwords.iter().for_each(|password| reply.bulk(password));
    let selectors = user.selectors();
    if let Some((root, others)) = selectors.split_first() {
        show(reply, root);
        reply.bulk("selectors");
        reply.array(others.len());
        for selector in others {
            reply.map(3);
            show(reply, selector);
        }
    }
}

fn show(reply: &mut Encoder<'_>, selector: &Shown) {
    reply.bulk("commands");
    reply.bulk(&selector.commands);
    reply.bulk("keys");
    reply.bulk(&selector.keys);
    reply.bulk("channels");
    reply.bulk(&selector.channels);
}

/// `ACL CAT`; of the commands in a category those that the daemon has.
///
/// # Errors
/// There is no such category, or there are too many words.
pub fn cat(
    request: &Request<'_>,
    reply: &mut Encoder<'_>,
    is_supported: &dyn Fn(&'static Spec) -> bool,
) -> Answered {
    match request.len() {
        2 => {
            reply.array(command::Acl::all_names().len());
            command::Acl::all_names().iter().for_each(|name| reply.bulk(name));
        }
        3 => {
            let word = c_string(request.arg(2));
            let category = command::Acl::named(word).ok_or_else(|| {
                let shown = &word[..word.len().min(CATEGORY_SHOWN)];
                [b"ERR Unknown category '", shown, b"'"].concat()
            })?;
            let members: Vec<_> =
                TABLE.iter().filter(|spec| spec.acl.has(category) && is_supported(spec)).collect();
            reply.array(members.len());
            members.iter().for_each(|spec| reply.bulk(spec.name));
        }
        _ => return Err(misused_subcommand(request)),
    }
    Ok(())
}

/// `ACL GENPASS`.
///
/// # Errors
/// So many bits are not to be had.
pub fn genpass(request: &Request<'_>, reply: &mut Encoder<'_>) -> Answered {
    let bits = match request.len() {
        2 => 256,
        3 => integer(request.arg(2))?,
        _ => return Err(misused_subcommand(request)),
    };
    let bits = usize::try_from(bits).ok().filter(|_| (1..=BITS_MAX).contains(&bits)).ok_or_else(|| {
        format!(
            "ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up to {BITS_MAX}"
        )
    })?;
    let digits = bits.div_ceil(4);
    let mut bytes = vec![0; digits.div_ceil(2)];
    getrandom::fill(&mut bytes).map_err(|error| format!("ERR no random numbers: {error}"))?;
    let mut text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    text.truncate(digits);
    reply.bulk(text);
    Ok(())
}

/// `ACL LOG`.
///
/// # Errors
/// A count that is none, or too many words.
pub fn log(acl: &Acl, request: &Request<'_>, now: Millis, reply: &mut Encoder<'_>) -> Answered {
    let count = match request.len() {
        2 => SHOWN,
        3 if request.arg(2).eq_ignore_ascii_case(b"RESET") => {
            acl.log().reset();
            reply.ok();
            return Ok(());
        }
        3 => integer(request.arg(2))?,
        _ => return Err(misused_subcommand(request)),
    };
    let log = acl.log();
    let count = usize::try_from(count.max(0)).unwrap_or(usize::MAX).min(log.entries().len());
    reply.array(count);
    for entry in log.entries().take(count) {
        reply.map(7);
        reply.bulk("count");
        reply.integer(entry.count);
        reply.bulk("reason");
        reply.bulk(entry.reason.name());
        reply.bulk("context");
        reply.bulk(entry.place.name());
        reply.bulk("object");
        reply.bulk(&entry.object);
        reply.bulk("username");
        reply.bulk(&entry.user);
        reply.bulk("age-seconds");
        reply.double(
            std::time::Duration::from_millis((now.0 - entry.at.0).max(0).unsigned_abs()).as_secs_f64(),
        );
        reply.bulk("client-info");
        // A line, as CLIENT INFO shows it.
        reply.bulk(&entry.client);
    }
    Ok(())
}

/// `SORT` reads keys by the pattern of `BY`, and its user may not read all keys.
pub const SORT_BY_DENIED: &str = "ERR BY option of SORT denied due to insufficient ACL permissions.";
/// The same of `GET`, whatever it is to show.
pub const SORT_GET_DENIED: &str = "ERR GET option of SORT denied due to insufficient ACL permissions.";

/// What a `SORT` of a user is told that may not read all keys, if that is needed.
#[must_use]
pub fn sort_refusal(request: &Request<'_>) -> Option<&'static str> {
    let mut words = request.args_from(2);
    while let Some(word) = words.next() {
        let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
        if is("by") {
            if words.next()?.contains(&b'*') {
                return Some(SORT_BY_DENIED);
            }
        } else if is("get") {
            return words.next().map(|_| SORT_GET_DENIED);
        } else if is("limit") {
            words.nth(1);
        } else if is("store") {
            words.next();
        }
    }
    None
}

/// `ACL DRYRUN`.
///
/// # Errors
/// There is no such user or command, or it has another number of arguments.
pub fn dryrun(acl: &Acl, request: &Request<'_>, reply: &mut Encoder<'_>) -> Answered {
    let not_found =
        |what: &[u8], name: &[u8]| [b"ERR ", what, b" '", c_string(name), b"' not found"].concat();
    let user = acl.user(request.arg(2)).ok_or_else(|| not_found(b"User", request.arg(2)))?;
    let command = request.tail(3).ok_or_else(|| not_found(b"Command", b""))?;
    let spec = resolve(&command).map_err(|error| match error {
        ResolveError::Arity { name } => {
            format!("ERR wrong number of arguments for '{name}' command").into_bytes()
        }
        ResolveError::UnknownCommand { .. } | ResolveError::UnknownSubcommand { .. } => {
            not_found(b"Command", command.name())
        }
    })?;
    let Err(denied) = user.check(spec, &command) else {
        reply.ok();
        return Ok(());
    };
    let argument = |index| c_string(command.get(index).unwrap_or_default());
    let (before, object, after) = match denied {
        Denied::Command => (&b"run"[..], spec.name.as_bytes(), &b"command"[..]),
        Denied::Key(index) => (&b"access"[..], argument(index), &b"key"[..]),
        Denied::Channel(index) => (&b"access"[..], argument(index), &b"channel"[..]),
    };
    reply.bulk([b"This user has no permissions to ", before, b" the '", object, b"' ", after].concat());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Args;

    #[test]
    fn sorting_by_other_keys() {
        let refusal = |line: &str| {
            let args = Args::of(&line.split(' ').collect::<Vec<_>>()).unwrap();
            sort_refusal(&args.request().unwrap())
        };
        for line in
            ["sort k", "sort k by nosort limit 0 get store by", "sort k get", "sort k alpha store get"]
        {
            assert_eq!(refusal(line), None, "{line}");
        }
        assert_eq!(refusal("sort k LIMIT 0 1 BY w_* get #"), Some(SORT_BY_DENIED));
        assert_eq!(refusal("sort k by nosort GET # by w_*"), Some(SORT_GET_DENIED));
    }
}
