//! Commands that may wait for others to act: which requests of them do, and for how long.

use std::time::Duration;

use super::{Flags, Spec};
use crate::protocol::{
    Request,
    number::{parse_f64, parse_i64},
};

/// What a timeout is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// With a fraction.
    Seconds,
    /// Whole ones.
    Millis,
}

/// The argument that says how long a request waits at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeout {
    /// Which one.
    pub index: usize,
    /// What it is counted in.
    pub unit: Unit,
}

impl Timeout {
    /// How long that is; none for ever, and for what a server refuses.
    #[must_use]
    pub fn of(self, request: &Request<'_>) -> Option<Duration> {
        let text = request.get(self.index)?;
        let duration = match self.unit {
            Unit::Seconds => parse_f64(text).and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
            Unit::Millis => {
                parse_i64(text).and_then(|millis| u64::try_from(millis).ok()).map(Duration::from_millis)
            }
        };
        duration.filter(|duration| !duration.is_zero())
    }

    /// How a request says that it waits for so long: at least a millisecond, because nothing would mean for ever.
    #[must_use]
    pub fn word(self, left: Duration) -> String {
        let millis = left.as_millis().max(1);
        match self.unit {
            Unit::Seconds => format!("{}.{:03}", millis / 1000, millis % 1000),
            Unit::Millis => millis.to_string(),
        }
    }
}

impl Spec {
    /// Whether this request may wait for others to act: `XREAD` only with `BLOCK`, others always.
    #[must_use]
    pub fn waits(&self, request: &Request<'_>) -> bool {
        self.flags.has(Flags::BLOCKING) && self.timeout_at(request).is_some()
    }

    /// The argument with the timeout of a request that waits.
    #[must_use]
    pub fn timeout_at(&self, request: &Request<'_>) -> Option<Timeout> {
        match self.name {
            "xread" | "xreadgroup" => {
                let words = || request.args_from(1).take_while(|word| !word.eq_ignore_ascii_case(b"streams"));
                // The last one counts.
                let block =
                    words().enumerate().filter(|(_, word)| word.eq_ignore_ascii_case(b"block")).last();
                block.map(|(at, _)| Timeout { index: at + 2, unit: Unit::Millis })
            }
            "blmpop" | "bzmpop" => Some(Timeout { index: 1, unit: Unit::Seconds }),
            _ => Some(Timeout { index: request.len() - 1, unit: Unit::Seconds }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{command::lookup, protocol::Args};

    fn timeout(line: &str) -> Option<(usize, Option<Duration>)> {
        let words: Vec<&str> = line.split(' ').collect();
        let args = Args::of(&words).expect("small");
        let request = args.request().expect("a name");
        let spec = lookup(request.name()).expect("a command");
        assert_eq!(spec.waits(&request), spec.timeout_at(&request).is_some(), "{line}");
        spec.timeout_at(&request).map(|timeout| (timeout.index, timeout.of(&request)))
    }

    #[test]
    fn each_command_has_its_place_for_it() {
        let millis = |millis| Some(Duration::from_millis(millis));
        assert_eq!(timeout("BLPOP a b 1.5"), Some((3, millis(1500))));
        assert_eq!(timeout("BLMPOP 0 1 a LEFT"), Some((1, None)));
        assert_eq!(timeout("BRPOPLPUSH a b x"), Some((3, None)));
        assert_eq!(timeout("XREAD BLOCK 20 STREAMS block 0"), Some((2, millis(20))));
        assert_eq!(timeout("XREAD STREAMS block 0"), None);
        assert_eq!(timeout("XREADGROUP GROUP g c COUNT 1 BLOCK 7 STREAMS a >"), Some((7, millis(7))));
    }

    #[test]
    fn what_is_left_is_never_for_ever() {
        let word = |unit, millis| Timeout { index: 0, unit }.word(Duration::from_millis(millis));
        assert_eq!((word(Unit::Seconds, 1250), word(Unit::Seconds, 0)), ("1.250".into(), "0.001".into()));
        assert_eq!((word(Unit::Millis, 1250), word(Unit::Millis, 0)), ("1250".into(), "1".into()));
    }
}
