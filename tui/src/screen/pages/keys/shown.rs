//! Bytes as lines for people: text, JSON laid out, or hex.

use redis_cluster::protocol::quote;

use crate::screen::theme::Role;

/// How bytes are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Look {
    /// As what they are: JSON, text, or else hex.
    #[default]
    Auto,
    /// Text; what is none is escaped.
    Text,
    /// JSON laid out.
    Json,
    /// Hex, sixteen to a line.
    Hex,
}

impl Look {
    /// The next one.
    pub(super) fn next(self) -> Self {
        match self {
            Self::Auto => Self::Text,
            Self::Text => Self::Json,
            Self::Json => Self::Hex,
            Self::Hex => Self::Auto,
        }
    }

    /// Its name.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Text => "text",
            Self::Json => "json",
            Self::Hex => "hex",
        }
    }
}

/// Lines of bytes that stand at an offset of a value; `is_whole`: they are all of it.
pub(super) fn lines(bytes: &[u8], offset: u64, is_whole: bool, look: Look) -> Vec<(Role, String)> {
    match look {
        Look::Hex => hex(bytes, offset),
        Look::Text => text(bytes),
        Look::Json => json(bytes).unwrap_or_else(|| {
            let why = if is_whole { "this is not JSON" } else { "this is a part of a value" };
            let mut lines = vec![(Role::Quiet, why.to_owned())];
            lines.extend(text(bytes));
            lines
        }),
        Look::Auto => match std::str::from_utf8(bytes) {
            _ if is_whole && looks_like_json(bytes) => json(bytes).unwrap_or_else(|| text(bytes)),
            Ok(_) if !bytes.contains(&0) => text(bytes),
            // A window may end within a character.
            Err(error) if error.error_len().is_none() && !bytes.contains(&0) => text(bytes),
            _ => hex(bytes, offset),
        },
    }
}

fn looks_like_json(bytes: &[u8]) -> bool {
    matches!(bytes.trim_ascii_start().first(), Some(b'{' | b'['))
}

fn json(bytes: &[u8]) -> Option<Vec<(Role, String)>> {
    let value: serde_json::Value = serde_json::from_slice(bytes).ok()?;
    let laid_out = serde_json::to_string_pretty(&value).ok()?;
    Some(laid_out.lines().map(|line| (Role::Text, line.to_owned())).collect())
}

fn text(bytes: &[u8]) -> Vec<(Role, String)> {
    let line = |line: &[u8]| match std::str::from_utf8(line) {
        Ok(line) => (Role::Text, line.to_owned()),
        Err(_) => {
            let escaped = quote::repr(line);
            (Role::Text, escaped[1..escaped.len() - 1].to_owned())
        }
    };
    bytes.split(|&byte| byte == b'\n').map(line).collect()
}

fn hex(bytes: &[u8], offset: u64) -> Vec<(Role, String)> {
    let line = |(row, chunk): (usize, &[u8])| {
        let mut figures = String::new();
        for at in 0..16 {
            if at == 8 {
                figures.push(' ');
            }
            match chunk.get(at) {
                Some(byte) => figures.push_str(&format!("{byte:02x} ")),
                None => figures.push_str("   "),
            }
        }
        let sign = |&byte: &u8| if byte.is_ascii_graphic() || byte == b' ' { char::from(byte) } else { '.' };
        let signs: String = chunk.iter().map(sign).collect();
        (Role::Text, format!("{:08x}  {figures} {signs}", offset + row as u64 * 16))
    };
    bytes.chunks(16).enumerate().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(bytes: &[u8], is_whole: bool, look: Look) -> Vec<String> {
        lines(bytes, 16, is_whole, look).into_iter().map(|(_, line)| line).collect()
    }

    #[test]
    fn bytes_are_shown_as_what_they_are() {
        assert_eq!(shown(b"a\nb", true, Look::Auto), ["a", "b"]);
        assert_eq!(shown(b"{\"a\":[1]}", true, Look::Auto), ["{", "  \"a\": [", "    1", "  ]", "}"]);
        assert_eq!(shown(b"{\"a\":[1", false, Look::Auto), ["{\"a\":[1"]);
        assert_eq!(shown("你".as_bytes().split_at(2).0, false, Look::Auto), ["\\xe4\\xbd"]);
        assert_eq!(
            shown(b"\x89PNG\r\n\x1a\n\x00 0123456", true, Look::Auto)[0],
            "00000010  89 50 4e 47 0d 0a 1a 0a  00 20 30 31 32 33 34 35  .PNG..... 012345"
        );
        assert_eq!(shown(b"x", true, Look::Json), ["this is not JSON", "x"]);
        assert_eq!(shown(b"", true, Look::Hex), [""; 0]);
    }
}
