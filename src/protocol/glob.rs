//! Globs as `KEYS`, `SCAN MATCH` and `PSUBSCRIBE` read them: `*`, `?`, `[a-z]`, `[^…]`, `\` before any byte.

/// Letters of which case are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    /// None: keys and channels.
    Exact,
    /// ASCII letters of both cases: names of commands and settings.
    Ignored,
}

/// Whether `text` matches `pattern`, with Redis's answers for malformed patterns too. Needs time in proportion to the
/// product of both lengths at most, whatever the pattern.
///
/// Redis's functions decide that `*` matches an empty text before they ask; here, as there, only an empty pattern does.
#[must_use]
pub fn matches(pattern: &[u8], text: &[u8], case: Case) -> bool {
    if text.is_empty() {
        return pattern.is_empty();
    }
    let (mut at, mut read) = (0, 0);
    // After the last star: where the pattern goes on, and the text that the star does not cover yet.
    let mut star: Option<(usize, usize)> = None;
    while let Some(&byte) = text.get(read) {
        if pattern.get(at) == Some(&b'*') {
            at += 1;
            if at == pattern.len() {
                return true;
            }
            star = Some((at, read));
        } else if let Some(next) = one(pattern, at, byte, case) {
            at = next;
            read += 1;
        } else {
            let Some((after, covered)) = star else { return false };
            star = Some((after, covered + 1));
            (at, read) = (after, covered + 1);
        }
    }
    pattern[at..].iter().all(|&byte| byte == b'*')
}

fn fold(byte: u8, case: Case) -> u8 {
    if case == Case::Ignored { byte.to_ascii_lowercase() } else { byte }
}

/// Where the pattern goes on if what stands at `at` matches `byte`.
fn one(pattern: &[u8], at: usize, byte: u8, case: Case) -> Option<usize> {
    let same = |other: u8| fold(other, case) == fold(byte, case);
    match pattern.get(at..)? {
        [] => None,
        [b'?', ..] => Some(at + 1),
        [b'[', ..] => class(pattern, at + 1, byte, case),
        [b'\\', escaped, ..] => same(*escaped).then_some(at + 2),
        [literal, ..] => same(*literal).then_some(at + 1),
    }
}

/// The same for a class, from after its bracket. One that is not closed ends with the pattern.
fn class(pattern: &[u8], mut at: usize, byte: u8, case: Case) -> Option<usize> {
    let negated = pattern.get(at) == Some(&b'^');
    at += usize::from(negated);
    let mut found = false;
    let end = loop {
        match &pattern[at..] {
            [] => break at,
            // An escaped member is compared as it is, in either case.
            [b'\\', member, ..] => {
                found |= *member == byte;
                at += 2;
            }
            [b']', ..] => break at + 1,
            [first, b'-', last, ..] => {
                let (low, high) = if first <= last { (*first, *last) } else { (*last, *first) };
                found |= (fold(low, case)..=fold(high, case)).contains(&fold(byte, case));
                at += 3;
            }
            [member, ..] => {
                found |= fold(*member, case) == fold(byte, case);
                at += 1;
            }
        }
    };
    (found != negated).then_some(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, matching: &[&str], others: &[&str]) {
        for text in matching {
            assert!(matches(pattern.as_bytes(), text.as_bytes(), Case::Exact), "{pattern} {text}");
        }
        for text in others {
            assert!(!matches(pattern.as_bytes(), text.as_bytes(), Case::Exact), "{pattern} {text}");
        }
    }

    #[test]
    fn words_of_the_language() {
        check("h?llo", &["hello", "hxllo"], &["hllo", "helllo", "Hello"]);
        check("h*llo", &["hllo", "heeello", "hllollo"], &["hllox", "llo"]);
        check("*a*b", &["ab", "xaxb", "abab"], &["ba", "a", "b"]);
        check("h[ae]llo", &["hello", "hallo"], &["hillo", "hllo"]);
        check("h[^e]llo", &["hallo", "h^llo"], &["hello"]);
        check("h[b-a]llo", &["hallo", "hbllo"], &["hcllo"]);
        check("\\*\\?\\[a", &["*?[a"], &["x?[a"]);
        check("[\\]-]", &["]", "-"], &["\\", "a"]);
        check("a**", &["a", "abc"], &["b"]);
        check("", &[""], &["a"]);
        check("*", &["a"], &[""]);
    }

    #[test]
    fn malformed_patterns() {
        check("[ab", &["a", "b"], &["c", "[ab"]);
        check("[", &[], &["[", "a"]);
        check("[^", &["a"], &[]);
        check("a\\", &["a\\"], &["a"]);
        check("[]a", &[], &["a", "]a"]);
        check("[a-", &["a", "-"], &["b"]);
    }

    #[test]
    fn case_and_cost() {
        assert!(matches(b"CL*|[k-l]ist", b"client|LIST", Case::Ignored));
        let text = [b'a'; 5000];
        let pattern = b"a*a*a*a*a*a*a*a*a*a*a*b";
        assert!(!matches(pattern, &text, Case::Exact));
    }
}
