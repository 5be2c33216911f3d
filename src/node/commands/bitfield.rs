//! Integers of any width inside a string.

use super::{
    bitmap::place,
    support::{Outcome, integer, is_word, with_bytes},
};
use crate::{
    node::{
        context::{CommandError, Context, Handler},
        keyspace::{EventClass, Value},
        object::bits::{Field, Overflow},
    },
    protocol::{Request, number::parse_i64},
};

pub(super) const HANDLERS: &[(&str, Handler)] = &[("bitfield", bitfield), ("bitfield_ro", bitfield_ro)];

/// One part of the command.
#[derive(Clone, Copy, Debug)]
struct Operation {
    field: Field,
    at: u64,
    what: What,
}

#[derive(Clone, Copy, Debug)]
enum What {
    Get,
    Set(i64, Overflow),
    Add(i64, Overflow),
}

fn field(argument: &[u8]) -> Result<Field, CommandError> {
    let wrong =
        "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.";
    let (signed, width) = match argument {
        [b'i', width @ ..] => (true, width),
        [b'u', width @ ..] => (false, width),
        _ => return Err(CommandError::other(wrong)),
    };
    let most = if signed { 64 } else { 63 };
    let width = parse_i64(width).and_then(|width| u32::try_from(width).ok());
    match width {
        Some(width) if (1..=most).contains(&width) => Ok(Field { signed, width }),
        _ => Err(CommandError::other(wrong)),
    }
}

/// A number of bits, or behind `#` of fields.
fn field_place(argument: &[u8], field: Field, max: usize) -> Result<u64, CommandError> {
    let Some(number) = argument.strip_prefix(b"#") else { return place(argument, max) };
    let wrong = CommandError::other("ERR bit offset is not an integer or out of range");
    let bits =
        parse_i64(number).and_then(|number| number.checked_mul(i64::from(field.width))).ok_or(wrong)?;
    place(itoa::Buffer::new().format(bits).as_bytes(), max)
}

fn parse(request: Request<'_>, max: usize) -> Result<Vec<Operation>, CommandError> {
    let (mut operations, mut overflow) = (Vec::new(), Overflow::Wrap);
    let mut words = request.args_from(2);
    while let Some(word) = words.next() {
        if is_word(word, "OVERFLOW") {
            overflow = match words.next().ok_or(CommandError::Syntax)? {
                word if is_word(word, "WRAP") => Overflow::Wrap,
                word if is_word(word, "SAT") => Overflow::Saturate,
                word if is_word(word, "FAIL") => Overflow::Fail,
                _ => return Err(CommandError::other("ERR Invalid OVERFLOW type specified")),
            };
            continue;
        }
        let (is_get, is_set, is_add) = (is_word(word, "GET"), is_word(word, "SET"), is_word(word, "INCRBY"));
        let known = is_get || is_set || is_add;
        if !known || words.len() < if is_get { 2 } else { 3 } {
            return Err(CommandError::Syntax);
        }
        let (first, second) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let third = if is_get { None } else { words.next() };
        let field = field(first)?;
        let at = field_place(second, field, max)?;
        let what = match third.map(integer).transpose()? {
            None => What::Get,
            Some(number) if is_set => What::Set(number, overflow),
            Some(number) => What::Add(number, overflow),
        };
        operations.push(Operation { field, at, what });
    }
    Ok(operations)
}

fn bitfield(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let operations = parse(request, ctx.node.config.max_string())?;
    run(ctx, request, &operations)
}

fn bitfield_ro(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let operations = parse(request, ctx.node.config.max_string())?;
    if operations.iter().any(|operation| !matches!(operation.what, What::Get)) {
        return Err(CommandError::other("ERR BITFIELD_RO only supports the GET subcommand"));
    }
    run(ctx, request, &operations)
}

fn run(ctx: &mut Context<'_>, request: Request<'_>, operations: &[Operation]) -> Outcome {
    let (key, access) = (ctx.key(request, 1), ctx.access());
    let (db, reply) = ctx.db_and_reply();
    let written = operations.iter().filter(|operation| !matches!(operation.what, What::Get));
    let needed = written.map(|operation| (operation.at + u64::from(operation.field.width)).div_ceil(8)).max();
    let Some(needed) = needed.and_then(|bytes| usize::try_from(bytes).ok()) else {
        let value = db.read_string(key, access)?.unwrap_or(Value::Bytes(b""));
        reply.array(operations.len());
        with_bytes(value, |bytes| {
            for operation in operations {
                reply.integer(operation.field.read(bytes, operation.at));
            }
        });
        return Ok(());
    };
    let old = db
        .write_string(key, access)?
        .and_then(|entry| entry.string().map(|value| with_bytes(value, <[u8]>::len)));
    if old.is_none() {
        db.create(key, access);
    }
    let len = old.unwrap_or(0).max(needed);
    let is_longer = old != Some(len);
    let (before_all, mut changes) = (db.changes(), 0);
    reply.array(operations.len());
    if let Some(mut entry) = db.write(key, access) {
        entry.edit(len, |bytes| {
            for &Operation { field, at, what } in operations {
                let before = field.read(bytes, at);
                let (number, overflow) = match what {
                    What::Get => {
                        reply.integer(before);
                        continue;
                    }
                    // An unsigned field takes a negative number for a very large one.
                    What::Set(number, overflow) if !field.signed => {
                        (i128::from(number.cast_unsigned()), overflow)
                    }
                    What::Set(number, overflow) => (i128::from(number), overflow),
                    What::Add(number, overflow) => (i128::from(before) + i128::from(number), overflow),
                };
                let Some(kept) = field.fitted(number, overflow) else {
                    reply.null();
                    continue;
                };
                field.write(bytes, at, kept);
                changes += usize::from(is_longer || kept != before);
                reply.integer(if matches!(what, What::Set(..)) { before } else { kept });
            }
        });
        db.count_as(before_all, changes);
    }
    if is_longer || changes > 0 {
        db.event(EventClass::String, "setbit", key.bytes);
    } else {
        ctx.tell_nothing();
    }
    Ok(())
}
