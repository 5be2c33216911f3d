//! The 80-bit floating point numbers of x86, in software: what INCRBYFLOAT of Redis calculates with.
//!
//! Reading, adding and printing are exact to the bit as `strtold`, `+` and `%.17Lf` are there, on every processor. A number is
//! `mantissa * 2^exponent` with a mantissa of 64 bits; results are rounded to the nearest, ties to even.

use std::cmp::Ordering;

use super::bignum::Natural;

/// Exponent of the largest finite numbers.
const EXPONENT_MAX: i32 = 16383 - 63;
/// Exponent of the smallest; their mantissas may lack leading bits.
const EXPONENT_MIN: i32 = -16382 - 63;
/// Redis reads a number into a buffer of this size, with a zero at its end.
const TEXT_MAX: usize = 5 * 1024;
/// Digits after the point that Redis prints.
const DECIMALS: usize = 17;

/// A number or an infinity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extended {
    negative: bool,
    magnitude: Magnitude,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Magnitude {
    /// Zero has mantissa 0 and the lowest exponent.
    Finite {
        mantissa: u64,
        exponent: i32,
    },
    Infinite,
}

const ZERO: Magnitude = Magnitude::Finite { mantissa: 0, exponent: EXPONENT_MIN };

/// Rounds `mantissa * 2^exponent`, where `inexact` says that something below the last bit is missing.
fn round(mantissa: u128, exponent: i32, inexact: bool) -> Magnitude {
    if mantissa == 0 {
        return ZERO;
    }
    let bits = 128 - mantissa.leading_zeros() as i32;
    let shift = (bits - 64).max(EXPONENT_MIN - exponent);
    let mut exponent = exponent + shift;
    let mut kept = if shift <= 0 {
        mantissa << -shift
    } else if shift > 128 {
        0
    } else {
        let kept = mantissa.checked_shr(shift as u32).unwrap_or(0);
        let half = 1u128 << (shift - 1);
        let dropped = mantissa & (half | (half - 1));
        let up = dropped > half || (dropped == half && (inexact || kept & 1 == 1));
        kept + u128::from(up)
    };
    if kept >> 64 != 0 {
        kept >>= 1;
        exponent += 1;
    }
    if exponent > EXPONENT_MAX {
        Magnitude::Infinite
    } else if kept == 0 {
        ZERO
    } else {
        Magnitude::Finite { mantissa: u64::try_from(kept).unwrap_or(u64::MAX), exponent }
    }
}

impl From<i64> for Extended {
    fn from(number: i64) -> Self {
        Self { negative: number < 0, magnitude: round(u128::from(number.unsigned_abs()), 0, false) }
    }
}

impl Extended {
    /// The number in a whole text, as Redis accepts it: decimal or hexadecimal, with sign and exponent, or an infinity by
    /// name; no blank before or behind, not NaN, neither too large nor rounded to zero.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        if text.len() >= TEXT_MAX {
            return None;
        }
        let (negative, rest) = match text {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] | rest => (false, rest),
        };
        if rest.eq_ignore_ascii_case(b"inf") || rest.eq_ignore_ascii_case(b"infinity") {
            return Some(Self { negative, magnitude: Magnitude::Infinite });
        }
        let magnitude = match rest {
            [b'0', b'x' | b'X', digits @ ..] => parse_hexadecimal(digits)?,
            digits => parse_decimal(digits)?,
        };
        (magnitude != Magnitude::Infinite).then_some(Self { negative, magnitude })
    }

    /// The nearest number of 64 bits, or an infinity.
    #[must_use]
    pub fn to_f64(self) -> f64 {
        let magnitude = match self.magnitude {
            Magnitude::Finite { mantissa, exponent } => mantissa as f64 * 2_f64.powi(exponent),
            Magnitude::Infinite => f64::INFINITY,
        };
        if self.negative { -magnitude } else { magnitude }
    }

    /// Neither of the infinities.
    #[must_use]
    pub fn is_finite(self) -> bool {
        self.magnitude != Magnitude::Infinite
    }

    /// The sum; `None` if it is infinite or none.
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        let (Magnitude::Finite { exponent: a, .. }, Magnitude::Finite { exponent: b, .. }) =
            (self.magnitude, other.magnitude)
        else {
            return None;
        };
        let (large, small) = if a >= b { (self, other) } else { (other, self) };
        let ((large_bits, exponent), (small_bits, small_exponent)) = (large.wide(), small.wide());
        let shift = (exponent - small_exponent) as u32;
        let aligned = small_bits.checked_shr(shift).unwrap_or(0);
        // What is shifted out is far below the bit that decides rounding: its presence is all that matters.
        let lost = aligned.checked_shl(shift).unwrap_or(0) != small_bits;
        let small_bits = aligned | u128::from(lost);
        let (negative, sum) = if large.negative == small.negative {
            (large.negative, large_bits + small_bits)
        } else {
            match large_bits.cmp(&small_bits) {
                Ordering::Greater => (large.negative, large_bits - small_bits),
                Ordering::Less => (small.negative, small_bits - large_bits),
                Ordering::Equal => (false, 0),
            }
        };
        let sum = Self { negative, magnitude: round(sum, exponent, false) };
        sum.is_finite().then_some(sum)
    }

    /// The mantissa with 63 bits of zeros below it, which leaves one above for a carry.
    fn wide(self) -> (u128, i32) {
        match self.magnitude {
            Magnitude::Finite { mantissa, exponent } => (u128::from(mantissa) << 63, exponent - 63),
            Magnitude::Infinite => unreachable!("only finite numbers are added"),
        }
    }

    /// With up to 17 digits after the point, without zeros at the end and never `-0`.
    #[must_use]
    pub fn to_text(self) -> String {
        let Magnitude::Finite { mantissa, exponent } = self.magnitude else {
            return if self.negative { "-inf" } else { "inf" }.into();
        };
        let mut text = if exponent >= 0 {
            let mut whole = Natural::from(mantissa);
            whole.shift_left(exponent as usize);
            whole.to_decimal()
        } else {
            // Below 2^64 * 10^17, which is below 2^121.
            let scaled = u128::from(mantissa) * 10u128.pow(17);
            let shift = exponent.unsigned_abs();
            let fixed = match scaled.checked_shr(shift) {
                Some(kept) => {
                    let half = 1u128 << (shift - 1);
                    let dropped = scaled & (half | (half - 1));
                    kept + u128::from(dropped > half || (dropped == half && kept & 1 == 1))
                }
                None => 0,
            };
            let digits = format!("{fixed:0width$}", width = DECIMALS + 1);
            let (whole, fraction) = digits.split_at(digits.len() - DECIMALS);
            let text = format!("{whole}.{fraction}");
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        };
        if self.negative && text != "0" {
            text.insert(0, '-');
        }
        text
    }
}

/// Digits with at most one point, at least one digit, and where the point is counted from the end.
fn digits(
    text: &[u8],
    is_digit: impl Fn(u8) -> bool,
) -> Option<(impl Iterator<Item = u8> + Clone, i64, &[u8])> {
    let end = text.iter().position(|&byte| byte != b'.' && !is_digit(byte)).unwrap_or(text.len());
    let (number, rest) = text.split_at(end);
    let point = number.iter().position(|&byte| byte == b'.');
    let points = number.iter().filter(|&&byte| byte == b'.').count();
    if points > 1 || number.len() == points {
        return None;
    }
    let fraction = point.map_or(0, |at| number.len() - at - 1);
    Some((number.iter().copied().filter(|&byte| byte != b'.'), fraction as i64, rest))
}

/// An exponent of decimal digits after one of two letters, or nothing; clamped, since far below what it may be
/// everything is zero and far above infinite.
fn exponent(text: &[u8], letter: u8) -> Option<i64> {
    let [first, rest @ ..] = text else { return Some(0) };
    let (negative, digits) = match rest {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] | digits => (false, digits),
    };
    if first.to_ascii_lowercase() != letter || digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let magnitude =
        digits.iter().fold(0i64, |value, digit| (value * 10 + i64::from(digit - b'0')).min(1_000_000));
    Some(if negative { -magnitude } else { magnitude })
}

fn parse_hexadecimal(text: &[u8]) -> Option<Magnitude> {
    let (digits, fraction, rest) = digits(text, |byte| byte.is_ascii_hexdigit())?;
    let mut binary = exponent(rest, b'p')? - 4 * fraction;
    let (mut mantissa, mut inexact, mut zero) = (0u128, false, true);
    for digit in digits {
        let digit = char::from(digit).to_digit(16)?;
        zero &= digit == 0;
        if mantissa >> 120 == 0 {
            mantissa = mantissa << 4 | u128::from(digit);
        } else {
            inexact |= digit != 0;
            binary += 4;
        }
    }
    let rounded = round(mantissa, i32::try_from(binary).ok()?, inexact);
    (zero || rounded != ZERO).then_some(rounded)
}

fn parse_decimal(text: &[u8]) -> Option<Magnitude> {
    let (digits, fraction, rest) = digits(text, |byte| byte.is_ascii_digit())?;
    let decimal = exponent(rest, b'e')? - fraction;
    let digits = digits.skip_while(|&digit| digit == b'0');
    let count = digits.clone().count() as i64;
    if count == 0 {
        return Some(ZERO);
    }
    // 10^4933 is too large and 10^-4952 too small for any number; this also bounds the work below.
    if count + decimal > 4934 {
        return Some(Magnitude::Infinite);
    }
    if count + decimal < -4960 {
        return None;
    }
    let mut numerator = Natural::default();
    for digit in digits {
        numerator.multiply_add(10, u32::from(digit - b'0'));
    }
    let mut denominator = Natural::from(1);
    let scaled = if decimal >= 0 { &mut numerator } else { &mut denominator };
    for _ in 0..decimal.unsigned_abs() {
        scaled.multiply_add(10, 0);
    }
    // Shifted until the quotient is between 1/2 and 2, then divided bit by bit: as many bits as rounding looks at.
    // Some thousand digits at most.
    let bits = |natural: &Natural| i32::try_from(natural.bits()).unwrap_or(i32::MAX);
    let shift = bits(&denominator) - bits(&numerator);
    if shift > 0 {
        numerator.shift_left(shift as usize);
    } else {
        denominator.shift_left(shift.unsigned_abs() as usize);
    }
    const QUOTIENT_BITS: i32 = 68;
    let mut quotient = 0u128;
    for _ in 0..QUOTIENT_BITS {
        quotient <<= 1;
        if numerator >= denominator {
            numerator.subtract(&denominator);
            quotient |= 1;
        }
        numerator.shift_left(1);
    }
    let inexact = !numerator.is_zero();
    let rounded = round(quotient << 1 | u128::from(inexact), -shift - QUOTIENT_BITS, inexact);
    (rounded != ZERO).then_some(rounded)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(a: &str, b: &str) -> Option<String> {
        Some(Extended::parse(a.as_bytes())?.checked_add(Extended::parse(b.as_bytes())?)?.to_text())
    }

    #[test]
    fn sums_of_redis() {
        for (a, b, expected) in [
            ("10.5", "0.1", "10.6"),
            ("5.0e3", "2.0e2", "5200"),
            ("3.0", "0", "3"),
            ("0.1", "0.2", "0.3"),
            ("1", "-1", "0"),
            ("-1e-30", "0", "0"),
            ("0", "1e-17", "0.00000000000000001"),
            ("17179869184", "1.5", "17179869185.5"),
            ("0x10", "0x.8p0", "16.5"),
            ("123456789012345678901234567890", "0", "123456789012345678899921813504"),
        ] {
            assert_eq!(sum(a, b).as_deref(), Some(expected), "{a} + {b}");
        }
        assert_eq!(sum("inf", "1"), None);
        assert_eq!(sum("1e4932", "1e4932"), None, "overflow");
    }

    #[test]
    fn what_is_no_number() {
        for text in
            ["", " 1", "1 ", "abc", "1e", "0x", ".", "1.2.3", "nan", "1e5000", "1e-5000", "--1", "1\0"]
        {
            assert_eq!(Extended::parse(text.as_bytes()), None, "{text:?}");
        }
        for text in ["1.", ".5", "+1", "1e4931", "1e-4950", "infinity", "-INF", "0e99999999999"] {
            assert!(Extended::parse(text.as_bytes()).is_some(), "{text:?}");
        }
    }

    #[test]
    fn integers_of_64_bits_are_exact() {
        for number in [i64::MIN, i64::MAX, 0, -1, 1 << 62] {
            assert_eq!(Extended::from(number).to_text(), number.to_string());
            assert_eq!(Extended::parse(number.to_string().as_bytes()), Some(Extended::from(number)));
        }
    }
}
