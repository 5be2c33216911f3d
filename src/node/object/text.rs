//! Bytes that a large collection keeps of each member: in place while they are short, which most are.

use std::fmt;

use super::Element;

/// So many bytes are kept in place.
const INLINE: usize = 22;

/// A member, a field or a value of 24 bytes, and a block of its own if it is long.
#[derive(Clone)]
pub struct Text(Form);

#[derive(Clone)]
enum Form {
    Inline { len: u8, bytes: [u8; INLINE] },
    Block(Box<[u8]>),
}

impl Text {
    /// What an element says.
    #[must_use]
    pub fn of(element: Element<'_>) -> Self {
        element.with(|bytes| Self::from(bytes))
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Form::Inline { len, bytes } => &bytes[..usize::from(*len)],
            Form::Block(block) => block,
        }
    }

    /// Bytes of memory beside the struct itself.
    #[must_use]
    pub fn heap(&self) -> usize {
        match &self.0 {
            Form::Inline { .. } => 0,
            Form::Block(block) => block.len(),
        }
    }
}

impl From<&[u8]> for Text {
    fn from(text: &[u8]) -> Self {
        match u8::try_from(text.len()) {
            Ok(len) if text.len() <= INLINE => {
                let mut bytes = [0; INLINE];
                bytes[..text.len()].copy_from_slice(text);
                Self(Form::Inline { len, bytes })
            }
            _ => Self(Form::Block(text.into())),
        }
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Text {}

impl PartialOrd for Text {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Text {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.as_bytes().escape_ascii().to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::Text;

    #[test]
    fn short_and_long_ones() {
        assert_eq!(size_of::<Text>(), 24);
        for len in [0, 1, 21, 22, 23, 300] {
            let bytes = vec![b'x'; len];
            let text = Text::from(&bytes[..]);
            assert_eq!(text.as_bytes(), bytes);
            assert_eq!(text.heap(), if len > 22 { len } else { 0 });
        }
        assert!(Text::from(&b"a"[..]) < Text::from(&[b'b'; 40][..]));
    }
}
