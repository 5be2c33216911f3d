//! Lines of bytes from a file or a pipe, read by a thread of its own so that the rest need not wait for them.

use std::{collections::VecDeque, io::Read};

use memchr::memchr;
use tokio::sync::mpsc;

/// Bytes read at once.
const CHUNK: usize = 64 << 10;
/// `U+FEFF` in UTF-8.
const MARK: &[u8] = b"\xef\xbb\xbf";
/// Chunks that wait; a reader that is ahead waits.
const CHUNKS_WAITING: usize = 4;

/// Lines without their newline; the last one need not have one.
#[derive(Debug)]
pub(super) struct Lines {
    chunks: mpsc::Receiver<std::io::Result<Vec<u8>>>,
    /// Read, and not taken yet.
    buffer: Vec<u8>,
    /// Where the next line begins in `buffer`.
    start: usize,
    /// Bytes of the line under way that have no newline in them.
    searched: usize,
    /// The first bytes may be a byte order mark.
    begins: bool,
    ended: bool,
    failed: VecDeque<std::io::Error>,
}

/// What there is without waiting.
#[derive(Debug)]
pub(super) enum Now {
    Line(Vec<u8>),
    /// More may come.
    Nothing,
    End,
}

impl Lines {
    /// Begins to read.
    pub(super) fn read(mut source: impl Read + Send + 'static) -> Self {
        let (sender, chunks) = mpsc::channel(CHUNKS_WAITING);
        std::thread::spawn(move || {
            let mut chunk = vec![0; CHUNK];
            loop {
                let read = match source.read(&mut chunk) {
                    Ok(0) => return,
                    Ok(length) => Ok(chunk[..length].to_vec()),
                    Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                    Err(error) => Err(error),
                };
                let failed = read.is_err();
                if sender.blocking_send(read).is_err() || failed {
                    return;
                }
            }
        });
        Self {
            chunks,
            buffer: Vec::new(),
            start: 0,
            searched: 0,
            begins: true,
            ended: false,
            failed: VecDeque::new(),
        }
    }

    /// The next line if it was read already.
    pub(super) fn now(&mut self) -> Now {
        loop {
            if let Some(line) = self.take() {
                return Now::Line(line);
            }
            if self.ended {
                return self.rest();
            }
            match self.chunks.try_recv() {
                Ok(chunk) => self.append(chunk),
                Err(mpsc::error::TryRecvError::Empty) => return Now::Nothing,
                Err(mpsc::error::TryRecvError::Disconnected) => self.ended = true,
            }
        }
    }

    /// Waits until [`Lines::now`] has something else to say. Cancel safe.
    pub(super) async fn more(&mut self) {
        match self.chunks.recv().await {
            Some(chunk) => self.append(chunk),
            None => self.ended = true,
        }
    }

    /// Why reading ended early, if it did.
    pub(super) fn error(&mut self) -> Option<std::io::Error> {
        self.failed.pop_front()
    }

    fn append(&mut self, chunk: std::io::Result<Vec<u8>>) {
        match chunk {
            Ok(chunk) => {
                self.buffer.drain(..self.start);
                self.start = 0;
                self.buffer.extend_from_slice(&chunk);
            }
            Err(error) => {
                self.failed.push_back(error);
                self.ended = true;
            }
        }
    }

    /// Some editors put a mark in front of text; it is no part of the first line. True while it may still come.
    fn drop_mark(&mut self) -> bool {
        if self.begins && (self.buffer.len() >= MARK.len() || self.ended || !MARK.starts_with(&self.buffer)) {
            self.begins = false;
            self.start = if self.buffer.starts_with(MARK) { MARK.len() } else { 0 };
        }
        self.begins
    }

    fn take(&mut self) -> Option<Vec<u8>> {
        if self.drop_mark() {
            return None;
        }
        let from = self.start + self.searched;
        match memchr(b'\n', &self.buffer[from..]) {
            Some(found) => {
                let line = self.buffer[self.start..from + found].to_vec();
                self.start = from + found + 1;
                self.searched = 0;
                Some(line)
            }
            None => {
                self.searched = self.buffer.len() - self.start;
                None
            }
        }
    }

    fn rest(&mut self) -> Now {
        self.drop_mark();
        let rest = self.buffer[self.start..].to_vec();
        self.buffer = Vec::new();
        (self.start, self.searched) = (0, 0);
        if rest.is_empty() { Now::End } else { Now::Line(rest) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn all(bytes: &'static [u8]) -> Vec<Vec<u8>> {
        let mut lines = Lines::read(bytes);
        let mut found = Vec::new();
        loop {
            match lines.now() {
                Now::Line(line) => found.push(line),
                Now::Nothing => lines.more().await,
                Now::End => return found,
            }
        }
    }

    #[tokio::test]
    async fn with_and_without_a_last_newline() {
        assert_eq!(all(b"").await, Vec::<Vec<u8>>::new());
        assert_eq!(all(b"a\n\nb").await, [b"a".to_vec(), Vec::new(), b"b".to_vec()]);
        assert_eq!(all(b"\xff\x00\r\n").await, [b"\xff\x00\r".to_vec()]);
    }

    #[tokio::test]
    async fn a_byte_order_mark_is_no_part_of_the_first_line() {
        assert_eq!(all(b"\xef\xbb\xbfset a b\nget a").await, [b"set a b".to_vec(), b"get a".to_vec()]);
        let later = [b"get \xef\xbb\xbf".to_vec(), b"\xef\xbb\xbf".to_vec()];
        assert_eq!(all(b"get \xef\xbb\xbf\n\xef\xbb\xbf").await, later);
        assert_eq!(all(b"\xef\xbb\xbf").await, Vec::<Vec<u8>>::new());
        assert_eq!(all(b"\xef\xbb").await, [b"\xef\xbb".to_vec()]);
    }

    #[tokio::test]
    async fn a_line_of_many_chunks() {
        let long: &'static [u8] = Box::leak(vec![b'x'; CHUNK * 3 + 1].into_boxed_slice());
        assert_eq!(all(long).await, [long.to_vec()]);
    }
}
