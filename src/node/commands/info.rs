//! INFO: the state of the node in lines that people and exporters read.
//!
//! Fields that clients and exporters expect are there also when they can only be zero (replication).
//! Quick commands of a pipeline are timed together, so in `Latencystats` each of them took as long as the others.

use std::fmt::Write as _;

use super::{
    memory::{Usage, percent, ratio},
    support::Outcome,
};
use crate::{
    connection::{REDIS_VERSION, channels::Kind},
    node::{
        context::{Context, Handler},
        state::VERSION,
    },
    protocol::Request,
    server::process,
};

pub(super) const HANDLERS: &[(&str, Handler)] = &[("info", info)];

/// Sections in the order of Redis; whether they belong to the default ones.
const SECTIONS: [(&str, &str, bool); 13] = [
    ("server", "Server", true),
    ("clients", "Clients", true),
    ("memory", "Memory", true),
    ("persistence", "Persistence", true),
    ("stats", "Stats", true),
    ("replication", "Replication", true),
    ("cpu", "CPU", true),
    ("modules", "Modules", true),
    ("commandstats", "Commandstats", false),
    ("errorstats", "Errorstats", true),
    ("latencystats", "Latencystats", false),
    ("cluster", "Cluster", true),
    ("keyspace", "Keyspace", true),
];

fn info(context: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let asked: Vec<Vec<u8>> = request.args_from(1).map(<[u8]>::to_ascii_lowercase).collect();
    let all = asked.iter().any(|word| matches!(word.as_slice(), b"all" | b"everything"));
    let defaults = asked.is_empty() || asked.iter().any(|word| word == b"default");
    let mut text = String::new();
    for (section, title, by_default) in SECTIONS {
        if !(all || (defaults && by_default) || asked.iter().any(|word| word == section.as_bytes())) {
            continue;
        }
        if !text.is_empty() {
            text.push_str("\r\n");
        }
        let _ = write!(text, "# {title}\r\n");
        let mut lines = Lines(&mut text);
        match section {
            "server" => server(context, &mut lines),
            "clients" => clients(context, &mut lines),
            "memory" => memory(context, &mut lines),
            "persistence" => persistence(context, &mut lines),
            "stats" => stats(context, &mut lines),
            "replication" => replication(context, &mut lines),
            "cpu" => cpu(&mut lines),
            "commandstats" => commandstats(context, &mut lines),
            "latencystats" => latencystats(context, &mut lines),
            "errorstats" => errorstats(context, &mut lines),
            "cluster" => lines.field("cluster_enabled", 0),
            "keyspace" => keyspace(context, &mut lines),
            _ => {}
        }
    }
    context.reply.verbatim("txt", text);
    Ok(())
}

struct Lines<'a>(&'a mut String);

impl Lines<'_> {
    fn field(&mut self, name: impl std::fmt::Display, value: impl std::fmt::Display) {
        let _ = write!(self.0, "{name}:{value}\r\n");
    }

    fn zeros(&mut self, names: &[&str]) {
        for name in names {
            self.field(name, 0);
        }
    }

    /// By how much one number of bytes is more than another.
    fn excess(&mut self, name: &str, more: u64, less: u64) {
        self.field(format_args!("{name}_ratio"), format_args!("{:.2}", ratio(more, less)));
        self.field(format_args!("{name}_bytes"), more.wrapping_sub(less).cast_signed());
    }

    /// A number of bytes, and once more for people.
    fn bytes(&mut self, name: &str, bytes: u64) {
        self.field(name, bytes);
        self.field(format_args!("{name}_human"), human(bytes));
    }
}

/// `1.50M`
fn human(bytes: u64) -> String {
    let mut value = bytes as f64;
    if bytes < 1024 {
        return format!("{bytes}B");
    }
    for unit in ["K", "M", "G", "T"] {
        value /= 1024.0;
        if value < 1024.0 {
            return format!("{value:.2}{unit}");
        }
    }
    format!("{:.2}P", value / 1024.0)
}

fn server(context: &Context<'_>, lines: &mut Lines<'_>) {
    let node = context.node;
    let uptime = node.since.elapsed().as_secs();
    let config = |name| node.config.get(name).unwrap_or_default();
    lines.field("redis_version", REDIS_VERSION);
    lines.field("redis_git_sha1", "00000000");
    lines.field("redis_git_dirty", 0);
    lines.field("redis_build_id", 0);
    lines.field("redis_mode", "standalone");
    lines.field("server_name", "redis-cluster");
    lines.field("redis_cluster_version", VERSION);
    lines.field("node_id", &node.id);
    lines.field("os", process::system());
    lines.field("arch_bits", usize::BITS);
    lines.field("monotonic_clock", "POSIX clock_gettime");
    lines.field("multiplexing_api", "epoll");
    lines.field("process_id", std::process::id());
    lines.field("process_supervised", "no");
    lines.field("run_id", &node.run_id);
    lines.field("tcp_port", config("port"));
    let micros = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    lines.field("server_time_usec", micros.as_micros());
    lines.field("uptime_in_seconds", uptime);
    lines.field("uptime_in_days", uptime / 86_400);
    lines.field("hz", config("hz"));
    lines.field("configured_hz", config("hz"));
    lines.field("lru_clock", context.now.seconds() & 0xFF_FFFF);
    let executable = std::env::current_exe().unwrap_or_default();
    lines.field("executable", executable.display());
    lines.field("config_file", node.config.file_name());
    lines.field("io_threads_active", u8::from(config("io-threads") != "1"));
}

fn clients(context: &Context<'_>, lines: &mut Lines<'_>) {
    let node = context.node;
    lines.field("connected_clients", node.connections.connected());
    lines.field("cluster_connections", 0);
    lines.field("maxclients", node.config.max_clients());
    let (input, output) = node.clients.largest_buffers();
    lines.field("client_recent_max_input_buffer", input);
    lines.field("client_recent_max_output_buffer", output);
    lines.field("blocked_clients", context.store.blocked.len() + context.store.pause.waiting());
    lines.field("tracking_clients", context.store.tracking.clients());
    lines.field("clients_in_timeout_table", context.store.blocked.len());
}

fn memory(context: &Context<'_>, lines: &mut Lines<'_>) {
    let node = context.node;
    let usage = Usage::of(context);
    lines.bytes("used_memory", usage.used);
    lines.bytes("used_memory_rss", usage.resident);
    lines.bytes("used_memory_peak", usage.peak);
    lines.field("used_memory_peak_perc", format_args!("{:.2}%", percent(usage.used, usage.peak)));
    lines.field("used_memory_overhead", usage.overhead());
    lines.field("used_memory_startup", usage.startup);
    lines.field("used_memory_dataset", usage.dataset);
    lines.field("used_memory_dataset_perc", format_args!("{:.2}%", usage.dataset_percent()));
    let memory = usage.allocator;
    lines.field("allocator_allocated", memory.allocated);
    lines.field("allocator_active", memory.active);
    lines.field("allocator_resident", memory.resident);
    lines.bytes("total_system_memory", process::memory().system);
    let (scripts, functions) = (&context.store.scripts, &context.store.functions);
    let (sources, lua) = scripts.memory();
    let (libraries, lua_of_functions) = functions.memory();
    lines.bytes("used_memory_lua", lua as u64);
    lines.field("used_memory_vm_eval", lua);
    lines.field("used_memory_scripts_eval", sources);
    lines.field("number_of_cached_scripts", scripts.len());
    let (libraries_count, functions_count) = functions.count();
    lines.field("number_of_functions", functions_count);
    lines.field("number_of_libraries", libraries_count);
    lines.field("used_memory_vm_functions", lua_of_functions);
    lines.bytes("used_memory_vm_total", (lua + lua_of_functions) as u64);
    lines.field("used_memory_functions", libraries);
    lines.bytes("used_memory_scripts", (sources + libraries) as u64);
    lines.bytes("maxmemory", node.config.max_memory());
    lines.field("maxmemory_policy", node.config.get("maxmemory-policy").unwrap_or_default());
    // What is resident beyond what is used: the program itself, its threads, and what malloc keeps.
    lines.excess("allocator_frag", memory.active, memory.allocated);
    lines.excess("allocator_rss", memory.resident, memory.active);
    lines.excess("rss_overhead", usage.resident, memory.resident);
    lines.excess("mem_fragmentation", usage.resident, usage.used);
    lines.zeros(&["mem_not_counted_for_evict", "mem_replication_backlog"]);
    lines.zeros(&["mem_total_replication_buffers", "mem_clients_slaves"]);
    lines.field("mem_clients_normal", usage.clients);
    lines.zeros(&["mem_cluster_links", "mem_aof_buffer"]);
    lines.field("mem_allocator", if node.owns_memory() { "jemalloc-5.3.0" } else { "libc" });
    lines.zeros(&["active_defrag_running"]);
    lines.field("lazyfree_pending_objects", node.freer.pending());
    lines.field("lazyfreed_objects", node.freer.freed());
}

fn persistence(context: &Context<'_>, lines: &mut Lines<'_>) {
    let (persist, keyspace) = (&context.node.persist, &context.store.keyspace);
    let figures = persist.figures();
    let running = figures.running;
    let seconds = |time: Option<std::time::Duration>| time.map_or(-1, |time| time.as_secs().cast_signed());
    lines.field("loading", u8::from(persist.is_loading()));
    lines.zeros(&["async_loading"]);
    let held = running.map_or(0, |_| keyspace.snapshot_bytes());
    lines.field("current_cow_peak", running.map_or(0, |running| running.held.max(held)));
    lines.field("current_cow_size", held);
    lines.zeros(&["current_cow_size_age"]);
    let (written, keys) = running.map_or((0, 0), |running| (running.written, running.keys));
    lines.field("current_fork_perc", format_args!("{:.2}", percent(written, keys)));
    lines.field("current_save_keys_processed", written);
    lines.field("current_save_keys_total", keys);
    lines.field("rdb_changes_since_last_save", keyspace.changes().saturating_sub(figures.changes_then));
    let saving = running.filter(|running| !running.is_base);
    lines.field("rdb_bgsave_in_progress", u8::from(saving.is_some()));
    lines.field("rdb_last_save_time", figures.last_save.seconds());
    lines.field("rdb_last_bgsave_status", if figures.last_ok { "ok" } else { "err" });
    lines.field("rdb_last_bgsave_time_sec", seconds(figures.last_took));
    lines.field("rdb_current_bgsave_time_sec", seconds(saving.map(|saving| saving.since.elapsed())));
    lines.field("rdb_last_cow_size", figures.last_held);
    lines.field("rdb_last_load_keys_expired", figures.expired);
    lines.field("rdb_last_load_keys_loaded", figures.loaded);
    let (aof, shared) = (context.node.aof.figures(), &context.node.aof.shared);
    lines.field("aof_rewrites", aof.rewrites);
    lines.field("aof_rewrites_consecutive_failures", aof.failures);
    lines.zeros(&["aof_last_cow_size"]);
    lines.zeros(&["module_fork_in_progress", "module_fork_last_cow_size"]);
    lines.field("rdb_saves", figures.saves);
    let status = |is_ok| if is_ok { "ok" } else { "err" };
    let is_on = context.node.config.get("appendonly").is_some_and(|value| value == "yes");
    lines.field("aof_enabled", u8::from(is_on));
    lines.field("aof_rewrite_in_progress", u8::from(aof.begun.is_some()));
    let is_scheduled = aof.is_scheduled || aof.begins && aof.begun.is_none();
    lines.field("aof_rewrite_scheduled", u8::from(is_scheduled));
    lines.field("aof_last_rewrite_time_sec", seconds(aof.took));
    lines.field("aof_current_rewrite_time_sec", seconds(aof.begun.map(|begun| begun.elapsed())));
    lines.field("aof_last_bgrewrite_status", status(aof.failures == 0));
    lines.field("aof_last_write_status", status(!shared.is_failed()));
    if shared.is_on() {
        lines.field("aof_current_size", context.node.aof.size());
        lines.field("aof_base_size", aof.base_size);
        lines.zeros(&["aof_pending_rewrite"]);
        lines.field("aof_buffer_length", shared.unwritten());
        lines.field("aof_pending_bio_fsync", u8::from(shared.is_syncing()));
        lines.field("aof_delayed_fsync", shared.delayed());
        // Not of Redis: what a crash had left behind the last whole request, and requests that were refused.
        lines.field("aof_load_cut_bytes", aof.loaded.cut);
        lines.field("aof_load_refused", aof.loaded.refused);
    }
    // Not of Redis: whether it has its keys again when it is started again.
    lines.field("persistence_enabled", u8::from(context.node.saves_at_end() || is_on));
    if persist.is_loading() {
        let (begun, total, done, eta) = persist.progress.figures();
        lines.field("loading_start_time", begun.seconds());
        lines.field("loading_total_bytes", total);
        lines.zeros(&["loading_rdb_used_mem"]);
        lines.field("loading_loaded_bytes", done);
        lines.field("loading_loaded_perc", format_args!("{:.2}", percent(done, total)));
        lines.field("loading_eta_seconds", eta);
    }
}

fn stats(context: &Context<'_>, lines: &mut Lines<'_>) {
    use std::sync::atomic::Ordering::Relaxed;
    let node = context.node;
    let (stats, rate) = (&node.stats, node.stats.rate());
    let keys = node.keyspace_stats(&context.store.keyspace);
    lines.field("total_connections_received", node.connections.received.load(Relaxed));
    lines.field("total_commands_processed", stats.processed.get());
    lines.field("instantaneous_ops_per_sec", rate.commands.round());
    lines.field("total_net_input_bytes", stats.input.get());
    lines.field("total_net_output_bytes", stats.output.get());
    lines.zeros(&["total_net_repl_input_bytes", "total_net_repl_output_bytes"]);
    lines.field("instantaneous_input_kbps", format_args!("{:.2}", rate.input / 1024.0));
    lines.field("instantaneous_output_kbps", format_args!("{:.2}", rate.output / 1024.0));
    lines.field("instantaneous_input_repl_kbps", "0.00");
    lines.field("instantaneous_output_repl_kbps", "0.00");
    lines.field("rejected_connections", node.connections.rejected.load(Relaxed));
    lines.zeros(&["sync_full", "sync_partial_ok", "sync_partial_err"]);
    lines.field("expired_keys", keys.expired);
    lines.field("expired_stale_perc", "0.00");
    lines.zeros(&["expired_time_cap_reached_count"]);
    lines.field("expired_subkeys", keys.expired_fields);
    lines.field("evicted_keys", keys.evicted);
    lines.field("evicted_clients", stats.evicted_clients.get());
    lines.field("keyspace_hits", keys.hits);
    lines.field("keyspace_misses", keys.misses);
    let channels = &context.store.channels;
    lines.field("pubsub_channels", channels.active(Kind::Channel).count());
    lines.field("pubsub_patterns", channels.patterns());
    lines.field("pubsubshard_channels", channels.active(Kind::Shard).count());
    lines.zeros(&["latest_fork_usec"]);
    lines.zeros(&["total_forks", "migrate_cached_sockets", "slave_expires_tracked_keys"]);
    lines.zeros(&["active_defrag_hits", "active_defrag_misses"]);
    lines.zeros(&["active_defrag_key_hits", "active_defrag_key_misses"]);
    lines.zeros(&["total_active_defrag_time", "current_active_defrag_time"]);
    let [keys, items, prefixes] = context.store.tracking.totals();
    lines.field("tracking_total_keys", keys);
    lines.field("tracking_total_items", items);
    lines.field("tracking_total_prefixes", prefixes);
    lines.zeros(&["unexpected_error_replies"]);
    lines.field("total_error_replies", stats.error_replies.get());
    lines.zeros(&["dump_payload_sanitizations"]);
    lines.field("total_reads_processed", stats.reads.get());
    lines.field("total_writes_processed", stats.writes.get());
    lines.zeros(&["io_threaded_reads_processed", "io_threaded_writes_processed"]);
}

fn replication(context: &Context<'_>, lines: &mut Lines<'_>) {
    lines.field("role", "master");
    lines.field("connected_slaves", 0);
    lines.field("master_failover_state", "no-failover");
    lines.field("master_replid", context.node.replication_id());
    lines.field("master_replid2", "0".repeat(40));
    lines.field("master_repl_offset", 0);
    lines.field("second_repl_offset", -1);
    lines.zeros(&["repl_backlog_active", "repl_backlog_size", "repl_backlog_first_byte_offset"]);
    lines.zeros(&["repl_backlog_histlen"]);
}

fn cpu(lines: &mut Lines<'_>) {
    let time = process::cpu();
    lines.field("used_cpu_sys", format_args!("{:.6}", time.system));
    lines.field("used_cpu_user", format_args!("{:.6}", time.user));
    lines.field("used_cpu_sys_children", "0.000000");
    lines.field("used_cpu_user_children", "0.000000");
}

fn commandstats(context: &Context<'_>, lines: &mut Lines<'_>) {
    for (spec, stats) in context.node.stats.commands() {
        let (calls, nanoseconds) = (stats.calls.get(), stats.nanoseconds.get());
        let each = if calls == 0 { 0.0 } else { nanoseconds as f64 / 1000.0 / calls as f64 };
        lines.field(
            format_args!("cmdstat_{}", spec.name),
            format_args!(
                "calls={calls},usec={},usec_per_call={each:.2},rejected_calls={},failed_calls={}",
                nanoseconds / 1000,
                stats.rejected.get(),
                stats.failed.get()
            ),
        );
    }
}

fn latencystats(context: &Context<'_>, lines: &mut Lines<'_>) {
    if !context.node.config.keeps_times() {
        return;
    }
    let percentiles = context.node.config.percentiles();
    for (spec, stats) in context.node.stats.commands() {
        let shown = percentiles.iter().filter_map(|percent| {
            let value = stats.times.percentile(percent.parse().ok()?)?;
            Some(format!("p{percent}={value:.3}"))
        });
        let shown: Vec<String> = shown.collect();
        if !shown.is_empty() {
            lines.field(format_args!("latency_percentiles_usec_{}", spec.name), shown.join(","));
        }
    }
}

fn errorstats(context: &Context<'_>, lines: &mut Lines<'_>) {
    for (code, count) in context.node.stats.errors() {
        lines.field(format_args!("errorstat_{code}"), format_args!("count={count}"));
    }
}

fn keyspace(context: &Context<'_>, lines: &mut Lines<'_>) {
    for index in 0..context.store.keyspace.databases() {
        let db = context.store.keyspace.db(index);
        if !db.is_empty() {
            let (keys, expires) = (db.len(), db.expiring());
            let ttl = db.mean_ttl(context.now).map_or(0, |ttl| ttl.0);
            lines.field(
                format_args!("db{index}"),
                format_args!("keys={keys},expires={expires},avg_ttl={ttl}"),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::human;

    #[test]
    fn sizes_for_people() {
        for (bytes, text) in [(0, "0B"), (1023, "1023B"), (1536, "1.50K"), (25_276_510_208, "23.54G")] {
            assert_eq!(human(bytes), text);
        }
    }
}
