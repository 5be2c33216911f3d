//! Taking elements of one list to another, and from the first list of several that has any.

use super::{
    list::{push_all, pushed, took},
    support::{Outcome, integer, is_word, reply_element},
};
use crate::{
    node::{
        context::{CommandError, Context, Handler},
        keyspace::{Access, Db, EventClass, Key},
        object::{
            Element, List,
            list::{End, Fill},
        },
    },
    protocol::{Encoder, Request},
};

pub(super) const HANDLERS: &[(&str, Handler)] =
    &[("lmove", lmove), ("lmpop", lmpop), ("rpoplpush", rpoplpush)];

/// `LEFT` or `RIGHT`.
pub(super) fn end(word: &[u8]) -> Result<End, CommandError> {
    if is_word(word, "LEFT") {
        Ok(End::Left)
    } else if is_word(word, "RIGHT") {
        Ok(End::Right)
    } else {
        Err(CommandError::Syntax)
    }
}

/// From which end of which list to which end of which other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Move {
    pub(super) from: End,
    pub(super) to: End,
}

impl Move {
    /// Moves one element and gives it; `None` if there is none to move.
    pub(super) fn run(
        self,
        db: &mut Db,
        source: Key<'_>,
        target: Key<'_>,
        access: Access,
        fill: Fill,
    ) -> Result<Option<Vec<u8>>, CommandError> {
        if db.write_collection::<List>(source, access)?.is_none() {
            return Ok(None);
        }
        db.write_collection::<List>(target, access)?;
        let Some(mut list) = db.write_collection::<List>(source, access)? else { return Ok(None) };
        if source.bytes == target.bytes {
            // The list is never empty in between.
            let held = &mut *list;
            let element = held.pop(self.from, |element| element.to_vec());
            if let Some(element) = &element {
                held.push(self.to, element, fill);
            }
            drop(list);
            db.event(EventClass::List, pushed(self.to), target.bytes);
            took(db, source, self.from, access);
            return Ok(element);
        }
        let element = list.pop(self.from, |element| element.to_vec());
        // It is one change, and the other list has it.
        list.counts_as(0);
        drop(list);
        if let Some(element) = &element {
            push_all(db, target, access, self.to, std::iter::once(&element[..]), fill)?;
            took(db, source, self.from, access);
        }
        Ok(element)
    }
}

fn lmove(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let ends = Move { from: end(request.arg(3))?, to: end(request.arg(4))? };
    run_move(ctx, request, ends)
}

fn rpoplpush(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    run_move(ctx, request, Move { from: End::Right, to: End::Left })
}

fn run_move(ctx: &mut Context<'_>, request: Request<'_>, ends: Move) -> Outcome {
    let (source, target) = (ctx.key(request, 1), ctx.key(request, 2));
    let (access, fill) = (ctx.access(), ctx.node.config.list_fill());
    let (db, reply) = ctx.db_and_reply();
    match ends.run(db, source, target, access, fill)? {
        Some(element) => reply.bulk(element),
        None => reply.null(),
    }
    Ok(())
}

/// What LMPOP takes: `numkeys key … LEFT|RIGHT [COUNT count]`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Multi {
    /// Arguments that are keys.
    pub(super) first: usize,
    pub(super) end_of_keys: usize,
    pub(super) end: End,
    pub(super) count: usize,
}

impl Multi {
    /// `at` is the argument with the number of keys.
    pub(super) fn parse(request: Request<'_>, at: usize) -> Result<Self, CommandError> {
        let positive = |text, error| {
            integer(text)
                .ok()
                .and_then(|number| usize::try_from(number).ok())
                .filter(|&number| number > 0)
                .ok_or(error)
        };
        let keys = positive(request.arg(at), CommandError::other("ERR numkeys should be greater than 0"))?;
        let first = at + 1;
        let end_of_keys =
            first.checked_add(keys).filter(|&end| end < request.len()).ok_or(CommandError::Syntax)?;
        let end = end(request.arg(end_of_keys))?;
        let mut count = None;
        let mut words = request.args_from(end_of_keys + 1);
        while let Some(word) = words.next() {
            if !is_word(word, "COUNT") || count.is_some() {
                return Err(CommandError::Syntax);
            }
            let number = words.next().ok_or(CommandError::Syntax)?;
            count = Some(positive(number, CommandError::other("ERR count should be greater than 0"))?);
        }
        Ok(Self { first, end_of_keys, end, count: count.unwrap_or(1) })
    }

    /// Takes from one list and replies with its key and the elements, which `also` is shown; `false` if it has none.
    pub(super) fn take(
        db: &mut Db,
        key: Key<'_>,
        access: Access,
        end: End,
        count: usize,
        reply: &mut Encoder<'_>,
        mut also: impl FnMut(Element<'_>),
    ) -> Result<bool, CommandError> {
        let Some(mut list) = db.write_collection::<List>(key, access)? else { return Ok(false) };
        let held = &mut *list;
        let taken = count.min(held.len());
        reply.array(2);
        reply.bulk(key.bytes);
        reply.array(taken);
        for _ in 0..taken {
            held.pop(end, |element| {
                reply_element(reply, element);
                also(element);
            });
        }
        list.counts_as(taken);
        drop(list);
        took(db, key, end, access);
        Ok(true)
    }
}

/// What was taken from an end of one list, by a command that says it in other words.
pub(super) fn tell_pop(ctx: &mut Context<'_>, key: &[u8], end: End, count: Option<usize>) {
    if !ctx.is_heard() {
        return;
    }
    let name = if end == End::Left { &b"LPOP"[..] } else { b"RPOP" };
    match count {
        Some(count) => ctx.tell(&[name, key, itoa::Buffer::new().format(count).as_bytes()]),
        None => ctx.tell(&[name, key]),
    }
}

fn lmpop(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let what = Multi::parse(request, 1)?;
    let access = ctx.access();
    for key in (what.first..what.end_of_keys).map(|index| request.arg(index)) {
        let (db, reply) = ctx.db_and_reply();
        let mut taken = 0;
        if Multi::take(db, Key::new(key), access, what.end, what.count, reply, |_| taken += 1)? {
            tell_pop(ctx, key, what.end, Some(taken));
            return Ok(());
        }
    }
    ctx.reply.null_array();
    Ok(())
}
