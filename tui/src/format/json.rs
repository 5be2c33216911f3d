//! One JSON document per reply and line. Valid for every value: what is not UTF-8 is `{"$base64":"…"}`.

use redis_cluster::protocol::{Value, number, quote};

use super::harmless;

/// How strings are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strings {
    /// As text, or as `{"$base64":"…"}`.
    Plain,
    /// Escaped as on a terminal, inside a JSON string.
    Quoted,
}

/// Appends a reply and a newline. An error is `{"error":"…"}`, with `line` if there is one.
pub fn write_line(out: &mut Vec<u8>, value: &Value, strings: Strings, line: Option<u64>) {
    match value {
        Value::Error(text) => error(out, &String::from_utf8_lossy(text), line),
        value => write(out, value, strings),
    }
    out.push(b'\n');
}

/// Appends `{"error":"…"}`.
pub fn error(out: &mut Vec<u8>, text: &str, line: Option<u64>) {
    out.extend_from_slice(b"{\"error\":");
    text_of(out, text);
    if let Some(line) = line {
        out.extend_from_slice(format!(",\"line\":{line}").as_bytes());
    }
    out.push(b'}');
}

fn write(out: &mut Vec<u8>, value: &Value, strings: Strings) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Error(text) => error(out, &String::from_utf8_lossy(text), None),
        Value::Simple(bytes) | Value::Bulk(bytes) | Value::Verbatim(_, bytes) => string(out, bytes, strings),
        Value::BigNumber(digits) => string(out, digits, strings),
        Value::Integer(number) => out.extend_from_slice(number.to_string().as_bytes()),
        Value::Double(number) if number.is_finite() => {
            out.extend_from_slice(number::format_double(*number).as_bytes());
        }
        Value::Double(number) => text_of(out, &number::format_double(*number)),
        Value::Boolean(truth) => out.extend_from_slice(if *truth { b"true" } else { b"false" }),
        Value::Array(elements) | Value::Set(elements) | Value::Push(elements) => {
            out.push(b'[');
            for (index, element) in elements.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write(out, element, strings);
            }
            out.push(b']');
        }
        Value::Map(pairs) => {
            out.push(b'{');
            for (index, (key, value)) in pairs.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                name(out, key, strings);
                out.push(b':');
                write(out, value, strings);
            }
            out.push(b'}');
        }
    }
}

/// The name of a member has to be a string.
fn name(out: &mut Vec<u8>, key: &Value, strings: Strings) {
    match key.as_bytes() {
        Some(bytes) if strings == Strings::Quoted => string(out, bytes, strings),
        Some(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => text_of(out, text),
            Err(_) => text_of(out, &format!("$base64:{}", base64(bytes))),
        },
        None => {
            let mut inner = Vec::new();
            write(&mut inner, key, strings);
            text_of(out, &String::from_utf8_lossy(&inner));
        }
    }
}

fn string(out: &mut Vec<u8>, bytes: &[u8], strings: Strings) {
    match strings {
        Strings::Quoted => {
            let escaped = quote::repr(bytes);
            text_of(out, &escaped[1..escaped.len() - 1]);
        }
        Strings::Plain => match std::str::from_utf8(bytes) {
            Ok(text) => text_of(out, text),
            Err(_) => out.extend_from_slice(format!("{{\"$base64\":\"{}\"}}", base64(bytes)).as_bytes()),
        },
    }
}

/// Appends a string. What steers a terminal is escaped beyond what JSON asks for: it may be printed on one.
pub(crate) fn text_of(out: &mut Vec<u8>, text: &str) {
    let quoted = serde_json::to_string(text).expect("writing a string to memory cannot fail");
    if !quoted.chars().any(harmless::steers) {
        return out.extend_from_slice(quoted.as_bytes());
    }
    for character in quoted.chars() {
        if harmless::steers(character) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                out.extend_from_slice(format!("\\u{unit:04x}").as_bytes());
            }
        } else {
            out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }
}

/// RFC 4648, with padding.
pub(crate) fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for digit in 0..4 {
            text.push(if digit <= chunk.len() {
                char::from(DIGITS[(bits >> (18 - 6 * digit) & 63) as usize])
            } else {
                '='
            });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(resp: &[u8], strings: Strings) -> String {
        let (value, _) = Value::decode(resp).unwrap().unwrap();
        let mut out = Vec::new();
        write_line(&mut out, &value, strings, Some(3));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn documents() {
        assert_eq!(shown(b"$1\r\n\xff\r\n", Strings::Plain), "{\"$base64\":\"/w==\"}\n");
        assert_eq!(shown(b"$3\r\n\xffa\"\r\n", Strings::Quoted), "\"\\\\xffa\\\\\\\"\"\n");
        assert_eq!(shown(b"-ERR no\r\n", Strings::Plain), "{\"error\":\"ERR no\",\"line\":3}\n");
        assert_eq!(shown(b"%1\r\n+a\r\n*2\r\n,1.5\r\n_\r\n", Strings::Plain), "{\"a\":[1.5,null]}\n");
        assert_eq!(shown(b",inf\r\n", Strings::Plain), "\"inf\"\n");
        let steers = "+\u{7f}\u{85}\u{9b}2J\u{202e}é\r\n";
        assert_eq!(shown(steers.as_bytes(), Strings::Plain), "\"\\u007f\\u0085\\u009b2J\\u202eé\"\n");
        assert_eq!(shown("-\u{9b}\r\n".as_bytes(), Strings::Plain), "{\"error\":\"\\u009b\",\"line\":3}\n");
    }

    #[test]
    fn base64_of_the_rfc() {
        let pairs = [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")];
        for (text, code) in pairs {
            assert_eq!(base64(text.as_bytes()), code);
        }
    }

    proptest! {
        #[test]
        fn any_text_comes_back_and_steers_no_terminal(text: String) {
            let mut out = Vec::new();
            text_of(&mut out, &text);
            prop_assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
            prop_assert!(!String::from_utf8(out).unwrap().chars().any(harmless::steers));
        }

        #[test]
        fn any_bytes_are_valid_json(bytes: Vec<u8>) {
            for strings in [Strings::Plain, Strings::Quoted] {
                let mut out = Vec::new();
                write_line(&mut out, &Value::Bulk(bytes.clone().into()), strings, None);
                prop_assert!(serde_json::from_slice::<serde_json::Value>(&out).is_ok());
            }
        }
    }
}
