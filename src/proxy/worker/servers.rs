//! Commands about servers and not about keys, which go to every member, whether it owns slots or not: `SLOWLOG`, `CONFIG`, `BGSAVE`.

use std::sync::Arc;

use super::{
    Worker,
    client::{Client, Stall},
    config,
};
use crate::{
    command::{Servers, Spec},
    protocol::{Request, number::parse_i64},
    proxy::{
        merge::{
            AllSucceeded, Question, Same, Sum,
            servers::{Histograms, History, Latest, Memory, Oldest, SetSettings, Settings, SlowLog, Texts},
        },
        routing::{NodeIndex, Routing},
    },
    slot::SlotId,
};

/// Entries of `SLOWLOG GET` without a number.
const SLOW: i64 = 10;

impl Worker {
    /// See the module. One that cannot be reached is an error, because it has a part in the answer.
    pub(super) fn all_servers(
        &mut self,
        client: &mut Client,
        routing: &Arc<Routing>,
        (spec, servers): (&'static Spec, Servers),
        request: &Request<'_>,
    ) -> Result<(), Stall> {
        let members: Vec<NodeIndex> = routing.members().map(|(index, _)| index).collect();
        if members.is_empty() && servers != Servers::Settings {
            return self.refuse_ownerless(client, routing, SlotId::of_key(b""));
        }
        let same = || request.args();
        let question = match servers {
            Servers::Succeeded => Question::new(&members, same(), AllSucceeded),
            Servers::Same => Question::new(&members, same(), Same),
            Servers::Sum => Question::new(&members, same(), Sum),
            Servers::Oldest => Question::new(&members, same(), Oldest),
            Servers::Texts => Question::new(&members, same(), Texts),
            Servers::Memory => Question::new(&members, same(), Memory),
            Servers::Latest => Question::new(&members, same(), Latest),
            Servers::History => Question::new(&members, same(), History),
            Servers::Histograms => Question::new(&members, same(), Histograms),
            Servers::SlowLog => {
                // What is none is refused by the nodes.
                let count = request.get(2).map_or(Some(SLOW), parse_i64).unwrap_or(SLOW);
                Question::new(&members, same(), SlowLog { count: usize::try_from(count).ok() })
            }
            Servers::Debug => return self.debug(client, routing, spec, &members, request),
            Servers::Settings => return self.settings(client, routing, spec, &members, request),
            Servers::Set => {
                if let Some(text) = config::refusal(request) {
                    self.refuse(client, text);
                    return Ok(());
                }
                SetSettings::question(&members, request.args().map(<[u8]>::to_vec).collect())
            }
        };
        self.ask(client, routing, spec, question)
    }

    /// `CONFIG GET`, of those that can be reached.
    fn settings(
        &mut self,
        client: &mut Client,
        routing: &Arc<Routing>,
        spec: &'static Spec,
        members: &[NodeIndex],
        request: &Request<'_>,
    ) -> Result<(), Stall> {
        let own = self.own_settings(request);
        let settings = Settings { own, hidden: config::HIDDEN };
        let mut reachable = Vec::new();
        for &node in members {
            let upstream = self.upstreams.of(node, client);
            if self.upstreams.check(upstream, client, routing, self.turn.now)?.is_ok() {
                reachable.push(node);
            }
        }
        if reachable.is_empty() {
            client.reply(|reply| settings.tell(&[], reply));
            return Ok(());
        }
        self.ask(client, routing, spec, Question::new(&reachable, request.args(), settings))
    }
}
