//! The text of a log: units of effects one behind the other, with what a reader needs to know in which database they happened, and
//! which of them belong together. As Redis 7 writes it, byte for byte. Pure: bytes out.

use crate::{node::effects::Effects, protocol::encode_command, time::Millis};

const MILLIS_PER_SECOND: i64 = 1000;

/// Whether a unit of several effects is a transaction to whoever reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrap {
    /// All of them or none.
    Together,
    /// They have nothing to do with each other: keys that expired, or were evicted.
    Apart,
}

/// Where a log has got to.
#[derive(Debug, Default)]
pub struct Log {
    /// The database of what was written last; none at the begin of a file.
    selected: Option<usize>,
    /// `aof-timestamp-enabled`: the second that was noted last.
    noted: Option<i64>,
}

impl Log {
    /// A new file begins: it is read from its begin.
    pub fn restart(&mut self) {
        self.selected = None;
    }

    /// Writes a unit. `stamp` is the time, where times are to be noted.
    pub fn write(&mut self, unit: &Effects, wrap: Wrap, stamp: Option<Millis>, out: &mut Vec<u8>) {
        if let Some(now) = stamp {
            let second = now.0 / MILLIS_PER_SECOND;
            if self.noted.is_none_or(|noted| noted < second) {
                self.noted = Some(second);
                out.extend_from_slice(format!("#TS:{second}\r\n").as_bytes());
            }
        }
        let mut items = unit.unit().peekable();
        let is_transaction = wrap == Wrap::Together && items.len() > 1;
        if is_transaction && let Some((database, _)) = items.peek() {
            self.select(*database, out);
            encode_command(out, &["MULTI"]);
        }
        for (database, bytes) in items {
            self.select(database, out);
            out.extend_from_slice(bytes);
        }
        if is_transaction {
            encode_command(out, &["EXEC"]);
        }
    }

    fn select(&mut self, database: usize, out: &mut Vec<u8>) {
        if self.selected != Some(database) {
            self.selected = Some(database);
            encode_command(out, &["SELECT", itoa::Buffer::new().format(database)]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn effects(items: &[(usize, &str)]) -> Effects {
        let mut effects = Effects::default();
        effects.hear(true);
        for (database, key) in items {
            effects.tell(*database, &["DEL", key]);
        }
        effects
    }

    fn words(out: &[u8]) -> String {
        let lines = out.split(|&byte| byte == b'\n').map(|line| String::from_utf8_lossy(line));
        lines
            .filter(|line| !line.starts_with(['*', '$']))
            .map(|line| line.trim_end().to_owned())
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn a_database_is_named_once_and_what_belongs_together_is_wrapped() {
        let (mut log, mut out) = (Log::default(), Vec::new());
        log.write(&effects(&[(0, "a")]), Wrap::Together, None, &mut out);
        log.write(&effects(&[(0, "b"), (2, "c")]), Wrap::Together, None, &mut out);
        log.write(&effects(&[(2, "d"), (2, "e")]), Wrap::Apart, None, &mut out);
        assert_eq!(words(&out), "SELECT 0 DEL a MULTI DEL b SELECT 2 DEL c EXEC DEL d DEL e ");
        log.restart();
        out.clear();
        log.write(&effects(&[(2, "f"), (2, "g")]), Wrap::Together, None, &mut out);
        assert_eq!(words(&out), "SELECT 2 MULTI DEL f DEL g EXEC ");
    }

    #[test]
    fn a_second_is_noted_once() {
        let (mut log, mut out) = (Log::default(), Vec::new());
        for now in [5000, 5999, 6000, 5500] {
            log.write(&effects(&[(0, "a")]), Wrap::Together, Some(Millis(now)), &mut out);
        }
        assert_eq!(words(&out), "#TS:5 SELECT 0 DEL a DEL a #TS:6 DEL a DEL a ");
    }
}
