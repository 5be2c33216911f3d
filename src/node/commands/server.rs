//! The server as a whole: TIME, CONFIG, ROLE.

use super::{help::help as help_lines, support::Outcome};
use crate::{
    node::{
        context::{CommandError, Context, Handler},
        keyspace::Aging,
        tracking::Sending,
    },
    protocol::{
        Request,
        glob::{Case, Glob},
    },
};

pub(super) const HANDLERS: &[(&str, Handler)] = &[
    ("config|get", config_get),
    ("config|help", config_help),
    ("config|resetstat", config_resetstat),
    ("config|rewrite", config_rewrite),
    ("config|set", config_set),
    ("module|list", module_list),
    ("role", role),
    ("time", time),
];

fn time(context: &mut Context<'_>, _: Request<'_>) -> Outcome {
    // The clock of the batch counts milliseconds; this command is asked for microseconds.
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    context.reply.array(2);
    context.reply.bulk(now.as_secs().to_string());
    context.reply.bulk(now.subsec_micros().to_string());
    Ok(())
}

/// There are none; tools that make use of modules ask.
fn module_list(context: &mut Context<'_>, _: Request<'_>) -> Outcome {
    context.reply.array(0);
    Ok(())
}

/// A master without replicas, at offset 0.
fn role(context: &mut Context<'_>, _: Request<'_>) -> Outcome {
    context.reply.array(3);
    context.reply.bulk("master");
    context.reply.integer(0);
    context.reply.array(0);
    Ok(())
}

fn config_get(context: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let mut found: Vec<(Vec<u8>, String)> = Vec::new();
    for pattern in request.args_from(1) {
        let glob = Glob::new(pattern, Case::Ignored);
        let exact = !pattern.iter().any(|byte| b"*?[".contains(byte));
        for (name, value) in context.node.config.matching(|name| glob.matches(name.as_bytes()), exact) {
            if !found.iter().any(|(known, _)| known.eq_ignore_ascii_case(name.as_bytes())) {
                // Redis answers an exact name as it was asked for.
                found.push((if exact { pattern.to_vec() } else { name.into() }, value));
            }
        }
    }
    context.reply.map(found.len());
    for (name, value) in found {
        context.reply.bulk(name);
        context.reply.bulk(value);
    }
    Ok(())
}

fn config_set(context: &mut Context<'_>, request: Request<'_>) -> Outcome {
    if !request.len().is_multiple_of(2) {
        return Err(CommandError::Syntax);
    }
    let pairs = (2..request.len()).step_by(2).map(|at| (request.arg(at), request.arg(at + 1)));
    let config = &context.node.config;
    let names = config.set(pairs).map_err(CommandError::Bytes)?;
    for name in names {
        match name {
            "requirepass" => {
                let password = config.get(name).unwrap_or_default();
                context.node.acl.set_default_password(password.as_bytes());
            }
            "acl-pubsub-default" => context.node.acl.set_all_channels(config.allows_all_channels()),
            "maxmemory-policy" | "lfu-log-factor" | "lfu-decay-time" => {
                context.store.keyspace.set_aging(aging(config));
            }
            // What clients take counts from now on.
            "maxmemory" => {
                context.node.used_memory(&context.store.keyspace);
            }
            "tracking-table-max-keys" => {
                let limits = config.output_limits();
                let sending = Sending { limits: &limits, now: context.now, others: &context.node.clients };
                context.store.tracking.limit(config.tracked_keys(), sending);
            }
            "notify-keyspace-events" => context.store.set_events(config.events()),
            "appendfsync" | "no-appendfsync-on-rewrite" => context.node.aof.configure(context.node),
            "aof-disable-auto-gc" => {
                let deleted = context.node.aof.delete_history(context.node);
                deleted.map_err(|error| CommandError::other(error.to_string()))?;
            }
            "appendonly" => turn_log(context)?,
            "save" | "stop-writes-on-bgsave-error" => context.store.note_restrictions(context.node),
            _ => {}
        }
    }
    context.reply.ok();
    Ok(())
}

/// `CONFIG SET appendonly`: other parameters that were set with it stay set when it cannot be.
fn turn_log(context: &mut Context<'_>) -> Outcome {
    let node = context.node;
    let on = node.config.get("appendonly").is_some_and(|value| value == "yes");
    node.aof.turn(on, context.store, node).map_err(|error| {
        // It says what is so.
        if let Err(reason) = node.config.describe("appendonly", if on { "no" } else { "yes" }) {
            tracing::error!(reason, "appendonly does not say what is so");
        }
        let reason = error.to_string();
        let reason = reason.trim_start_matches("ERR ");
        CommandError::other(format!(
            "ERR CONFIG SET failed (possibly related to argument 'appendonly') - {reason}"
        ))
    })
}

/// What keys note about their use under this configuration.
pub(crate) fn aging(config: &crate::node::config::Config) -> Aging {
    if !config.lfu() {
        return Aging::Lru;
    }
    let (log_factor, decay_minutes) = config.lfu_shape();
    Aging::Lfu {
        log_factor: u32::try_from(log_factor).unwrap_or(u32::MAX),
        decay_minutes: u32::try_from(decay_minutes).unwrap_or(u32::MAX),
    }
}

fn config_resetstat(context: &mut Context<'_>, _: Request<'_>) -> Outcome {
    context.node.reset_stats(&context.store.keyspace);
    context.reply.ok();
    Ok(())
}

fn config_rewrite(context: &mut Context<'_>, _: Request<'_>) -> Outcome {
    let node = context.node;
    node.config.rewrite(&node.users_to_write()).map_err(CommandError::other)?;
    context.reply.ok();
    Ok(())
}

fn config_help(context: &mut Context<'_>, _: Request<'_>) -> Outcome {
    help_lines(
        context,
        "CONFIG",
        &[
            ("GET <pattern> [<pattern> ...]", "Parameters whose names match, with their values."),
            ("SET <parameter> <value> [<parameter> <value> ...]", "Changes parameters, all or none."),
            ("RESETSTAT", "Sets the counters of INFO back to zero."),
            ("REWRITE", "Writes what is in force to the configuration file."),
        ],
    );
    Ok(())
}
