//! For people: redis-cli's form on a terminal (`cliFormatReplyTTY`), with what a terminal would obey written out also in
//! errors, states and verbatim text, which redis-cli passes through.

use redis_cluster::protocol::{Value, number, quote};

use super::{TextForm, harmless};

/// Appends a reply with its line end.
pub fn write(out: &mut Vec<u8>, value: &Value, text: TextForm) {
    write_under(out, value, "", text);
}

fn write_under(out: &mut Vec<u8>, value: &Value, prefix: &str, text: TextForm) {
    match value {
        Value::Error(error) => line(out, &[b"(error) ", harmless::line(error).as_bytes()]),
        Value::Simple(status) => line(out, &[harmless::line(status).as_bytes()]),
        Value::Integer(number) => line(out, &[format!("(integer) {number}").as_bytes()]),
        Value::Double(number) => line(out, &[b"(double) ", number::format_double(*number).as_bytes()]),
        Value::Bulk(bytes) => line(out, &[string(bytes, text).as_bytes()]),
        Value::Verbatim(_, bytes) => line(out, &[harmless::text(bytes).as_bytes()]),
        Value::BigNumber(digits) => line(out, &[harmless::line(digits).as_bytes()]),
        Value::Null => line(out, &[b"(nil)"]),
        Value::Boolean(truth) => line(out, &[if *truth { b"(true)" } else { b"(false)" }]),
        Value::Array(elements) | Value::Push(elements) if elements.is_empty() => {
            line(out, &[if matches!(value, Value::Push(_)) { b"(empty push)" } else { b"(empty array)" }]);
        }
        Value::Set(elements) if elements.is_empty() => line(out, &[b"(empty set)"]),
        Value::Map(pairs) if pairs.is_empty() => line(out, &[b"(empty hash)"]),
        Value::Array(elements) | Value::Push(elements) | Value::Set(elements) => {
            let mark = if matches!(value, Value::Set(_)) { '~' } else { ')' };
            let width = elements.len().to_string().len();
            let inner = format!("{prefix}{:1$}", "", width + 2);
            for (index, element) in elements.iter().enumerate() {
                number_of(out, prefix, index, width, mark);
                write_under(out, element, &inner, text);
            }
        }
        Value::Map(pairs) => {
            let width = pairs.len().to_string().len();
            let inner = format!("{prefix}{:1$}", "", width + 2);
            for (index, (key, value)) in pairs.iter().enumerate() {
                number_of(out, prefix, index, width, '#');
                write_under(out, key, &inner, text);
                out.pop();
                out.extend_from_slice(b" => ");
                let mut written = Vec::new();
                write_under(&mut written, value, &inner, text);
                if has_lines(value, &written) {
                    // Its first line stands under the key, as the others do.
                    out.push(b'\n');
                    out.extend_from_slice(inner.as_bytes());
                }
                out.extend_from_slice(&written);
            }
        }
    }
}

/// Whether a value inside a map takes more than one line.
fn has_lines(value: &Value, written: &[u8]) -> bool {
    let aggregate = matches!(value, Value::Array(_) | Value::Set(_) | Value::Push(_) | Value::Map(_));
    aggregate && written[..written.len().saturating_sub(1)].contains(&b'\n')
}

/// `1) `. The first one stands behind what the caller wrote already.
fn number_of(out: &mut Vec<u8>, prefix: &str, index: usize, width: usize, mark: char) {
    let prefix = if index == 0 { "" } else { prefix };
    out.extend_from_slice(format!("{prefix}{:>width$}{mark} ", index + 1).as_bytes());
}

fn line(out: &mut Vec<u8>, parts: &[&[u8]]) {
    for part in parts {
        out.extend_from_slice(part);
    }
    out.push(b'\n');
}

/// A string in quotes, in the form that was asked for.
#[must_use]
pub fn string(bytes: &[u8], form: TextForm) -> String {
    let escaped = quote::repr(bytes);
    if form == TextForm::Escaped || bytes.is_ascii() {
        return escaped;
    }
    let Some(text) = readable(bytes) else { return escaped };
    match form {
        TextForm::Utf8 => format!("\"{text}\""),
        TextForm::Both => format!("{escaped}  ({text})"),
        TextForm::Escaped => escaped,
    }
}

/// UTF-8 as text, with everything escaped that is not a visible character: a value must not steer the terminal.
fn readable(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?;
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_ascii() {
            let mut buffer = [0; 4];
            let escaped = quote::repr(character.encode_utf8(&mut buffer).as_bytes());
            out.push_str(&escaped[1..escaped.len() - 1]);
        } else if harmless::is_deceptive(character) {
            harmless::push_escaped(&mut out, character);
        } else {
            out.push(character);
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(resp: &[u8]) -> String {
        let (value, _) = Value::decode(resp).unwrap().unwrap();
        let mut out = Vec::new();
        write(&mut out, &value, TextForm::Escaped);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn scalars() {
        for (resp, text) in [
            ("+OK\r\n", "OK\n"),
            ("-ERR no\r\n", "(error) ERR no\n"),
            (":-1\r\n", "(integer) -1\n"),
            ("$3\r\na\"b\r\n", "\"a\\\"b\"\n"),
            ("$-1\r\n", "(nil)\n"),
            (",1.5\r\n", "(double) 1.5\n"),
            ("#t\r\n", "(true)\n"),
            ("*0\r\n", "(empty array)\n"),
            ("%0\r\n", "(empty hash)\n"),
            ("~0\r\n", "(empty set)\n"),
            (">0\r\n", "(empty push)\n"),
            ("=7\r\ntxt:a\"b\r\n", "a\"b\n"),
            ("-ERR \x1b]0;t\x07\r\n", "(error) ERR \\x1b]0;t\\a\n"),
            ("+\u{9b}2J\r\n", "\\xc2\\x9b2J\n"),
            ("!7\r\nERR a\nb\r\n", "(error) ERR a\\nb\n"),
            ("=8\r\ntxt:\x1bc\n\t\r\n", "\\x1bc\n\t\n"),
            ("%1\r\n+\x1bk\r\n+\x7f\r\n", "1# \\x1bk => \\x7f\n"),
        ] {
            assert_eq!(shown(resp.as_bytes()), text);
        }
    }

    #[test]
    fn nesting_and_wide_indexes() {
        assert_eq!(
            shown(b"*2\r\n*2\r\n:1\r\n*1\r\n:2\r\n%1\r\n+f\r\n~2\r\n:3\r\n:4\r\n"),
            "1) 1) (integer) 1\n   2) 1) (integer) 2\n2) 1# f => \n      1~ (integer) 3\n      2~ (integer) 4\n"
        );
        let ten = format!("*10\r\n{}", ":0\r\n".repeat(10));
        assert!(shown(ten.as_bytes()).starts_with(" 1) (integer) 0\n"));
        assert!(shown(ten.as_bytes()).ends_with("10) (integer) 0\n"));
    }

    #[test]
    fn text_beyond_ascii_is_decoded_and_never_steers_the_terminal() {
        assert_eq!(string("你".as_bytes(), TextForm::Both), "\"\\xe4\\xbd\\xa0\"  (你)");
        assert_eq!(string("你\n".as_bytes(), TextForm::Utf8), "\"你\\n\"");
        assert_eq!(string(b"\xff", TextForm::Both), "\"\\xff\"");
        assert_eq!(string(b"plain", TextForm::Both), "\"plain\"");
        for evil in ["é\u{1b}[2J", "é\u{9b}2J", "é\u{202e}x", "é\u{200b}"] {
            let text = string(evil.as_bytes(), TextForm::Utf8);
            assert!(!text.chars().any(harmless::is_deceptive), "{text:?}");
        }
    }
}
