//! LZF, the compression of strings in RDB payloads.
//!
//! A stream of two kinds of items: a byte `n < 32` and `n + 1` literal bytes; or a reference to bytes already
//! written, of 3 bits of length, 13 of distance and, if the length bits are all ones, a byte of more length in between.
//!
//! The compressor chooses the references that the one in Redis chooses (a table of 2^16 recent positions by a hash of
//! three bytes, at the end of a match two more positions entered), so that payloads are equal.

const TABLE_BITS: u32 = 16;
const LITERALS_MAX: usize = 32;
const DISTANCE_MAX: usize = 1 << 13;
const LENGTH_MAX: usize = (1 << 8) + (1 << 3);

fn bucket(bytes: &[u8]) -> usize {
    let three = u32::from(bytes[0]) << 16 | u32::from(bytes[1]) << 8 | u32::from(bytes[2]);
    ((three >> (24 - TABLE_BITS)).wrapping_sub(three.wrapping_mul(5)) & ((1 << TABLE_BITS) - 1)) as usize
}

/// Compresses one string after the other with the same memory.
#[derive(Debug, Default)]
pub struct Compressor {
    /// By the hash of three bytes, where they were last seen: a place in the current input, counted on from `base`.
    recent: Vec<u32>,
    /// What is in front of it is of earlier inputs.
    base: u32,
    out: Vec<u8>,
}

impl Compressor {
    /// The compressed form if it takes no more than `limit` bytes.
    pub fn compress(&mut self, input: &[u8], limit: usize) -> Option<&[u8]> {
        let len = u32::try_from(input.len()).ok()?;
        // Places of earlier inputs are told from this one's without wiping them out. The first place is 1, so that none is
        // what the memory has at first.
        if self.recent.is_empty() || self.base.checked_add(len).is_none() {
            self.recent = vec![0; 1 << TABLE_BITS];
            self.base = 1;
        }
        let base = self.base;
        self.base += len;
        self.out.clear();
        let mut out = Output { bytes: &mut self.out, limit, run: None };
        compress(input, base, &mut self.recent, &mut out)?;
        Some(&self.out)
    }
}

fn compress(input: &[u8], base: u32, recent: &mut [u32], out: &mut Output<'_>) -> Option<()> {
    let place = |at: usize| base + u32::try_from(at).unwrap_or_default();
    let mut at = 0;
    while at + 2 < input.len() {
        let entry = &mut recent[bucket(&input[at..])];
        let candidate = std::mem::replace(entry, place(at)).checked_sub(base);
        // The very first byte is never referred to.
        let candidate = candidate.map(|candidate| candidate as usize).filter(|&candidate| {
            candidate > 0
                && at - candidate <= DISTANCE_MAX
                && input[candidate..candidate + 3] == input[at..at + 3]
        });
        let Some(candidate) = candidate else {
            out.literal(input[at])?;
            at += 1;
            continue;
        };
        let longest = (input.len() - at - 2).min(LENGTH_MAX);
        let length = match_length(input, candidate, at, longest);
        out.reference(at - candidate - 1, length)?;
        let end = at + length;
        if end + 2 >= input.len() {
            at = end;
            break;
        }
        for inner in [end - 2, end - 1] {
            recent[bucket(&input[inner..])] = place(inner);
        }
        at = end;
    }
    if out.len() + 3 > out.limit {
        return None;
    }
    for &byte in &input[at.min(input.len())..] {
        out.literal(byte)?;
    }
    Some(())
}

/// How many bytes are equal, of which three are known to be. Nearly `longest`: the comparison begins with steps that do
/// not look at the limit, as long as there are more than sixteen bytes to go.
fn match_length(input: &[u8], candidate: usize, at: usize, longest: usize) -> usize {
    let mut length = 2;
    if longest > 16 {
        while length < 18 {
            length += 1;
            if input[candidate + length] != input[at + length] {
                return length;
            }
        }
    }
    loop {
        length += 1;
        if length >= longest || input[candidate + length] != input[at + length] {
            return length;
        }
    }
}

struct Output<'a> {
    bytes: &'a mut Vec<u8>,
    limit: usize,
    /// Where the count of the current run of literals stands.
    run: Option<usize>,
}

impl Output<'_> {
    /// As the original counts: the place of a count is taken before its first literal is there.
    fn len(&self) -> usize {
        self.bytes.len() + usize::from(self.run.is_none())
    }

    fn literal(&mut self, byte: u8) -> Option<()> {
        if self.len() >= self.limit {
            return None;
        }
        let run = *self.run.get_or_insert_with(|| {
            self.bytes.push(0);
            self.bytes.len() - 1
        });
        self.bytes.push(byte);
        let count = self.bytes.len() - run - 1;
        self.bytes[run] = u8::try_from(count - 1).expect("a run has 32 bytes at most");
        if count == LITERALS_MAX {
            self.run = None;
        }
        Some(())
    }

    fn reference(&mut self, distance: usize, length: usize) -> Option<()> {
        self.run = None;
        if self.bytes.len() + 3 + 1 >= self.limit {
            return None;
        }
        let length = length - 2;
        let [high, low] = u16::try_from(distance).expect("13 bits").to_be_bytes();
        let (length, more) = (length.min(7), length.checked_sub(7));
        self.bytes.push(u8::try_from(length).expect("3 bits") << 5 | high);
        self.bytes.extend(more.map(|more| u8::try_from(more).expect("a reference has 264 bytes at most")));
        self.bytes.push(low);
        Some(())
    }
}

/// The original, which must have exactly `length` bytes. Takes no memory beyond what the input really describes.
#[must_use]
pub fn decompress(mut input: &[u8], length: usize) -> Option<Vec<u8>> {
    // A reference of three bytes stands for at most LENGTH_MAX: more was promised than is there.
    if length / LENGTH_MAX > input.len() {
        return None;
    }
    let mut out = Vec::with_capacity(length);
    while let [control, rest @ ..] = input {
        let control = usize::from(*control);
        if control < LITERALS_MAX {
            let (literals, rest) = rest.split_at_checked(control + 1)?;
            out.extend_from_slice(literals);
            input = rest;
        } else {
            let (more, rest) = if control >> 5 == 7 {
                rest.split_first().map(|(n, rest)| (usize::from(*n), rest))?
            } else {
                (0, rest)
            };
            let (low, rest) = rest.split_first()?;
            let distance = (control & 31) << 8 | usize::from(*low);
            let count = (control >> 5) + more + 2;
            let from = out.len().checked_sub(distance + 1)?;
            // The source may overlap what is being written.
            for index in from..from + count {
                out.push(out[index]);
            }
            input = rest;
        }
        if out.len() > length {
            return None;
        }
    }
    (out.len() == length).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn gives_back_what_it_compressed(
            words in prop::collection::vec(prop::sample::select(vec!["a", "ab", "abc", "hello world", "\0", "xyzzy"]), 0..400),
        ) {
            let text = words.concat().into_bytes();
            let mut compressor = Compressor::default();
            if let Some(compressed) = compressor.compress(&text, text.len().saturating_sub(4)) {
                prop_assert!(compressed.len() <= text.len() - 4);
                prop_assert_eq!(decompress(compressed, text.len()), Some(text.clone()));
                prop_assert_eq!(decompress(compressed, text.len() + 1), None);
            }
        }

        #[test]
        fn any_input_is_read_without_harm(input: Vec<u8>, length in 0usize..5000) {
            let _ = decompress(&input, length);
        }
    }

    #[test]
    fn earlier_strings_do_not_matter() {
        let texts = [&b"hello hello hello hello"[..], b"hello hello", b"xyzzy xyzzy xyzzy hello hello hello"];
        let mut used = Compressor::default();
        for text in texts.into_iter().cycle().take(9) {
            let expected = Compressor::default().compress(text, text.len() - 4).map(<[u8]>::to_vec);
            assert_eq!(used.compress(text, text.len() - 4).map(<[u8]>::to_vec), expected);
        }
        // The places of a table are used up now and then.
        used.base = u32::MAX - 10;
        let text = b"again again again again again";
        let compressed = used.compress(text, text.len()).map(<[u8]>::to_vec).expect("shorter");
        assert_eq!((decompress(&compressed, text.len()), used.base), (Some(text.to_vec()), 30));
    }

    #[test]
    fn long_runs() {
        let text = vec![b'x'; 100_000];
        let mut compressor = Compressor::default();
        let compressed = compressor.compress(&text, text.len() - 4).unwrap();
        assert!(compressed.len() < 2000);
        assert_eq!(decompress(compressed, text.len()).unwrap(), text);
    }
}
