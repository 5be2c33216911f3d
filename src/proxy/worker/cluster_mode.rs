//! `CLUSTER`, `READONLY` and their like: what clients in cluster mode ask before they begin ([`crate::proxy::cluster_mode`]).

use std::sync::Arc;

use super::{
    Worker,
    client::{Client, Stall},
};
use crate::{
    command::Spec,
    protocol::{Request, number::parse_i64},
    proxy::{
        cluster_mode::{Endpoint, View},
        merge::SlotKeys,
        routing::Routing,
    },
    slot::SlotId,
};

impl Worker {
    /// Commands with a route of their own that are named `cluster|…`, but for its help.
    pub(super) fn about_cluster(
        &mut self,
        client: &mut Client,
        spec: &'static Spec,
        request: &Request<'_>,
    ) -> Result<(), Stall> {
        let routing = Arc::clone(&self.epochs.routing);
        match spec.name {
            "cluster|keyslot" => {
                let slot = SlotId::of_key(request.arg(2));
                client.reply(|reply| reply.integer(i64::from(slot.get())));
                return Ok(());
            }
            "cluster|links" => {
                client.reply(|reply| reply.array(0));
                return Ok(());
            }
            "cluster|countkeysinslot" | "cluster|getkeysinslot" => {
                return self.keys_in_slot(client, &routing, spec, request);
            }
            _ => {}
        }
        let Some(view) = self.view(client, &routing) else {
            let text = "ERR this proxy does not know the address that clients reach it by: start it with --advertise";
            self.refuse(client, text);
            return Ok(());
        };
        client.reply(|reply| match spec.name {
            "cluster|slots" => view.slots(reply),
            "cluster|shards" => view.shards(reply),
            "cluster|nodes" => view.nodes(reply),
            "cluster|info" => view.info(reply),
            "cluster|myid" => view.id(reply),
            "cluster|myshardid" => view.shard_id(reply),
            "cluster|count-failure-reports" => view.failure_reports(request.arg(2), reply),
            // CLUSTER REPLICAS and its old name.
            _ => view.replicas(request.arg(2), reply),
        });
        Ok(())
    }

    /// By the address that the operator gave, and otherwise the one that this client has connected to, since that one is known to
    /// work for it. A name would do as well, but an empty one, which Redis has for this, is none to most clients.
    fn view(&self, client: &Client, routing: &Routing) -> Option<View> {
        let shared = &self.shared;
        let connected = client.info.peer.map(|(_, local)| local.to_string());
        let address = match connected {
            Some(connected) if !shared.is_advertised => connected,
            _ => shared.address.clone(),
        };
        let own = Endpoint::new(&shared.cluster, &shared.id, &address)?;
        let siblings = shared.siblings.all();
        let others = siblings.iter().filter(|(id, _)| **id != shared.id);
        let others = others.filter_map(|(id, address)| Endpoint::new(&shared.cluster, id, address)).collect();
        let assigned = SlotId::all().filter(|&slot| routing.owner(slot).is_some()).count();
        Some(View { cluster: shared.cluster.clone(), own, others, epoch: routing.epoch(), assigned })
    }

    fn keys_in_slot(
        &mut self,
        client: &mut Client,
        routing: &Arc<Routing>,
        spec: &'static Spec,
        request: &Request<'_>,
    ) -> Result<(), Stall> {
        let wanted = request.get(3).map(parse_i64);
        let (Some(slot), None | Some(Some(_))) = (parse_i64(request.arg(2)), wanted) else {
            self.refuse(client, "ERR value is not an integer or out of range");
            return Ok(());
        };
        let slot = u16::try_from(slot).ok().and_then(SlotId::new);
        let wanted = wanted.flatten().map(usize::try_from);
        let (Some(slot), None | Some(Ok(_))) = (slot, wanted) else {
            let more = if request.len() > 3 { " or number of keys" } else { "" };
            self.refuse(client, format!("ERR Invalid slot{more}"));
            return Ok(());
        };
        match SlotKeys::question(slot, wanted.and_then(Result::ok), routing) {
            _ if routing.is_frozen(slot) && self.refuse_uncertain(client, routing, slot) => Ok(()),
            Some(question) => self.ask(client, routing, spec, question),
            None => self.refuse_ownerless(client, routing, slot),
        }
    }
}
