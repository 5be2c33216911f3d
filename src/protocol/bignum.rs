//! Natural numbers of any size: the few operations that reading and printing long floating point numbers needs.

use std::cmp::Ordering;

/// 32-bit digits, the lowest first, without zeros at the end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Natural(Vec<u32>);

/// The lower digit of two.
fn low(digits: u64) -> u32 {
    (digits & 0xFFFF_FFFF) as u32
}

impl From<u64> for Natural {
    fn from(number: u64) -> Self {
        let mut natural = Self(vec![low(number), low(number >> 32)]);
        natural.trim();
        natural
    }
}

impl Natural {
    fn trim(&mut self) {
        while self.0.last() == Some(&0) {
            self.0.pop();
        }
    }

    pub(super) fn is_zero(&self) -> bool {
        self.0.is_empty()
    }

    /// The position above the highest one.
    pub(super) fn bits(&self) -> usize {
        self.0.last().map_or(0, |top| self.0.len() * 32 - top.leading_zeros() as usize)
    }

    /// `self * factor + addend`.
    pub(super) fn multiply_add(&mut self, factor: u32, addend: u32) {
        let mut carry = u64::from(addend);
        for digit in &mut self.0 {
            carry += u64::from(*digit) * u64::from(factor);
            *digit = low(carry);
            carry >>= 32;
        }
        if carry > 0 {
            self.0.push(low(carry));
        }
    }

    pub(super) fn shift_left(&mut self, bits: usize) {
        if self.is_zero() {
            return;
        }
        let small = bits % 32;
        if small > 0 {
            let mut carry = 0;
            for digit in &mut self.0 {
                let shifted = u64::from(*digit) << small | carry;
                *digit = low(shifted);
                carry = shifted >> 32;
            }
            self.0.push(low(carry));
            self.trim();
        }
        self.0.splice(..0, std::iter::repeat_n(0, bits / 32));
    }

    /// `self - other`, which must not be larger.
    pub(super) fn subtract(&mut self, other: &Self) {
        let mut borrow = false;
        for (at, digit) in self.0.iter_mut().enumerate() {
            let (less, first) = digit.overflowing_sub(other.0.get(at).copied().unwrap_or(0));
            let (less, second) = less.overflowing_sub(u32::from(borrow));
            *digit = less;
            borrow = first || second;
        }
        debug_assert!(!borrow, "subtracted a larger number");
        self.trim();
    }

    pub(super) fn to_decimal(&self) -> String {
        let mut rest = self.0.clone();
        let mut groups = Vec::new();
        while !rest.is_empty() {
            let mut remainder = 0u64;
            for digit in rest.iter_mut().rev() {
                let value = remainder << 32 | u64::from(*digit);
                *digit = low(value / 1_000_000_000);
                remainder = value % 1_000_000_000;
            }
            while rest.last() == Some(&0) {
                rest.pop();
            }
            groups.push(remainder);
        }
        let mut text = groups.pop().unwrap_or(0).to_string();
        for group in groups.iter().rev() {
            text.push_str(&format!("{group:09}"));
        }
        text
    }
}

impl Ord for Natural {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.len().cmp(&other.0.len()).then_with(|| self.0.iter().rev().cmp(other.0.iter().rev()))
    }
}

impl PartialOrd for Natural {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn calculates_as_u128_does(a: u64, b: u32, c: u32, shift in 0usize..31) {
            let mut natural = Natural::from(a);
            natural.multiply_add(b, c);
            natural.shift_left(shift);
            let expected = (u128::from(a) * u128::from(b) + u128::from(c)) << shift;
            prop_assert_eq!(natural.to_decimal(), expected.to_string());
            prop_assert_eq!(natural.bits(), 128 - expected.leading_zeros() as usize);
            if expected >= u128::from(a) {
                prop_assert!(natural >= Natural::from(a));
                natural.subtract(&Natural::from(a));
                prop_assert_eq!(natural.to_decimal(), (expected - u128::from(a)).to_string());
            }
        }
    }
}
