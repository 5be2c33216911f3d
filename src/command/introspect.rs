//! `COMMAND` and its subcommands, and the `HELP` of any container: answers from the table, in the shapes of Redis 7.0.
//!
//! A daemon lists what it supports, so everything here takes a [`Supported`]; a container counts as supported when it
//! runs by itself or one of its subcommands does.

use super::{
    Acl, Arg, KeySpec, Spec, TABLE,
    keys::{self, Find, Search},
    lookup, resolve,
    table::COMMANDS,
};
use crate::protocol::{
    Encoder, Request,
    glob::{Case, Glob},
};

/// Which rows a daemon has.
pub type Supported<'a> = &'a dyn Fn(&Spec) -> bool;

/// Why `COMMAND` failed; nothing was written. The texts are Redis's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IntrospectError {
    /// Options do not fit together.
    #[error("ERR syntax error")]
    Syntax,
    /// No such command.
    #[error("ERR Invalid command specified")]
    UnknownCommand,
    /// It never has keys.
    #[error("ERR The command has no key arguments")]
    NoKeys,
    /// Its arity is another.
    #[error("ERR Invalid number of arguments specified for command")]
    Arity,
    /// The keys cannot be told.
    #[error("ERR Invalid arguments specified for command")]
    Arguments,
}

/// Answers `COMMAND` or a subcommand of it, `spec` being the request's row.
///
/// # Errors
/// Redis's error, with nothing written.
pub fn command(
    spec: &Spec,
    request: &Request<'_>,
    reply: &mut Encoder<'_>,
    supported: Supported<'_>,
) -> Result<(), IntrospectError> {
    let is_listed = |spec: &Spec| is_supported(spec, supported);
    match spec.word() {
        "count" => reply.integer(commands().filter(|spec| is_listed(spec)).count() as i64),
        "list" => return list(request, reply, supported),
        "docs" => docs(request, reply, supported),
        "getkeys" => return get_keys(request, reply, supported, false),
        "getkeysandflags" => return get_keys(request, reply, supported, true),
        "help" => help("command", reply, supported),
        "info" if request.len() > 2 => {
            reply.array(request.len() - 2);
            for name in request.args_from(2) {
                match by_full_name(name).filter(|spec| is_listed(spec)) {
                    Some(spec) => info(spec, reply, supported),
                    None => reply.null(),
                }
            }
        }
        _ => {
            reply.array(commands().filter(|spec| is_listed(spec)).count());
            commands().filter(|spec| is_listed(spec)).for_each(|spec| info(spec, reply, supported));
        }
    }
    Ok(())
}

fn commands() -> impl Iterator<Item = &'static Spec> {
    TABLE[..COMMANDS].iter()
}

fn is_supported(spec: &Spec, supported: Supported<'_>) -> bool {
    supported(spec) || spec.subcommands().iter().any(supported)
}

/// Its subcommands that are supported.
fn subcommands(spec: &Spec, supported: Supported<'_>) -> impl Iterator<Item = &'static Spec> + Clone {
    spec.subcommands().iter().filter(move |sub| supported(sub))
}

/// `config|get`, `get`.
fn by_full_name(name: &[u8]) -> Option<&'static Spec> {
    match memchr::memchr(b'|', name) {
        Some(bar) => lookup(&name[..bar])?.subcommand(&name[bar + 1..]),
        None => lookup(name),
    }
}

fn info(spec: &Spec, reply: &mut Encoder<'_>, supported: Supported<'_>) {
    let (first, last, step) = spec.legacy_keys();
    reply.array(10);
    reply.bulk(spec.name);
    reply.integer(spec.arity.into());
    names(spec.flags.len(), spec.flags.names(), "", reply);
    reply.integer(first.into());
    reply.integer(last.into());
    reply.integer(step.into());
    names(spec.acl.len(), spec.acl.names(), "@", reply);
    reply.set(spec.tips.len());
    spec.tips.iter().for_each(|tip| reply.bulk(tip));
    reply.set(spec.keys.len());
    spec.keys.iter().for_each(|keys| key_spec(keys, reply));
    let subs = subcommands(spec, supported);
    // Redis answers with an empty set for no subcommands, and with an array for some.
    match subs.clone().count() {
        0 => reply.set(0),
        some => reply.array(some),
    }
    subs.for_each(|sub| info(sub, reply, supported));
}

fn names(len: usize, names: impl Iterator<Item = &'static str>, prefix: &str, reply: &mut Encoder<'_>) {
    reply.set(len);
    names.for_each(|name| reply.simple(&format!("{prefix}{name}")));
}

fn key_spec(keys: &KeySpec, reply: &mut Encoder<'_>) {
    reply.map(if keys.notes.is_empty() { 3 } else { 4 });
    if !keys.notes.is_empty() {
        reply.bulk("notes");
        reply.bulk(keys.notes);
    }
    reply.bulk("flags");
    names(keys.flags.len(), keys.flags.names(), "", reply);
    reply.bulk("begin_search");
    match keys.search {
        Search::Index(index) => part("index", &[("index", Field::Number(index as i64))], reply),
        Search::Keyword(word, from) => part(
            "keyword",
            &[("keyword", Field::Text(word)), ("startfrom", Field::Number(from.into()))],
            reply,
        ),
        Search::Unknown => part("unknown", &[], reply),
    }
    reply.bulk("find_keys");
    match keys.find {
        Find::Range { last, step, limit } => part(
            "range",
            &[
                ("lastkey", Field::Number(last.into())),
                ("keystep", Field::Number(step as i64)),
                ("limit", Field::Number(limit as i64)),
            ],
            reply,
        ),
        Find::Count { count, first, step } => part(
            "keynum",
            &[
                ("keynumidx", Field::Number(count as i64)),
                ("firstkey", Field::Number(first as i64)),
                ("keystep", Field::Number(step as i64)),
            ],
            reply,
        ),
        Find::Unknown => part("unknown", &[], reply),
    }
}

enum Field {
    Number(i64),
    Text(&'static str),
}

/// `{"type": …, "spec": {…}}`.
fn part(kind: &str, fields: &[(&str, Field)], reply: &mut Encoder<'_>) {
    reply.map(2);
    reply.bulk("type");
    reply.bulk(kind);
    reply.bulk("spec");
    reply.map(fields.len());
    for (name, value) in fields {
        reply.bulk(name);
        match value {
            Field::Number(number) => reply.integer(*number),
            Field::Text(text) => reply.bulk(text),
        }
    }
}

fn list(
    request: &Request<'_>,
    reply: &mut Encoder<'_>,
    supported: Supported<'_>,
) -> Result<(), IntrospectError> {
    let filter: Box<dyn Fn(&Spec) -> bool + '_> =
        match (request.len(), request.get(2), request.get(3), request.get(4)) {
            (2, ..) => Box::new(|_| true),
            (5, Some(by), Some(what), Some(value)) if by.eq_ignore_ascii_case(b"filterby") => {
                if what.eq_ignore_ascii_case(b"module") {
                    // There are no modules.
                    Box::new(|_| false)
                } else if what.eq_ignore_ascii_case(b"aclcat") {
                    let category = Acl::named(value);
                    Box::new(move |spec| category.is_some_and(|category| spec.acl.has(category)))
                } else if what.eq_ignore_ascii_case(b"pattern") {
                    let glob = Glob::new(value, Case::Ignored);
                    Box::new(move |spec| glob.matches(spec.name.as_bytes()))
                } else {
                    return Err(IntrospectError::Syntax);
                }
            }
            _ => return Err(IntrospectError::Syntax),
        };
    let listed = TABLE.iter().filter(|spec| is_supported(spec, supported) && filter(spec));
    reply.array(listed.clone().count());
    listed.for_each(|spec| reply.bulk(spec.name));
    Ok(())
}

fn docs(request: &Request<'_>, reply: &mut Encoder<'_>, supported: Supported<'_>) {
    let documented: Vec<&Spec> = if request.len() > 2 {
        request.args_from(2).filter_map(by_full_name).filter(|spec| is_supported(spec, supported)).collect()
    } else {
        commands().filter(|spec| is_supported(spec, supported)).collect()
    };
    reply.map(documented.len());
    documented.into_iter().for_each(|spec| doc(spec, reply, supported));
}

fn doc(spec: &Spec, reply: &mut Encoder<'_>, supported: Supported<'_>) {
    let subs = subcommands(spec, supported);
    let texts = [
        ("summary", spec.summary),
        ("since", spec.since),
        ("group", spec.group.name()),
        ("complexity", spec.complexity),
    ];
    let texts = texts.iter().filter(|(_, text)| !text.is_empty());
    let has_flags = spec.deprecated.is_some() || spec.internal;
    let fields = texts.clone().count()
        + usize::from(has_flags)
        + 2 * usize::from(spec.deprecated.is_some())
        + usize::from(!spec.args.is_empty())
        + usize::from(subs.clone().next().is_some());
    reply.bulk(spec.name);
    reply.map(fields);
    for (field, text) in texts {
        reply.bulk(field);
        reply.bulk(text);
    }
    if has_flags {
        reply.bulk("doc_flags");
        let flags = [spec.deprecated.map(|_| "deprecated"), spec.internal.then_some("syscmd")];
        reply.set(flags.iter().flatten().count());
        flags.iter().flatten().for_each(|flag| reply.simple(flag));
    }
    if let Some(deprecated) = spec.deprecated {
        reply.bulk("deprecated_since");
        reply.bulk(deprecated.since);
        reply.bulk("replaced_by");
        reply.bulk(deprecated.instead);
    }
    if !spec.args.is_empty() {
        reply.bulk("arguments");
        args(spec.args, reply);
    }
    let count = subs.clone().count();
    if count > 0 {
        reply.bulk("subcommands");
        reply.map(count);
        subs.for_each(|sub| doc(sub, reply, supported));
    }
}

fn args(list: &[Arg], reply: &mut Encoder<'_>) {
    reply.array(list.len());
    for arg in list {
        let flags = [
            arg.optional.then_some("optional"),
            arg.multiple.then_some("multiple"),
            arg.multiple_token.then_some("multiple_token"),
        ];
        let flags = flags.iter().flatten();
        let texts = [("token", arg.token), ("since", arg.since), ("deprecated_since", arg.deprecated_since)];
        let texts = texts.iter().filter_map(|(field, text)| Some((field, (*text)?)));
        let fields = 2
            + usize::from(arg.key_spec.is_some())
            + texts.clone().count()
            + usize::from(flags.clone().next().is_some())
            + usize::from(!arg.parts().is_empty());
        reply.map(fields);
        reply.bulk("name");
        reply.bulk(arg.name.to_ascii_lowercase());
        reply.bulk("type");
        reply.bulk(arg.kind.name());
        if let Some(index) = arg.key_spec {
            reply.bulk("key_spec_index");
            reply.integer(index.into());
        }
        for (field, text) in texts {
            reply.bulk(field);
            reply.bulk(text);
        }
        if flags.clone().next().is_some() {
            reply.bulk("flags");
            reply.set(flags.clone().count());
            flags.for_each(|flag| reply.simple(flag));
        }
        if !arg.parts().is_empty() {
            reply.bulk("arguments");
            args(arg.parts(), reply);
        }
    }
}

fn get_keys(
    request: &Request<'_>,
    reply: &mut Encoder<'_>,
    supported: Supported<'_>,
    with_flags: bool,
) -> Result<(), IntrospectError> {
    let inner = request.tail(2).ok_or(IntrospectError::UnknownCommand)?;
    let spec = resolve::find(&inner)
        .ok()
        .filter(|spec| is_supported(spec, supported))
        .ok_or(IntrospectError::UnknownCommand)?;
    if !spec.has_keys() {
        return Err(IntrospectError::NoKeys);
    }
    if !spec.accepts(inner.len()) {
        return Err(IntrospectError::Arity);
    }
    let keys = keys::listed(spec, &inner).unwrap_or_default();
    if keys.is_empty() && !spec.flags.has(super::Flags::NO_MANDATORY_KEYS) {
        return Err(IntrospectError::Arguments);
    }
    reply.array(keys.len());
    for (index, flags) in keys.iter() {
        if with_flags {
            reply.array(2);
        }
        reply.bulk(inner.arg(index));
        if with_flags {
            names(flags.len(), flags.names(), "", reply);
        }
    }
    Ok(())
}

/// Answers `HELP` of a command that has subcommands: how each is used, and what it does.
pub fn help(container: &str, reply: &mut Encoder<'_>, supported: Supported<'_>) {
    let Some(spec) = lookup(container.as_bytes()) else { return reply.array(0) };
    let upper = container.to_ascii_uppercase();
    let mut lines = vec![format!("{upper} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:")];
    if supported(spec) {
        lines.push("(no subcommand)".into());
        lines.push(format!("    {}", spec.summary));
    }
    for sub in subcommands(spec, supported) {
        lines.push(sub.syntax()[upper.len() + 1..].into());
        lines.push(format!("    {}", sub.summary));
    }
    reply.array(lines.len());
    lines.iter().for_each(|line| reply.simple(line));
}
