//! From a command's name to its row: one hash of a few machine words, made from the table at compile time.

use super::{Spec, TABLE, table::COMMANDS};

/// Places of the hash table; a power of two, four times the commands, so that most names are found at the first.
const PLACES: usize = 1024;
const EMPTY: u16 = u16::MAX;
/// Longer names are of no command.
const NAME_MAX: usize = 32;

const _: () = assert!(COMMANDS * 2 < PLACES, "the hash table is too full");

static PLACES_BY_HASH: [u16; PLACES] = build();

const fn build() -> [u16; PLACES] {
    let mut places = [EMPTY; PLACES];
    let mut index = 0;
    while index < COMMANDS {
        let name = TABLE[index].name.as_bytes();
        assert!(name.len() <= NAME_MAX);
        let mut place = hash(name);
        while places[place] != EMPTY {
            place = (place + 1) % PLACES;
        }
        places[place] = super::spec::index_of(index);
        index += 1;
    }
    places
}

/// The row of a command, in any case of letters. Subcommands: [`Spec::subcommand`], or [`super::resolve()`] for both.
#[must_use]
pub fn lookup(name: &[u8]) -> Option<&'static Spec> {
    if name.is_empty() || name.len() > NAME_MAX {
        return None;
    }
    let mut place = hash(name);
    loop {
        let index = PLACES_BY_HASH[place];
        let spec = TABLE.get(index as usize)?;
        if spec.name.as_bytes().eq_ignore_ascii_case(name) {
            return Some(spec);
        }
        place = (place + 1) % PLACES;
    }
}

/// Of the first and the last eight bytes and the length. Letters of both cases hash alike (as do some other bytes).
const fn hash(name: &[u8]) -> usize {
    const LOWER: u64 = 0x2020_2020_2020_2020;
    let (first, last) = match (name.first_chunk::<8>(), name.last_chunk::<8>()) {
        (Some(first), Some(last)) => (u64::from_le_bytes(*first), u64::from_le_bytes(*last)),
        _ => match (name.first_chunk::<4>(), name.last_chunk::<4>()) {
            (Some(first), Some(last)) => {
                (u32::from_le_bytes(*first) as u64, u32::from_le_bytes(*last) as u64)
            }
            _ => (name[0] as u64, (name[name.len() / 2] as u64) << 8 | name[name.len() - 1] as u64),
        },
    };
    let mixed = (first | LOWER).wrapping_mul(0x9e37_79b9_7f4a_7c15)
        ^ (last | LOWER).wrapping_add(name.len() as u64).wrapping_mul(0xd6e8_feb8_6659_fd93);
    ((mixed ^ mixed >> 32).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 54) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_in_every_case() {
        for spec in &TABLE[..COMMANDS] {
            let mixed: String = spec
                .name
                .char_indices()
                .map(|(at, letter)| if at % 2 == 0 { letter.to_ascii_uppercase() } else { letter })
                .collect();
            for name in [spec.name, &spec.name.to_ascii_uppercase(), &mixed] {
                assert_eq!(lookup(name.as_bytes()).map(|found| found.index), Some(spec.index), "{name}");
            }
            assert!(lookup(&spec.name.as_bytes()[1..]).is_none_or(|other| other.name == &spec.name[1..]));
        }
        for name in ["", "g", "gets", "client|list", "\0et", "a name that is much longer than any command's"]
        {
            assert!(lookup(name.as_bytes()).is_none(), "{name}");
        }
    }

    #[test]
    fn few_names_share_a_place() {
        let displaced = TABLE[..COMMANDS]
            .iter()
            .filter(|spec| PLACES_BY_HASH[hash(spec.name.as_bytes())] != spec.index)
            .count();
        assert!(displaced * 5 < COMMANDS, "{displaced} of {COMMANDS} names are not where their hash says");
    }
}
