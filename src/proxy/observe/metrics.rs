//! `GET /metrics` of a proxy. Labels are members, commands of the table and families of them, codes of errors (128 at most for each node
//! and for the proxy) and fixed words; never a key or a client.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Instant,
};

use super::{
    OfNode,
    keys::Kind as Large,
    sections,
    traffic::{Cut, FAMILIES, Traffic},
};
use crate::{
    command::TABLE,
    proxy::{
        daemon::Proxy,
        routing::{Access, Member, NodeIndex, Routing},
        shared::Shared,
    },
    server::{
        counts::{Counter, Spread},
        metrics::{Family, Kind, Text},
        process,
    },
};

/// See the module.
pub(in crate::proxy) fn write(proxy: &Proxy, out: &mut Text) {
    let routing = proxy.routing();
    of_process(proxy, out);
    of_clients(&proxy.shared, out);
    of_requests(&proxy.shared, out);
    of_registry(proxy, &routing, out);
    of_nodes(proxy, &routing, out);
    of_keys(&proxy.shared, out);
}

fn of_process(proxy: &Proxy, out: &mut Text) {
    let shared = &proxy.shared;
    out.family(
        Kind::Gauge,
        "redis_proxy_info",
        "Constant 1; labels name the proxy, its cluster and its version.",
    )
    .sample(
        &[("id", shared.id.as_str()), ("cluster", &shared.cluster), ("version", env!("CARGO_PKG_VERSION"))],
        1,
    );
    let uptime = (crate::time::Millis::now().0 - shared.started.0).max(0) as f64 / 1000.0;
    out.one(Kind::Gauge, "redis_proxy_uptime_seconds", "Time since the proxy started.", uptime);
    let memory = process::memory();
    out.one(Kind::Gauge, "redis_proxy_memory_rss_bytes", "Resident memory of the process.", memory.resident);
    let cpu = process::cpu();
    let mut family = out.family(Kind::Counter, "redis_proxy_cpu_seconds_total", "CPU time of the process.");
    family.sample(&[("mode", "user")], cpu.user);
    family.sample(&[("mode", "system")], cpu.system);
}

fn of_clients(shared: &Shared, out: &mut Text) {
    let connections = &shared.connections;
    out.one(Kind::Gauge, "redis_proxy_connected_clients", "Open connections.", connections.connected());
    out.one(Kind::Gauge, "redis_proxy_maxclients", "Connections allowed at once.", shared.max_clients);
    out.one(
        Kind::Counter,
        "redis_proxy_connections_received_total",
        "Connections accepted.",
        connections.received.load(Relaxed),
    );
    out.one(
        Kind::Counter,
        "redis_proxy_connections_rejected_total",
        "Connections over the limit.",
        connections.rejected.load(Relaxed),
    );
    let mut family = out.family(
        Kind::Counter,
        "redis_proxy_clients_cut_total",
        "Clients that were cut off, by the reason.",
    );
    for (cut, reason) in Cut::ALL {
        family.sample(&[("reason", reason)], shared.were_cut(cut));
    }
    let sum = shared.clients.sum();
    out.one(Kind::Gauge, "redis_proxy_subscribed_clients", "Clients with subscriptions.", sum.subscribed);
    out.one(
        Kind::Gauge,
        "redis_proxy_waiting_clients",
        "Clients whose request waits for others.",
        sum.waiting,
    );
    let help = "Bytes of clients' requests that are not complete and of replies that they have not taken.";
    let mut family = out.family(Kind::Gauge, "redis_proxy_client_buffer_bytes", help);
    family.sample(&[("direction", "in")], sum.input);
    family.sample(&[("direction", "out")], sum.output);
    let counters = shared.counters();
    let help = "Clients whose writes wait for a slot move.";
    out.one(Kind::Gauge, "redis_proxy_held_clients", help, counters.held);
    let help = "Clients that wait for keys of several nodes.";
    out.one(Kind::Gauge, "redis_proxy_seeking_clients", help, counters.waiting);
    let help = "Elements taken for a client that had gone, and given back.";
    out.one(Kind::Counter, "redis_proxy_returned_total", help, counters.returned);
    let help = "Elements taken for a client that had gone, and refused by their node, or perhaps.";
    out.one(Kind::Counter, "redis_proxy_unreturned_total", help, counters.unreturned);
}

fn of_requests(shared: &Shared, out: &mut Text) {
    let counters = shared.counters();
    let traffic = || shared.workers.iter().map(|worker| &worker.traffic);
    out.one(Kind::Counter, "redis_proxy_commands_total", "Requests served.", counters.commands);
    out.one(Kind::Counter, "redis_proxy_forwarded_total", "Requests sent to nodes.", counters.forwarded);
    out.one(
        Kind::Counter,
        "redis_proxy_errors_total",
        "Requests answered with an error of the proxy's own.",
        counters.errors,
    );
    let mut codes: BTreeMap<String, u64> = BTreeMap::new();
    for (code, count) in traffic().flat_map(|traffic| traffic.refusals.read()) {
        *codes.entry(code).or_default() += count;
    }
    let mut family = out.family(
        Kind::Counter,
        "redis_proxy_refusals_total",
        "Errors of the proxy's own, by their first word.",
    );
    for (code, count) in &codes {
        family.sample(&[("err", code)], count);
    }
    let input: u64 = traffic().map(|traffic| traffic.input.get()).sum();
    let output: u64 = traffic().map(|traffic| traffic.output.get()).sum();
    out.one(Kind::Counter, "redis_proxy_client_input_bytes_total", "Bytes from RESP clients.", input);
    out.one(Kind::Counter, "redis_proxy_client_output_bytes_total", "Bytes to RESP clients.", output);
    let mut commands: BTreeMap<usize, (u64, u64)> = BTreeMap::new();
    for (spec, requests, errors) in traffic().flat_map(Traffic::commands) {
        let sum = commands.entry(spec).or_default();
        (sum.0, sum.1) = (sum.0 + requests, sum.1 + errors);
    }
    let help = "Requests served, by command; what is queued after MULTI counts as its EXEC.";
    let mut family = out.family(Kind::Counter, "redis_proxy_command_requests_total", help);
    for (&spec, (requests, _)) in &commands {
        family.sample(&[("cmd", TABLE[spec].name)], requests);
    }
    let help = "Requests and parts of requests that a node answered by an error, by command.";
    let mut family = out.family(Kind::Counter, "redis_proxy_command_errors_total", help);
    for (&spec, (_, errors)) in commands.iter().filter(|(_, (_, errors))| *errors > 0) {
        family.sample(&[("cmd", TABLE[spec].name)], errors);
    }
    let mut families: [Spread; FAMILIES] = Default::default();
    for one in traffic().map(Traffic::families) {
        families.iter_mut().zip(one).for_each(|(sum, one)| *sum += one.read());
    }
    let help = "From the turn of the proxy's loop in which a request was read to the one in which its node's reply was, by \
                family of commands; every request is counted, what waits for others is not.";
    let mut family = out.family(Kind::Histogram, "redis_proxy_request_duration_seconds", help);
    let names: BTreeMap<usize, &str> =
        TABLE.iter().map(|spec| (spec.group as usize, spec.group.name())).collect();
    for (group, name) in names {
        if families[group].count() > 0 {
            family.spread(&[("family", name)], &families[group]);
        }
    }
    let slow: u64 = traffic().map(|traffic| traffic.slow.get()).sum();
    out.one(
        Kind::Counter,
        "redis_proxy_slow_requests_total",
        "Requests that took longer than --slowlog-log-slower-than; INFO slowrequests shows the latest.",
        slow,
    );
}

fn of_registry(proxy: &Proxy, routing: &Routing, out: &mut Text) {
    out.one(Kind::Gauge, "redis_proxy_topology_epoch", "Epoch it routes by.", routing.epoch().0);
    let applied = proxy.applied.get();
    out.one(
        Kind::Counter,
        "redis_proxy_topology_changes_total",
        "Tables of routes that were put to use.",
        applied,
    );
    out.one(
        Kind::Gauge,
        "redis_proxy_slot_moves",
        "Slot moves under way in the topology it routes by.",
        routing.topology().moves.len(),
    );
    let left = routing.lease_left();
    out.one(
        Kind::Gauge,
        "redis_proxy_lease_remaining_seconds",
        "How long its registration stands without another word of etcd; 0: it is not registered.",
        left.as_secs_f64(),
    );
    out.one(
        Kind::Gauge,
        "redis_proxy_driver",
        "Whether it drives slot moves.",
        u8::from(proxy.live.is_driver()),
    );
}

/// A member and its figures, of each worker.
type Row<'a> = (&'a Member, Vec<Arc<OfNode>>);

/// One figure, all workers together.
fn total(figures: &[Arc<OfNode>], of: impl Fn(&OfNode) -> &Counter) -> u64 {
    figures.iter().map(|figures| of(figures).get()).sum()
}

fn by_node(rows: &[Row<'_>], mut family: Family<'_>, of: impl Fn(&OfNode) -> &Counter + Copy) {
    for (member, figures) in rows {
        family.sample(&[("node", member.id.as_str())], total(figures, of));
    }
}

fn of_nodes(proxy: &Proxy, routing: &Routing, out: &mut Text) {
    let workers = &proxy.shared.workers;
    let figures =
        |index: NodeIndex| workers.iter().filter_map(move |worker| worker.traffic.known_node(index));
    let rows: Vec<Row<'_>> =
        routing.members().map(|(index, member)| (&**member, figures(index).collect())).collect();
    let help = "Requests and parts of requests by node and how they ended: ok, error (the node's reply), not_run (the \
                connection was lost before they were sent), unknown (lost after that).";
    let mut family = out.family(Kind::Counter, "redis_proxy_node_requests_total", help);
    for (member, figures) in &rows {
        let (answered, errors) = (total(figures, |of| &of.answered), total(figures, |of| &of.errors));
        let outcomes = [
            ("ok", answered.saturating_sub(errors)),
            ("error", errors),
            ("not_run", total(figures, |of| &of.not_run)),
            ("unknown", total(figures, |of| &of.unknown)),
        ];
        for (outcome, count) in outcomes {
            family.sample(&[("node", member.id.as_str()), ("outcome", outcome)], count);
        }
    }
    let help = "Error replies of a node, by their first word.";
    let mut family = out.family(Kind::Counter, "redis_proxy_node_errors_total", help);
    for (member, figures) in &rows {
        let mut codes: BTreeMap<String, u64> = BTreeMap::new();
        for (code, count) in figures.iter().flat_map(|figures| figures.codes.read()) {
            *codes.entry(code).or_default() += count;
        }
        for (code, count) in &codes {
            family.sample(&[("node", member.id.as_str()), ("err", code)], count);
        }
    }
    let help = "From the turn of the proxy's loop in which a request was read to the one in which this node's reply was; \
                every request is counted, what waits for others is not.";
    let mut family = out.family(Kind::Histogram, "redis_proxy_node_request_duration_seconds", help);
    for (member, figures) in &rows {
        let mut spread = Spread::default();
        figures.iter().for_each(|figures| spread += figures.times.read());
        family.spread(&[("node", member.id.as_str())], &spread);
    }
    let help = "Requests that were sent to a node, or wait to be, and are not answered.";
    let mut family = out.family(Kind::Gauge, "redis_proxy_node_in_flight", help);
    for (member, figures) in &rows {
        let done = total(figures, |of| &of.answered)
            + total(figures, |of| &of.not_run)
            + total(figures, |of| &of.unknown);
        let in_flight = total(figures, |of| &of.sent).saturating_sub(done);
        family.sample(&[("node", member.id.as_str())], in_flight);
    }
    let family = out.family(Kind::Counter, "redis_proxy_node_input_bytes_total", "Bytes from a node.");
    by_node(&rows, family, |of| &of.input);
    let family = out.family(Kind::Counter, "redis_proxy_node_output_bytes_total", "Bytes to a node.");
    by_node(&rows, family, |of| &of.output);
    let help = "Connections to a node: ready, connecting (login included), down (tried again after a pause).";
    let mut family = out.family(Kind::Gauge, "redis_proxy_node_connections", help);
    for (member, figures) in &rows {
        let states = [
            ("ready", total(figures, |of| &of.ready)),
            ("connecting", total(figures, |of| &of.connecting)),
            ("down", total(figures, |of| &of.down)),
        ];
        for (state, count) in states {
            family.sample(&[("node", member.id.as_str()), ("state", state)], count);
        }
    }
    let help = "Attempts to connect to a node.";
    let family = out.family(Kind::Counter, "redis_proxy_node_connection_attempts_total", help);
    by_node(&rows, family, |of| &of.attempts);
    let help = "Connections to a node that could not be made, or broke.";
    let family = out.family(Kind::Counter, "redis_proxy_node_connection_failures_total", help);
    by_node(&rows, family, |of| &of.failures);
    let help = "Whether the proxy may make connections to a node.";
    let mut family = out.family(Kind::Gauge, "redis_proxy_node_logged_in", help);
    for (member, _) in &rows {
        let ready = u8::from(matches!(member.access, Access::Ready(_)));
        family.sample(&[("node", member.id.as_str())], ready);
    }
    let help = "How often a node was seen to come back without the keys it held.";
    let mut family = out.family(Kind::Counter, "redis_proxy_node_losses_total", help);
    for (member, _) in &rows {
        family.sample(&[("node", member.id.as_str())], proxy.losses.of(&member.id));
    }
}

/// Which keys, only INFO says, to who may ask for it.
fn of_keys(shared: &Shared, out: &mut Text) {
    let seen = sections::seen(shared, Instant::now());
    let hottest = seen.hot.first().map_or(0.0, |&(_, count, error)| seen.per_second(count - error));
    out.one(
        Kind::Gauge,
        "redis_proxy_hottest_key_requests_per_second",
        "Requests for the key that is asked for most, over the last one or two minutes, by a sample of 1 in 64; INFO hotkeys \
         names it.",
        hottest,
    );
    let mut family = out.family(
        Kind::Gauge,
        "redis_proxy_largest_bytes",
        "Largest request and reply of the last one or two minutes, of a sample; INFO hotkeys names the keys.",
    );
    for (kind, word) in [(Large::Request, "request"), (Large::Reply, "reply")] {
        let largest = seen.large.iter().filter(|large| large.kind == kind).map(|large| large.bytes).max();
        family.sample(&[("of", word)], largest.unwrap_or(0));
    }
}
