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
    let Some(end) = memchr::memchr(b'\r', &buffer[*at..]).map(|found| *at + found) else { return Ok(None) };
    if end + 1 >= buffer.len() {
        return Ok(None);
    }
    let line = &buffer[*at + 1..end];
    let after = end + 2;
    let integer =
        || super::number::parse_i64(line.strip_prefix(b"+").unwrap_or(line)).ok_or(Invalid("bad integer"));
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
            let Ok(length) = usize::try_from(integer()?) else {
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
            let Ok(length) = usize::try_from(integer()?) else {
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
