//! The longest common subsequence of two strings.

use super::support::{Outcome, with_bytes};
use crate::{
    node::{
        context::{CommandError, Context, Handler},
        keyspace::{Key, WrongType},
    },
    protocol::Request,
    values::subsequence::{self, Invalid, Options},
};

pub(super) const HANDLERS: &[(&str, Handler)] = &[("lcs", lcs)];

fn lcs(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let access = ctx.access();
    let mut text = |index| match ctx.db().read_string(Key::new(request.arg(index)), access) {
        Ok(value) => Ok(value.map_or(Vec::new(), |value| with_bytes(value, <[u8]>::to_vec))),
        Err(WrongType) => Err(CommandError::other("ERR The specified keys must contain string values")),
    };
    let (a, b) = (text(1)?, text(2)?);
    let invalid = |error: Invalid| CommandError::other(error.to_string());
    let options = Options::parse(request.args_from(3)).map_err(invalid)?;
    let memory_max = ctx.node.config.max_string();
    subsequence::answer(&mut ctx.reply, &a, &b, options, memory_max).map_err(invalid)
}
