//! Several sorted sets, or sets whose members all have the score 1: what they share, hold together, or do not share.

use super::{
    set_combine::put_result,
    support::{Outcome, integer},
    zset::Members,
};
use crate::{
    node::{
        context::{CommandError, Context, Handler},
        keyspace::{Access, Content, Db, EventClass, Key, RecordRef, WrongType},
        object::{
            Element, Object, Set, SetRef, SortedSet, SortedSetRef, Text,
            dict::{Dict, Entry},
            zset::{Limits, Member},
        },
    },
    protocol::Request,
    values::scores::{Combine, Form, Options, not_nan},
};

pub(super) const HANDLERS: &[(&str, Handler)] = &[
    ("zdiff", zdiff),
    ("zdiffstore", zdiffstore),
    ("zinter", zinter),
    ("zintercard", zintercard),
    ("zinterstore", zinterstore),
    ("zunion", zunion),
    ("zunionstore", zunionstore),
];

/// What is asked for.
struct Query<'a> {
    keys: Vec<(Key<'a>, Kind)>,
    options: Options,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Nothing,
    Set,
    SortedSet,
}

fn kind(db: &mut Db, key: Key<'_>, access: Access) -> Result<Kind, WrongType> {
    match db.read(key, access).map(RecordRef::content) {
        None => Ok(Kind::Nothing),
        Some(Content::Set(_)) => Ok(Kind::Set),
        Some(Content::SortedSet(_)) => Ok(Kind::SortedSet),
        Some(_) => Err(WrongType),
    }
}

impl<'a> Query<'a> {
    /// `numkeys` is argument `at`.
    fn parse(
        ctx: &mut Context<'_>,
        request: Request<'a>,
        at: usize,
        how: Combine,
        form: Form,
    ) -> Result<Self, CommandError> {
        let count = integer(request.arg(at))?;
        let Some(count) = usize::try_from(count).ok().filter(|&count| count > 0) else {
            let name = ctx.row.spec.name;
            return Err(CommandError::other(format!(
                "ERR at least 1 input key is needed for '{name}' command"
            )));
        };
        if count > request.len() - (at + 1) {
            return Err(CommandError::Syntax);
        }
        let access = ctx.access();
        let db = ctx.db();
        let keys = (at + 1..=at + count)
            .map(|index| Key::new(request.arg(index)))
            .map(|key| Ok((key, kind(db, key, access)?)))
            .collect::<Result<Vec<_>, WrongType>>()?;
        let options = Options::parse(request.args_from(at + 1 + count), count, how, form)
            .map_err(|error| CommandError::other(error.to_string()))?;
        Ok(Self { keys, options })
    }
}

/// One of the inputs.
#[derive(Clone, Copy)]
enum Input<'a> {
    Nothing,
    Set(SetRef<'a>),
    SortedSet(SortedSetRef<'a>),
}

impl<'a> Input<'a> {
    fn len(self) -> usize {
        match self {
            Self::Nothing => 0,
            Self::Set(set) => set.len(),
            Self::SortedSet(set) => set.len(),
        }
    }

    fn score(self, member: &[u8]) -> Option<f64> {
        match self {
            Self::Nothing => None,
            Self::Set(set) => set.contains(member).then_some(1.0),
            Self::SortedSet(set) => set.score(member),
        }
    }

    fn iter(self) -> Box<dyn Iterator<Item = (Element<'a>, f64)> + 'a> {
        match self {
            Self::Nothing => Box::new(std::iter::empty()),
            Self::Set(set) => Box::new(set.iter().map(|member| (member, 1.0))),
            Self::SortedSet(set) => set.iter(),
        }
    }
}

/// The combination: members with scores, each once. Stops after `query.options.limit` members unless that is 0.
fn combine(db: &Db, query: &Query<'_>, how: Combine) -> Vec<Member> {
    let mut inputs: Vec<(Input<'_>, f64)> = query
        .keys
        .iter()
        .zip(&query.options.weights)
        .map(|((key, kind), weight)| {
            let input = match kind {
                Kind::Nothing => None,
                Kind::Set => db.collection::<Set>(*key).map(Input::Set),
                Kind::SortedSet => db.collection::<SortedSet>(*key).map(Input::SortedSet),
            };
            (input.unwrap_or(Input::Nothing), *weight)
        })
        .collect();
    if how != Combine::Difference {
        // Sums of scores depend on the order, and this is Redis's.
        inputs.sort_by_key(|(input, _)| input.len());
    }
    let mut members = Vec::new();
    let Some(((first, weight), others)) = inputs.split_first().map(|(first, others)| (*first, others)) else {
        return members;
    };
    match how {
        Combine::Intersection => {
            for (name, score) in first.iter() {
                let total = others.iter().try_fold(not_nan(weight * score), |total, (input, weight)| {
                    let score = name.with(|name| input.score(name))?;
                    Some(query.options.aggregate.of(total, not_nan(weight * score)))
                });
                if let Some(score) = total {
                    members.push(Member { score, name: Text::of(name) });
                    if members.len() == query.options.limit {
                        return members;
                    }
                }
            }
        }
        Combine::Union => {
            let mut union: Dict<Member> = Dict::default();
            for (input, weight) in &inputs {
                for (name, score) in input.iter() {
                    let score = not_nan(weight * score);
                    let name = Text::of(name);
                    let known = union.change(name.as_bytes(), |member| {
                        member.score = query.options.aggregate.of(member.score, score);
                    });
                    if known.is_none() {
                        union.insert(Member { score, name });
                    }
                }
            }
            members.extend(union.iter().cloned());
        }
        Combine::Difference => {
            for (name, score) in first.iter() {
                if name.with(|name| others.iter().all(|(input, _)| input.score(name).is_none())) {
                    members.push(Member { score, name: Text::of(name) });
                }
            }
        }
    }
    members
}

fn zunion(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    reply(ctx, request, Combine::Union)
}

fn zinter(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    reply(ctx, request, Combine::Intersection)
}

fn zdiff(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    reply(ctx, request, Combine::Difference)
}

fn reply(ctx: &mut Context<'_>, request: Request<'_>, how: Combine) -> Outcome {
    let query = Query::parse(ctx, request, 1, how, Form::Reply)?;
    let (db, reply) = ctx.db_and_reply();
    let mut members = combine(db, &query, how);
    members.sort_unstable_by(|a, b| a.score.total_cmp(&(b.score + 0.0)).then_with(|| a.key().cmp(b.key())));
    let form = Members::new(query.options.scores, reply.version());
    form.begin(reply, members.len());
    for member in &members {
        form.show(reply, Element::Bytes(member.key()), member.score);
    }
    Ok(())
}

fn zunionstore(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    store(ctx, request, Combine::Union, "zunionstore")
}

fn zinterstore(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    store(ctx, request, Combine::Intersection, "zinterstore")
}

fn zdiffstore(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    store(ctx, request, Combine::Difference, "zdiffstore")
}

fn store(ctx: &mut Context<'_>, request: Request<'_>, how: Combine, event: &'static str) -> Outcome {
    let query = Query::parse(ctx, request, 2, how, Form::Store)?;
    let (target, access, limits) = (ctx.key(request, 1), ctx.access(), ctx.node.config.zset_limits());
    let (db, reply) = ctx.db_and_reply();
    let result = sorted_set(combine(db, &query, how), limits);
    let count = result.len();
    let result = (count > 0).then_some(Object::SortedSet(result));
    put_result(db, target, access, result, EventClass::SortedSet, event);
    reply.integer(count as i64);
    Ok(())
}

fn sorted_set(members: Vec<Member>, limits: Limits) -> SortedSet {
    let mut set = SortedSet::default();
    for member in members {
        set.put(member.key(), member.score, limits);
    }
    set
}

fn zintercard(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let query = Query::parse(ctx, request, 1, Combine::Intersection, Form::Count)?;
    let (db, reply) = ctx.db_and_reply();
    reply.integer(combine(db, &query, Combine::Intersection).len() as i64);
    Ok(())
}
