//! What a connection has read and not yet run.

use bytes::Bytes;

use crate::protocol::{Batch, Limits, ProtocolError, Request};

/// Bytes asked for in one read.
pub(super) const READ: usize = 64 << 10;
/// Input of so many bytes or more may hold a value that is kept where it lies instead of being copied.
const OWNED: usize = 128 << 10;

/// See the module.
#[derive(Default)]
pub(super) struct Input {
    pub(super) bytes: Vec<u8>,
    pub(super) batch: Batch,
    /// The first request of `batch` that has not run.
    pub(super) next: usize,
    /// Why nothing after the batch can be read.
    pub(super) broken: Option<ProtocolError>,
    /// `bytes` were not looked at yet.
    pub(super) unread: bool,
}

impl Input {
    /// With memory for one read.
    pub(super) fn with_room() -> Self {
        Self { bytes: Vec::with_capacity(READ), ..Self::default() }
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.batch.restart();
        (self.next, self.broken, self.unread) = (0, None, false);
    }

    /// Something can be done without reading.
    pub(super) fn is_runnable(&self) -> bool {
        self.unread || self.has_requests() || self.broken.is_some()
    }

    /// A complete request has not run.
    pub(super) fn has_requests(&self) -> bool {
        self.next < self.batch.len()
    }

    /// Reads on in what is new.
    pub(super) fn parse(&mut self, limits: &Limits) {
        self.unread = false;
        self.broken = self.batch.parse(&self.bytes, limits).err();
    }

    /// Runs `run` on the requests that have not run; it says how many of them are done with. Where there is much, they lie in
    /// memory that a value can be kept in.
    pub(super) fn run<R>(&mut self, run: impl FnOnce(Requests<'_>) -> (usize, R)) -> R {
        let (done, result);
        if self.bytes.len() < OWNED {
            (done, result) = run(Requests { input: self, owner: None });
        } else {
            let owner = Bytes::from(std::mem::take(&mut self.bytes));
            (done, result) = run(Requests { input: self, owner: Some(&owner) });
            match owner.try_into_mut() {
                Ok(bytes) => self.bytes = Vec::from(bytes),
                // A value is kept in it.
                Err(shared) if self.next + done == self.batch.len() => {
                    self.bytes.extend_from_slice(&shared[self.batch.consumed()..]);
                    self.batch.reset();
                    self.next = 0;
                    return result;
                }
                Err(shared) => self.bytes.extend_from_slice(&shared),
            }
        }
        self.next += done;
        if self.next == self.batch.len() {
            self.bytes.drain(..self.batch.consumed());
            self.batch.reset();
            self.next = 0;
        }
        result
    }
}

/// Requests to be run.
#[derive(Clone, Copy)]
pub(super) struct Requests<'a> {
    input: &'a Input,
    owner: Option<&'a Bytes>,
}

impl<'a> Requests<'a> {
    /// How many.
    pub(super) fn len(&self) -> usize {
        self.input.batch.len() - self.input.next
    }

    /// One of them, counted from the first that has not run.
    #[inline(always)]
    pub(super) fn get(&self, index: usize) -> Request<'a> {
        let index = self.input.next + index;
        match self.owner {
            None => self.input.batch.get(index, &self.input.bytes),
            Some(owner) => self.input.batch.get(index, owner).owned_by(owner),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::encode_command;

    fn input(values: &[Vec<u8>], rest: &[u8]) -> Input {
        let mut input = Input::with_room();
        for value in values {
            encode_command(&mut input.bytes, &[b"SET", b"key", &value[..]]);
        }
        input.bytes.extend_from_slice(rest);
        input.parse(&Limits::default());
        input
    }

    fn rest(input: &Input) -> (usize, &[u8]) {
        (input.batch.len() - input.next, &input.bytes)
    }

    #[test]
    fn a_large_value_is_kept_where_it_lies() {
        let value = vec![b'v'; 4 * OWNED];
        let mut input = input(std::slice::from_ref(&value), b"*1\r\n$4\r\nPI");
        let kept = input.run(|requests| (1, requests.get(0).shared(2)));
        let kept = kept.expect("nearly all of the input is this value");
        assert_eq!(kept, value);
        assert_eq!(rest(&input), (0, &b"*1\r\n$4\r\nPI"[..]));
        input.bytes.extend_from_slice(b"NG\r\n");
        input.parse(&Limits::default());
        assert!(input.has_requests());
    }

    #[test]
    fn a_value_among_many_is_not_kept_with_all_of_them() {
        let values = vec![vec![b'v'; OWNED]; 4];
        let mut input = input(&values, b"");
        let whole = input.bytes.clone();
        let kept =
            input.run(|requests| (2, (0..requests.len()).any(|at| requests.get(at).shared(2).is_some())));
        assert!(!kept);
        assert_eq!(rest(&input), (2, &whole[..]));
        assert_eq!(input.run(|requests| (2, requests.get(1).arg(2).to_vec())), values[3]);
        assert_eq!(rest(&input), (0, &b""[..]));
    }

    #[test]
    fn small_requests_own_nothing() {
        let mut input = input(&[b"small".to_vec()], b"");
        assert_eq!(input.run(|requests| (1, requests.get(0).shared(2))), None);
        assert_eq!(rest(&input), (0, &b""[..]));
    }
}
