//! `GET /metrics` of a node.

use std::sync::atomic::Ordering::Relaxed;

use super::{Node, state::VERSION};
use crate::server::{
    metrics::{Kind, Text},
    process,
};

pub(super) fn write(node: &Node, out: &mut Text) {
    let state = &node.state;
    let stats = &state.stats;
    out.family(Kind::Gauge, "redis_node_info", "Constant 1; labels name the node and its version.")
        .sample(&[("id", state.id.as_str()), ("version", VERSION)], 1);
    out.one(
        Kind::Gauge,
        "redis_uptime_seconds",
        "Time since the node started.",
        state.since.elapsed().as_secs(),
    );
    let connections = &state.connections;
    out.one(
        Kind::Gauge,
        "redis_connected_clients",
        "Open connections, all protocols.",
        connections.connected(),
    );
    out.one(Kind::Gauge, "redis_maxclients", "Connections allowed at once.", state.config.max_clients());
    let received = connections.received.load(Relaxed);
    out.one(Kind::Counter, "redis_connections_received_total", "Connections accepted.", received);
    let rejected = connections.rejected.load(Relaxed);
    out.one(Kind::Counter, "redis_connections_rejected_total", "Connections over maxclients.", rejected);
    out.one(
        Kind::Counter,
        "redis_commands_processed_total",
        "Commands that ran since the start or CONFIG RESETSTAT.",
        stats.processed.get(),
    );
    out.one(Kind::Counter, "redis_net_input_bytes_total", "Bytes from RESP clients.", stats.input.get());
    out.one(Kind::Counter, "redis_net_output_bytes_total", "Bytes to RESP clients.", stats.output.get());
    loading(node, out);
    databases(node, out);
    let (used, blocked) = {
        let store = node.store();
        (state.used_memory(&store.keyspace), store.blocked.len() + store.pause.waiting())
    };
    out.one(Kind::Gauge, "redis_blocked_clients", "Clients whose command waits for others.", blocked);
    out.one(Kind::Gauge, "redis_memory_used_bytes", "Bytes of data, tables and client buffers.", used);
    let help = "maxmemory; 0: no limit.";
    out.one(Kind::Gauge, "redis_memory_max_bytes", help, state.config.max_memory());
    let memory = process::memory();
    out.one(Kind::Gauge, "redis_memory_used_rss_bytes", "Resident memory of the process.", memory.resident);
    let cpu = process::cpu();
    let mut family = out.family(Kind::Counter, "redis_cpu_seconds_total", "CPU time of the process.");
    family.sample(&[("mode", "user")], cpu.user);
    family.sample(&[("mode", "system")], cpu.system);
    commands(node, out);
    let mut family = out.family(Kind::Counter, "redis_errors_total", "Error replies by code.");
    for (code, count) in stats.errors() {
        family.sample(&[("err", &code)], count);
    }
}

fn loading(node: &Node, out: &mut Text) {
    let persist = &node.state.persist;
    out.one(
        Kind::Gauge,
        "redis_loading",
        "1 while the data is read at the start.",
        u8::from(persist.is_loading()),
    );
    let (_, total, done, eta) = persist.progress.figures();
    out.one(
        Kind::Gauge,
        "redis_loading_total_bytes",
        "Bytes of the files that are read at the start.",
        total,
    );
    out.one(Kind::Gauge, "redis_loading_loaded_bytes", "Bytes of them that were read.", done);
    let eta = if persist.is_loading() { eta } else { 0 };
    out.one(Kind::Gauge, "redis_loading_eta_seconds", "About so long it will still take.", eta);
}

fn databases(node: &Node, out: &mut Text) {
    let store = node.store();
    let keyspace = &store.keyspace;
    let sizes: Vec<(String, usize, usize)> = (0..keyspace.databases())
        .map(|index| (index, keyspace.db(index)))
        .filter(|(_, db)| !db.is_empty())
        .map(|(index, db)| (format!("db{index}"), db.len(), db.expiring()))
        .collect();
    let stats = node.state.keyspace_stats(keyspace);
    drop(store);
    let mut family = out.family(Kind::Gauge, "redis_db_keys", "Keys of a database.");
    for (name, keys, _) in &sizes {
        family.sample(&[("db", name)], keys);
    }
    let mut family = out.family(Kind::Gauge, "redis_db_keys_expiring", "Keys of a database with an expiry.");
    for (name, _, expiring) in &sizes {
        family.sample(&[("db", name)], expiring);
    }
    out.one(Kind::Counter, "redis_keyspace_hits_total", "Reads of keys that were there.", stats.hits);
    out.one(Kind::Counter, "redis_keyspace_misses_total", "Reads of keys that were not.", stats.misses);
    out.one(
        Kind::Counter,
        "redis_expired_keys_total",
        "Keys removed because their time had come.",
        stats.expired,
    );
    out.one(Kind::Counter, "redis_evicted_keys_total", "Keys removed because of maxmemory.", stats.evicted);
}

fn commands(node: &Node, out: &mut Text) {
    let stats = &node.state.stats;
    let mut family = out.family(Kind::Counter, "redis_commands_total", "Calls by command.");
    for (spec, stats) in stats.commands() {
        family.sample(&[("cmd", spec.name)], stats.calls.get());
    }
    let help = "Time in commands, by command.";
    let mut family = out.family(Kind::Counter, "redis_commands_duration_seconds_total", help);
    for (spec, stats) in stats.commands() {
        family.sample(&[("cmd", spec.name)], stats.nanoseconds.get() as f64 / 1e9);
    }
    let help = "Calls that answered with an error, by command.";
    let mut family = out.family(Kind::Counter, "redis_commands_failed_calls_total", help);
    for (spec, stats) in stats.commands().filter(|(_, stats)| stats.failed.get() != 0) {
        family.sample(&[("cmd", spec.name)], stats.failed.get());
    }
    let help = "Calls refused before they ran, by command.";
    let mut family = out.family(Kind::Counter, "redis_commands_rejected_calls_total", help);
    for (spec, stats) in stats.commands().filter(|(_, stats)| stats.rejected.get() != 0) {
        family.sample(&[("cmd", spec.name)], stats.rejected.get());
    }
}
