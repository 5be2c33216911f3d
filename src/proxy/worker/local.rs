//! Commands that a proxy answers itself: about the connection, the clock, and the command table.

use super::{
    Worker,
    client::{Client, Stall},
};
use crate::{
    command::{Route, Spec, introspect},
    connection,
    protocol::Request,
    proxy::outbox::LARGE,
};

impl Worker {
    /// See the module.
    pub(super) fn local(
        &mut self,
        client: &mut Client,
        spec: &'static Spec,
        request: &Request<'_>,
    ) -> Result<(), Stall> {
        // A large word goes back in the memory that it came in.
        let is_large = request.len() == 2 && request.arg(1).len() >= LARGE;
        if is_large && matches!(spec.name, "ping" | "echo") && !client.is_subscribed() {
            client.echo(request.raw().and(self.whole.as_ref()), request.arg(1));
            return Ok(());
        }
        if let Some(command) = connection::find(spec.name) {
            return self.about_connection(client, command, spec, request);
        }
        match spec.name {
            "time" => {
                let now =
                    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
                client.reply(|reply| {
                    reply.array(2);
                    reply.bulk(now.as_secs().to_string());
                    reply.bulk(now.subsec_micros().to_string());
                });
            }
            "client|unblock" => self.unblock(client, request),
            "client|pause" => return self.pause(client, request),
            "client|unpause" => self.unpause(client),
            "client|tracking" => return self.track(client, request),
            "client|caching" => self.set_caching(client, request),
            "monitor" => self.monitor(client),
            // As INFO says: replicas are the nodes' own.
            "role" => client.reply(|reply| {
                reply.array(3);
                reply.bulk("master");
                reply.integer(0);
                reply.array(0);
            }),
            name if name.starts_with("acl|") && name != "acl|help" => {
                return self.users(client, spec, request);
            }
            "asking" | "readonly" | "readwrite" => client.reply(|reply| reply.simple("OK")),
            name if name.starts_with("cluster|") && name != "cluster|help" => {
                return self.about_cluster(client, spec, request);
            }
            name if name == "command" || name.starts_with("command|") => self.command(client, spec, request),
            name if name.ends_with("|help") => {
                let container = name.split('|').next().unwrap_or_default();
                client.reply(|reply| introspect::help(container, reply, &is_available));
            }
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
        if let Some(error) = failed {
            self.counters.errors += 1;
            self.figures.traffic.refusals.add(error.to_string().as_bytes());
        }
    }
}

/// Commands with [`Route::Local`] that the proxy answers itself.
#[must_use]
pub fn answers(spec: &Spec) -> bool {
    match spec.name.split_once('|') {
        Some(("client", "caching" | "pause" | "tracking" | "unblock" | "unpause")) => true,
        Some(("command" | "acl" | "cluster", _) | (_, "help")) => true,
        _ => {
            connection::find(spec.name).is_some()
                || matches!(
                    spec.name,
                    "asking" | "command" | "monitor" | "readonly" | "readwrite" | "role" | "time"
                )
        }
    }
}

/// Whether a client can use a command through the proxy, as far as the proxy can tell.
pub(super) fn is_available(spec: &Spec) -> bool {
    match spec.route {
        Route::Refused(_) => false,
        Route::Local => answers(spec),
        Route::OneNode
        | Route::Combined(_)
        | Route::Taken(_)
        | Route::Split(_)
        | Route::AllNodes(_)
        | Route::Servers(_)
        | Route::Transaction
        | Route::Scripted(_)
        | Route::Channels => true,
    }
}
