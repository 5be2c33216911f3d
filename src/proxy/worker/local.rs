//! Commands that a proxy answers itself: about the connection, the clock, and the command table.

use std::sync::atomic::Ordering::Relaxed;

use super::{
    Worker,
    client::{Client, Stall},
    lanes::DATABASES,
};
use crate::{
    command::{Route, Spec, introspect},
    protocol::{Request, Version, number::parse_i64},
    proxy::info::REDIS_VERSION,
};

/// Redis's words.
const SYNTAX: &str = "ERR syntax error";
const WRONGPASS: &str = "WRONGPASS invalid username-password pair or user is disabled.";
const NO_PASSWORD: &str = "ERR AUTH <password> called without any password configured for the default user. Are you \
                           sure your configuration is correct?";

impl Worker {
    /// See the module.
    pub(super) fn local(
        &mut self,
        client: &mut Client,
        spec: &'static Spec,
        request: &Request<'_>,
    ) -> Result<(), Stall> {
        match spec.name {
            "ping" => match request.get(1) {
                None => client.reply(|reply| reply.simple("PONG")),
                Some(_) if request.len() > 2 => {
                    self.refuse(client, "ERR wrong number of arguments for 'ping' command");
                }
                Some(message) => client.echo(request.raw().and(self.whole.as_ref()), message),
            },
            "echo" => client.echo(request.raw().and(self.whole.as_ref()), request.arg(1)),
            "select" => return self.select(client, request.arg(1)),
            "hello" => return self.hello(client, request),
            "auth" => self.auth(client, request),
            "quit" => {
                client.ok();
                client.closing = true;
            }
            "reset" => return self.reset(client),
            "time" => {
                let now =
                    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
                client.reply(|reply| {
                    reply.array(2);
                    reply.bulk(now.as_secs().to_string());
                    reply.bulk(now.subsec_micros().to_string());
                });
            }
            "config|get" => self.config_get(client, request),
            name if name == "command" || name.starts_with("command|") => self.command(client, spec, request),
            name if name.ends_with("|help") => {
                let container = name.split('|').next().unwrap_or_default();
                client.reply(|reply| introspect::help(container, reply, &is_available));
            }
            name if name.starts_with("client|") => self.client_command(client, spec, request),
            _ => self.unavailable(client, spec, "the proxy has no answer of its own to it"),
        }
        Ok(())
    }

    fn command(&mut self, client: &mut Client, spec: &Spec, request: &Request<'_>) {
        let mut failed = None;
        client.reply(|reply| {
            if let Err(error) = introspect::command(spec, request, reply, &is_available) {
                failed = Some(error);
                reply.error(error.to_string());
            }
        });
        self.gathers.counters.errors += u64::from(failed.is_some());
    }

    fn select(&mut self, client: &mut Client, index: &[u8]) -> Result<(), Stall> {
        let Some(index) = parse_i64(index) else {
            self.refuse(client, "ERR value is not an integer or out of range");
            return Ok(());
        };
        if i32::try_from(index).is_err() {
            self.refuse(client, "ERR value is out of range, value must between -2147483648 and 2147483647");
            return Ok(());
        }
        let Some(index) = u8::try_from(index).ok().filter(|&index| index < DATABASES) else {
            self.refuse(client, "ERR DB index is out of range");
            return Ok(());
        };
        if index != client.database && client.replies.in_flight() > 0 {
            // Another database is another connection: requests before must not be overtaken.
            return Err(Stall::Drain);
        }
        client.database = index;
        client.info.database.store(index, Relaxed);
        client.ok();
        Ok(())
    }

    fn password_is_right(&self, user: &[u8], password: &[u8]) -> bool {
        user == b"default"
            && self.shared.password.as_ref().is_none_or(|right| equal(right.as_bytes(), password))
    }

    fn auth(&mut self, client: &mut Client, request: &Request<'_>) {
        let (user, password) = match request.len() {
            2 if self.shared.password.is_none() => return self.refuse(client, NO_PASSWORD),
            2 => (&b"default"[..], request.arg(1)),
            3 => (request.arg(1), request.arg(2)),
            _ => return self.refuse(client, SYNTAX),
        };
        if self.password_is_right(user, password) {
            client.authenticated = true;
            client.ok();
        } else {
            self.refuse(client, WRONGPASS);
        }
    }

    fn hello(&mut self, client: &mut Client, request: &Request<'_>) -> Result<(), Stall> {
        let version = match request.get(1) {
            None => client.version,
            Some(word) => match parse_i64(word) {
                Some(2) => Version::Resp2,
                Some(3) => Version::Resp3,
                Some(_) => {
                    self.refuse(client, "NOPROTO unsupported protocol version");
                    return Ok(());
                }
                None => {
                    self.refuse(client, "ERR Protocol version is not an integer or out of range");
                    return Ok(());
                }
            },
        };
        if version != client.version && client.replies.in_flight() > 0 {
            return Err(Stall::Drain);
        }
        let (mut login, mut name) = (None, None);
        let mut at = 2;
        while let Some(option) = request.get(at) {
            let left = request.len() - at - 1;
            if option.eq_ignore_ascii_case(b"auth") && left >= 2 {
                login = Some((request.arg(at + 1), request.arg(at + 2)));
                at += 3;
            } else if option.eq_ignore_ascii_case(b"setname") && left >= 1 {
                name = Some(request.arg(at + 1));
                at += 2;
            } else {
                let option = String::from_utf8_lossy(option);
                self.refuse(client, format!("ERR Syntax error in HELLO option '{option}'"));
                return Ok(());
            }
        }
        if let Some((user, password)) = login {
            if !self.password_is_right(user, password) {
                self.refuse(client, WRONGPASS);
                return Ok(());
            }
            client.authenticated = true;
        }
        if !client.authenticated {
            self.refuse(
                client,
                "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH \
                 <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the \
                 same time",
            );
            return Ok(());
        }
        if let Some(name) = name {
            let Some(name) = printable(name) else {
                self.refuse(
                    client,
                    "ERR Client names cannot contain spaces, newlines or special characters.",
                );
                return Ok(());
            };
            client.info.names().name = name;
        }
        client.version = version;
        let number = if version == Version::Resp3 { 3 } else { 2 };
        client.info.protocol.store(number, Relaxed);
        let id = client.info.id;
        client.reply(|reply| {
            reply.map(7);
            for (field, value) in [("server", "redis"), ("version", REDIS_VERSION)] {
                reply.bulk(field);
                reply.bulk(value);
            }
            reply.bulk("proto");
            reply.integer(i64::from(number));
            reply.bulk("id");
            reply.integer(i64::try_from(id).unwrap_or(i64::MAX));
            for (field, value) in [("mode", "standalone"), ("role", "master")] {
                reply.bulk(field);
                reply.bulk(value);
            }
            reply.bulk("modules");
            reply.array(0);
        });
        Ok(())
    }

    fn reset(&mut self, client: &mut Client) -> Result<(), Stall> {
        if client.replies.in_flight() > 0 {
            return Err(Stall::Drain);
        }
        client.version = Version::Resp2;
        client.database = 0;
        client.mute = super::client::Mute::No;
        client.muted = false;
        client.authenticated = self.shared.password.is_none();
        client.info.database.store(0, Relaxed);
        client.info.protocol.store(2, Relaxed);
        *client.info.names() = Default::default();
        client.reply(|reply| reply.simple("RESET"));
        Ok(())
    }
}

/// Commands with [`Route::Local`] that the proxy answers itself.
#[must_use]
pub fn answers(spec: &Spec) -> bool {
    const CLIENT: [&str; 13] = [
        "id",
        "getname",
        "setname",
        "setinfo",
        "info",
        "list",
        "kill",
        "reply",
        "no-evict",
        "no-touch",
        "getredir",
        "trackinginfo",
        "help",
    ];
    match spec.name.split_once('|') {
        Some(("client", word)) => CLIENT.contains(&word),
        Some(("command", _) | (_, "help") | ("config", "get")) => true,
        Some(_) => false,
        None => matches!(
            spec.name,
            "ping" | "echo" | "select" | "hello" | "auth" | "quit" | "reset" | "time" | "command"
        ),
    }
}

/// Whether a client can use a command through the proxy, as far as the proxy can tell.
fn is_available(spec: &Spec) -> bool {
    match spec.route {
        Route::Refused(_) => false,
        Route::Local => answers(spec),
        Route::OneSlot | Route::Split(_) | Route::AllNodes(_) => true,
    }
}

/// Compares in a time that does not depend on where they differ.
fn equal(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}

/// A name as Redis allows it in `CLIENT LIST`: from `!` to `~`.
pub(super) fn printable(text: &[u8]) -> Option<String> {
    text.iter().all(|byte| (b'!'..=b'~').contains(byte)).then(|| String::from_utf8_lossy(text).into_owned())
}
