use proptest::prelude::*;

use super::*;

/// Redis's answers, straight from its rules: every place is tried, nothing is prepared. Exponential in the stars.
fn reference(pattern: &[u8], text: &[u8], case: Case) -> bool {
    let same = |a: u8, b: u8| if case == Case::Ignored { a.eq_ignore_ascii_case(&b) } else { a == b };
    let Some(&byte) = text.first() else { return pattern.iter().all(|&byte| byte == b'*') };
    match pattern {
        [] => false,
        [b'*', rest @ ..] => (0..=text.len()).any(|skip| reference(rest, &text[skip..], case)),
        [b'?', rest @ ..] => reference(rest, &text[1..], case),
        [b'[', rest @ ..] => {
            let (negated, mut rest) = match rest {
                [b'^', rest @ ..] => (true, rest),
                rest => (false, rest),
            };
            let mut found = false;
            loop {
                rest = match rest {
                    [] => break,
                    [b'\\', member, rest @ ..] => {
                        found |= *member == byte;
                        rest
                    }
                    [b']', after @ ..] => {
                        rest = after;
                        break;
                    }
                    [first, b'-', last, rest @ ..] => {
                        let fold = |byte: i8| {
                            if case == Case::Ignored { (byte as u8).to_ascii_lowercase() as i8 } else { byte }
                        };
                        let (first, last) = (*first as i8, *last as i8);
                        let (low, high) = (fold(first.min(last)), fold(first.max(last)));
                        found |= low <= fold(byte as i8) && fold(byte as i8) <= high;
                        rest
                    }
                    [member, rest @ ..] => {
                        found |= same(*member, byte);
                        rest
                    }
                };
            }
            found != negated && reference(rest, &text[1..], case)
        }
        [b'\\', escaped, rest @ ..] => same(*escaped, byte) && reference(rest, &text[1..], case),
        [literal, rest @ ..] => same(*literal, byte) && reference(rest, &text[1..], case),
    }
}

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
    check("*?b[c-d]*a", &["abca", "xxbdxa"], &["bca", "abcb"]);
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
fn letters_of_either_case() {
    assert!(matches(b"CL*|[k-l]ist", b"client|LIST", Case::Ignored));
    assert!(!matches(b"[\\k]", b"K", Case::Ignored));
    assert!(!matches(b"CL*", b"client", Case::Exact));
}

/// Steps are counted, since time is not: what takes none is linear.
#[test]
fn long_patterns_on_long_keys() {
    const LENGTH: usize = 30_000;
    let text = vec![b'a'; LENGTH];
    let repeated = |part: &[u8], count| part.repeat(count);
    for pattern in [
        [b"*[", &repeated(b"b", LENGTH)[..], b"]z"].concat(),
        [b"*", &repeated(b"a", LENGTH / 2)[..], b"b*"].concat(),
        [&repeated(b"a*", LENGTH / 2)[..], b"b"].concat(),
        [&repeated(b"?", LENGTH - 1)[..], b"b"].concat(),
        [b"*", &repeated(b"[^b]?", 1000)[..], b"b"].concat(),
        [&repeated(b"*?", LENGTH / 2)[..], b"*b"].concat(),
    ] {
        let glob = Glob::new(&pattern, Case::Exact);
        assert!(!glob.matches(&text));
        assert_eq!(glob.spent(), 0, "{}", pattern[..20].escape_ascii());
    }
    // What cannot be had in linear time is had in a 64th of the product, and said so.
    let half = LENGTH / 2;
    let glob = Glob::new(&[b"*", &repeated(b"[ab]", half)[..], b"c*"].concat(), Case::Exact);
    assert!(!glob.matches(&text));
    assert!((1..(half * half / 30) as u64).contains(&glob.spent()), "{}", glob.spent());
    let glob = Glob::new(&[b"*", &repeated(b"[ab]", half)[..], b"*"].concat(), Case::Exact);
    assert!(glob.matches(&text));
}

fn bytes(letters: &'static [u8], length: std::ops::Range<usize>) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop::sample::select(letters), length)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn agrees_with_the_rules(
        pattern in bytes(b"aab**?[]^-\\AZz\x80\xff", 0..12),
        texts in prop::collection::vec(bytes(b"aabAz]-^\\\x80\xfe\xff*", 1..10), 1..6),
        ignored: bool,
    ) {
        let case = if ignored { Case::Ignored } else { Case::Exact };
        let glob = Glob::new(&pattern, case);
        for text in texts {
            prop_assert_eq!(
                glob.matches(&text), reference(&pattern, &text, case),
                "{} on {} {:?}", pattern.escape_ascii(), text.escape_ascii(), case
            );
        }
    }

    /// The search by blocks against the search place by place.
    #[test]
    fn blocks_find_the_same_place(
        unit in bytes(b"ab", 1..4),
        count in 1usize..120,
        tail in bytes(b"abc", 0..3),
        text in bytes(b"aaab", 0..20),
        copies in 1usize..300,
    ) {
        let mut classes = Classes::default();
        let any = class::parse(b"ab]", Case::Exact).0;
        let mut elements = vec![classes.number(any)];
        for &byte in unit.repeat(count).iter().chain(&tail) {
            elements.push(if byte == b'a' { classes.number(any) } else { u32::from(byte) });
        }
        let text = text.repeat(copies);
        let spent = Cell::new(0);
        let expected = text.windows(elements.len()).position(|window| {
            elements.iter().zip(window).all(|(&element, &byte)| classes.has(element, byte))
        });
        if text.len() >= elements.len() {
            prop_assert_eq!(run::find_by_blocks(&elements, &text, &classes, &spent), expected);
        }
        for mut patience in [0, 30, usize::MAX] {
            prop_assert_eq!(Run::new(elements.clone(), false).find(&text, &classes, &mut patience, &spent), expected);
        }
    }
}
