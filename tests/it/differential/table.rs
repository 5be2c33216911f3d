//! The command table against what a real redis-server 7.0 says about its commands. Known differences, all of them:
//! texts are our own (summaries, complexity, notes, what replaces a command), histories are not kept, and rows of
//! commands newer than 7.0 are only in our table.

use cluster_fixture::redis_server;
use redis_cluster::{
    command::{Spec, TABLE, introspect, resolve},
    protocol::{Batch, Encoder, Limits, Value, Version},
};

use super::{
    is_in_redis_7_0,
    peer::{Differences, Peer, cases, decode},
};

const VERSIONS: [Version; 2] = [Version::Resp2, Version::Resp3];

/// Whether the server to compare with has it.
fn in_redis_7_0(spec: &Spec) -> bool {
    is_in_redis_7_0(spec.since)
}

/// Our answer to a request, as a daemon gives it that has the whole table.
fn ours<A: AsRef<[u8]>>(arguments: &[A], version: Version) -> Vec<u8> {
    let mut bytes = Vec::new();
    redis_cluster::protocol::encode_command(&mut bytes, arguments);
    let mut batch = Batch::default();
    batch.parse(&bytes, &Limits::default()).expect("a request");
    let request = batch.get(0, &bytes);
    let mut out = Vec::new();
    let mut reply = Encoder::new(&mut out, version);
    match resolve(&request) {
        Ok(spec) => {
            if let Err(error) = introspect::command(spec, &request, &mut reply, &in_redis_7_0) {
                reply.error(error.to_string());
            }
        }
        Err(error) => reply.error(error.text()),
    }
    out
}

/// Names, as the server has them.
fn names() -> impl Iterator<Item = &'static str> {
    TABLE.iter().filter(|spec| in_redis_7_0(spec)).map(|spec| spec.name)
}

/// RESP2 pairs as a map.
fn entries(value: Value) -> Vec<(Value, Value)> {
    match value {
        Value::Map(entries) => entries,
        Value::Array(flat) => {
            let mut flat = flat.into_iter();
            std::iter::from_fn(|| Some((flat.next()?, flat.next()?))).collect()
        }
        other => panic!("not a map: {other:?}"),
    }
}

fn text(value: &Value) -> String {
    String::from_utf8_lossy(value.as_bytes().expect("a string")).into_owned()
}

/// Element 9 in the order of names, and key specifications without notes.
fn comparable_info(value: Value) -> Value {
    let Value::Array(mut fields) = value else { panic!("not an array: {value:?}") };
    assert_eq!(fields.len(), 10);
    for field in [8, 9] {
        let (Value::Array(elements) | Value::Set(elements)) = &mut fields[field] else {
            panic!("not a set: {:?}", fields[field])
        };
        if field == 8 {
            for keys in elements {
                let kept = entries(keys.clone()).into_iter().filter(|(name, _)| text(name) != "notes");
                *keys = Value::Map(kept.collect());
            }
        } else {
            for sub in &mut *elements {
                *sub = comparable_info(sub.clone());
            }
            elements.sort_by_key(|sub| match sub {
                Value::Array(fields) => text(&fields[0]),
                other => panic!("not an array: {other:?}"),
            });
        }
    }
    Value::Array(fields)
}

/// Without texts and histories, subcommands in the order of names.
fn comparable_doc(value: Value) -> Value {
    let mut kept = Vec::new();
    for (field, value) in entries(value) {
        match text(&field).as_str() {
            "history" => {}
            "summary" | "complexity" | "replaced_by" => {
                assert!(value.as_bytes().is_some());
                kept.push((field, Value::Null));
            }
            "subcommands" => kept.push((field, comparable_docs(value))),
            "arguments" => kept.push((field, known_arguments(value))),
            _ => kept.push((field, value)),
        }
    }
    Value::Map(kept)
}

/// Those that the server to compare with has, too.
fn known_arguments(value: Value) -> Value {
    let Value::Array(arguments) = value else { panic!("no arguments: {value:?}") };
    let known = |argument: &Value| {
        let since = entries(argument.clone()).into_iter().find(|(field, _)| text(field) == "since");
        since.is_none_or(|(_, since)| is_in_redis_7_0(&text(&since)))
    };
    let parts = |argument: Value| {
        let fields = entries(argument).into_iter().map(|(field, value)| match text(&field).as_str() {
            "arguments" => (field, known_arguments(value)),
            _ => (field, value),
        });
        Value::Map(fields.collect())
    };
    Value::Array(arguments.into_iter().filter(known).map(parts).collect())
}

fn comparable_docs(value: Value) -> Value {
    let mut docs: Vec<_> =
        entries(value).into_iter().map(|(name, doc)| (name, comparable_doc(doc))).collect();
    docs.sort_by_key(|(name, _)| text(name));
    Value::Map(docs)
}

#[test]
fn info_of_every_command() {
    let Some(redis) = redis_server() else { return };
    let mut differences = Differences::default();
    for version in VERSIONS {
        let mut redis = Peer::connect(&redis.address(), version);
        for name in names().chain(["nosuch", "get|nosuch", "config|nosuch", "|", "CONFIG|Get"]) {
            let request = ["COMMAND", "INFO", name];
            let (theirs, ours) = (redis.value(&request), decode(&ours(&request, version)));
            match (theirs, ours) {
                (Value::Array(mut theirs), Value::Array(mut ours)) if theirs[0] != Value::Null => {
                    differences.compare(
                        format_args!("{name} {version:?}"),
                        &comparable_info(ours.remove(0)),
                        &comparable_info(theirs.remove(0)),
                    );
                }
                (theirs, ours) => differences.compare(format_args!("{name} {version:?}"), &ours, &theirs),
            }
        }
        let Value::Array(all) = redis.value(&["COMMAND"]) else { panic!("COMMAND is an array") };
        let Value::Array(ours) = decode(&ours(&["COMMAND"], version)) else { panic!("COMMAND is an array") };
        differences.compare("COMMAND", &ours.len(), &all.len());
    }
    differences.none();
}

#[test]
fn docs_of_every_command() {
    let Some(redis) = redis_server() else { return };
    let mut differences = Differences::default();
    for version in VERSIONS {
        let mut redis = Peer::connect(&redis.address(), version);
        for name in names().chain(["nosuch", "config|nosuch", "CONFIG|Get"]) {
            let request = ["COMMAND", "DOCS", name];
            let (theirs, ours) = (redis.value(&request), decode(&ours(&request, version)));
            differences.compare(
                format_args!("{name} {version:?}"),
                &comparable_docs(ours),
                &comparable_docs(theirs),
            );
        }
        let all = comparable_docs(redis.value(&["COMMAND", "DOCS"]));
        differences.compare("all", &comparable_docs(decode(&ours(&["COMMAND", "DOCS"], version))), &all);
    }
    differences.none();
}

#[test]
fn lists_in_any_order() {
    let Some(redis) = redis_server() else { return };
    let mut differences = Differences::default();
    let mut redis = Peer::connect(&redis.address(), Version::Resp2);
    for line in [
        "COMMAND LIST",
        "COMMAND LIST FILTERBY PATTERN *",
        "COMMAND LIST FILTERBY PATTERN X*",
        "COMMAND LIST FILTERBY PATTERN *|[g-h]*",
        "COMMAND LIST FILTERBY PATTERN get",
        "command list filterby aclcat STRING",
        "COMMAND LIST FILTERBY ACLCAT dangerous",
        "COMMAND LIST FILTERBY ACLCAT @string",
        "COMMAND LIST FILTERBY MODULE any",
    ] {
        let request: Vec<&str> = line.split(' ').collect();
        let sorted = |value| {
            let Value::Array(elements) = value else { panic!("not an array: {value:?}") };
            let mut names: Vec<_> = elements.iter().map(text).collect();
            names.sort();
            names
        };
        differences.compare(
            line,
            &sorted(decode(&ours(&request, Version::Resp2))),
            &sorted(redis.value(&request)),
        );
    }
    differences.none();
}

/// `COMMAND GETKEYS`, `GETKEYSANDFLAGS`, and what is wrong with requests of `COMMAND`.
#[test]
fn keys_and_errors() {
    let Some(redis) = redis_server() else { return };
    let mut differences = Differences::default();
    for version in VERSIONS {
        let mut redis = Peer::connect(&redis.address(), version);
        for (line, arguments) in cases(include_str!("cases/getkeys.txt")) {
            for subcommand in ["GETKEYS", "GETKEYSANDFLAGS"] {
                let mut request = vec![b"COMMAND".to_vec(), subcommand.into()];
                request.extend(arguments.iter().cloned());
                let (theirs, ours) = (redis.call(&request), ours(&request, version));
                differences.compare(
                    format_args!("{subcommand} {line} {version:?}"),
                    &String::from_utf8_lossy(&ours),
                    &String::from_utf8_lossy(&theirs),
                );
            }
        }
        for (line, arguments) in cases(include_str!("cases/command-errors.txt")) {
            let (theirs, ours) = (redis.call(&arguments), ours(&arguments, version));
            differences.compare(
                format_args!("{line} {version:?}"),
                &String::from_utf8_lossy(&ours),
                &String::from_utf8_lossy(&theirs),
            );
        }
    }
    differences.none();
}
