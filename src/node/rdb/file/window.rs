//! The part of a file that is in memory: read on as it is asked for, and summed up as it is left behind.

use std::io::{Chain, Cursor, Error, Read};

use crate::node::rdb::{
    crc64,
    source::{Fault, Source},
};

/// Bytes that are read at once. More are asked for only when as many are there already, so that what a length promises takes
/// no memory.
const STEP: usize = 256 << 10;
/// Memory that is given back after a long string.
const LONG: usize = 4 * STEP;

/// See the module.
#[derive(Debug)]
pub(super) struct Window<R> {
    reader: R,
    buffer: Vec<u8>,
    /// What is in front of it was taken.
    at: usize,
    /// What is in front of it was summed up.
    summed: usize,
    /// Bytes of the file in front of the buffer.
    before: u64,
    crc: Option<u64>,
    pub(super) failure: Option<Error>,
}

impl<R: Read> Window<R> {
    pub(super) fn new(reader: R, sums: bool) -> Self {
        Self {
            reader,
            buffer: Vec::new(),
            at: 0,
            summed: 0,
            before: 0,
            crc: sums.then_some(0),
            failure: None,
        }
    }

    /// Bytes of the file that were taken.
    pub(super) fn offset(&self) -> u64 {
        self.before + self.at as u64
    }

    /// The checksum of what was taken, if it is wanted.
    pub(super) fn sum(&mut self) -> Option<u64> {
        let crc = crc64::go_on(self.crc?, &self.buffer[self.summed..self.at]);
        self.summed = self.at;
        self.crc = Some(crc);
        self.crc
    }

    /// What was not taken.
    pub(super) fn into_rest(mut self) -> Chain<Cursor<Vec<u8>>, R> {
        self.buffer.drain(..self.at);
        Cursor::new(self.buffer).chain(self.reader)
    }

    /// Reads until `len` bytes are there that were not taken.
    #[cold]
    fn fill(&mut self, len: usize) -> Result<(), Fault> {
        self.sum();
        self.before += self.at as u64;
        self.buffer.drain(..self.at);
        (self.at, self.summed) = (0, 0);
        if self.buffer.capacity() > LONG && len < STEP && self.buffer.len() < STEP {
            self.buffer.shrink_to(STEP);
        }
        while self.buffer.len() < len {
            let there = self.buffer.len();
            let step = STEP.max(there).min((len - there).max(STEP));
            self.buffer.reserve_exact(step);
            match self.reader.by_ref().take(step as u64).read_to_end(&mut self.buffer) {
                Ok(0) => return Err(Fault::Ended),
                Ok(_) => {}
                Err(error) => {
                    self.failure = Some(error);
                    return Err(Fault::Unreadable);
                }
            }
        }
        Ok(())
    }
}

impl<R: Read> Source for Window<R> {
    #[inline]
    fn take(&mut self, len: usize) -> Result<&[u8], Fault> {
        if self.buffer.len() - self.at < len {
            self.fill(len)?;
        }
        let taken = &self.buffer[self.at..self.at + len];
        self.at += len;
        Ok(taken)
    }
}
