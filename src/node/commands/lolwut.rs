//! LOLWUT: where the keys are, as a picture.

use super::support::{Outcome, integer, is_word};
use crate::{
    connection::REDIS_VERSION,
    node::context::{Context, Handler},
    protocol::Request,
    slot::{SLOTS, SlotId},
};

pub(super) const HANDLERS: &[(&str, Handler)] = &[("lolwut", lolwut)];

/// Characters in a line.
const COLUMNS: usize = 64;
/// Slots behind one character.
const SLOTS_PER_CELL: usize = 32;
/// From none to the most in one cell.
const SHADES: &[u8] = b" .:-=+*#%@";

fn lolwut(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    if request.get(1).is_some_and(|word| is_word(word, "VERSION"))
        && let Some(version) = request.get(2)
    {
        integer(version)?;
    }
    let keyspace = &ctx.store.keyspace;
    let mut cells = vec![0_usize; SLOTS / SLOTS_PER_CELL];
    for slot in SlotId::all() {
        let keys = (0..keyspace.databases()).map(|number| keyspace.db(number).slot_len(slot)).sum::<usize>();
        cells[slot.index() / SLOTS_PER_CELL] += keys;
    }
    let picture = picture(&cells);
    let version = env!("CARGO_PKG_VERSION");
    ctx.reply.verbatim("txt", format!("{picture}\nredis_node {version}, Redis ver. {REDIS_VERSION}\n"));
    Ok(())
}

/// A frame with a character for each count.
fn picture(cells: &[usize]) -> String {
    let most = cells.iter().copied().max().unwrap_or(0).max(1);
    let edge = format!("+{}+\n", "-".repeat(COLUMNS));
    let mut text = edge.clone();
    for row in cells.chunks(COLUMNS) {
        text.push('|');
        for &count in row {
            // Any key shows.
            let shade = (count * (SHADES.len() - 1)).div_ceil(most);
            text.push(char::from(SHADES[shade]));
        }
        text.push_str("|\n");
    }
    text + &edge
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_key_shows_and_the_most_is_darkest() {
        let mut cells = vec![0; 2 * COLUMNS];
        (cells[0], cells[COLUMNS + 1], cells[COLUMNS + 2]) = (1, 1_000_000, 500_000);
        let text = picture(&cells);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 4);
        assert!(lines[1].starts_with("|. ") && lines[2].starts_with("| @+ "), "{text}");
        assert!(lines.iter().all(|line| line.len() == COLUMNS + 2));
        assert!(picture(&[0; COLUMNS]).contains(&" ".repeat(COLUMNS)));
    }
}
