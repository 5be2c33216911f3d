//! Where values are written to: a payload whose strings are compressed as they come, or a draft of a part of a file, whose
//! strings are compressed later.
//!
//! Drafts are made while the data is locked, and compressing takes ten times as long as copying: it is done when the lock is
//! free again.

use std::io;

use bytes::Bytes;

use super::{
    lzf::Compressor,
    string::{self, LZF},
};

/// See the module.
pub(super) trait Sink {
    /// Bytes as they are.
    fn raw(&mut self, bytes: &[u8]);

    /// A string that may be worth compressing.
    fn text(&mut self, bytes: &[u8]);

    /// A string whose memory may be shared until it is written.
    fn shared(&mut self, bytes: &Bytes) {
        self.text(bytes);
    }
}

/// The payload of DUMP.
#[derive(Debug, Default)]
pub(super) struct Payload {
    pub(super) bytes: Vec<u8>,
    compressor: Compressor,
}

impl Sink for Payload {
    fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    fn text(&mut self, bytes: &[u8]) {
        match self.compressor.compress(bytes, bytes.len() - 4) {
            Some(compressed) => string::write_compressed(&mut self.bytes, compressed, bytes.len()),
            None => string::write_plain(&mut self.bytes, bytes),
        }
    }
}

impl Sink for Vec<u8> {
    fn raw(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }

    fn text(&mut self, bytes: &[u8]) {
        string::write_plain(self, bytes);
    }
}

/// A string of a draft: what is in front of it stands in the draft's own bytes.
#[derive(Debug)]
struct Text {
    /// Where in the draft's bytes it begins, or would.
    at: usize,
    held: Held,
}

#[derive(Debug)]
enum Held {
    /// So many of the draft's bytes.
    Here(usize),
    Shared(Bytes),
}

/// A part of a file whose strings are not compressed yet. Kept for the next part, it needs no new memory.
#[derive(Debug, Default)]
pub struct Draft {
    bytes: Vec<u8>,
    texts: Vec<Text>,
    /// Bytes of strings that are shared.
    shared: usize,
}

impl Draft {
    /// Bytes in it, as they are before compression; shared ones too.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len() + self.shared
    }

    /// Nothing is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets what is in it and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.texts.clear();
        self.shared = 0;
    }

    /// Appends another, which is empty then.
    pub fn append(&mut self, other: &mut Self) {
        if self.is_empty() {
            std::mem::swap(self, other);
            return;
        }
        let before = self.bytes.len();
        self.bytes.append(&mut other.bytes);
        self.texts.extend(other.texts.drain(..).map(|text| Text { at: text.at + before, ..text }));
        self.shared += std::mem::take(&mut other.shared);
    }

    /// Writes it out, strings compressed where there is a compressor and it helps.
    pub(super) fn write(
        &self,
        mut compressor: Option<&mut Compressor>,
        out: &mut impl io::Write,
    ) -> io::Result<()> {
        let mut written = 0;
        let mut head = Vec::new();
        for text in &self.texts {
            out.write_all(&self.bytes[written..text.at])?;
            let bytes = match &text.held {
                Held::Here(len) => &self.bytes[text.at..text.at + len],
                Held::Shared(bytes) => bytes,
            };
            written = text.at + if let Held::Here(len) = text.held { len } else { 0 };
            head.clear();
            match compressor.as_mut().and_then(|compressor| compressor.compress(bytes, bytes.len() - 4)) {
                Some(compressed) => {
                    head.push(LZF);
                    string::write_length(&mut head, compressed.len());
                    string::write_length(&mut head, bytes.len());
                    out.write_all(&head)?;
                    out.write_all(compressed)?;
                }
                None => {
                    string::write_length(&mut head, bytes.len());
                    out.write_all(&head)?;
                    out.write_all(bytes)?;
                }
            }
        }
        out.write_all(&self.bytes[written..])
    }
}

impl Sink for Draft {
    fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    fn text(&mut self, bytes: &[u8]) {
        self.texts.push(Text { at: self.bytes.len(), held: Held::Here(bytes.len()) });
        self.bytes.extend_from_slice(bytes);
    }

    fn shared(&mut self, bytes: &Bytes) {
        self.texts.push(Text { at: self.bytes.len(), held: Held::Shared(bytes.clone()) });
        self.shared += bytes.len();
    }
}
