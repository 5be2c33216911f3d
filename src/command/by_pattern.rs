//! Keys that a request does not name: those that `SORT` reads by the patterns of `BY` and `GET`.

use super::{Spec, keys};
use crate::{protocol::Request, slot::SlotId};

impl Spec {
    /// Whether a request of it may read keys by patterns.
    #[must_use]
    pub fn reads_by_pattern(&self) -> bool {
        matches!(self.name, "sort" | "sort_ro")
    }
}

/// Whether a request only reads: nothing is stored.
#[must_use]
pub fn only_reads(spec: &Spec, request: &Request<'_>) -> bool {
    spec.name == "sort_ro" || keys::positions(spec, request).is_ok_and(|keys| keys.len() == 1)
}

/// The patterns of a request, each with the slot of all keys that it can mean; `None` if they may have any.
pub fn patterns<'a>(request: &Request<'a>) -> impl Iterator<Item = (&'a [u8], Option<SlotId>)> {
    let request = *request;
    let mut at = 2;
    std::iter::from_fn(move || {
        loop {
            let word = request.get(at)?;
            let value = request.get(at + 1);
            if word.eq_ignore_ascii_case(b"limit") {
                at += 3;
            } else if word.eq_ignore_ascii_case(b"store") {
                at += 2;
            } else if word.eq_ignore_ascii_case(b"by") || word.eq_ignore_ascii_case(b"get") {
                at += 2;
                // Without an asterisk no key is meant: elements stay as they are, or nothing is shown.
                if let Some(pattern) = value.filter(|pattern| pattern.contains(&b'*')) {
                    return Some((pattern, slot_of(pattern)));
                }
            } else {
                at += 1;
            }
        }
    })
}

/// Of a pattern with a `{tag}`, whatever stands for the asterisk behind it.
fn slot_of(pattern: &[u8]) -> Option<SlotId> {
    let fixed = &pattern[..memchr::memchr(b'*', pattern)?];
    let open = memchr::memchr(b'{', fixed)?;
    // An empty tag is none, and then all of the key decides.
    memchr::memchr(b'}', &fixed[open..]).filter(|&length| length > 1).map(|_| SlotId::of_key(fixed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Args;

    fn slots(line: &str) -> Vec<Option<SlotId>> {
        let words: Vec<&str> = line.split(' ').collect();
        let args = Args::of(&words).expect("small");
        patterns(&args.request().expect("a name")).map(|(_, slot)| slot).collect()
    }

    #[test]
    fn a_tag_before_the_asterisk_decides() {
        let of_tag = Some(SlotId::of_key(b"t"));
        assert_eq!(slots("SORT k BY w_* GET # GET {t}*->f LIMIT 0 get STORE by"), [None, of_tag]);
        assert_eq!(slots("SORT k by nosort get nothing desc GET a{t}b_*"), [of_tag]);
        assert_eq!(slots("SORT k GET {t*} GET {}* GET {* GET *{t} GET {}{t}*"), [None; 5]);
        assert_eq!(slots("SORT k BY"), []);
    }
}
