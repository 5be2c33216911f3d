//! A request that owns its bytes: what a transaction queues, what gRPC brings, what one command makes of another.

use super::request::{Request, Span};

/// A command name with its arguments, kept apart from the buffer it came in. Bytes lie one after the other, so a request of a few
/// words takes two allocations.
#[derive(Clone, Debug, Default)]
pub struct Args {
    bytes: Vec<u8>,
    spans: Vec<Span>,
}

/// A request of 4 GiB or more: places in it are kept in 32 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("ERR Protocol error: a request of 4 GiB or more")]
pub struct TooLarge;

impl Args {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Of these words.
    ///
    /// # Errors
    /// They are 4 GiB or more.
    pub fn of<A: AsRef<[u8]>>(words: &[A]) -> Result<Self, TooLarge> {
        let mut args = Self {
            bytes: Vec::with_capacity(words.iter().map(|word| word.as_ref().len()).sum()),
            spans: Vec::with_capacity(words.len()),
        };
        words.iter().try_for_each(|word| args.push(word.as_ref()))?;
        Ok(args)
    }

    /// Adds an argument; the first is the name.
    ///
    /// # Errors
    /// All of them are 4 GiB or more; nothing was added.
    pub fn push(&mut self, argument: &[u8]) -> Result<(), TooLarge> {
        let span = Span::new(self.bytes.len(), argument.len()).ok_or(TooLarge)?;
        self.spans.push(span);
        self.bytes.extend_from_slice(argument);
        Ok(())
    }

    /// Forgets them and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.spans.clear();
    }

    /// Arguments, the name included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Not even a name.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// Bytes of memory it takes.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.bytes.capacity() + self.spans.capacity() * size_of::<Span>()
    }

    /// As commands see it; `None` without a name.
    #[must_use]
    pub fn request(&self) -> Option<Request<'_>> {
        (!self.is_empty()).then(|| Request::of_spans(&self.bytes, &self.spans))
    }
}

impl From<&Request<'_>> for Args {
    fn from(request: &Request<'_>) -> Self {
        let words = || request.args();
        let mut args = Self {
            bytes: Vec::with_capacity(words().map(<[u8]>::len).sum()),
            spans: Vec::with_capacity(request.len()),
        };
        for word in words() {
            args.push(word).expect("its arguments are parts of one buffer, which 32 bits address");
        }
        args
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_come_back_as_they_were_pushed() {
        let mut args = Args::new();
        assert!(args.request().is_none());
        for word in [&b"SET"[..], b"", b"a value"] {
            args.push(word).expect("small");
        }
        let request = args.request().expect("it has a name");
        assert_eq!(request.args().collect::<Vec<_>>(), [&b"SET"[..], b"", b"a value"]);
        assert!(request.raw().is_none());
        let copy = Args::from(&request);
        assert_eq!(
            copy.request().expect("a copy").args().collect::<Vec<_>>(),
            request.args().collect::<Vec<_>>()
        );
        assert_eq!(copy.len(), 3);
    }
}
