//! `CONFIG GET` at a proxy: what is true of the data as a client sees it through this proxy, so that tools which ask before
//! they begin get an answer. What belongs to one node is asked of that node.

use super::{Worker, client::Client, lanes::DATABASES};
use crate::protocol::{
    Limits, Request,
    glob::{Case, Glob},
};

impl Worker {
    pub(super) fn config_get(&mut self, client: &mut Client, request: &Request<'_>) {
        let settings = [
            // Nothing is kept at a proxy.
            ("appendonly", "no".to_owned()),
            ("databases", DATABASES.to_string()),
            ("port", self.shared.port.to_string()),
            ("proto-max-bulk-len", Limits::default().bulk.to_string()),
            ("save", String::new()),
        ];
        let globs: Vec<_> = request.args_from(2).map(|pattern| Glob::new(pattern, Case::Ignored)).collect();
        let asked = |name: &str| globs.iter().any(|glob| glob.matches(name.as_bytes()));
        let found: Vec<_> = settings.iter().filter(|(name, _)| asked(name)).collect();
        client.reply(|reply| {
            reply.map(found.len());
            for (name, value) in found {
                reply.bulk(name);
                reply.bulk(value);
            }
        });
    }
}
