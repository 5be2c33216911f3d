//! The file at whose end a journal grows: what of it is written, what is known to last, and what is kept until one or the other is so.

use std::{
    fs::File,
    io::{self, Write as _},
    sync::{Arc, atomic::Ordering::Release},
};

use super::journal::{Policy, Shared};

/// What is written to.
pub trait Target: Send + Sync + std::fmt::Debug {
    /// Writes at the end; how much it took.
    ///
    /// # Errors
    /// It took nothing.
    fn append(&self, bytes: &[u8]) -> io::Result<usize>;
    /// Makes what was written last.
    ///
    /// # Errors
    /// Nothing is known of what was written since the last time.
    fn sync(&self) -> io::Result<()>;
    /// Takes back what is behind this length.
    ///
    /// # Errors
    /// It is as it was.
    fn cut(&self, length: u64) -> io::Result<()>;
}

impl Target for File {
    fn append(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut file = self;
        loop {
            match file.write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }

    fn cut(&self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }
}

/// Memory that is kept for the next bytes.
const KEEP: usize = 1 << 20;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Output {
    file: Option<Arc<dyn Target>>,
    /// Bytes in the file.
    length: u64,
    /// Those of them that are known to last.
    synced: u64,
    /// Taken from the queue, and not written.
    pending: Vec<u8>,
    /// Written, and not known to last: where replies wait for that, they can be written again.
    unsynced: Vec<u8>,
}

impl Output {
    pub(super) fn open(&mut self, file: Arc<dyn Target>, length: u64) {
        *self = Self { file: Some(file), length, synced: length, ..Self::default() };
    }

    pub(super) fn close(&mut self) {
        *self = Self::default();
    }

    pub(super) const fn length(&self) -> u64 {
        self.length
    }

    /// The file, to be synced without holding this.
    pub(super) fn file(&self) -> Option<Arc<dyn Target>> {
        self.file.clone()
    }

    /// Writes all that is queued.
    pub(super) fn write(&mut self, shared: &Shared) -> io::Result<()> {
        loop {
            self.write_pending(shared)?;
            let next = {
                let mut queue = shared.queue.lock();
                let Some(first) = queue.front_mut() else { return Ok(()) };
                if let Some(file) = first.file.take() {
                    Some(file)
                } else if first.bytes.is_empty() {
                    if queue.len() == 1 {
                        return Ok(());
                    }
                    queue.pop_front();
                    None
                } else {
                    std::mem::swap(&mut first.bytes, &mut self.pending);
                    None
                }
            };
            if let Some(file) = next {
                // What is in the old file lasts before anything is in the new one.
                if let Err(error) = self.file.as_ref().map_or(Ok(()), |old| old.sync()) {
                    let mut queue = shared.queue.lock();
                    if let Some(first) = queue.front_mut() {
                        first.file = Some(file);
                    }
                    return Err(error);
                }
                shared.synced.fetch_max(shared.written.load(std::sync::atomic::Ordering::Acquire), Release);
                self.open(file, 0);
            }
        }
    }

    fn write_pending(&mut self, shared: &Shared) -> io::Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        let mut done = 0;
        let mut result = Ok(());
        while done < self.pending.len() {
            match file.append(&self.pending[done..]) {
                Ok(0) => result = Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => done += written,
                Err(error) => result = Err(error),
            }
            if result.is_err() {
                break;
            }
        }
        if result.is_err() && done > 0 && file.cut(self.length).is_ok() {
            // A part of a request would be taken for a torn end.
            done = 0;
        }
        self.length += done as u64;
        shared.written.fetch_add(done as u64, Release);
        if shared.policy() == Policy::Always {
            self.unsynced.extend_from_slice(&self.pending[..done]);
        } else if !self.unsynced.is_empty() {
            self.unsynced = Vec::new();
        }
        if done == self.pending.len() && self.pending.capacity() > KEEP {
            self.pending = Vec::new();
        } else {
            self.pending.drain(..done);
        }
        result
    }

    /// A sync of the file succeeded when it had so many bytes.
    pub(super) fn note_synced(&mut self, length: u64) {
        let lasting = length.saturating_sub(self.synced);
        let lasting = usize::try_from(lasting).unwrap_or(usize::MAX).min(self.unsynced.len());
        self.unsynced.drain(..lasting);
        self.synced = self.synced.max(length);
    }

    /// A sync failed: whatever was written since the last one may be gone, whatever the system says of it later. Takes back what can be
    /// written again; `false` if that is not all.
    pub(super) fn take_back(&mut self, shared: &Shared) -> bool {
        let Some(file) = &self.file else { return true };
        let lost = self.length - self.synced;
        if lost != self.unsynced.len() as u64 || file.cut(self.synced).is_err() {
            return false;
        }
        self.length = self.synced;
        shared.written.fetch_sub(lost, Release);
        let mut pending = std::mem::take(&mut self.unsynced);
        pending.append(&mut self.pending);
        self.pending = pending;
        true
    }
}
