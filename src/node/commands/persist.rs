//! SAVE, BGSAVE, LASTSAVE and SHUTDOWN.

use super::support::{Outcome, is_word};
use crate::{
    node::{
        context::{CommandError, Context, Flow, Handler},
        persist::{SaveError, save},
        state::NodeState,
        store::Store,
    },
    protocol::Request,
};

pub(super) const HANDLERS: &[(&str, Handler)] =
    &[("bgsave", bgsave), ("lastsave", lastsave), ("save", save_now), ("shutdown", shutdown)];

fn failed(error: &SaveError) -> CommandError {
    CommandError::other(format!("ERR {error}"))
}

fn save_now(ctx: &mut Context<'_>, _: Request<'_>) -> Outcome {
    if ctx.node.persist.is_saving() {
        return Err(failed(&SaveError::Running));
    }
    save::save(ctx.store, ctx.node).map_err(|error| failed(&error))?;
    ctx.store.note_restrictions(ctx.node);
    ctx.reply.ok();
    Ok(())
}

fn bgsave(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let may_wait = match (request.len(), request.get(1)) {
        (1, _) => false,
        (2, Some(word)) if is_word(word, "SCHEDULE") => true,
        _ => return Err(CommandError::Syntax),
    };
    match save::begin(ctx.store, ctx.node) {
        Err(SaveError::Base) if may_wait => {
            ctx.node.persist.schedule();
            ctx.reply.simple("Background saving scheduled");
            return Ok(());
        }
        begun => begun.map_err(|error| failed(&error))?,
    }
    ctx.reply.simple("Background saving started");
    Ok(())
}

fn lastsave(ctx: &mut Context<'_>, _: Request<'_>) -> Outcome {
    ctx.reply.integer(ctx.node.persist.figures().last_save.seconds());
    Ok(())
}

/// What the end of a node does with its data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::node) enum Ending {
    /// It is saved if there are save points.
    Default,
    /// It is saved.
    Save,
    /// It is not.
    NoSave,
}

/// Saves what is to be saved at the end. From here on nothing changes.
///
/// # Errors
/// It cannot be saved, and everything goes on.
pub(in crate::node) fn save_for_the_end(
    store: &mut Store,
    node: &NodeState,
    ending: Ending,
) -> Result<(), SaveError> {
    let saves = match ending {
        Ending::NoSave => false,
        // What is not loaded to its end must not take the place of the whole.
        _ if node.persist.is_loading() => false,
        Ending::Save => true,
        Ending::Default => node.saves_at_end(),
    };
    if saves {
        save::save(store, node)?;
    }
    node.persist.set_ending(true);
    store.note_restrictions(node);
    Ok(())
}

fn shutdown(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let (mut ending, mut force) = (Ending::Default, false);
    for word in request.args_from(1) {
        match word.to_ascii_lowercase().as_slice() {
            b"nosave" if ending != Ending::Save => ending = Ending::NoSave,
            b"save" if ending != Ending::NoSave => ending = Ending::Save,
            // There are no replicas to wait for.
            b"now" => {}
            b"force" => force = true,
            b"abort" if request.len() == 2 => {
                return Err(CommandError::other("ERR No shutdown in progress."));
            }
            _ => return Err(CommandError::Syntax),
        }
    }
    tracing::info!(client = %ctx.caller.client.addresses.remote, "SHUTDOWN");
    if let Err(error) = save_for_the_end(ctx.store, ctx.node, ending) {
        if matches!(error, SaveError::NoDirectory) && !force {
            return Err(failed(&error));
        }
        if !force {
            return Err(CommandError::other("ERR Errors trying to SHUTDOWN. Check logs."));
        }
        tracing::warn!(%error, "the data is not saved, and the node ends nevertheless: FORCE was given");
    }
    ctx.node.stop.cancel();
    ctx.flow = Flow::Close;
    Ok(())
}
