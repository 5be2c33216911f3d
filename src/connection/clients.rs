//! `CLIENT`: what connections know about themselves and each other.

use super::{Endpoint, Entrance, Label, Listed, Outcome, Refusal, Replies, SYNTAX, Wish};
use crate::protocol::{Encoder, Request, number::parse_i64};

pub(crate) fn id(endpoint: &mut dyn Endpoint, _: &Request<'_>, reply: &mut Encoder<'_>) -> Outcome {
    reply.integer(i64::try_from(endpoint.id()).unwrap_or(i64::MAX));
    Ok(())
}

pub(crate) fn getname(endpoint: &mut dyn Endpoint, _: &Request<'_>, reply: &mut Encoder<'_>) -> Outcome {
    let name = endpoint.name();
    if name.is_empty() {
        reply.null();
    } else {
        reply.bulk(name);
    }
    Ok(())
}

pub(crate) fn getredir(endpoint: &mut dyn Endpoint, _: &Request<'_>, reply: &mut Encoder<'_>) -> Outcome {
    reply.integer(endpoint.tracking().map_or(-1, |tracking| tracking.redirect));
    Ok(())
}

pub(crate) fn trackinginfo(endpoint: &mut dyn Endpoint, _: &Request<'_>, reply: &mut Encoder<'_>) -> Outcome {
    let tracking = endpoint.tracking();
    let (first, redirect) = tracking.as_ref().map_or(("off", -1), |tracking| ("on", tracking.redirect));
    let tracking = tracking.unwrap_or_default();
    reply.map(3);
    reply.bulk("flags");
    reply.set(1 + tracking.flags.len());
    reply.bulk(first);
    tracking.flags.iter().for_each(|flag| reply.bulk(flag));
    reply.bulk("redirect");
    reply.integer(redirect);
    reply.bulk("prefixes");
    reply.array(tracking.prefixes.len());
    tracking.prefixes.iter().for_each(|prefix| reply.bulk(prefix));
    Ok(())
}

/// Whether it can stand in a line of `CLIENT LIST` without breaking it.
fn is_label(text: &[u8]) -> bool {
    text.iter().all(|byte| (b'!'..=b'~').contains(byte))
}

/// `CLIENT SETNAME`, also of `HELLO`.
pub(super) fn set_name(endpoint: &mut dyn Entrance, name: &[u8]) -> Outcome {
    if !is_label(name) {
        return Err(Refusal::new("ERR Client names cannot contain spaces, newlines or special characters."));
    }
    endpoint.set_label(Label::Name, name);
    Ok(())
}

pub(crate) fn setname(
    endpoint: &mut dyn Endpoint,
    request: &Request<'_>,
    reply: &mut Encoder<'_>,
) -> Outcome {
    set_name(endpoint, request.arg(2))?;
    reply.ok();
    Ok(())
}

pub(crate) fn setinfo(
    endpoint: &mut dyn Endpoint,
    request: &Request<'_>,
    reply: &mut Encoder<'_>,
) -> Outcome {
    let (option, value) = (request.arg(2), request.arg(3));
    let (label, name) = match option.to_ascii_lowercase().as_slice() {
        b"lib-name" => (Label::Library, "lib-name"),
        b"lib-ver" => (Label::LibraryVersion, "lib-ver"),
        _ => {
            let option = String::from_utf8_lossy(option);
            return Err(Refusal::new(format!("ERR Unrecognized option '{option}'")));
        }
    };
    if !is_label(value) {
        return Err(Refusal::new(format!(
            "ERR {name} cannot contain spaces, newlines or special characters."
        )));
    }
    endpoint.set_label(label, value);
    reply.ok();
    Ok(())
}

pub(crate) fn info(endpoint: &mut dyn Endpoint, _: &Request<'_>, reply: &mut Encoder<'_>) -> Outcome {
    let mut line = endpoint.line(endpoint.id()).unwrap_or_default();
    line.push(b'\n');
    reply.verbatim("txt", line);
    Ok(())
}

/// The kinds of clients that `TYPE` knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Asks and is answered.
    Normal,
    /// Has subscriptions.
    PubSub,
    /// A replica or a master: there are none.
    Replication,
}

impl Kind {
    fn fits(self, client: &Listed) -> bool {
        self == if client.subscribed { Self::PubSub } else { Self::Normal }
    }
}

fn kind(word: &[u8]) -> Result<Kind, Refusal> {
    match word.to_ascii_lowercase().as_slice() {
        b"normal" => Ok(Kind::Normal),
        b"pubsub" => Ok(Kind::PubSub),
        b"slave" | b"replica" | b"master" => Ok(Kind::Replication),
        _ => {
            let word = String::from_utf8_lossy(word);
            Err(Refusal::new(format!("ERR Unknown client type '{word}'")))
        }
    }
}

pub(crate) fn list(endpoint: &mut dyn Endpoint, request: &Request<'_>, reply: &mut Encoder<'_>) -> Outcome {
    let option = request.get(2).map(<[u8]>::to_ascii_lowercase);
    let all = || endpoint.listed().into_iter().map(|client| client.id).collect();
    let chosen: Vec<u64> = match (option.as_deref(), request.len()) {
        (None, _) => all(),
        (Some(b"type"), 4) => {
            let kind = kind(request.arg(3))?;
            endpoint.listed().into_iter().filter(|client| kind.fits(client)).map(|client| client.id).collect()
        }
        (Some(b"id"), 4..) => {
            let mut chosen = Vec::new();
            for word in request.args_from(3) {
                let id = parse_i64(word).ok_or(Refusal::new("ERR Invalid client ID"))?;
                chosen.extend(u64::try_from(id));
            }
            chosen
        }
        _ => return Err(SYNTAX),
    };
    let mut lines = Vec::new();
    for line in chosen.into_iter().filter_map(|id| endpoint.line(id)) {
        lines.extend(line);
        lines.push(b'\n');
    }
    reply.verbatim("txt", lines);
    Ok(())
}

/// What `CLIENT KILL` looks for; all that are given must fit.
#[derive(Default)]
struct Filter<'a> {
    id: Option<u64>,
    address: Option<&'a [u8]>,
    local: Option<&'a [u8]>,
    user: Option<&'a [u8]>,
    kind: Option<Kind>,
}

impl Filter<'_> {
    fn fits(&self, client: &Listed) -> bool {
        self.kind.is_none_or(|kind| kind.fits(client))
            && self.id.is_none_or(|id| client.id == id)
            && self.address.is_none_or(|address| client.remote.as_bytes() == address)
            && self.local.is_none_or(|local| client.local.as_bytes() == local)
            && self.user.is_none_or(|user| client.user == user)
    }
}

pub(crate) fn kill(endpoint: &mut dyn Endpoint, request: &Request<'_>, reply: &mut Encoder<'_>) -> Outcome {
    if request.len() == 3 {
        let filter = Filter { address: Some(request.arg(2)), ..Filter::default() };
        if kill_all(endpoint, &filter, false) == 0 {
            return Err(Refusal::new("ERR No such client"));
        }
        reply.ok();
        return Ok(());
    }
    let (mut filter, mut skip_me) = (Filter::default(), true);
    for at in (2..request.len()).step_by(2) {
        let value = request.get(at + 1).ok_or(SYNTAX)?;
        match request.arg(at).to_ascii_lowercase().as_slice() {
            b"id" => {
                let id = parse_i64(value)
                    .and_then(|id| u64::try_from(id).ok())
                    .filter(|&id| id > 0)
                    .ok_or(Refusal::new("ERR client-id should be greater than 0"))?;
                filter.id = Some(id);
            }
            b"type" => filter.kind = Some(kind(value)?),
            b"addr" => filter.address = Some(value),
            b"laddr" => filter.local = Some(value),
            b"user" => {
                if !endpoint.knows_user(value) {
                    let user = String::from_utf8_lossy(value);
                    return Err(Refusal::new(format!("ERR No such user '{user}'")));
                }
                filter.user = Some(value);
            }
            b"skipme" => match value.to_ascii_lowercase().as_slice() {
                b"yes" => skip_me = true,
                b"no" => skip_me = false,
                _ => return Err(SYNTAX),
            },
            _ => return Err(SYNTAX),
        }
    }
    reply.integer(kill_all(endpoint, &filter, skip_me));
    Ok(())
}

/// Kills those that fit. This client itself still gets the reply; of the others nothing more runs.
fn kill_all(endpoint: &mut dyn Endpoint, filter: &Filter<'_>, skip_me: bool) -> i64 {
    let me = endpoint.id();
    let mut killed = 0;
    for client in endpoint.listed() {
        if !filter.fits(&client) || (skip_me && client.id == me) {
            continue;
        }
        killed += 1;
        if client.id == me {
            endpoint.close();
        } else {
            endpoint.kill(client.id);
        }
    }
    killed
}

pub(crate) fn reply(endpoint: &mut dyn Endpoint, request: &Request<'_>, reply: &mut Encoder<'_>) -> Outcome {
    let replies = match request.arg(2).to_ascii_lowercase().as_slice() {
        b"on" => Replies::On,
        b"off" => Replies::Off,
        b"skip" if endpoint.replies() == Replies::Off => Replies::Off,
        b"skip" => Replies::SkipNext,
        _ => return Err(SYNTAX),
    };
    if endpoint.answers_all() && replies != Replies::On {
        return Err(Refusal::new("ERR CLIENT REPLY: every command of a gRPC stream has its reply"));
    }
    endpoint.set_replies(replies);
    reply.ok();
    Ok(())
}

fn wish(endpoint: &mut dyn Endpoint, wish: Wish, word: &[u8], reply: &mut Encoder<'_>) -> Outcome {
    let on = match word.to_ascii_lowercase().as_slice() {
        b"on" => true,
        b"off" => false,
        _ => return Err(SYNTAX),
    };
    endpoint.set_wish(wish, on);
    reply.ok();
    Ok(())
}

pub(crate) fn no_evict(
    endpoint: &mut dyn Endpoint,
    request: &Request<'_>,
    reply: &mut Encoder<'_>,
) -> Outcome {
    wish(endpoint, Wish::NoEvict, request.arg(2), reply)
}

pub(crate) fn no_touch(
    endpoint: &mut dyn Endpoint,
    request: &Request<'_>,
    reply: &mut Encoder<'_>,
) -> Outcome {
    wish(endpoint, Wish::NoTouch, request.arg(2), reply)
}
