//! The header of a record: what it says, and in which of two forms.
//!
//! ```text
//! short  | flags 1 | age 3 | key length 1 | spare 1 | value length 2 |
//! long   | flags 1 | age 3 | key length 4 | value length 8 | value capacity 8 |
//! then   | expiry 8, if it has one | key | value | spare bytes |
//! ```

use std::alloc::Layout;

use crate::node::allocator;

/// The header has the long form.
pub(super) const LONG: u8 = 1;
/// Eight bytes of expiry follow the header.
pub(super) const EXPIRES: u8 = 2;
/// The value is an `i64` in native byte order.
pub(super) const INT: u8 = 4;
/// The string was edited in place, which Redis shows as encoding `raw` whatever its length.
pub(super) const EDITED: u8 = 8;
/// The value is the pointer of a boxed [`Object`](crate::node::object::Object) that the record owns.
pub(super) const BOXED: u8 = 16;

/// The value is a collection that is nothing but its bytes, a [`Small`](crate::node::object::Small); which one, or 0 for none.
pub(super) const SMALL: u8 = 7 << 5;
pub(super) const SMALL_LIST: u8 = 1 << 5;
pub(super) const SMALL_HASH: u8 = 2 << 5;
pub(super) const SMALL_SET: u8 = 3 << 5;
pub(super) const SMALL_INTEGERS: u8 = 4 << 5;
pub(super) const SMALL_SORTED_SET: u8 = 5 << 5;

pub(super) const SHORT_HEADER: usize = 8;
pub(super) const LONG_HEADER: usize = 24;
const ALIGN: usize = 8;
/// Readers of a header may look at so many bytes, whatever its form.
const SMALLEST: usize = LONG_HEADER;

/// What the header says, in one piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) flags: u8,
    pub(super) key_len: usize,
    pub(super) value_len: usize,
    /// At least `value_len`.
    pub(super) capacity: usize,
}

impl Shape {
    /// The most compact form for these lengths; `capacity` is a wish that is rounded up to what the allocator hands out, as far as
    /// the form can say.
    pub(super) fn plan(flags: u8, key_len: usize, value_len: usize, capacity: usize) -> Self {
        assert!(u32::try_from(key_len).is_ok(), "keys are arguments, and those are shorter");
        let fits_short = key_len <= usize::from(u8::MAX)
            && value_len <= usize::from(u16::MAX)
            && capacity - value_len <= 240;
        let mut shape = Self {
            flags: if fits_short { flags & !LONG } else { flags | LONG },
            key_len,
            value_len,
            capacity,
        };
        let spare = allocator::usable(shape.size().max(SMALLEST)) - shape.size();
        let sayable = if fits_short { usize::from(u8::MAX) - (capacity - value_len) } else { usize::MAX };
        shape.capacity += spare.min(sayable);
        shape
    }

    pub(super) fn header(self) -> usize {
        if self.flags & LONG == 0 { SHORT_HEADER } else { LONG_HEADER }
    }

    pub(super) fn key_at(self) -> usize {
        self.header() + if self.flags & EXPIRES == 0 { 0 } else { size_of::<i64>() }
    }

    pub(super) fn value_at(self) -> usize {
        self.key_at() + self.key_len
    }

    pub(super) fn size(self) -> usize {
        self.value_at() + self.capacity
    }

    pub(super) fn layout(self) -> Layout {
        Layout::from_size_align(self.size(), ALIGN).expect("keys and values are far below isize::MAX")
    }

    /// The shape with another value length, if this header can say so.
    pub(super) fn with_value_len(mut self, value_len: usize) -> Option<Self> {
        let spare = self.capacity.checked_sub(value_len)?;
        let sayable =
            self.flags & LONG != 0 || value_len <= usize::from(u16::MAX) && spare <= usize::from(u8::MAX);
        self.value_len = value_len;
        sayable.then_some(self)
    }

    /// A value of this length in a block of its own would save little or nothing.
    pub(super) fn is_worth_keeping(self) -> bool {
        let spare = self.capacity - self.value_len;
        spare <= 16 + self.value_len / 8
            || allocator::size_class(self.value_at() + self.value_len) == allocator::size_class(self.size())
    }

    /// # Safety
    /// `at` points to the header of a record.
    #[expect(clippy::cast_possible_truncation, reason = "what was written there was a usize")]
    #[expect(unsafe_code, reason = "reads the header of a block this module laid out")]
    pub(super) unsafe fn read(at: *const u8) -> Self {
        // SAFETY: a header has at least 8 initialised bytes, and 24 if the LONG flag is set; reads are unaligned.
        unsafe {
            let flags = *at;
            if flags & LONG == 0 {
                let value_len = usize::from(at.add(6).cast::<u16>().read_unaligned());
                Self {
                    flags,
                    key_len: usize::from(*at.add(4)),
                    value_len,
                    capacity: value_len + usize::from(*at.add(5)),
                }
            } else {
                Self {
                    flags,
                    key_len: at.add(4).cast::<u32>().read_unaligned() as usize,
                    value_len: at.add(8).cast::<u64>().read_unaligned() as usize,
                    capacity: at.add(16).cast::<u64>().read_unaligned() as usize,
                }
            }
        }
    }

    /// Writes everything but the age.
    ///
    /// # Safety
    /// `at` points to a writable block of `self.size()` bytes.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "`plan` chose the long form for what the short one cannot hold"
    )]
    #[expect(unsafe_code, reason = "writes the header of a block this module laid out")]
    pub(super) unsafe fn write(self, at: *mut u8) {
        // SAFETY: the block is at least as long as the header of this form; writes are unaligned.
        unsafe {
            *at = self.flags;
            if self.flags & LONG == 0 {
                *at.add(4) = self.key_len as u8;
                *at.add(5) = (self.capacity - self.value_len) as u8;
                at.add(6).cast::<u16>().write_unaligned(self.value_len as u16);
            } else {
                at.add(4).cast::<u32>().write_unaligned(self.key_len as u32);
                at.add(8).cast::<u64>().write_unaligned(self.value_len as u64);
                at.add(16).cast::<u64>().write_unaligned(self.capacity as u64);
            }
        }
    }
}
