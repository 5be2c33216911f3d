//! `SLOWLOG`: the commands of late that took long, with as much of their arguments as fits a screen.

use std::{collections::VecDeque, time::Duration};

use crate::{connection::secrets, protocol::Request, time::Millis};

/// Arguments that are kept of a command.
const ARGUMENTS_MAX: usize = 32;
/// Bytes that are kept of an argument.
const BYTES_MAX: usize = 128;

/// One command that took long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Never used twice, also not after `SLOWLOG RESET`.
    pub id: i64,
    /// When it ran.
    pub at: Millis,
    /// How long it took.
    pub took: Duration,
    /// Its arguments, cut.
    pub arguments: Vec<Vec<u8>>,
    /// The client's address and name.
    pub client: (String, Vec<u8>),
}

/// See the module.
#[derive(Debug, Default)]
pub struct SlowLog {
    entries: VecDeque<Entry>,
    next: i64,
}

impl SlowLog {
    /// Adds a command; the oldest beyond `most` are forgotten.
    pub fn add(
        &mut self,
        request: &Request<'_>,
        took: Duration,
        at: Millis,
        client: (String, Vec<u8>),
        most: usize,
    ) {
        let entry = Entry { id: self.next, at, took, arguments: cut(request), client };
        self.next += 1;
        self.entries.push_front(entry);
        self.entries.truncate(most);
    }

    /// The newest first.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = &Entry> {
        self.entries.iter()
    }

    /// `SLOWLOG RESET`.
    pub fn reset(&mut self) {
        self.entries.clear();
    }
}

/// As Redis cuts them: the last one kept says how many more there are, of arguments and of bytes.
fn cut(request: &Request<'_>) -> Vec<Vec<u8>> {
    let kept = if request.len() > ARGUMENTS_MAX { ARGUMENTS_MAX - 1 } else { request.len() };
    let mut arguments: Vec<Vec<u8>> = secrets::shown(request)
        .take(kept)
        .map(|argument| match argument.len().checked_sub(BYTES_MAX) {
            None | Some(0) => argument.to_vec(),
            Some(more) => {
                let mut cut = argument[..BYTES_MAX].to_vec();
                cut.extend_from_slice(format!("... ({more} more bytes)").as_bytes());
                cut
            }
        })
        .collect();
    if kept < request.len() {
        arguments.push(format!("... ({} more arguments)", request.len() - kept).into_bytes());
    }
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Args;

    fn add(log: &mut SlowLog, words: &[&str], most: usize) {
        let args = Args::of(words).expect("small");
        let request = args.request().expect("a name");
        log.add(&request, Duration::from_millis(5), Millis(7), ("1.2.3.4:5".into(), b"me".to_vec()), most);
    }

    #[test]
    fn the_newest_are_kept_and_numbers_go_on() {
        let mut log = SlowLog::default();
        (0..5).for_each(|number| add(&mut log, &["GET", &number.to_string()], 3));
        assert_eq!(log.entries().map(|entry| entry.id).collect::<Vec<_>>(), [4, 3, 2]);
        log.reset();
        assert_eq!(log.entries().len(), 0);
        add(&mut log, &["GET", "a"], 3);
        assert_eq!(log.entries().next().map(|entry| entry.id), Some(5));
        add(&mut log, &["GET", "a"], 0);
        assert_eq!(log.entries().len(), 0);
    }

    #[test]
    fn long_commands_are_cut() {
        let mut log = SlowLog::default();
        let long = "x".repeat(200);
        let mut words = vec!["MGET", &long];
        words.extend(std::iter::repeat_n("k", 31));
        add(&mut log, &words, 1);
        let arguments = &log.entries().next().expect("one").arguments;
        assert_eq!(arguments.len(), 32);
        assert_eq!(arguments[1], format!("{}... (72 more bytes)", "x".repeat(128)).as_bytes());
        assert_eq!(arguments[31], b"... (2 more arguments)");
        add(&mut log, &words[..32], 1);
        assert_eq!(log.entries().next().expect("one").arguments[31], b"k");
    }
}
