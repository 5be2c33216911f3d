//! DEBUG: what tests need, and only where the daemon was started for it.

use std::{path::Path, sync::atomic::Ordering::Relaxed, time::Duration};

use super::{
    debug_digest::Digest,
    help::help as help_lines,
    object::encoding_of,
    support::{Outcome, int_or, integer, is_word, wrong_subcommand},
};
use crate::{
    node::{
        context::{CommandError, Context, Handler},
        keyspace::{Access, Aging, Content, Key, Ttl, Value},
        persist::{load, save},
        rdb,
        store::Store,
    },
    protocol::{
        Request,
        glob::{self, Case},
        number::{parse_f64, parse_memory},
    },
    time::Millis,
};

pub(super) const HANDLERS: &[(&str, Handler)] = &[("debug", debug)];

fn debug(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let allowed = match ctx.node.config.get("enable-debug-command").as_deref() {
        Some("yes") => true,
        Some("local") => ctx.caller.client.addresses.remote.ip().is_loopback(),
        _ => false,
    };
    if !allowed {
        return Err(CommandError::other(
            "ERR DEBUG command not allowed. If the enable-debug-command option is set to \"local\", you can run it \
             from a local connection, otherwise you need to set this option in the configuration file, and then \
             restart the server.",
        ));
    }
    let word = request.arg(1).to_ascii_lowercase();
    match (word.as_slice(), request.len()) {
        (b"help", _) => help(ctx),
        (b"panic", _) => panic!("DEBUG PANIC, as a client asked for"),
        (b"sleep", 3) => sleep(ctx, request),
        (b"set-active-expire", 3) => {
            let active = integer(request.arg(2)).unwrap_or(0) != 0;
            ctx.node.expires_lazily.store(!active, Relaxed);
            ctx.reply.ok();
            Ok(())
        }
        (b"pause-cron", 3) => {
            ctx.node.cron_paused.store(integer(request.arg(2))? != 0, Relaxed);
            ctx.reply.ok();
            Ok(())
        }
        (b"set-disable-deny-scripts", 3) => {
            let all = integer(request.arg(2)).unwrap_or(0) != 0;
            ctx.node.scripts_call_all.store(all, Relaxed);
            ctx.reply.ok();
            Ok(())
        }
        // There is no file to load it from: what would have been written to it is read again.
        (b"reload", _) => reload(ctx, request),
        (b"loadaof", 2) => reload(ctx, request),
        (b"digest", 2) => {
            let keyspace = &ctx.store.keyspace;
            let digest = Digest::of_all((0..keyspace.databases()).map(|number| keyspace.db(number)));
            ctx.reply.simple(&digest.to_string());
            Ok(())
        }
        (b"digest-value", _) => digest_value(ctx, request),
        (b"object", 3 | 4) => object(ctx, request),
        (b"stringmatch-len", 4) => stringmatch(ctx, request),
        (b"quicklist-packed-threshold", 3) => packed_threshold(ctx, request),
        (b"listpack" | b"quicklist", 3 | 4) => structure(ctx, request),
        (b"protocol", 3) => protocol(ctx, request),
        (b"populate", 3..=5) => populate(ctx, request),
        (b"error", 3) => Err(CommandError::Bytes(request.arg(2).to_vec())),
        (b"log", 3) => {
            tracing::warn!("DEBUG LOG: {}", String::from_utf8_lossy(request.arg(2)));
            ctx.reply.ok();
            Ok(())
        }
        (b"change-repl-id", 2) => {
            ctx.node.change_replication_id();
            ctx.reply.ok();
            Ok(())
        }
        (b"jmap", _) => Err(CommandError::other("ERR DEBUG JMAP is for servers in Java")),
        _ => Err(wrong_subcommand(request)),
    }
}

/// Nobody is served meanwhile, as in a server of one thread.
#[expect(clippy::disallowed_methods, reason = "to wait is what it is for")]
fn sleep(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let seconds = parse_f64(request.arg(2)).unwrap_or(0.0);
    if let Ok(duration) = Duration::try_from_secs_f64(seconds) {
        std::thread::sleep(duration);
    }
    ctx.reply.ok();
    Ok(())
}

/// Every value is written as a file would have it, and read again.
fn reload(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    for word in request.args_from(2) {
        if !["MERGE", "NOFLUSH", "NOSAVE"].iter().any(|known| is_word(word, known)) {
            return Err(CommandError::other(
                "ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.",
            ));
        }
    }
    let given = |wanted: &str| request.args_from(2).any(|word| is_word(word, wanted));
    let databases = 0..ctx.store.keyspace.databases();
    let has_data = ctx.store.functions.count().0 > 0
        || databases.clone().any(|number| !ctx.store.keyspace.db(number).is_empty());
    if given("NOFLUSH") && !given("MERGE") && has_data {
        // What is there would be there twice.
        return Err(CommandError::other("ERR Error trying to load the RDB dump, check server logs."));
    }
    let (node, now) = (ctx.node, ctx.now);
    // Without a directory there is no file, only its bytes.
    let file = node
        .persist
        .directory()
        .map(|directory| directory.path().join(node.config.get("dbfilename").unwrap_or_default()));
    let refused = |error: &dyn std::fmt::Display| {
        tracing::error!(%error, "DEBUG RELOAD");
        CommandError::other(format!("ERR Error trying to load the RDB dump: {error}"))
    };
    let bytes = match &file {
        Some(_) if given("NOSAVE") => Vec::new(),
        Some(_) => {
            save::save(ctx.store, node).map_err(|error| CommandError::other(format!("ERR {error}")))?;
            Vec::new()
        }
        None => save::to_memory(ctx.store, node).map_err(|error| refused(&error))?,
    };
    let merges = given("MERGE");
    if !(given("NOFLUSH") && file.is_some()) {
        for number in databases {
            ctx.store.touch_watched(number, None, node, now);
        }
        node.freer.free(ctx.store.keyspace.clear());
        ctx.store.functions.flush();
    }
    let options = load::Options { replaces: merges, ..load::Options::of(node, ctx.store, now) };
    let put = |insert: &mut dyn FnMut(&mut Store)| insert(ctx.store);
    let loaded = match &file {
        Some(path) => load::load(path, options, None, node, put),
        None => load::load_from(bytes.as_slice(), Path::new("memory"), options, None, node, put)
            .map(|(loaded, _)| loaded),
    };
    loaded.map_err(|error| refused(&error))?;
    node.persist.note_unchanged(&ctx.store.keyspace);
    ctx.reply.ok();
    Ok(())
}

fn digest_value(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    ctx.reply.array(request.len() - 2);
    let access = ctx.access();
    for key in request.args_from(2) {
        let (db, reply) = ctx.db_and_reply();
        let digest = db.peek(Key::new(key), access).map(Digest::of_value).unwrap_or_default();
        reply.simple(&digest.to_string());
    }
    Ok(())
}

fn no_such_key() -> CommandError {
    CommandError::other("ERR no such key")
}

fn object(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    // Also a key whose time has come, as long as nobody else looked at it.
    let (key, now, aging) = (ctx.key(request, 2), ctx.now, ctx.store.keyspace.aging());
    let access = Access { now: Millis(i64::MIN), ..ctx.access() };
    let fill = ctx.node.config.get("list-max-listpack-size").unwrap_or_default();
    let (db, reply) = ctx.db_and_reply();
    let record = db.peek(key, access).ok_or_else(no_such_key)?;
    let idle = match aging {
        Aging::Lru => Aging::idle_seconds(record.age(), now),
        Aging::Lfu { .. } => 0,
    };
    // A payload without its type, version and checksum.
    let length = rdb::dump(record.content()).len() - 11;
    let extra = match record.content() {
        Content::List(list) => {
            let nodes = list.packs().count().max(1);
            format!(
                " ql_nodes:{nodes} ql_avg_node:{:.2} ql_listpack_max:{fill} ql_compressed:0 ql_uncompressed_size:{length}",
                list.len() as f64 / nodes as f64
            )
        }
        _ => String::new(),
    };
    reply.simple(&format!(
        "Value at:0x{:x} refcount:1 encoding:{} serializedlength:{length} lru:{} lru_seconds_idle:{idle}{extra}",
        record.key().as_ptr().addr(),
        encoding_of(record),
        record.age(),
    ));
    Ok(())
}

fn stringmatch(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let length = integer(request.arg(2))?;
    let text = vec![b'a'; usize::try_from(length).unwrap_or(0)];
    ctx.reply.integer(i64::from(glob::matches(request.arg(3), &text, Case::Exact)));
    Ok(())
}

/// Elements of any length lie in the same nodes here: there is nothing to set.
fn packed_threshold(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    match parse_memory(request.arg(2)) {
        Some(0..=0xFFFF_FFFF) => ctx.reply.ok(),
        _ => {
            return Err(CommandError::other(
                "ERR argument must be a memory value bigger than 1 and smaller than 4gb",
            ));
        }
    }
    Ok(())
}

/// Redis prints it; here it goes to the log.
fn structure(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let wants_list = is_word(request.arg(1), "QUICKLIST");
    let (key, access) = (ctx.key(request, 2), ctx.access());
    let (db, reply) = ctx.db_and_reply();
    let record = db.peek(key, access).ok_or_else(no_such_key)?;
    let encoding = encoding_of(record);
    match (wants_list, encoding) {
        (true, "quicklist") => reply.simple("Quicklist structure printed on stdout"),
        (false, "listpack") => reply.simple("Listpack structure printed on stdout"),
        (true, _) => return Err(CommandError::other("ERR Not a quicklist encoded object.")),
        (false, _) => return Err(CommandError::other("ERR Not a listpack encoded object.")),
    }
    tracing::info!(encoding, payload = %rdb::dump(record.content()).escape_ascii(), "DEBUG");
    Ok(())
}

/// One reply of each type, for those who write clients.
fn protocol(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let reply = &mut ctx.reply;
    match request.arg(2).to_ascii_lowercase().as_slice() {
        b"string" => reply.bulk("Hello World"),
        b"integer" => reply.integer(12345),
        b"double" => reply.double("3.141".parse().unwrap_or_default()),
        b"null" => reply.null(),
        b"array" => {
            reply.array(3);
            (0..3).for_each(|number| reply.integer(number));
        }
        b"set" => {
            reply.set(3);
            (0..3).for_each(|number| reply.integer(number));
        }
        b"map" => {
            reply.map(3);
            (0..3).for_each(|number| {
                reply.integer(number);
                reply.boolean(number == 1);
            });
        }
        b"attrib" => {
            reply.attribute(1);
            reply.bulk("key-popularity");
            reply.array(2);
            reply.bulk("key:123");
            reply.integer(90);
            // What it belongs to.
            reply.bulk("Some real reply following the attribute");
        }
        b"push" => {
            reply.push(2);
            reply.bulk("server-cpu-usage");
            reply.integer(42);
        }
        b"verbatim" => reply.verbatim("txt", "This is a verbatim\nstring"),
        b"true" => reply.boolean(true),
        b"false" => reply.boolean(false),
        b"bignum" => reply.big_number("1234567999999999999999999999999999999"),
        _ => {
            return Err(CommandError::other(
                "ERR Wrong protocol type name. Please use one of the following: \
                 string|integer|double|null|array|set|map|attrib|push|verbatim|true|false",
            ));
        }
    }
    Ok(())
}

fn populate(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    const WRONG: &str = "ERR value is out of range, must be positive";
    let count = int_or(request.arg(2), WRONG)?;
    let prefix = request.get(3).unwrap_or(b"key").to_vec();
    let size = match request.get(4) {
        Some(size) => Some(usize::try_from(int_or(size, WRONG)?).map_err(|_| CommandError::other(WRONG))?),
        None => None,
    };
    let access = ctx.access();
    for number in 0..count {
        let key = [prefix.as_slice(), b":", number.to_string().as_bytes()].concat();
        let (db, _) = ctx.db_and_reply();
        if db.contains(Key::new(&key), access.now) {
            continue;
        }
        let mut value = [b"value:", number.to_string().as_bytes()].concat();
        if let Some(size) = size {
            value.resize(size, 0);
        }
        db.set(Key::new(&key), Value::of_string(&value), Ttl::None, access);
    }
    ctx.reply.ok();
    Ok(())
}

fn help(ctx: &mut Context<'_>) -> Outcome {
    help_lines(
        ctx,
        "DEBUG",
        &[
            ("DIGEST", "A digest of all data."),
            ("DIGEST-VALUE <key> [<key> ...]", "A digest of each value."),
            ("ERROR <text>", "Reply with an error."),
            ("LISTPACK <key>", "Log how a compact value is kept."),
            ("LOADAOF", "As RELOAD: there is no append-only file."),
            ("LOG <text>", "Write a line to the log."),
            ("CHANGE-REPL-ID", "Take a new replication ID."),
            ("OBJECT <key>", "How a value is kept."),
            ("PANIC", "End the process as a fault would."),
            (
                "PAUSE-CRON <0|1>",
                "Whether nothing happens by itself: no expiry, no eviction, no time-outs of clients.",
            ),
            ("POPULATE <count> [<prefix>] [<size>]", "Create string keys that are not there yet."),
            ("PROTOCOL <type>", "Reply with a value of a type of RESP."),
            ("QUICKLIST <key>", "Log how a list is kept."),
            (
                "QUICKLIST-PACKED-THRESHOLD <size>",
                "Nothing to set here: elements of any size lie in the same nodes.",
            ),
            (
                "RELOAD [MERGE] [NOFLUSH] [NOSAVE]",
                "Write all values as a file would have them, and read them again.",
            ),
            ("SET-ACTIVE-EXPIRE <0|1>", "Whether keys expire before somebody looks at them."),
            ("SET-DISABLE-DENY-SCRIPTS <0|1>", "Whether scripts may call every command."),
            ("SLEEP <seconds>", "Serve nobody for so long."),
            ("STRINGMATCH-LEN <length> <pattern>", "Match a pattern with so many letters."),
        ],
    );
    Ok(())
}
