//! Where values are read from: a payload that is there as a whole, or a file of which a window is
//! ([`file::Window`](super::file)). What reads values knows neither, and asks for so many bytes at a time.

use std::borrow::Cow;

use super::string;

/// Why a value cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// There is less than was announced.
    #[error("it ends in the middle")]
    Ended,
    /// The system could not read on; whoever owns the source knows why.
    #[error("it cannot be read")]
    Unreadable,
    /// A collection of nothing, which was read to its end: no server keeps one.
    #[error("it is an empty collection")]
    Empty,
    /// Bytes that mean nothing.
    #[error("{0}")]
    Bad(&'static str),
}

/// See the module.
pub(super) trait Source {
    /// The next `len` bytes. No memory is taken for bytes that are not there.
    fn take(&mut self, len: usize) -> Result<&[u8], Fault>;

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        self.take(N)?.try_into().map_err(|_| Fault::Ended)
    }

    fn byte(&mut self) -> Result<u8, Fault> {
        Ok(self.array::<1>()?[0])
    }

    /// A length in 6, 14, 32 or 64 bits.
    fn length(&mut self) -> Result<usize, Fault> {
        string::read_length(self)
    }

    /// A string in any of its forms.
    fn string(&mut self) -> Result<Cow<'_, [u8]>, Fault> {
        string::read(self)
    }
}

/// Bytes that are all there.
impl Source for &[u8] {
    fn take(&mut self, len: usize) -> Result<&[u8], Fault> {
        let (taken, rest) = self.split_at_checked(len).ok_or(Fault::Ended)?;
        *self = rest;
        Ok(taken)
    }
}
