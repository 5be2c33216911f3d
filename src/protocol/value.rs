//! A whole RESP value, owned: for the console, the mover, gRPC and tests; never on the data path.

use bytes::Bytes;

/// Any RESP2 or RESP3 value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `+`
    Simple(Bytes),
    /// `-` or `!`, code first.
    Error(Bytes),
    /// `:`
    Integer(i64),
    /// `$`
    Bulk(Bytes),
    /// `_`, `$-1`, `*-1`
    Null,
    /// `*`
    Array(Vec<Value>),
    /// `%`
    Map(Vec<(Value, Value)>),
    /// `~`
    Set(Vec<Value>),
    /// `,`
    Double(f64),
    /// `#`
    Boolean(bool),
    /// `(`
    BigNumber(Bytes),
    /// `=`: format and text.
    Verbatim([u8; 3], Bytes),
    /// `>`
    Push(Vec<Value>),
}

/// The bytes are not RESP.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(pub &'static str);

/// Aggregates inside aggregates that a reply may have.
const DEPTH_MAX: usize = 128;

impl Value {
    /// The value at the beginning of `buffer` and the bytes it takes; `None` while it is not complete.
    ///
    /// # Errors
    /// When the bytes cannot become a value.
    pub fn decode(buffer: &[u8]) -> Result<Option<(Self, usize)>, Invalid> {
        let mut at = 0;
        Ok(decode(buffer, &mut at, 0)?.map(|value| (value, at)))
    }

    /// The bytes of a string of any kind.
    #[must_use]
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Simple(bytes) | Self::Bulk(bytes) | Self::Verbatim(_, bytes) | Self::BigNumber(bytes) => {
                Some(bytes)
            }
            _ => None,
        }
    }

    /// An integer, also from its text.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Self::Integer(number) => Some(*number),
            other => other.as_bytes().and_then(super::number::parse_i64),
        }
    }

    /// The error text, if this is an error.
    #[must_use]
    pub fn as_error(&self) -> Option<std::borrow::Cow<'_, str>> {
        match self {
            Self::Error(text) => Some(String::from_utf8_lossy(text)),
            _ => None,
        }
    }
}

fn decode(buffer: &[u8], at: &mut usize, depth: usize) -> Result<Option<Value>, Invalid> {
    if depth > DEPTH_MAX {
        return Err(Invalid("nested too deep"));
    }
    let Some(&kind) = buffer.get(*at) else { return Ok(None) };
    let Some(end) = memchr::memchr(b'\r', &buffer[*at + 1..]).map(|found| *at + 1 + found) else {
        return Ok(None);
    };
    if end + 1 >= buffer.len() {
        return Ok(None);
    }
    let line = &buffer[*at + 1..end];
    let after = end + 2;
    let number = |text| super::number::parse_i64(text).ok_or(Invalid("bad integer"));
    // RESP3 allows a number its plus; a length has none.
    let integer = || number(line.strip_prefix(b"+").filter(|rest| !rest.starts_with(b"-")).unwrap_or(line));
    let length = || number(line);
    let copy = bytes::Bytes::copy_from_slice;
    let scalar = match kind {
        b'+' => Value::Simple(copy(line)),
        b'-' => Value::Error(copy(line)),
        b':' => Value::Integer(integer()?),
        b'_' => Value::Null,
        b'#' => Value::Boolean(match line {
            b"t" => true,
            b"f" => false,
            _ => return Err(Invalid("bad boolean")),
        }),
        b',' => {
            let text = std::str::from_utf8(line).map_err(|_| Invalid("bad double"))?;
            Value::Double(text.parse().map_err(|_| Invalid("bad double"))?)
        }
        b'(' => Value::BigNumber(copy(line)),
        b'$' | b'!' | b'=' => {
            let Ok(length) = usize::try_from(length()?) else {
                // Only RESP2's two nulls have a negative length.
                if !matches!(kind, b'$' | b'*') {
                    return Err(Invalid("negative length"));
                }
                *at = after;
                return Ok(Some(Value::Null));
            };
            let Some(body) = buffer.get(after..).and_then(|rest| rest.get(..length + 2)) else {
                return Ok(None);
            };
            *at = after + length + 2;
            let body = &body[..length];
            return Ok(Some(match (kind, body) {
                (b'$', _) => Value::Bulk(copy(body)),
                (b'!', _) => Value::Error(copy(body)),
                (_, [a, b, c, b':', text @ ..]) => Value::Verbatim([*a, *b, *c], copy(text)),
                _ => return Err(Invalid("bad verbatim string")),
            }));
        }
        b'*' | b'~' | b'>' | b'%' | b'|' => {
            let Ok(length) = usize::try_from(length()?) else {
                // Only RESP2's two nulls have a negative length.
                if !matches!(kind, b'$' | b'*') {
                    return Err(Invalid("negative length"));
                }
                *at = after;
                return Ok(Some(Value::Null));
            };
            *at = after;
            let paired = matches!(kind, b'%' | b'|');
            let count = if paired { length.saturating_mul(2) } else { length };
            // Never more than the bytes at hand could hold.
            let mut elements = Vec::with_capacity(count.min(buffer.len() - after));
            for _ in 0..count {
                match decode(buffer, at, depth + 1)? {
                    Some(element) => elements.push(element),
                    None => return Ok(None),
                }
            }
            return Ok(Some(match kind {
                b'*' => Value::Array(elements),
                b'~' => Value::Set(elements),
                b'>' => Value::Push(elements),
                b'%' => Value::Map(pairs(elements)),
                // Attributes describe the value that follows; nobody here asks for them.
                _ => return decode(buffer, at, depth + 1),
            }));
        }
        _ => return Err(Invalid("unknown type byte")),
    };
    *at = after;
    Ok(Some(scalar))
}

fn pairs(elements: Vec<Value>) -> Vec<(Value, Value)> {
    let mut elements = elements.into_iter();
    std::iter::from_fn(|| Some((elements.next()?, elements.next()?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(bytes: &[u8]) -> Value {
        for cut in 0..bytes.len() {
            assert_eq!(Value::decode(&bytes[..cut]), Ok(None), "cut at {cut}");
        }
        let (value, used) = Value::decode(&[bytes, b"+next\r\n"].concat()).unwrap().unwrap();
        assert_eq!(used, bytes.len());
        value
    }

    #[test]
    fn every_type_from_its_bytes() {
        let bulk = |text: &'static str| Value::Bulk(text.into());
        for (bytes, value) in [
            (&b"+OK\r\n"[..], Value::Simple("OK".into())),
            (b"-ERR no\r\n", Value::Error("ERR no".into())),
            (b"!6\r\nERR a\n\r\n", Value::Error("ERR a\n".into())),
            (b":-12\r\n", Value::Integer(-12)),
            (b":+12\r\n", Value::Integer(12)),
            (b"$5\r\na\r\nbc\r\n", bulk("a\r\nbc")),
            (b"$-1\r\n", Value::Null),
            (b"*-1\r\n", Value::Null),
            (b"_\r\n", Value::Null),
            (b"#t\r\n", Value::Boolean(true)),
            (b",-inf\r\n", Value::Double(f64::NEG_INFINITY)),
            (b",1.5e3\r\n", Value::Double(1500.0)),
            (b"(123456789012345678901\r\n", Value::BigNumber("123456789012345678901".into())),
            (b"=6\r\ntxt:hi\r\n", Value::Verbatim(*b"txt", "hi".into())),
            (b"*2\r\n$1\r\na\r\n*0\r\n", Value::Array(vec![bulk("a"), Value::Array(vec![])])),
            (b"%1\r\n+k\r\n:1\r\n", Value::Map(vec![(Value::Simple("k".into()), Value::Integer(1))])),
            (b"~1\r\n:1\r\n", Value::Set(vec![Value::Integer(1)])),
            (b">1\r\n:1\r\n", Value::Push(vec![Value::Integer(1)])),
            (b"|1\r\n+ttl\r\n:3\r\n:7\r\n", Value::Integer(7)),
        ] {
            assert_eq!(whole(bytes), value, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn what_is_not_resp_is_refused() {
        for bytes in [
            &b"x\r\n"[..],
            b":1x\r\n",
            b"#y\r\n",
            b"=2\r\nab\r\n",
            b",abc\r\n",
            b"HTTP/1.1 400 Bad Request\r\n",
            b"\r\n\r\n",
            b"|-1\r\n",
            b"%-1\r\n",
            b"=-1\r\n",
            b":+-1\r\n",
            b":++1\r\n",
            b"$+1\r\nx\r\n",
            b"*+1\r\n:1\r\n",
            b"|+1\r\n+k\r\n:1\r\n:7\r\n",
        ] {
            assert!(Value::decode(bytes).is_err(), "{}", bytes.escape_ascii());
        }
        assert!(Value::decode(&b"*1\r\n".repeat(1000)).is_err());
    }

    #[test]
    fn an_announced_length_costs_nothing() {
        assert_eq!(Value::decode(b"*2000000000\r\n:1\r\n"), Ok(None));
        assert_eq!(Value::decode(b"$2000000000\r\nabc"), Ok(None));
    }
}
