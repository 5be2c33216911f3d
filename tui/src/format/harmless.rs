//! Text of others on a terminal: shown, and never obeyed.
//!
//! Replies, error texts, keys, addresses, registry values and pasted words come from outside. On their way to people every
//! character that a terminal obeys, or that hides or reorders what stands beside it, is written out as the quoting of
//! the language writes it (`\x1b`, `\n`), so that it can be typed again. The raw form and files are not for people.

use std::borrow::Cow;

use redis_cluster::protocol::quote;

/// Characters that a terminal obeys or that change the direction of what follows: the control characters of ASCII and
/// those of Latin-1 (`U+009B` begins an escape sequence too), line separators, bidirectional overrides and isolates.
#[must_use]
pub fn steers(character: char) -> bool {
    character.is_control() || matches!(character, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Those, and characters that stand for nothing visible: two texts that look the same would not be the same.
#[must_use]
pub fn is_deceptive(character: char) -> bool {
    steers(character)
        || matches!(character,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// Appends a character as the quoting of the language escapes it.
pub fn push_escaped(out: &mut String, character: char) {
    push_bytes(out, character.encode_utf8(&mut [0; 4]).as_bytes());
}

fn push_bytes(out: &mut String, bytes: &[u8]) {
    let quoted = quote::repr(bytes);
    out.push_str(&quoted[1..quoted.len() - 1]);
}

/// One line: line breaks and tabs are escaped too.
#[must_use]
pub fn line(bytes: &[u8]) -> Cow<'_, str> {
    escaped(bytes, |_, _| false)
}

/// Several lines: line breaks and tabs stay, also `\r\n`; a `\r` of its own would overwrite what stands before it.
#[must_use]
pub fn text(bytes: &[u8]) -> Cow<'_, str> {
    escaped(bytes, |character, next| match character {
        '\n' | '\t' => true,
        '\r' => next == Some('\n'),
        _ => false,
    })
}

fn escaped(bytes: &[u8], keeps: impl Fn(char, Option<char>) -> bool) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes)
        && !text.chars().any(is_deceptive)
    {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(bytes.len() + 16);
    for chunk in bytes.utf8_chunks() {
        let mut characters = chunk.valid().chars().peekable();
        while let Some(character) = characters.next() {
            if !is_deceptive(character) || keeps(character, characters.peek().copied()) {
                out.push(character);
            } else {
                push_escaped(&mut out, character);
            }
        }
        push_bytes(&mut out, chunk.invalid());
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_steers_is_written_out() {
        assert_eq!(line(b"ERR \x1b]0;owned\x07"), "ERR \\x1b]0;owned\\a");
        assert_eq!(
            line("a\u{9b}2J\u{7f}\u{202e}b\u{2066}".as_bytes()),
            "a\\xc2\\x9b2J\\x7f\\xe2\\x80\\xaeb\\xe2\\x81\\xa6"
        );
        assert_eq!(line(b"a\nb\tc\xe9"), "a\\nb\\tc\\xe9");
        assert_eq!(line("né \\ \"名前\" 🦀".as_bytes()), "né \\ \"名前\" 🦀");
    }

    #[test]
    fn lines_stay_lines() {
        assert_eq!(text(b"# Server\r\nredis_version:7\r\n"), "# Server\r\nredis_version:7\r\n");
        assert_eq!(text(b"a\tb\rover\x1b[2K\n"), "a\tb\\rover\\x1b[2K\n");
    }

    proptest! {
        #[test]
        fn nothing_gets_through(bytes: Vec<u8>) {
            prop_assert!(!line(&bytes).chars().any(is_deceptive));
            prop_assert!(text(&bytes).chars().all(|c| !is_deceptive(c) || matches!(c, '\n' | '\t' | '\r')));
        }

        #[test]
        fn what_is_harmless_stays(shown in "[ -~äöü名🦀]{0,20}") {
            prop_assert_eq!(line(shown.as_bytes()), shown.as_str());
        }
    }
}
