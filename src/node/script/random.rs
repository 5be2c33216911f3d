//! The random numbers of scripts: those of Redis, which has them from `lrand48`. They begin anew with the node, not with each
//! script.

use mlua::{Lua, MultiValue, Value as LuaValue};

use super::{convert, errors};

/// The generator.
#[derive(Debug)]
pub(super) struct Random(u64);

impl Default for Random {
    fn default() -> Self {
        // What `lrand48` begins with when nobody has said anything.
        Self(0x1234_ABCD_330E)
    }
}

/// Numbers are below this.
const MAX: u64 = 1 << 31;

impl Random {
    /// `srand48`.
    pub(super) fn seeded(seed: i64) -> Self {
        let low = seed.cast_unsigned() & 0xFFFF_FFFF;
        Self(low << 16 | 0x330E)
    }

    /// From 0 to 1, 1 excluded: as `math.random` makes one of what `lrand48` gives.
    pub(super) fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(0x5_DEEC_E66D).wrapping_add(0xB) & 0xFFFF_FFFF_FFFF;
        let number = self.0 >> 17;
        let most = MAX - 1;
        (number % most) as f64 / most as f64
    }
}

/// What `math.random` makes of a number: as it is, up to a bound, or between two.
///
/// # Errors
/// There is nothing between the bounds.
pub(super) fn within(lua: &Lua, number: f64, bounds: &MultiValue) -> mlua::Result<f64> {
    let bound = |index: usize| {
        bounds.get(index).and_then(convert::number).ok_or_else(|| {
            let found = bounds.get(index).map_or("no value", LuaValue::type_name);
            let text = format!("bad argument #{} to 'random' (number expected, got {found})", index + 1);
            errors::positioned(lua, text)
        })
    };
    let (low, high) = match bounds.len() {
        0 => return Ok(number),
        1 => (1.0, bound(0)?.trunc()),
        2 => (bound(0)?.trunc(), bound(1)?.trunc()),
        _ => return Err(errors::positioned(lua, "wrong number of arguments")),
    };
    if low > high {
        let text = format!("bad argument #{} to 'random' (interval is empty)", bounds.len());
        return Err(errors::positioned(lua, text));
    }
    Ok((number * (high - low + 1.0)).floor() + low)
}

#[cfg(test)]
mod tests {
    use super::Random;

    #[test]
    fn numbers_of_redis() {
        // What redis-server 7.0 answers to EVAL "return tostring(math.random())" 0.
        assert_eq!(format!("{:.14}", Random::default().next()), "0.39646477363839");
    }
}
