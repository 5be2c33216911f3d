//! Quoting as redis-cli and the inline protocol do it: `sdssplitargs` and `sdscatrepr` of Redis, byte for byte.

/// A line ends inside quotes, or something other than a blank follows a closing quote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Invalid argument(s)")]
pub struct Unbalanced;

/// What C sees of a text: all up to the first zero byte. Names in Redis's errors end there, and rules of its ACL.
#[must_use]
pub fn c_string(text: &[u8]) -> &[u8] {
    text.split(|&byte| byte == 0).next().unwrap_or_default()
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

/// Splits a line into arguments. A NUL byte ends the line, as it does in Redis.
///
/// # Errors
/// [`Unbalanced`] quotes.
pub fn split(line: &[u8]) -> Result<Vec<Vec<u8>>, Unbalanced> {
    let line = &line[..memchr::memchr(0, line).unwrap_or(line.len())];
    let mut arguments = Vec::new();
    let mut at = 0;
    loop {
        while line.get(at).is_some_and(|&byte| is_blank(byte)) {
            at += 1;
        }
        if at == line.len() {
            return Ok(arguments);
        }
        let mut argument = Vec::new();
        while let Some(&byte) = line.get(at).filter(|&&byte| !is_blank(byte)) {
            at += 1;
            if matches!(byte, b'"' | b'\'') {
                at = quoted(line, at, byte, &mut argument)?;
                break;
            }
            argument.push(byte);
        }
        arguments.push(argument);
    }
}

/// Appends what stands between quotes, from after the opening one; returns where to go on.
fn quoted(line: &[u8], mut at: usize, quote: u8, argument: &mut Vec<u8>) -> Result<usize, Unbalanced> {
    loop {
        match &line[at..] {
            [] => return Err(Unbalanced),
            [b'\\', b'x', high, low, ..]
                if quote == b'"' && high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                argument.push(hex(*high) << 4 | hex(*low));
                at += 4;
            }
            [b'\\', escaped, ..] if quote == b'"' => {
                argument.push(match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 8,
                    b'a' => 7,
                    other => *other,
                });
                at += 2;
            }
            [b'\\', b'\'', ..] if quote == b'\'' => {
                argument.push(b'\'');
                at += 2;
            }
            [byte, rest @ ..] if *byte == quote => {
                return match rest.first() {
                    Some(&next) if !is_blank(next) => Err(Unbalanced),
                    _ => Ok(at + 1),
                };
            }
            [byte, ..] => {
                argument.push(*byte);
                at += 1;
            }
        }
    }
}

fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit - b'A' + 10,
    }
}

/// A string in double quotes with everything unprintable escaped; [`split`] gives the bytes back.
#[must_use]
pub fn repr(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(bytes.len() + 2);
    text.push('"');
    for &byte in bytes {
        match byte {
            b'\\' | b'"' => text.extend(['\\', char::from(byte)]),
            b'\n' => text.push_str("\\n"),
            b'\r' => text.push_str("\\r"),
            b'\t' => text.push_str("\\t"),
            7 => text.push_str("\\a"),
            8 => text.push_str("\\b"),
            b' '..=b'~' => text.push(char::from(byte)),
            _ => {
                let _ = write!(text, "\\x{byte:02x}");
            }
        }
    }
    text.push('"');
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn words(line: &str) -> Result<Vec<String>, Unbalanced> {
        Ok(split(line.as_bytes())?.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect())
    }

    #[test]
    fn words_as_redis_splits_them() {
        assert_eq!(words(" a\tb\r\n").unwrap(), ["a", "b"]);
        assert_eq!(words(r#"key"" x"y z" '' "#).unwrap(), ["key", "xy z", ""]);
        assert_eq!(words(r#""\x41\x4g\0\n\q" 'it\'s\n' a\b"#).unwrap(), ["Ax4g0\nq", "it's\\n", "a\\b"]);
        assert_eq!(words("a\0b c").unwrap(), ["a"]);
        for bad in [r#"get ""key"#, r#"get "key"x"#, "get 'key'x", r#"get "key"#, "get 'key", r#"get "key\""#]
        {
            assert_eq!(words(bad), Err(Unbalanced), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn repr_splits_to_the_same_bytes(arguments: Vec<Vec<u8>>) {
            let line = arguments.iter().map(|argument| repr(argument)).collect::<Vec<_>>().join(" ");
            prop_assert_eq!(split(line.as_bytes()).unwrap(), arguments);
        }

        #[test]
        fn any_line_splits_or_is_refused(line: Vec<u8>) {
            if let Ok(words) = split(&line) {
                prop_assert!(words.iter().map(Vec::len).sum::<usize>() <= line.len());
            }
        }
    }
}
