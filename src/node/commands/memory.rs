//! MEMORY: where it goes, and what can be done about it.

use super::{
    help::help as help_lines,
    object,
    support::{Outcome, integer, is_word},
};
use crate::{
    node::{
        allocator,
        context::{CommandError, Context, Handler},
        keyspace::Db,
    },
    protocol::{Encoder, Request},
    server::process,
};

pub(super) const HANDLERS: &[(&str, Handler)] = &[
    ("memory|doctor", doctor),
    ("memory|help", help),
    ("memory|malloc-stats", malloc_stats),
    ("memory|purge", purge),
    ("memory|stats", stats),
    ("memory|usage", usage),
];

fn usage(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let mut words = request.args_from(3);
    while let Some(word) = words.next() {
        if !is_word(word, "SAMPLES") || integer(words.next().ok_or(CommandError::Syntax)?)? < 0 {
            return Err(CommandError::Syntax);
        }
    }
    object::reply_about(ctx, request, |record| Ok((record.size() + object::CELL) as i64))
}

/// Memory of a node by purpose, bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Usage {
    /// `used_memory`.
    pub(super) used: u64,
    pub(super) peak: u64,
    /// Of keys and values, without tables.
    pub(super) dataset: u64,
    pub(super) clients: u64,
    /// Before there was any data.
    pub(super) startup: u64,
    pub(super) keys: u64,
    pub(super) scripts: u64,
    pub(super) lua: u64,
    pub(super) functions: u64,
    pub(super) connected: u64,
    pub(super) cached_scripts: u64,
    /// Of the process.
    pub(super) resident: u64,
    pub(super) allocator: allocator::Figures,
}

impl Usage {
    pub(super) fn of(ctx: &Context<'_>) -> Self {
        let (node, keyspace) = (ctx.node, &ctx.store.keyspace);
        let databases = || (0..keyspace.databases()).map(|index| keyspace.db(index));
        let used = node.used_memory(keyspace);
        let (scripts, lua) = ctx.store.scripts.memory();
        let resident = process::memory().resident;
        let (functions, lua_of_functions) = ctx.store.functions.memory();
        Self {
            used,
            peak: node.peak_memory(),
            dataset: databases().map(Db::record_bytes).sum::<usize>() as u64,
            clients: node.clients.memory() as u64,
            startup: node.startup_memory(),
            keys: databases().map(Db::len).sum::<usize>() as u64,
            scripts: scripts as u64,
            lua: (lua + lua_of_functions) as u64,
            functions: functions as u64,
            connected: node.clients.len() as u64,
            cached_scripts: ctx.store.scripts.len() as u64,
            resident,
            // Of a process with others nothing else is known.
            allocator: if node.owns_memory() {
                allocator::figures()
            } else {
                allocator::Figures { allocated: used, active: resident, resident }
            },
        }
    }

    /// What is no key and no value.
    pub(super) const fn overhead(&self) -> u64 {
        self.used.saturating_sub(self.dataset)
    }

    /// The data's part of what there is more than at the start, percent.
    pub(super) fn dataset_percent(&self) -> f64 {
        percent(self.dataset, self.used.saturating_sub(self.startup))
    }
}

/// A part of a whole, percent.
pub(super) fn percent(part: u64, whole: u64) -> f64 {
    part as f64 * 100.0 / whole.max(1) as f64
}

/// How often the second is in the first.
pub(super) fn ratio(more: u64, less: u64) -> f64 {
    more as f64 / less.max(1) as f64
}

fn size(reply: &mut Encoder<'_>, name: &str, bytes: u64) {
    reply.bulk(name);
    reply.integer(bytes.cast_signed());
}

fn share(reply: &mut Encoder<'_>, name: &str, value: f64) {
    reply.bulk(name);
    reply.double(value);
}

fn excess(reply: &mut Encoder<'_>, name: &str, more: u64, less: u64) {
    size(reply, name, more.wrapping_sub(less));
}

fn stats(ctx: &mut Context<'_>, _: Request<'_>) -> Outcome {
    let usage = Usage::of(ctx);
    let keyspace = &ctx.store.keyspace;
    let filled: Vec<usize> =
        (0..keyspace.databases()).filter(|&number| !keyspace.db(number).is_empty()).collect();
    let reply = &mut ctx.reply;
    let memory = usage.allocator;
    reply.map(27 + filled.len());
    size(reply, "peak.allocated", usage.peak);
    size(reply, "total.allocated", usage.used);
    size(reply, "startup.allocated", usage.startup);
    size(reply, "replication.backlog", 0);
    size(reply, "clients.slaves", 0);
    size(reply, "clients.normal", usage.clients);
    size(reply, "cluster.links", 0);
    size(reply, "aof.buffer", 0);
    size(reply, "lua.caches", usage.scripts + usage.lua);
    size(reply, "functions.caches", usage.functions);
    for number in filled {
        let db = keyspace.db(number);
        reply.bulk(format!("db.{number}"));
        reply.map(3);
        size(reply, "overhead.hashtable.main", db.table_bytes() as u64);
        // An expiry is with its key, and so is its slot.
        size(reply, "overhead.hashtable.expires", 0);
        size(reply, "overhead.hashtable.slot-to-keys", 0);
    }
    size(reply, "overhead.total", usage.overhead());
    size(reply, "keys.count", usage.keys);
    let data = usage.used.saturating_sub(usage.startup);
    size(reply, "keys.bytes-per-key", data.checked_div(usage.keys).unwrap_or(0));
    size(reply, "dataset.bytes", usage.dataset);
    share(reply, "dataset.percentage", usage.dataset_percent());
    share(reply, "peak.percentage", percent(usage.used, usage.peak));
    size(reply, "allocator.allocated", memory.allocated);
    size(reply, "allocator.active", memory.active);
    size(reply, "allocator.resident", memory.resident);
    share(reply, "allocator-fragmentation.ratio", ratio(memory.active, memory.allocated));
    excess(reply, "allocator-fragmentation.bytes", memory.active, memory.allocated);
    share(reply, "allocator-rss.ratio", ratio(memory.resident, memory.active));
    excess(reply, "allocator-rss.bytes", memory.resident, memory.active);
    share(reply, "rss-overhead.ratio", ratio(usage.resident, memory.resident));
    excess(reply, "rss-overhead.bytes", usage.resident, memory.resident);
    share(reply, "fragmentation", ratio(usage.resident, usage.used));
    excess(reply, "fragmentation.bytes", usage.resident, usage.used);
    Ok(())
}

/// Below it nothing is worth a word.
const LITTLE: u64 = 5 << 20;
/// A difference that is worth a word.
const MUCH: u64 = 10 << 20;
/// Of a client, on average.
const LARGE_CLIENT: u64 = 200 << 10;
const MANY_SCRIPTS: u64 = 1000;

/// What is striking about how memory is used, and what to do about it.
fn advice(usage: &Usage) -> Vec<String> {
    let memory = usage.allocator;
    let exceeds =
        |more: u64, less: u64, times: f64| ratio(more, less) > times && more.saturating_sub(less) > MUCH;
    let mut advice = Vec::new();
    if ratio(usage.peak, usage.used) > 1.5 {
        advice.push(format!(
            "Peak: there were {} bytes at once, and now there are {}. What was freed is taken again before the \
             system is asked for more; MEMORY PURGE gives it back.",
            usage.peak, usage.used
        ));
    }
    if exceeds(usage.resident, usage.used, 1.4) {
        advice.push(format!(
            "Resident size: {} bytes are resident for {} in use. After a peak that is usual; otherwise sizes changed \
             so that what was freed does not fit what came.",
            usage.resident, usage.used
        ));
    }
    if exceeds(memory.resident, memory.active, 1.1) {
        advice.push(format!(
            "Freed pages: the allocator keeps {} bytes that nothing is in. They go back to the system by and by, or \
             at once with MEMORY PURGE.",
            memory.resident - memory.active
        ));
    }
    if exceeds(memory.active, memory.allocated, 1.1) {
        advice.push(format!(
            "Fragments: {} bytes are in pages that are used in part. New values of the same sizes fill them.",
            memory.active - memory.allocated
        ));
    }
    if usage.clients / usage.connected.max(1) > LARGE_CLIENT {
        advice.push(format!(
            "Clients: {} take {} bytes. CLIENT LIST shows which; client-output-buffer-limit and maxmemory-clients bound them.",
            usage.connected, usage.clients
        ));
    }
    if usage.cached_scripts > MANY_SCRIPTS {
        advice.push(format!(
            "Scripts: {} are kept. Give values as KEYS and ARGV instead of writing them into the text; SCRIPT FLUSH \
             forgets all.",
            usage.cached_scripts
        ));
    }
    advice
}

fn doctor(ctx: &mut Context<'_>, _: Request<'_>) -> Outcome {
    let usage = Usage::of(ctx);
    let text = if usage.used < LITTLE {
        format!("Too little is in use to say anything about it: {} bytes.\n", usage.used)
    } else {
        match advice(&usage).as_slice() {
            [] => "Nothing about the memory of this server is striking.\n".to_owned(),
            advice => advice.iter().map(|line| format!("* {line}\n")).collect(),
        }
    };
    ctx.reply.verbatim("txt", text);
    Ok(())
}

fn malloc_stats(ctx: &mut Context<'_>, _: Request<'_>) -> Outcome {
    ctx.reply.verbatim("txt", allocator::report());
    Ok(())
}

fn purge(ctx: &mut Context<'_>, _: Request<'_>) -> Outcome {
    allocator::purge();
    ctx.reply.ok();
    Ok(())
}

fn help(ctx: &mut Context<'_>, _: Request<'_>) -> Outcome {
    help_lines(
        ctx,
        "MEMORY",
        &[
            ("DOCTOR", "What is striking about how memory is used."),
            ("MALLOC-STATS", "Figures of the allocator."),
            ("PURGE", "Give memory that nothing is in back to the system."),
            ("STATS", "Memory by purpose."),
            ("USAGE <key> [SAMPLES <count>]", "Bytes that a key takes with its value; nothing is sampled."),
        ],
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_is_about_what_is_striking() {
        let memory = allocator::Figures { allocated: 100 << 20, active: 101 << 20, resident: 102 << 20 };
        let usual = Usage {
            used: 100 << 20,
            peak: 110 << 20,
            resident: 110 << 20,
            connected: 2,
            clients: 5000,
            allocator: memory,
            ..Usage::default()
        };
        assert_eq!(advice(&usual), [""; 0]);
        for (usage, word) in [
            (Usage { peak: 200 << 20, ..usual }, "Peak"),
            (Usage { resident: 150 << 20, ..usual }, "Resident size"),
            (Usage { clients: 1 << 20, ..usual }, "Clients"),
            (Usage { cached_scripts: 2000, ..usual }, "Scripts"),
            (
                Usage { allocator: allocator::Figures { resident: 200 << 20, ..memory }, ..usual },
                "Freed pages",
            ),
            (Usage { allocator: allocator::Figures { allocated: 50 << 20, ..memory }, ..usual }, "Fragments"),
        ] {
            let said = advice(&usage);
            assert!(said.len() == 1 && said[0].starts_with(word), "{said:?}");
        }
    }
}
