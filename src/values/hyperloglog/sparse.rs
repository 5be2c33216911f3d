//! Registers as runs of equal ones: `00nnnnnn` is n+1 zeros, `01nnnnnn nnnnnnnn` the same of more, `1vvvvvnn` n+1 times v+1.
//!
//! A register is raised where it is, and only its neighbours are put together again: other bytes than Redis's would be as good,
//! but clients see them.

use super::{Corrupt, HEADER};

/// The largest value that a run can have.
const MAX_VALUE: u8 = 32;
/// The longest run of a value.
const MAX_RUN: usize = 4;
/// The longest run of zeros in one byte.
const MAX_ZEROS: usize = 64;
/// So many runs are looked at, from the one before on, to be put together.
const NEIGHBOURS: usize = 5;

/// What became of a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Raised {
    /// It has at least the value, and was lower or not.
    Done(bool),
    /// The value or the length does not fit this form; nothing changed.
    NoRoom,
}

/// The first run: value, length, and bytes it takes. The second byte of one that is cut off is taken for 0.
fn first(bytes: &[u8]) -> Option<(u8, usize, usize)> {
    let (&byte, rest) = bytes.split_first()?;
    let low = usize::from(byte & 63);
    Some(match byte >> 6 {
        0 => (0, low + 1, 1),
        1 => (0, (low << 8 | usize::from(rest.first().copied().unwrap_or(0))) + 1, 2),
        _ => ((byte >> 2 & 31) + 1, usize::from(byte & 3) + 1, 1),
    })
}

/// All runs: value and length.
pub(super) fn runs(bytes: &[u8]) -> impl Iterator<Item = (u8, usize)> + '_ {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let (value, run, len) = first(rest)?;
        rest = rest.get(len..).unwrap_or_default();
        Some((value, run))
    })
}

/// All runs for people: `z` zeros in one byte, `Z` in two, `v` a value.
pub(super) fn shown(bytes: &[u8]) -> String {
    let (mut rest, mut words) = (bytes, Vec::new());
    while let Some((value, run, len)) = first(rest) {
        words.push(match (value, len) {
            (0, 1) => format!("z:{run}"),
            (0, _) => format!("Z:{run}"),
            _ => format!("v:{value},{run}"),
        });
        rest = rest.get(len..).unwrap_or_default();
    }
    words.join(" ")
}

/// Appends a run of zeros.
#[expect(clippy::cast_possible_truncation, reason = "6 bits, or 14 in two bytes")]
pub(super) fn push_zeros(out: &mut Vec<u8>, run: usize) {
    match run {
        0 => {}
        1..=MAX_ZEROS => out.push((run - 1) as u8),
        _ => out.extend([0x40 | ((run - 1) >> 8) as u8, (run - 1) as u8]),
    }
}

/// A run of at most [`MAX_RUN`] of a value.
#[expect(clippy::cast_possible_truncation, reason = "2 bits")]
fn run_of(value: u8, run: usize) -> u8 {
    0x80 | (value - 1) << 2 | (run - 1) as u8
}

fn push_run(out: &mut Vec<u8>, value: u8, run: usize) {
    match value {
        0 => push_zeros(out, run),
        _ if run > 0 => out.push(run_of(value, run)),
        _ => {}
    }
}

/// Raises the register `index` of a whole HyperLogLog, which shall take at most `most` bytes if it gets longer.
pub(super) fn raise(log: &mut Vec<u8>, index: usize, value: u8, most: usize) -> Result<Raised, Corrupt> {
    if value > MAX_VALUE {
        return Ok(Raised::NoRoom);
    }
    let (mut at, mut before, mut covered) = (HEADER, None, 0);
    let (old, run, len) = loop {
        let found = log.get(at..).and_then(first).ok_or(Corrupt)?;
        let (_, run, len) = found;
        if index < covered + run {
            break found;
        }
        (before, at, covered) = (Some(at), at + len, covered + run);
    };
    if old >= value {
        return Ok(Raised::Done(false));
    }
    if run == 1 && len == 1 {
        log[at] = run_of(value, 1);
    } else {
        let mut split = Vec::with_capacity(5);
        push_run(&mut split, old, index - covered);
        push_run(&mut split, value, 1);
        push_run(&mut split, old, covered + run - index - 1);
        let end = (at + len).min(log.len());
        if split.len() > len && log.len() + split.len() - len > most {
            return Ok(Raised::NoRoom);
        }
        log.splice(at..end, split);
    }
    put_together(log, before.unwrap_or(HEADER));
    Ok(Raised::Done(true))
}

/// Puts equal values next to each other together, from a run on.
fn put_together(log: &mut Vec<u8>, from: usize) {
    let mut at = from;
    for _ in 0..NEIGHBOURS {
        let Some((value, run, len)) = log.get(at..).and_then(first) else { return };
        match log.get(at + 1..).and_then(first) {
            Some((next, more, _)) if value > 0 && next == value && run + more <= MAX_RUN => {
                log[at] = run_of(value, run + more);
                log.remove(at + 1);
            }
            _ => at += len,
        }
    }
}
