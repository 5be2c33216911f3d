//! What happened to keys, told by the keyspace itself, so that no handler can forget it. With nobody listening it costs a counter and a
//! branch.

/// What happened to a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It was not there before; [`Change::Written`] follows.
    Created,
    /// Its value is another now.
    Written,
    /// It expires at another time, or no longer, and its value is the same.
    ExpiryChanged,
    /// A command took it away.
    Removed,
    /// Its time had come.
    Expired,
    /// There was no more room.
    Evicted,
    /// Nothing by itself: a name for what a command did, of a class that `notify-keyspace-events` knows.
    Event(EventClass, &'static str),
}

/// Classes of named events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the documentation")]
pub enum EventClass {
    Generic,
    String,
    List,
    Set,
    Hash,
    SortedSet,
    Stream,
    Expired,
    Evicted,
    New,
    Miss,
}

/// What went by itself: nothing else tells a journal of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gone {
    /// A key whose time had come.
    Expired(Box<[u8]>),
    /// A key for which there was no more room.
    Evicted(Box<[u8]>),
    /// A field of a hash whose time had come.
    Field {
        /// The hash.
        key: Box<[u8]>,
        /// Its field.
        field: Box<[u8]>,
    },
}

/// What happened since it was last taken.
#[derive(Debug, Default)]
pub(super) struct Changes {
    listening: bool,
    /// Somebody wants to know what went by itself.
    recording: bool,
    gone: Vec<Gone>,
    /// Changes that commands made since the start, as `rdb_changes_since_last_save` counts them.
    pub(super) count: u64,
    items: Vec<(Change, usize)>,
    /// The keys of the items, one behind the other; an item has where its key ends.
    keys: Vec<u8>,
}

impl Changes {
    /// Whether to keep what is reported.
    pub(super) fn listen(&mut self, listening: bool) {
        self.listening = listening;
        if !listening {
            (self.items, self.keys) = (Vec::new(), Vec::new());
        }
    }

    /// Whether to keep what went by itself.
    pub(super) fn record(&mut self, recording: bool) {
        self.recording = recording;
        if !recording {
            self.gone = Vec::new();
        }
    }

    /// Notes a change of a key.
    #[inline]
    pub(super) fn report(&mut self, change: Change, key: &[u8]) {
        self.count += 1;
        self.note(change, key);
    }

    /// Notes that a key went by itself.
    #[cold]
    pub(super) fn report_expired(&mut self, key: &[u8]) {
        if self.recording {
            self.gone.push(Gone::Expired(key.into()));
        }
        self.note(Change::Expired, key);
    }

    /// Notes that a key went because there was no more room.
    #[cold]
    pub(super) fn report_evicted(&mut self, key: &[u8]) {
        if self.recording {
            self.gone.push(Gone::Evicted(key.into()));
        }
        self.note(Change::Evicted, key);
    }

    /// Notes that a field of a hash went by itself.
    #[cold]
    pub(super) fn report_field(&mut self, key: &[u8], field: &[u8]) {
        self.gone.push(Gone::Field { key: key.into(), field: field.into() });
    }

    pub(super) fn is_recording(&self) -> bool {
        self.recording
    }

    /// Something went by itself, and somebody wants to know of it.
    #[inline]
    pub(super) fn has_gone(&self) -> bool {
        !self.gone.is_empty()
    }

    /// Takes what went by itself, in order.
    pub(super) fn take_gone(&mut self) -> Vec<Gone> {
        std::mem::take(&mut self.gone)
    }

    /// Notes what is no change of its own.
    #[inline]
    pub(super) fn note(&mut self, change: Change, key: &[u8]) {
        if self.listening {
            self.keep(change, key);
        }
    }

    #[cold]
    fn keep(&mut self, change: Change, key: &[u8]) {
        self.keys.extend_from_slice(key);
        self.items.push((change, self.keys.len()));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Shows everything in the order in which it happened, and forgets it.
    pub(super) fn drain(&mut self, visit: &mut dyn FnMut(Change, &[u8])) {
        let mut start = 0;
        for (change, end) in self.items.drain(..) {
            visit(change, &self.keys[start..end]);
            start = end;
        }
        self.keys.clear();
    }
}
