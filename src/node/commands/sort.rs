//! `SORT`: elements of a list, set or sorted set in order, by themselves or by what other keys hold. What is asked for and what comes before what
//! is in [`crate::values::sorting`]; here is where the values are.

use super::{
    set_combine::put_result,
    support::{Outcome, reply_element, with_bytes},
};
use crate::{
    acl::answers::{SORT_BY_DENIED, SORT_GET_DENIED},
    node::{
        caller::Origin,
        context::{CommandError, Context, Handler},
        keyspace::{Access, Content, Db, EventClass, Key, RecordRef, WrongType},
        object::{
            Element, List, Object,
            list::{End, Fill},
        },
    },
    protocol::Request,
    values::sorting::{Invalid, Pattern, Query},
};

pub(super) const HANDLERS: &[(&str, Handler)] = &[("sort", sort), ("sort_ro", sort_ro)];

impl From<Invalid> for CommandError {
    fn from(invalid: Invalid) -> Self {
        match invalid {
            Invalid::Syntax => Self::Syntax,
            Invalid::Limit => Self::NotInteger,
            Invalid::By => Self::other(SORT_BY_DENIED),
            Invalid::Get => Self::other(SORT_GET_DENIED),
            Invalid::Number => Self::other(invalid.to_string()),
        }
    }
}

/// Shows what a pattern names for an element, if that is there and a string.
fn shown<R>(
    pattern: Pattern<'_>,
    db: &mut Db,
    access: Access,
    element: Element<'_>,
    with: impl FnOnce(&[u8]) -> R,
) -> Option<R> {
    if pattern == Pattern::Element {
        return Some(element.with(with));
    }
    let (name, field) = element.with(|element| pattern.key(element))?;
    match (field, db.read(Key::new(&name), access).map(RecordRef::content)?) {
        (None, Content::String(value)) => Some(with_bytes(value, with)),
        (Some(field), Content::Hash(hash)) => hash.get(field).map(|value| value.with(with)),
        _ => None,
    }
}

/// The elements of what is there, with those already chosen that need no order.
fn elements(
    db: &mut Db,
    key: Key<'_>,
    access: Access,
    query: &mut Query<'_>,
    shown_to_others: bool,
) -> Result<Vec<Vec<u8>>, CommandError> {
    let Some(record) = db.read(key, access) else { return Ok(Vec::new()) };
    let content = record.content();
    // A set has no order to stay in: where others see or keep the result, it gets one.
    if query.unsorted && shown_to_others && matches!(content, Content::Set(_)) {
        (query.unsorted, query.alpha, query.by) = (false, true, None);
    }
    let part = |len| if query.unsorted { query.range(len) } else { (0, len) };
    let backwards = query.unsorted && query.descending;
    Ok(match content {
        Content::List(list) => {
            let (start, count) = part(list.len());
            let from = if backwards { (list.len() - start).saturating_sub(1) } else { start };
            let to = if backwards { End::Left } else { End::Right };
            list.iter(from, to).take(count).map(|element| element.to_vec()).collect()
        }
        Content::Set(set) => {
            let (start, count) = part(set.len());
            set.iter().skip(start).take(count).map(|element| element.to_vec()).collect()
        }
        Content::SortedSet(set) => {
            let (start, count) = part(set.len());
            let ranks =
                if backwards { set.len() - start - count..set.len() - start } else { start..start + count };
            set.range(ranks, backwards).map(|(element, _)| element.to_vec()).collect()
        }
        Content::String(_) | Content::Hash(_) | Content::Stream(_) => return Err(WrongType.into()),
    })
}

fn sort(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    run(ctx, request, true)
}

fn sort_ro(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    run(ctx, request, false)
}

fn run(ctx: &mut Context<'_>, request: Request<'_>, may_store: bool) -> Outcome {
    let reads_all = ctx.caller.user.may_read_all_keys(ctx.row.spec, &request);
    let mut query = Query::parse(&request, may_store, reads_all)?;
    let (key, access, fill) = (ctx.key(request, 1), ctx.access(), ctx.node.config.list_fill());
    let scripted = ctx.caller.origin == Origin::Script;
    let (db, reply) = ctx.db_and_reply();
    let shown_to_others = scripted || query.store.is_some();
    let elements = elements(db, key, access, &mut query, shown_to_others)?;
    let sorted = if query.unsorted {
        elements
    } else {
        query.order(elements, |_, element, by, show| {
            let _ = shown(by, db, access, Element::Bytes(element), show);
        })?
    };
    if let Some(target) = query.store {
        let list = result(db, access, &query, &sorted, fill);
        let (len, before) = (list.len(), db.changes());
        reply.integer(len as i64);
        let object = (!list.is_empty()).then_some(Object::List(list));
        put_result(db, Key::new(target), access, object, EventClass::List, "sortstore");
        if len > 0 {
            db.count_as(before, len);
        }
        return Ok(());
    }
    reply.array(sorted.len() * query.get.len().max(1));
    for element in &sorted {
        let element = Element::Bytes(element);
        if query.get.is_empty() {
            reply_element(reply, element);
        }
        for get in &query.get {
            if shown(*get, db, access, element, |value| reply.bulk(value)).is_none() {
                reply.null();
            }
        }
    }
    Ok(())
}

/// What `STORE` keeps. What is not there is an empty element.
fn result(db: &mut Db, access: Access, query: &Query<'_>, sorted: &[Vec<u8>], fill: Fill) -> List {
    let mut list = List::default();
    for element in sorted {
        if query.get.is_empty() {
            list.push(End::Right, element, fill);
        }
        for get in &query.get {
            let push = |value: &[u8]| list.push(End::Right, value, fill);
            if shown(*get, db, access, Element::Bytes(element), push).is_none() {
                list.push(End::Right, b"", fill);
            }
        }
    }
    list
}
