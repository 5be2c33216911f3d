//! Numbers as Redis reads and prints them.

use super::extended::Extended;

/// A decimal integer in the one form Redis accepts: no sign but `-`, no leading zero, no blank, in range.
#[must_use]
pub fn parse_i64(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    match digits {
        [b'0'] if !negative => return Some(0),
        [b'1'..=b'9', ..] if digits.len() <= 19 => {}
        _ => return None,
    }
    let mut magnitude: u64 = 0;
    for &digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        magnitude = magnitude.checked_mul(10)?.checked_add(u64::from(digit - b'0'))?;
    }
    if negative { 0i64.checked_sub_unsigned(magnitude) } else { i64::try_from(magnitude).ok() }
}

/// A floating point number as C's `strtod` reads a whole text, the way Redis wants it: decimal or hexadecimal, an infinity by
/// name, nothing in front or behind, not NaN, neither too large nor rounded to zero.
#[must_use]
pub fn parse_f64(text: &[u8]) -> Option<f64> {
    let digits = match text {
        [b'-' | b'+', digits @ ..] => digits,
        digits => digits,
    };
    match digits {
        [b'0'..=b'9', b'x' | b'X', ..] => Extended::parse(text).map(Extended::to_f64),
        [b'0'..=b'9' | b'.', ..] => {
            let number: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
            let is_zero = || {
                let mantissa = digits.split(|byte| matches!(byte, b'e' | b'E')).next().unwrap_or_default();
                mantissa.iter().all(|byte| matches!(byte, b'0' | b'.'))
            };
            (number.is_finite() && (number != 0.0 || is_zero())).then_some(number)
        }
        _ if digits.eq_ignore_ascii_case(b"inf") || digits.eq_ignore_ascii_case(b"infinity") => {
            Some(if text.first() == Some(&b'-') { f64::NEG_INFINITY } else { f64::INFINITY })
        }
        _ => None,
    }
}

/// The integer that C makes of a floating point number: without its fraction, and the smallest there is for what has none.
#[must_use]
#[expect(
    clippy::cast_possible_truncation,
    reason = "the fraction is what is cut off, and all else is within bounds"
)]
pub fn whole(number: f64) -> i64 {
    if number.is_nan() || number.abs() >= 9_223_372_036_854_775_808.0 { i64::MIN } else { number as i64 }
}

/// A double with as many digits as tell it from its neighbours and not one more than C's `%.17g` would print: Redis
/// prints doubles so in replies.
#[must_use]
pub fn format_double(value: f64) -> String {
    /// Significant digits.
    const PRECISION: usize = 17;
    /// Whole numbers below it have no more than those.
    const WHOLE_BELOW: f64 = 1e17;
    if value.is_nan() {
        return "nan".into();
    }
    if value.is_infinite() {
        return if value > 0.0 { "inf" } else { "-inf" }.into();
    }
    if value == 0.0 {
        return if value.is_sign_negative() { "-0" } else { "0" }.into();
    }
    if value.fract() == 0.0 && value.abs() < WHOLE_BELOW {
        return whole(value).to_string();
    }
    // All digits, of which zeros at the end are not shown: `-d.ddde-5`.
    let scientific = format!("{value:.precision$e}", precision = PRECISION - 1);
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |rest| ("-", rest));
    let (first, rest) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let rest = rest.trim_end_matches('0');
    let point = if rest.is_empty() { "" } else { "." };
    match usize::try_from(exponent) {
        Ok(before) if before < PRECISION => {
            // It is no whole number, and 17 digits tell it from any: there is some behind the point.
            let (whole, fraction) = rest.split_at(before.min(rest.len()));
            format!("{sign}{first}{whole}.{fraction}")
        }
        Err(_) if exponent >= -4 => {
            let zeros = exponent.unsigned_abs() as usize - 1;
            format!("{sign}0.{:0<zeros$}{first}{rest}", "")
        }
        _ => {
            let side = if exponent < 0 { '-' } else { '+' };
            format!("{sign}{first}{point}{rest}e{side}{:02}", exponent.unsigned_abs())
        }
    }
}

/// Bytes with a unit, as parameters have them: `100`, `64kb`, `1G`.
#[must_use]
pub fn parse_memory(text: &[u8]) -> Option<i64> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (number, unit) = text.split_at(digits);
    let unit = match unit.to_ascii_lowercase().as_slice() {
        b"" | b"b" => 1,
        b"k" => 1000,
        b"kb" => 1 << 10,
        b"m" => 1_000_000,
        b"mb" => 1 << 20,
        b"g" => 1_000_000_000,
        b"gb" => 1 << 30,
        _ => return None,
    };
    std::str::from_utf8(number).ok()?.parse::<i64>().ok()?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_in_their_one_form() {
        for (text, number) in [
            ("0", Some(0)),
            ("-1", Some(-1)),
            ("9223372036854775807", Some(i64::MAX)),
            ("-9223372036854775808", Some(i64::MIN)),
            ("9223372036854775808", None),
            ("-9223372036854775809", None),
            ("", None),
            ("-", None),
            ("-0", None),
            ("+1", None),
            ("01", None),
            (" 1", None),
            ("1 ", None),
            ("1e3", None),
        ] {
            assert_eq!(parse_i64(text.as_bytes()), number, "{text:?}");
        }
    }

    #[test]
    fn doubles_as_printf_shows_them() {
        for (value, text) in [
            (3.0, "3"),
            (0.1, "0.10000000000000001"),
            (-2.5, "-2.5"),
            (1e17, "1e+17"),
            (1e16, "10000000000000000"),
            (0.0001, "0.0001"),
            (0.00001, "1.0000000000000001e-05"),
            (1.5e300, "1.5000000000000001e+300"),
            (123456.789, "123456.789"),
            (5e-324, "4.9406564584124654e-324"),
            (-0.0, "-0"),
            (f64::INFINITY, "inf"),
        ] {
            assert_eq!(format_double(value), text);
        }
    }

    /// `%.17g` in words: so many digits, without zeros at the end.
    #[test]
    fn any_double_as_printf_shows_it() {
        use rand::{RngExt as _, SeedableRng as _};
        let plainly = |value: f64| {
            let scientific = format!("{value:.16e}");
            let (mantissa, exponent) = scientific.split_once('e').unwrap();
            let exponent: i32 = exponent.parse().unwrap();
            let without_zeros = |text: &str| match text.contains('.') {
                true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
                false => text.to_owned(),
            };
            match exponent {
                -4..17 => without_zeros(&format!("{value:.0$}", usize::try_from(16 - exponent).unwrap())),
                _ => {
                    let sign = if exponent < 0 { '-' } else { '+' };
                    format!("{}e{sign}{:02}", without_zeros(mantissa), exponent.unsigned_abs())
                }
            }
        };
        let mut random = rand::rngs::StdRng::seed_from_u64(17);
        for round in 0..100_000_u32 {
            let bits = f64::from_bits(random.random());
            let value = match round % 4 {
                0 => bits,
                1 => random.random_range(-1e6..1e6),
                2 => f64::from(random.random::<i32>()) * 10_f64.powi(random.random_range(-12..12)),
                _ => f64::from(random.random_range(-100_000..100_000)) / 64.0,
            };
            if value.is_finite() && value != 0.0 {
                assert_eq!(format_double(value), plainly(value), "{value:e}");
            }
        }
    }
}
