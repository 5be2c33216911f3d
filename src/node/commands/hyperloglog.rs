//! Estimates of how many distinct elements there are. They are strings.

use super::support::{Outcome, with_bytes};
use crate::{
    node::{
        context::{CommandError, Context, Handler},
        keyspace::{Access, Db, EventClass, Key, Value},
    },
    protocol::Request,
    values::hyperloglog::{self, Corrupt, no_registers},
};

pub(super) const HANDLERS: &[(&str, Handler)] =
    &[("pfadd", pfadd), ("pfcount", pfcount), ("pfmerge", pfmerge)];

impl From<Corrupt> for CommandError {
    fn from(error: Corrupt) -> Self {
        Self::other(error.to_string())
    }
}

/// Shows the bytes of a string that must be an estimate.
pub(super) fn with_log<R>(value: Value<'_>, with: impl FnOnce(&[u8]) -> R) -> Result<R, CommandError> {
    with_bytes(value, |bytes| hyperloglog::is_valid(bytes).then(|| with(bytes)))
        .ok_or(CommandError::other("WRONGTYPE Key is not a valid HyperLogLog string value."))
}

/// Puts an estimate under its key, as a string that is edited.
pub(super) fn put(db: &mut Db, key: Key<'_>, access: Access, log: &[u8]) {
    if !db.contains(key, access.now) {
        db.create(key, access);
    }
    if let Some(mut entry) = db.write(key, access) {
        entry.edit(log.len(), |bytes| bytes.copy_from_slice(log));
    }
    db.event(EventClass::String, "pfadd", key.bytes);
}

fn pfadd(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let (key, access, most) = (ctx.key(request, 1), ctx.access(), ctx.node.config.hll_sparse_bytes());
    let (db, reply) = ctx.db_and_reply();
    let mut higher: Vec<(usize, u8)> = request.args_from(2).map(hyperloglog::register_of).collect();
    let sparse = match db.read_string(key, access)? {
        None => Some(None),
        Some(value) => with_log(value, |bytes| {
            if hyperloglog::is_dense(bytes) {
                higher.retain(|&(index, value)| hyperloglog::dense_register(bytes, index) < value);
                None
            } else {
                Some(Some(bytes.to_vec()))
            }
        })?,
    };
    let before = db.changes();
    let changed = match sparse {
        // Twelve kilobytes are changed where they are.
        None => {
            if !higher.is_empty()
                && let Some(mut entry) = db.write(key, access)
            {
                let len = hyperloglog::DENSE_LEN;
                entry.edit(len, |bytes| {
                    for &(index, value) in &higher {
                        hyperloglog::raise_dense(bytes, index, value);
                    }
                    hyperloglog::forget_cached(bytes);
                });
                db.event(EventClass::String, "pfadd", key.bytes);
            }
            higher.len()
        }
        Some(there) => {
            let mut changed = usize::from(there.is_none());
            let mut log = there.unwrap_or_else(hyperloglog::empty);
            for (index, value) in higher {
                changed += usize::from(hyperloglog::raise(&mut log, index, value, most)?);
            }
            if changed > 0 {
                hyperloglog::forget_cached(&mut log);
                put(db, key, access, &log);
            }
            changed
        }
    };
    db.count_as(before, changed);
    reply.integer(i64::from(changed > 0));
    Ok(())
}

fn pfcount(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let access = ctx.access();
    let (db, reply) = ctx.db_and_reply();
    if request.len() > 2 {
        let mut registers = no_registers();
        for key in request.args_from(1).map(Key::new) {
            if let Some(value) = db.read_string(key, access)? {
                with_log(value, |bytes| hyperloglog::merge(bytes, &mut registers))??;
            }
        }
        reply.integer(hyperloglog::estimate(&registers).cast_signed());
        return Ok(());
    }
    let key = Key::new(request.arg(1));
    let Some(value) = db.read_string(key, access)? else {
        reply.integer(0);
        return Ok(());
    };
    let (len, estimate, is_cached) = with_log(value, |bytes| {
        let cached = hyperloglog::cached(bytes);
        let estimate = match cached {
            Some(estimate) => Ok(estimate),
            None => {
                let mut registers = no_registers();
                hyperloglog::merge(bytes, &mut registers).map(|()| hyperloglog::estimate(&registers))
            }
        };
        estimate.map(|estimate| (bytes.len(), estimate, cached.is_some()))
    })??;
    if !is_cached && let Some(mut entry) = db.write(key, access) {
        entry.edit(len, |bytes| hyperloglog::set_cached(bytes, estimate));
    }
    reply.integer(estimate.cast_signed());
    Ok(())
}

fn pfmerge(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let (access, most) = (ctx.access(), ctx.node.config.hll_sparse_bytes());
    let (db, reply) = ctx.db_and_reply();
    let (mut registers, mut dense) = (no_registers(), false);
    for key in request.args_from(1).map(Key::new) {
        if let Some(value) = db.read_string(key, access)? {
            with_log(value, |bytes| {
                dense |= hyperloglog::is_dense(bytes);
                hyperloglog::merge(bytes, &mut registers)
            })??;
        }
    }
    let target = Key::new(request.arg(1));
    let there = db
        .write_string(target, access)?
        .and_then(|entry| entry.string().map(|value| with_bytes(value, <[u8]>::to_vec)));
    let mut log = there.unwrap_or_else(hyperloglog::empty);
    if dense {
        hyperloglog::make_dense(&mut log)?;
    }
    for (index, &value) in registers.iter().enumerate().filter(|(_, value)| **value > 0) {
        hyperloglog::raise(&mut log, index, value, most)?;
    }
    hyperloglog::forget_cached(&mut log);
    put(db, target, access, &log);
    reply.ok();
    Ok(())
}
