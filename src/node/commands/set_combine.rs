//! Several sets: what they share, hold together, or do not share.

use super::support::{Outcome, integer, is_word, reply_element};
use crate::{
    node::{
        context::{CommandError, Context, Handler},
        keyspace::{Access, Db, EventClass, Key, Record},
        object::{Element, Object, Set, SetRef, set::Limits},
    },
    protocol::{Request, number::parse_i64},
    values::scores::Combine,
};

pub(super) const HANDLERS: &[(&str, Handler)] = &[
    ("sdiff", sdiff),
    ("sdiffstore", sdiffstore),
    ("sinter", sinter),
    ("sintercard", sintercard),
    ("sinterstore", sinterstore),
    ("sunion", sunion),
    ("sunionstore", sunionstore),
];

/// Looks at all keys first: a wrong type is told whatever else there is.
fn look<'k>(
    db: &mut Db,
    access: Access,
    keys: impl Iterator<Item = &'k [u8]>,
) -> Result<Vec<(Key<'k>, bool)>, CommandError> {
    keys.map(Key::new).map(|key| Ok((key, db.read_collection::<Set>(key, access)?.is_some()))).collect()
}

/// Shows the members of the combination until `show` says `false`.
fn each(
    db: &Db,
    keys: &[(Key<'_>, bool)],
    how: Combine,
    limits: Limits,
    mut show: impl FnMut(Element<'_>) -> bool,
) {
    let sets: Vec<Option<SetRef<'_>>> =
        keys.iter().map(|(key, there)| there.then(|| db.collection::<Set>(*key)).flatten()).collect();
    match how {
        Combine::Intersection => {
            let Some(mut sets) = sets.into_iter().collect::<Option<Vec<SetRef<'_>>>>() else { return };
            // Whoever has fewest members decides how many are looked for.
            sets.sort_by_key(|set| set.len());
            let Some((first, others)) = sets.split_first() else { return };
            for member in first.iter() {
                let in_all = member.with(|name| others.iter().all(|set| set.contains(name)));
                if in_all && !show(member) {
                    return;
                }
            }
        }
        Combine::Union => {
            let mut union = Set::default();
            for set in sets.into_iter().flatten() {
                for member in set.iter() {
                    if member.with(|name| union.insert(name, limits)) && !show(member) {
                        return;
                    }
                }
            }
        }
        Combine::Difference => {
            let Some((Some(first), others)) = sets.split_first().map(|(first, others)| (*first, others))
            else {
                return;
            };
            let mut others: Vec<SetRef<'_>> = others.iter().copied().flatten().collect();
            let all: usize = others.iter().map(|set| set.len()).sum();
            // Asking for each member in each set, or taking each set's members out: Redis weighs them like this.
            if first.len() * (others.len() + 1) / 2 <= first.len() + all {
                others.sort_by_key(|set| std::cmp::Reverse(set.len()));
                for member in first.iter() {
                    let in_none = member.with(|name| !others.iter().any(|set| set.contains(name)));
                    if in_none && !show(member) {
                        return;
                    }
                }
            } else {
                let mut left = Set::from(first);
                for set in others {
                    for member in set.iter() {
                        member.with(|name| left.remove(name));
                    }
                    if left.is_empty() {
                        return;
                    }
                }
                for member in left.view().iter() {
                    if !show(member) {
                        return;
                    }
                }
            }
        }
    }
}

fn sinter(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    reply(ctx, request, Combine::Intersection)
}

fn sunion(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    reply(ctx, request, Combine::Union)
}

fn sdiff(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    reply(ctx, request, Combine::Difference)
}

fn reply(ctx: &mut Context<'_>, request: Request<'_>, how: Combine) -> Outcome {
    let (access, limits) = (ctx.access(), ctx.node.config.set_limits());
    let (db, reply) = ctx.db_and_reply();
    let keys = look(db, access, request.args_from(1))?;
    let mut members = Vec::new();
    each(db, &keys, how, limits, |member| {
        members.push(member.to_vec());
        true
    });
    reply.set(members.len());
    members.iter().for_each(|member| reply_element(reply, Element::Bytes(member)));
    Ok(())
}

fn sinterstore(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    store(ctx, request, Combine::Intersection, "sinterstore")
}

fn sunionstore(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    store(ctx, request, Combine::Union, "sunionstore")
}

fn sdiffstore(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    store(ctx, request, Combine::Difference, "sdiffstore")
}

fn store(ctx: &mut Context<'_>, request: Request<'_>, how: Combine, event: &'static str) -> Outcome {
    let (target, access, limits) = (ctx.key(request, 1), ctx.access(), ctx.node.config.set_limits());
    let (db, reply) = ctx.db_and_reply();
    let keys = look(db, access, request.args_from(2))?;
    let mut result = Set::default();
    each(db, &keys, how, limits, |member| {
        member.with(|name| result.insert(name, limits));
        true
    });
    let count = result.len();
    put_result(db, target, access, (count > 0).then_some(Object::Set(result)), EventClass::Set, event);
    reply.integer(count as i64);
    Ok(())
}

/// Puts the result of a `…STORE` under its key; without one the key is deleted.
pub(super) fn put_result(
    db: &mut Db,
    target: Key<'_>,
    access: Access,
    result: Option<Object>,
    class: EventClass,
    event: &'static str,
) {
    // One whose time has come is gone before.
    db.contains(target, access.now);
    match result {
        Some(object) => {
            let age = access.aging.initial(access.now);
            db.put(Record::of_object(target.bytes, object, None, age));
            db.event(class, event, target.bytes);
        }
        None => {
            if db.delete(target, access.now) {
                db.event(EventClass::Generic, "del", target.bytes);
            }
        }
    }
}

/// The keys of `numkeys key … `: from argument 2 on.
pub(super) fn counted_keys(request: Request<'_>) -> Result<usize, CommandError> {
    let count = parse_i64(request.arg(1))
        .and_then(|count| usize::try_from(count).ok())
        .filter(|&count| count > 0)
        .ok_or(CommandError::other("ERR numkeys should be greater than 0"))?;
    if count > request.len() - 2 {
        return Err(CommandError::other("ERR Number of keys can't be greater than number of args"));
    }
    Ok(count)
}

fn sintercard(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let count = counted_keys(request)?;
    let mut limit = 0;
    let mut words = request.args_from(2 + count);
    while let Some(word) = words.next() {
        let Some(value) = words.next().filter(|_| is_word(word, "LIMIT")) else {
            return Err(CommandError::Syntax);
        };
        limit = integer(value)
            .ok()
            .and_then(|limit| usize::try_from(limit).ok())
            .ok_or(CommandError::other("ERR LIMIT can't be negative"))?;
    }
    let (access, limits) = (ctx.access(), ctx.node.config.set_limits());
    let (db, reply) = ctx.db_and_reply();
    let keys = look(db, access, (2..2 + count).map(|index| request.arg(index)))?;
    let mut found = 0;
    each(db, &keys, Combine::Intersection, limits, |_| {
        found += 1;
        found != limit
    });
    reply.integer(found as i64);
    Ok(())
}
