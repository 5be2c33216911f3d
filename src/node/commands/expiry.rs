//! Expiry arguments: EX, PX, EXAT and PXAT in their several commands.

use crate::{node::context::CommandError, protocol::number, time::Millis};

/// How a number says when a key expires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// `EX`
    Seconds,
    /// `PX`
    Millis,
    /// `EXAT`
    SecondsSince1970,
    /// `PXAT`
    MillisSince1970,
}

impl Unit {
    /// The option of this name.
    pub(super) fn of_word(word: &[u8]) -> Option<Self> {
        [
            ("EX", Self::Seconds),
            ("PX", Self::Millis),
            ("EXAT", Self::SecondsSince1970),
            ("PXAT", Self::MillisSince1970),
        ]
        .into_iter()
        .find_map(|(name, unit)| word.eq_ignore_ascii_case(name.as_bytes()).then_some(unit))
    }

    /// The time is a point, not a length.
    pub(super) fn is_absolute(self) -> bool {
        matches!(self, Self::SecondsSince1970 | Self::MillisSince1970)
    }

    /// The point in time, for any number that leads to one.
    pub(super) fn resolve(self, number: i64, now: Millis) -> Option<Millis> {
        let millis = match self {
            Self::Seconds | Self::SecondsSince1970 => number.checked_mul(1000)?,
            Self::Millis | Self::MillisSince1970 => number,
        };
        if self.is_absolute() { Some(Millis(millis)) } else { millis.checked_add(now.0).map(Millis) }
    }
}

/// The error of a time that cannot be; `command` as a client knows it.
pub(super) fn invalid_expire_time(command: &str) -> CommandError {
    CommandError::other(format!("ERR invalid expire time in '{command}' command"))
}

/// The point in time that an option says, which must be a positive number.
pub(super) fn parse(argument: &[u8], unit: Unit, now: Millis, command: &str) -> Result<Millis, CommandError> {
    let number = number::parse_i64(argument).ok_or(CommandError::NotInteger)?;
    let expiry = if number > 0 { unit.resolve(number, now) } else { None };
    expiry.ok_or_else(|| invalid_expire_time(command))
}
