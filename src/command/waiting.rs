//! Commands that may wait for others to act: which requests of them do, and for how long.

use std::time::Duration;

use super::{Flags, Spec};
use crate::{
    protocol::{Request, extended::Extended, number::parse_i64},
    time::Millis,
};

/// Why a timeout is none. The texts are Redis's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTimeout {
    /// Of seconds.
    #[error("ERR timeout is not a float or out of range")]
    NoFloat,
    /// Of milliseconds.
    #[error("ERR timeout is not an integer or out of range")]
    NoInteger,
    /// Below 0.
    #[error("ERR timeout is negative")]
    Negative,
    /// It would end when there is no time any more.
    #[error("ERR timeout is out of range")]
    OutOfRange,
}

/// Seconds with a fraction; none: for ever, as 0 says.
///
/// # Errors
/// When it is no number, or none that can be waited for from `now` on.
pub fn seconds(argument: &[u8], now: Millis) -> Result<Option<Duration>, InvalidTimeout> {
    /// Redis turns what is more into the smallest number there is.
    const MOST: f64 = 9_223_372_036_854_775_808.0;
    let seconds = Extended::parse(argument).ok_or(InvalidTimeout::NoFloat)?.to_f64();
    let millis = (seconds * 1000.0).ceil();
    if !(0.0..MOST).contains(&millis) {
        return Err(InvalidTimeout::Negative);
    }
    Duration::try_from_secs_f64(millis / 1000.0)
        .ok()
        .filter(|timeout| {
            i64::try_from(timeout.as_millis()).is_ok_and(|millis| now.0.checked_add(millis).is_some())
        })
        .map(|timeout| (!timeout.is_zero()).then_some(timeout))
        .ok_or(InvalidTimeout::OutOfRange)
}

/// Whole milliseconds; none: for ever, as 0 says.
///
/// # Errors
/// When it is no number, or none that can be waited for from `now` on.
pub fn millis(argument: &[u8], now: Millis) -> Result<Option<Duration>, InvalidTimeout> {
    let millis = parse_i64(argument).ok_or(InvalidTimeout::NoInteger)?;
    let millis = u64::try_from(millis).map_err(|_| InvalidTimeout::Negative)?;
    if now.0.checked_add_unsigned(millis).is_none() {
        return Err(InvalidTimeout::OutOfRange);
    }
    Ok((millis > 0).then(|| Duration::from_millis(millis)))
}

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
    /// How long that is; none for ever.
    ///
    /// # Errors
    /// When a server would refuse it.
    pub fn of(self, request: &Request<'_>, now: Millis) -> Result<Option<Duration>, InvalidTimeout> {
        let text = request.get(self.index).unwrap_or_default();
        match self.unit {
            Unit::Seconds => seconds(text, now),
            Unit::Millis => millis(text, now),
        }
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
        spec.timeout_at(&request)
            .map(|timeout| (timeout.index, timeout.of(&request, Millis(0)).unwrap_or_default()))
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
