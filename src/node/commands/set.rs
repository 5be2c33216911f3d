//! Sets: adding, taking and looking at members.

use super::{
    scan::{self, Elements, cursor_of_collection},
    support::{Chosen, Outcome, choose, gone, positive, reply_element},
};
use crate::{
    node::{
        context::{CommandError, Context, Handler},
        keyspace::{EventClass, Key},
        object::{Element, Set},
    },
    protocol::Request,
};

pub(super) const HANDLERS: &[(&str, Handler)] = &[
    ("sadd", sadd),
    ("scard", scard),
    ("sismember", sismember),
    ("smembers", smembers),
    ("smismember", smismember),
    ("smove", smove),
    ("spop", spop),
    ("srandmember", srandmember),
    ("srem", srem),
    ("sscan", sscan),
];

fn sadd(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let (key, access, limits) = (ctx.key(request, 1), ctx.access(), ctx.node.config.set_limits());
    let (db, reply) = ctx.db_and_reply();
    let mut set = db.get_or_create::<Set>(key, access)?;
    let added =
        set.count_changes(|set| request.args_from(2).filter(|member| set.insert(member, limits)).count());
    drop(set);
    if added > 0 {
        db.event(EventClass::Set, "sadd", key.bytes);
    }
    reply.integer(added as i64);
    Ok(())
}

fn srem(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let (key, access) = (ctx.key(request, 1), ctx.access());
    let (db, reply) = ctx.db_and_reply();
    let Some(mut set) = db.write_collection::<Set>(key, access)? else {
        reply.integer(0);
        return Ok(());
    };
    let removed = set.count_changes(|set| request.args_from(2).filter(|member| set.remove(member)).count());
    drop(set);
    if removed > 0 {
        db.event(EventClass::Set, "srem", key.bytes);
        gone(db, key, access);
    }
    reply.integer(removed as i64);
    Ok(())
}

fn scard(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let (key, access) = (ctx.key(request, 1), ctx.access());
    let (db, reply) = ctx.db_and_reply();
    reply.integer(db.read_collection::<Set>(key, access)?.map_or(0, |set| set.len() as i64));
    Ok(())
}

fn sismember(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let (key, access) = (ctx.key(request, 1), ctx.access());
    let (db, reply) = ctx.db_and_reply();
    let set = db.read_collection::<Set>(key, access)?;
    reply.integer(i64::from(set.is_some_and(|set| set.contains(request.arg(2)))));
    Ok(())
}

fn smismember(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let (key, access) = (ctx.key(request, 1), ctx.access());
    let (db, reply) = ctx.db_and_reply();
    let set = db.read_collection::<Set>(key, access)?;
    let members = request.args_from(2);
    reply.array(members.len());
    for member in members {
        reply.integer(i64::from(set.is_some_and(|set| set.contains(member))));
    }
    Ok(())
}

fn smembers(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let (key, access) = (ctx.key(request, 1), ctx.access());
    let (db, reply) = ctx.db_and_reply();
    let Some(set) = db.read_collection::<Set>(key, access)? else {
        reply.set(0);
        return Ok(());
    };
    reply.set(set.len());
    set.iter().for_each(|member| reply_element(reply, member));
    Ok(())
}

fn smove(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let (source, target, member) = (ctx.key(request, 1), Key::new(request.arg(2)), request.arg(3));
    let (access, limits) = (ctx.access(), ctx.node.config.set_limits());
    let (db, reply) = ctx.db_and_reply();
    let Some(has) = db.write_collection::<Set>(source, access)?.map(|set| set.view().contains(member)) else {
        reply.integer(0);
        return Ok(());
    };
    db.write_collection::<Set>(target, access)?;
    if !has || source.bytes == target.bytes {
        reply.integer(i64::from(has));
        return Ok(());
    }
    if let Some(mut set) = db.write_collection::<Set>(source, access)? {
        set.remove(member);
    }
    db.event(EventClass::Set, "srem", source.bytes);
    gone(db, source, access);
    let mut set = db.get_or_create::<Set>(target, access)?;
    let added = set.count_changes(|set| usize::from(set.insert(member, limits)));
    drop(set);
    if added > 0 {
        db.event(EventClass::Set, "sadd", target.bytes);
    }
    reply.integer(1);
    Ok(())
}

fn spop(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    if request.len() > 3 {
        return Err(CommandError::Syntax);
    }
    let count = request.get(2).map(positive).transpose()?;
    let (key, access, is_heard) = (ctx.key(request, 1), ctx.access(), ctx.is_heard());
    let (db, reply) = ctx.db_and_reply();
    let Some(mut set) = db.write_collection::<Set>(key, access)? else {
        match count {
            Some(_) => reply.set(0),
            None => reply.null(),
        }
        return Ok(());
    };
    let taken = match count {
        Some(0) => {
            reply.set(0);
            return Ok(());
        }
        Some(count) => {
            let taken = count.min(set.len());
            reply.set(taken);
            taken
        }
        None => 1,
    };
    let is_all = taken == set.len();
    let mut popped: Vec<Vec<u8>> = Vec::new();
    let mut keep = |member: Element<'_>| {
        if is_heard {
            popped.push(member.to_vec());
        }
    };
    if is_all {
        // All of them: nothing has to be chosen.
        set.view().iter().for_each(|member| {
            reply_element(reply, member);
            if count.is_none() {
                keep(member);
            }
        });
        *set = Set::default();
    } else {
        let set = &mut *set;
        for _ in 0..taken {
            set.pop(|member| {
                reply_element(reply, member);
                keep(member);
            });
        }
    }
    set.counts_as(taken);
    drop(set);
    db.event(EventClass::Set, "spop", key.bytes);
    gone(db, key, access);
    if is_heard && is_all && count.is_some() {
        ctx.tell(&[b"DEL", key.bytes]);
    }
    popped.iter().for_each(|member| ctx.tell(&[b"SREM", key.bytes, member]));
    Ok(())
}

fn srandmember(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    if request.len() > 3 {
        return Err(CommandError::Syntax);
    }
    let count = request.get(2).map(Chosen::parse).transpose()?;
    let (key, access) = (ctx.key(request, 1), ctx.access());
    let (db, reply) = ctx.db_and_reply();
    let Some(set) = db.read_collection::<Set>(key, access)? else {
        match count {
            Some(_) => reply.array(0),
            None => reply.null(),
        }
        return Ok(());
    };
    match count {
        None => drop(set.random(|member| reply_element(reply, member))),
        Some(Chosen::Again(count)) => {
            reply.array(count);
            for _ in 0..count {
                set.random(|member| reply_element(reply, member));
            }
        }
        Some(Chosen::Once(count)) => {
            let count = count.min(set.len());
            reply.array(count);
            let random = || set.random(|member| (member.to_vec(), member.to_vec()));
            choose(count, set.len(), set.iter().map(|member| member.to_vec()), random, |member| {
                reply_element(reply, Element::of(&member));
            });
        }
    }
    Ok(())
}

fn sscan(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let cursor = cursor_of_collection(request)?;
    let (key, access) = (ctx.key(request, 1), ctx.access());
    let (db, reply) = ctx.db_and_reply();
    let Some(set) = db.read_collection::<Set>(key, access)? else {
        scan::reply_nothing(reply);
        return Ok(());
    };
    let options = scan::Options::parse(request, 3, false)?;
    let mut found = Elements::new(&options, reply.version());
    let next = set.scan(cursor, options.count, |member| found.offer(member, |_| 0));
    found.reply(reply, next);
    Ok(())
}
