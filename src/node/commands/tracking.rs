//! `CLIENT TRACKING` and `CLIENT CACHING`.

use super::support::{Outcome, as_c_string, is_word};
use crate::{
    node::{
        context::{CommandError, Context, Handler},
        tracking::Options,
    },
    protocol::{Request, number::parse_i64},
};

pub(super) const HANDLERS: &[(&str, Handler)] = &[("client|caching", caching), ("client|tracking", tracking)];

fn parse(ctx: &Context<'_>, request: Request<'_>) -> Result<Options, CommandError> {
    let mut options = Options::default();
    let mut words = request.args_from(3);
    while let Some(word) = words.next() {
        if is_word(word, "REDIRECT") {
            let id = words.next().ok_or(CommandError::Syntax)?;
            if options.redirect.is_some() {
                return Err(CommandError::other("ERR A client can only redirect to a single other client"));
            }
            let id = parse_i64(id).ok_or(CommandError::NotInteger)?;
            let known = u64::try_from(id).ok().filter(|&id| ctx.node.clients.get(id).is_some());
            options.redirect = Some(
                known.ok_or(CommandError::other("ERR The client ID you want redirect to does not exist"))?,
            );
        } else if is_word(word, "BCAST") {
            options.broadcast = true;
        } else if is_word(word, "OPTIN") {
            options.opt_in = true;
        } else if is_word(word, "OPTOUT") {
            options.opt_out = true;
        } else if is_word(word, "NOLOOP") {
            options.no_loop = true;
        } else if is_word(word, "PREFIX") {
            options.prefixes.push(words.next().ok_or(CommandError::Syntax)?.into());
        } else {
            return Err(CommandError::Syntax);
        }
    }
    Ok(options)
}

fn tracking(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let options = parse(ctx, request)?;
    if is_word(request.arg(2), "ON") {
        check(ctx, &options)?;
        ctx.store.track(ctx.caller, options);
    } else if is_word(request.arg(2), "OFF") {
        ctx.store.untrack(ctx.caller);
    } else {
        return Err(CommandError::Syntax);
    }
    ctx.reply.ok();
    Ok(())
}

/// In the order of Redis.
fn check(ctx: &Context<'_>, options: &Options) -> Outcome {
    if ctx.caller.answers_all {
        return Err(CommandError::other("ERR a gRPC caller receives no messages: track over RESP"));
    }
    if !options.broadcast && !options.prefixes.is_empty() {
        return Err(CommandError::other("ERR PREFIX option requires BCAST mode to be enabled"));
    }
    let state = ctx.store.tracking.state(ctx.caller.client.id);
    let before = state.as_ref().map(|state| state.options);
    if before.is_some_and(|before| before.broadcast != options.broadcast) {
        return Err(CommandError::other(
            "ERR You can't switch BCAST mode on/off before disabling tracking for this client, and then re-enabling it with a \
             different mode.",
        ));
    }
    if options.broadcast && (options.opt_in || options.opt_out) {
        return Err(CommandError::other("ERR OPTIN and OPTOUT are not compatible with BCAST"));
    }
    if options.opt_in && options.opt_out {
        return Err(CommandError::other("ERR You can't specify both OPTIN mode and OPTOUT mode"));
    }
    if before.is_some_and(|before| options.opt_in && before.opt_out || options.opt_out && before.opt_in) {
        return Err(CommandError::other(
            "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then re-enabling it with a \
             different mode.",
        ));
    }
    let overlap = |a: &[u8], b: &[u8]| a.starts_with(b) || b.starts_with(a);
    for (index, prefix) in options.prefixes.iter().enumerate() {
        let of_before = before.iter().flat_map(|before| &before.prefixes);
        let collision = of_before
            .filter(|known| *known != prefix)
            .find(|known| overlap(prefix, known))
            .map(|known| ("an existing", known))
            .or_else(|| {
                let others = options.prefixes[index + 1..].iter();
                others.clone().find(|other| overlap(prefix, other)).map(|other| ("another provided", other))
            });
        if let Some((which, other)) = collision {
            let text = [
                b"ERR Prefix '",
                as_c_string(prefix),
                b"' overlaps with ",
                which.as_bytes(),
                b" prefix '",
                as_c_string(other),
                b"'. Prefixes for a single client must not overlap.",
            ];
            return Err(CommandError::Bytes(text.concat()));
        }
    }
    Ok(())
}

fn caching(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let client = ctx.caller.client.id;
    let Some(state) = ctx.store.tracking.state(client) else {
        return Err(CommandError::other(
            "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled",
        ));
    };
    if is_word(request.arg(2), "YES") {
        if !state.options.opt_in {
            return Err(CommandError::other(
                "ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.",
            ));
        }
    } else if is_word(request.arg(2), "NO") {
        if !state.options.opt_out {
            return Err(CommandError::other(
                "ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.",
            ));
        }
    } else {
        return Err(CommandError::Syntax);
    }
    ctx.store.tracking.set_caching(client, true);
    ctx.reply.ok();
    Ok(())
}
