//! How much may wait for a client that does not read: `client-output-buffer-limit`. Not here: what waits, and where.

use std::fmt;

use crate::{
    protocol::number::{parse_i64, parse_memory},
    time::Millis,
};

/// A class of clients, as far as their buffers go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Asks and is answered.
    Normal,
    /// Follows what is written; nobody does yet.
    Replica,
    /// Has subscriptions.
    PubSub,
}

/// How much may wait for one client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limit {
    /// At this many bytes the client is closed at once; 0 is no limit.
    pub hard: usize,
    /// At this many bytes it is closed if it stays there for `seconds`; 0 is no limit.
    pub soft: usize,
    /// See `soft`.
    pub seconds: i64,
}

/// `client-output-buffer-limit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits([Limit; 3]);

impl Default for Limits {
    fn default() -> Self {
        Self([
            Limit::default(),
            Limit { hard: 256 << 20, soft: 64 << 20, seconds: 60 },
            Limit { hard: 32 << 20, soft: 8 << 20, seconds: 60 },
        ])
    }
}

impl Limits {
    /// Of a class.
    #[must_use]
    pub fn of(&self, class: Class) -> Limit {
        self.0[class as usize]
    }

    /// These limits, changed for the classes that `text` names: `class hard soft seconds …`.
    ///
    /// # Errors
    /// In the words of Redis.
    pub fn updated(mut self, text: &[u8]) -> Result<Self, &'static str> {
        let words: Vec<&[u8]> = text.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).collect();
        if !words.len().is_multiple_of(4) {
            return Err("Wrong number of arguments in buffer limit configuration.");
        }
        for limit in words.chunks_exact(4) {
            let class = match limit[0].to_ascii_lowercase().as_slice() {
                b"normal" => Class::Normal,
                b"slave" | b"replica" => Class::Replica,
                b"pubsub" => Class::PubSub,
                _ => return Err("Invalid client class specified in buffer limit configuration."),
            };
            let size = |word| parse_memory(word).and_then(|bytes| usize::try_from(bytes).ok());
            let seconds = parse_i64(limit[3]).filter(|&seconds| (0..=i64::from(i32::MAX)).contains(&seconds));
            let (Some(hard), Some(soft), Some(seconds)) = (size(limit[1]), size(limit[2]), seconds) else {
                return Err("Error in hard, soft or soft_seconds setting in buffer limit configuration.");
            };
            self.0[class as usize] = Limit { hard, soft, seconds };
        }
        Ok(self)
    }
}

impl fmt::Display for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (name, limit)) in ["normal", "slave", "pubsub"].iter().zip(&self.0).enumerate() {
            let space = if index == 0 { "" } else { " " };
            write!(f, "{space}{name} {} {} {}", limit.hard, limit.soft, limit.seconds)?;
        }
        Ok(())
    }
}

/// When a client began to be behind its soft limit.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lag(Option<Millis>);

impl Lag {
    /// Whether a client with so much waiting is to be closed.
    pub fn is_too_much(&mut self, waiting: usize, limit: Limit, now: Millis) -> bool {
        if limit.hard > 0 && waiting >= limit.hard {
            return true;
        }
        if limit.soft == 0 || waiting < limit.soft {
            self.0 = None;
            return false;
        }
        let since = *self.0.get_or_insert(now);
        now.0 - since.0 > limit.seconds.saturating_mul(1000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_and_shown_as_in_redis() {
        let shown = "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60";
        assert_eq!(Limits::default().to_string(), shown);
        assert_eq!(Limits::default().updated(shown.as_bytes()), Ok(Limits::default()));
        let changed = Limits::default().updated(b"PubSub 1mb 64kb 5 replica 1 2 3").expect("two classes");
        assert_eq!(changed.to_string(), "normal 0 0 0 slave 1 2 3 pubsub 1048576 65536 5");
        for (text, error) in [
            ("normal 1 2", "Wrong number"),
            ("king 1 2 3", "Invalid client class"),
            ("normal 1x 2 3", "Error in hard"),
            ("normal 1 2 -3", "Error in hard"),
        ] {
            assert!(Limits::default().updated(text.as_bytes()).unwrap_err().contains(error), "{text}");
        }
    }

    #[test]
    fn a_client_may_lag_for_a_while() {
        let limit = Limit { hard: 100, soft: 10, seconds: 2 };
        let mut lag = Lag::default();
        assert!(!lag.is_too_much(99, limit, Millis(0)));
        assert!(!lag.is_too_much(10, limit, Millis(2000)));
        assert!(lag.is_too_much(10, limit, Millis(2001)));
        assert!(!lag.is_too_much(9, limit, Millis(2001)));
        assert!(!lag.is_too_much(10, limit, Millis(2002)));
        assert!(lag.is_too_much(100, limit, Millis(2002)));
        assert!(!lag.is_too_much(usize::MAX, Limit::default(), Millis(0)));
    }
}
