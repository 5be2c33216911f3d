//! `CLIENT …`, with the answers of Redis 7.0 for everything that makes sense at a proxy.

use std::sync::{Arc, atomic::Ordering::Relaxed};

use super::{
    Message, Worker,
    client::{Client, Mute},
    local::printable,
};
use crate::{
    command::Spec,
    protocol::{Request, number::parse_i64},
    proxy::clients::ClientInfo,
};

const SYNTAX: &str = "ERR syntax error";

/// Which connections `CLIENT KILL` and `CLIENT LIST` are about.
#[derive(Debug, Default)]
struct Filter {
    id: Option<u64>,
    address: Option<String>,
    local_address: Option<String>,
    /// A type that no client of a proxy has (`replica`, `pubsub`), or a user other than `default`.
    nobody: bool,
    skip_me: bool,
}

impl Filter {
    fn takes(&self, client: &ClientInfo) -> bool {
        !self.nobody
            && self.id.is_none_or(|id| client.id == id)
            && self.address.as_ref().is_none_or(|address| client.address() == *address)
            && self.local_address.as_ref().is_none_or(|address| client.local_address() == *address)
    }
}

impl Worker {
    pub(super) fn client_command(&mut self, client: &mut Client, spec: &'static Spec, request: &Request<'_>) {
        let id = i64::try_from(client.info.id).unwrap_or(i64::MAX);
        match spec.word() {
            "id" => client.reply(|reply| reply.integer(id)),
            "getname" => {
                let name = client.info.names().name.clone();
                client.reply(|reply| if name.is_empty() { reply.null() } else { reply.bulk(name) });
            }
            "setname" => match printable(request.arg(2)) {
                Some(name) => {
                    client.info.names().name = name;
                    client.ok();
                }
                None => self.refuse(
                    client,
                    "ERR Client names cannot contain spaces, newlines or special characters.",
                ),
            },
            "setinfo" => self.set_info(client, request.arg(2), request.arg(3)),
            "info" => {
                let line = client.info.line(self.wall) + "\n";
                client.reply(|reply| reply.verbatim("txt", line));
            }
            "list" => self.client_list(client, request),
            "kill" => self.client_kill(client, request),
            "reply" => {
                let word = request.arg(2);
                if word.eq_ignore_ascii_case(b"on") {
                    client.mute = Mute::No;
                    client.muted = false;
                    client.ok();
                } else if word.eq_ignore_ascii_case(b"off") {
                    client.mute = Mute::Off;
                } else if word.eq_ignore_ascii_case(b"skip") {
                    if client.mute == Mute::No {
                        client.mute = Mute::SkipNext;
                    }
                } else {
                    self.refuse(client, SYNTAX);
                }
            }
            "no-evict" | "no-touch" => {
                let word = request.arg(2);
                let on = word.eq_ignore_ascii_case(b"on");
                if !on && !word.eq_ignore_ascii_case(b"off") {
                    return self.refuse(client, SYNTAX);
                }
                let mut names = client.info.names();
                if spec.word() == "no-evict" {
                    names.no_evict = on;
                } else {
                    names.no_touch = on;
                }
                drop(names);
                client.ok();
            }
            "getredir" => client.reply(|reply| reply.integer(-1)),
            "trackinginfo" => client.reply(|reply| {
                reply.map(3);
                reply.bulk("flags");
                reply.set(1);
                reply.bulk("off");
                reply.bulk("redirect");
                reply.integer(-1);
                reply.bulk("prefixes");
                reply.array(0);
            }),
            _ => self.unavailable(client, spec, "the proxy has no answer of its own to it"),
        }
    }

    fn set_info(&mut self, client: &mut Client, option: &[u8], value: &[u8]) {
        let is_name = option.eq_ignore_ascii_case(b"lib-name");
        if !is_name && !option.eq_ignore_ascii_case(b"lib-ver") {
            let option = String::from_utf8_lossy(option);
            return self.refuse(client, format!("ERR Unrecognized option '{option}'"));
        }
        let Some(value) = printable(value) else {
            let option = if is_name { "lib-name" } else { "lib-ver" };
            return self.refuse(
                client,
                format!("ERR {option} cannot contain spaces, newlines or special characters."),
            );
        };
        let mut names = client.info.names();
        if is_name {
            names.library = value;
        } else {
            names.library_version = value;
        }
        drop(names);
        client.ok();
    }

    fn client_list(&mut self, client: &mut Client, request: &Request<'_>) {
        let mut ids = None;
        let mut nobody = false;
        match (request.get(2), request.get(3)) {
            (None, _) => {}
            (Some(word), Some(kind)) if word.eq_ignore_ascii_case(b"type") && request.len() == 4 => {
                match type_has_clients(kind) {
                    Some(has) => nobody = !has,
                    None => return self.refuse(client, unknown_type(kind)),
                }
            }
            (Some(word), Some(_)) if word.eq_ignore_ascii_case(b"id") => {
                let numbers: Option<Vec<u64>> = request.args_from(3).map(client_id).collect();
                match numbers {
                    Some(numbers) => ids = Some(numbers),
                    None => return self.refuse(client, "ERR Invalid client ID"),
                }
            }
            _ => return self.refuse(client, SYNTAX),
        }
        let mut text = String::new();
        for info in self.shared.clients.list() {
            if !nobody && ids.as_ref().is_none_or(|ids| ids.contains(&info.id)) {
                text.push_str(&info.line(self.wall));
                text.push('\n');
            }
        }
        client.reply(|reply| reply.verbatim("txt", text));
    }

    fn client_kill(&mut self, client: &mut Client, request: &Request<'_>) {
        let mut filter = Filter { skip_me: true, ..Filter::default() };
        let old_form = request.len() == 3;
        if old_form {
            filter.address = Some(String::from_utf8_lossy(request.arg(2)).into_owned());
            filter.skip_me = false;
        } else if let Err(text) = parse_filter(request, &mut filter) {
            return self.refuse(client, text);
        }
        let victims: Vec<Arc<ClientInfo>> = self
            .shared
            .clients
            .list()
            .into_iter()
            .filter(|info| filter.takes(info) && !(filter.skip_me && info.id == client.info.id))
            .collect();
        if old_form && victims.is_empty() {
            return self.refuse(client, "ERR No such client");
        }
        let count = victims.len() as i64;
        client.reply(|reply| if old_form { reply.ok() } else { reply.integer(count) });
        for victim in &victims {
            victim.killed.store(true, Relaxed);
            if victim.id == client.info.id {
                client.closing = true;
            } else if let Some(port) = self.shared.ports().get(victim.worker) {
                port.send(Message::Killed);
            }
        }
    }
}

fn parse_filter(request: &Request<'_>, filter: &mut Filter) -> Result<(), String> {
    let mut at = 2;
    while let Some(option) = request.get(at) {
        let Some(value) = request.get(at + 1) else { return Err(SYNTAX.to_owned()) };
        let text = || String::from_utf8_lossy(value).into_owned();
        if option.eq_ignore_ascii_case(b"id") {
            let id = client_id(value);
            filter.id = Some(id.ok_or("ERR client-id should be greater than 0")?);
        } else if option.eq_ignore_ascii_case(b"addr") {
            filter.address = Some(text());
        } else if option.eq_ignore_ascii_case(b"laddr") {
            filter.local_address = Some(text());
        } else if option.eq_ignore_ascii_case(b"type") {
            filter.nobody |= !type_has_clients(value).ok_or_else(|| unknown_type(value))?;
        } else if option.eq_ignore_ascii_case(b"user") {
            if value != b"default" {
                return Err(format!("ERR No such user '{}'", text()));
            }
        } else if option.eq_ignore_ascii_case(b"skipme") {
            if value.eq_ignore_ascii_case(b"yes") {
                filter.skip_me = true;
            } else if value.eq_ignore_ascii_case(b"no") {
                filter.skip_me = false;
            } else {
                return Err(SYNTAX.to_owned());
            }
        } else {
            return Err(SYNTAX.to_owned());
        }
        at += 2;
    }
    Ok(())
}

fn client_id(text: &[u8]) -> Option<u64> {
    parse_i64(text).and_then(|id| u64::try_from(id).ok()).filter(|&id| id > 0)
}

/// Whether a proxy has clients of this type; `None` if there is no such type.
fn type_has_clients(kind: &[u8]) -> Option<bool> {
    let is = |word: &str| kind.eq_ignore_ascii_case(word.as_bytes());
    if is("normal") {
        Some(true)
    } else if is("replica") || is("slave") || is("pubsub") || is("master") {
        Some(false)
    } else {
        None
    }
}

fn unknown_type(kind: &[u8]) -> String {
    format!("ERR Unknown client type '{}'", String::from_utf8_lossy(kind))
}
