//! Where elements of lists are.

use super::support::{Outcome, integer, is_word};
use crate::{
    node::{
        context::{CommandError, Context, Handler},
        object::{Element, List, list::End},
    },
    protocol::{Request, number::parse_i64},
};

pub(super) const HANDLERS: &[(&str, Handler)] = &[("lpos", lpos)];

#[derive(Default)]
struct Options {
    /// The first match to be told of, from 1; from the tail if `from_tail`.
    rank: u64,
    from_tail: bool,
    /// How many matches at most; 0 is all of them.
    count: Option<usize>,
    /// How many elements are compared at most; 0 is all of them.
    most: usize,
}

impl Options {
    fn parse(request: Request<'_>) -> Result<Self, CommandError> {
        let mut options = Self { rank: 1, ..Self::default() };
        let mut words = request.args_from(3);
        while let Some(word) = words.next() {
            let known = ["RANK", "COUNT", "MAXLEN"].into_iter().find(|known| is_word(word, known));
            let (Some(known), Some(value)) = (known, words.next()) else { return Err(CommandError::Syntax) };
            let limit = |error| parse_i64(value).and_then(|number| usize::try_from(number).ok()).ok_or(error);
            match known {
                "RANK" => {
                    let rank = integer(value)?;
                    if rank == 0 {
                        return Err(CommandError::other(
                            "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative \
                             to start from the end of the list",
                        ));
                    }
                    options.from_tail = rank < 0;
                    // The smallest number has no opposite: Redis takes the first match then.
                    options.rank = if rank == i64::MIN { 1 } else { rank.unsigned_abs() };
                }
                "COUNT" => {
                    options.count = Some(limit(CommandError::other("ERR COUNT can't be negative"))?);
                }
                _ => options.most = limit(CommandError::other("ERR MAXLEN can't be negative"))?,
            }
        }
        Ok(options)
    }
}

fn lpos(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let options = Options::parse(request)?;
    let (key, access) = (ctx.key(request, 1), ctx.access());
    let (db, reply) = ctx.db_and_reply();
    let no_limit = |limit: usize| if limit == 0 { usize::MAX } else { limit };
    let mut found = Vec::new();
    if let Some(list) = db.read_collection::<List>(key, access)? {
        let last = list.len() - 1;
        let (first, to) = if options.from_tail { (last, End::Left) } else { (0, End::Right) };
        let value = Element::of(request.arg(2));
        let matches = list
            .iter(first, to)
            .take(no_limit(options.most))
            .enumerate()
            .filter(|(_, element)| *element == value)
            .map(|(at, _)| if options.from_tail { last - at } else { at });
        let skipped = usize::try_from(options.rank - 1).unwrap_or(usize::MAX);
        found.extend(matches.skip(skipped).take(no_limit(options.count.unwrap_or(1))));
    }
    match (options.count, found.first()) {
        (Some(_), _) => {
            reply.array(found.len());
            found.iter().for_each(|&at| reply.integer(at as i64));
        }
        (None, Some(&at)) => reply.integer(at as i64),
        (None, None) => reply.null(),
    }
    Ok(())
}
