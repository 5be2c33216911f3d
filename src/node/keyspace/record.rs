//! One key with its value in one heap block, which begins as `shape` says.
//!
//! A key of 16 bytes with a value of 64 takes 88 bytes, which malloc serves from a chunk of 96. Blocks are rounded up to
//! what malloc would hand out anyway; the difference is spare room for the value to grow or be overwritten in place.
//!
//! All reading and writing of raw memory is here and in `shape`; [`word`](super::word) keeps records in tables, and
//! nothing outside these two modules sees a pointer. The invariant that every `SAFETY` comment leans on:
//!
//! > The pointer of a `Record` comes from one `alloc` of `Shape::read(ptr).layout()` bytes, all header fields and the
//! > first `expiry + key + value length` bytes after them are initialised, and whoever holds the `Record` owns the block.

mod shape;
#[cfg(test)]
mod tests;

use std::{
    alloc::{alloc, dealloc, handle_alloc_error, realloc},
    fmt,
    marker::PhantomData,
    ptr::{self, NonNull},
};

use self::shape::{EDITED, EXPIRES, INT, LONG, LONG_HEADER, SHORT_HEADER, Shape};
use crate::time::Millis;

/// Bits of a record's age, see [`aging`](super::aging).
pub const AGE_BITS: u32 = 24;

/// A value as commands see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// A string that is the canonical decimal of this number, kept as the number.
    Int(i64),
    /// Any other string.
    Bytes(&'a [u8]),
}

impl<'a> Value<'a> {
    /// A string in the form it is kept in: a number if Redis would keep it as one.
    #[must_use]
    pub fn of_string(bytes: &'a [u8]) -> Self {
        // 20 digits and sign at most; most values are told from numbers by their length or first byte.
        match bytes {
            [b'-' | b'0'..=b'9', ..] if bytes.len() <= 20 => {
                crate::protocol::number::parse_i64(bytes).map_or(Self::Bytes(bytes), Self::Int)
            }
            _ => Self::Bytes(bytes),
        }
    }

    /// Bytes it takes in a record.
    fn stored_len(self) -> usize {
        match self {
            Self::Int(_) => size_of::<i64>(),
            Self::Bytes(bytes) => bytes.len(),
        }
    }
}

/// An owned record.
pub struct Record(NonNull<u8>);

/// A record that is looked at.
#[derive(Clone, Copy)]
pub struct RecordRef<'a>(NonNull<u8>, PhantomData<&'a [u8]>);

/// A record that may be changed in place, as far as its block allows.
pub struct RecordMut<'a>(NonNull<u8>, PhantomData<&'a mut [u8]>);

#[expect(
    unsafe_code,
    reason = "an owned block of bytes may change threads, which a raw pointer does not say"
)]
// SAFETY: a record owns its block like a `Box<[u8]>`.
unsafe impl Send for Record {}
#[expect(unsafe_code, reason = "shared access to a record only reads")]
// SAFETY: shared access only reads the block.
unsafe impl Sync for Record {}

#[expect(unsafe_code, reason = "lays out and frees the block")]
impl Record {
    /// A record for `key`. `age` has 24 bits.
    ///
    /// # Panics
    /// If the key is 4 GiB or longer; requests are limited far below.
    #[must_use]
    pub fn new(key: &[u8], value: Value<'_>, expiry: Option<Millis>, age: u32) -> Self {
        Self::with_capacity(key, value, value.stored_len(), expiry, age)
    }

    /// A record whose value has room to grow to `capacity` bytes.
    fn with_capacity(
        key: &[u8],
        value: Value<'_>,
        capacity: usize,
        expiry: Option<Millis>,
        age: u32,
    ) -> Self {
        assert!(u32::try_from(key.len()).is_ok(), "a key of {} bytes", key.len());
        let flags =
            if expiry.is_some() { EXPIRES } else { 0 } | if matches!(value, Value::Int(_)) { INT } else { 0 };
        let shape = Shape::plan(flags, key.len(), value.stored_len(), capacity);
        let layout = shape.layout();
        // SAFETY: the layout has at least 24 bytes.
        let Some(block) = NonNull::new(unsafe { alloc(layout) }) else { handle_alloc_error(layout) };
        let at = block.as_ptr();
        // SAFETY: the block has `shape.size()` bytes, which `key_at` and `value_at` plus their lengths stay within;
        // key and value are other memory. Together with the age below every promised byte is initialised.
        unsafe {
            shape.write(at);
            if let Some(expiry) = expiry {
                at.add(shape.header()).cast::<i64>().write_unaligned(expiry.0);
            }
            ptr::copy_nonoverlapping(key.as_ptr(), at.add(shape.key_at()), key.len());
            write_value(at.add(shape.value_at()), value);
            write_age(at, age);
        }
        Self(block)
    }

    /// Looks at it.
    #[must_use]
    pub fn as_ref(&self) -> RecordRef<'_> {
        RecordRef(self.0, PhantomData)
    }

    /// Changes it in place.
    #[must_use]
    pub fn as_mut(&mut self) -> RecordMut<'_> {
        RecordMut(self.0, PhantomData)
    }

    /// The same record with another expiry field.
    #[must_use]
    pub fn with_expiry(mut self, expiry: Option<Millis>) -> Self {
        let old = self.as_ref();
        if old.expiry().is_some() == expiry.is_some() {
            if let Some(expiry) = expiry {
                self.as_mut().set_expiry(expiry);
            }
            return self;
        }
        old.copy_with(old.key(), expiry)
    }

    /// The same value under another key.
    #[must_use]
    pub fn with_key(self, key: &[u8]) -> Self {
        self.as_ref().to_record_as(key)
    }

    /// The same string with room for `len` bytes, no fewer than it has, and up to a half more; its length stays.
    #[must_use]
    pub fn grown(self, len: usize) -> Self {
        let old = self.as_ref();
        let Value::Bytes(bytes) = old.value() else {
            unreachable!("numbers have no spare room to grow into")
        };
        // A half more makes appending cost O(1) per byte; a large string takes a mebibyte at a time, as in Redis.
        let capacity = len + (len / 2).min(1 << 20);
        debug_assert!(len >= bytes.len(), "growing does not cut");
        let shape = old.shape();
        if shape.flags & LONG == 0 {
            let mut new =
                Self::with_capacity(old.key(), Value::Bytes(bytes), capacity, old.expiry(), old.age());
            if old.is_edited() {
                new.as_mut().set_edited();
            }
            return new;
        }
        let new_shape = Shape { capacity, ..shape };
        let layout = new_shape.layout();
        let block = self.into_raw();
        // SAFETY: the block was allocated with `shape.layout()` and is given up here; the new size is its layout's,
        // so it does not overflow. The header keeps its form, so nothing moves within the block.
        unsafe {
            let Some(block) = NonNull::new(realloc(block.as_ptr(), shape.layout(), layout.size())) else {
                handle_alloc_error(layout)
            };
            new_shape.write(block.as_ptr());
            Self(block)
        }
    }

    /// Gives up the pointer; [`Record::from_raw`] takes it back.
    #[must_use]
    pub(super) fn into_raw(self) -> NonNull<u8> {
        let block = self.0;
        std::mem::forget(self);
        block
    }

    /// # Safety
    /// `block` was given by [`Record::into_raw`] and not taken back since.
    pub(super) unsafe fn from_raw(block: NonNull<u8>) -> Self {
        Self(block)
    }
}

#[expect(unsafe_code, reason = "frees the block")]
impl Drop for Record {
    fn drop(&mut self) {
        // SAFETY: the block was allocated with this layout, and its owner is going away.
        unsafe { dealloc(self.0.as_ptr(), self.as_ref().shape().layout()) }
    }
}

/// # Safety
/// `at` has room for the value.
#[expect(unsafe_code, reason = "writes into a block this module laid out")]
unsafe fn write_value(at: *mut u8, value: Value<'_>) {
    // SAFETY: the caller's.
    unsafe {
        match value {
            Value::Int(number) => at.cast::<i64>().write_unaligned(number),
            // Bytes may come from the record itself only through a `&mut`, which their lifetime excludes.
            Value::Bytes(bytes) => ptr::copy_nonoverlapping(bytes.as_ptr(), at, bytes.len()),
        }
    }
}

/// # Safety
/// `at` points to a block of at least 8 bytes.
#[expect(unsafe_code, reason = "writes into a block this module laid out")]
unsafe fn write_age(at: *mut u8, age: u32) {
    let [a, b, c, _] = age.to_le_bytes();
    // SAFETY: the caller's.
    unsafe { at.add(1).cast::<[u8; 3]>().write([a, b, c]) }
}

#[expect(unsafe_code, reason = "reads the block")]
impl<'a> RecordRef<'a> {
    /// # Safety
    /// `block` is a record that nobody changes or frees for `'a`.
    pub(super) unsafe fn from_raw(block: NonNull<u8>) -> Self {
        Self(block, PhantomData)
    }

    fn shape(self) -> Shape {
        // SAFETY: a record begins with a header.
        unsafe { Shape::read(self.0.as_ptr()) }
    }

    fn slice(self, at: usize, len: usize) -> &'a [u8] {
        // SAFETY: callers pass the key's or the value's range, which is initialised and unchanged for `'a`.
        unsafe { std::slice::from_raw_parts(self.0.as_ptr().add(at), len) }
    }

    /// The key.
    #[must_use]
    pub fn key(self) -> &'a [u8] {
        let shape = self.shape();
        self.slice(shape.key_at(), shape.key_len)
    }

    /// The value.
    #[must_use]
    pub fn value(self) -> Value<'a> {
        let shape = self.shape();
        let bytes = self.slice(shape.value_at(), shape.value_len);
        if shape.flags & INT == 0 {
            Value::Bytes(bytes)
        } else {
            Value::Int(i64::from_ne_bytes(bytes.try_into().expect("numbers take eight bytes")))
        }
    }

    /// When it expires.
    #[must_use]
    pub fn expiry(self) -> Option<Millis> {
        // SAFETY: a record has at least 24 bytes; with the flag, eight bytes of expiry follow the header.
        unsafe {
            let at = self.0.as_ptr();
            let flags = *at;
            if flags & EXPIRES == 0 {
                return None;
            }
            let header = if flags & LONG == 0 { SHORT_HEADER } else { LONG_HEADER };
            Some(Millis(at.add(header).cast::<i64>().read_unaligned()))
        }
    }

    /// 24 bits of [`aging`](super::aging).
    #[must_use]
    pub fn age(self) -> u32 {
        // SAFETY: every header has three bytes of age.
        let [a, b, c] = unsafe { self.0.as_ptr().add(1).cast::<[u8; 3]>().read() };
        u32::from_le_bytes([a, b, c, 0])
    }

    /// The string was edited in place (APPEND, SETRANGE) since it was set.
    #[must_use]
    pub fn is_edited(self) -> bool {
        self.shape().flags & EDITED != 0
    }

    /// A copy under another key.
    #[must_use]
    pub fn to_record_as(self, key: &[u8]) -> Record {
        self.copy_with(key, self.expiry())
    }

    fn copy_with(self, key: &[u8], expiry: Option<Millis>) -> Record {
        let mut copy = Record::new(key, self.value(), expiry, self.age());
        if self.is_edited() {
            copy.as_mut().set_edited();
        }
        copy
    }

    /// Bytes of the block.
    #[must_use]
    pub fn size(self) -> usize {
        self.shape().size()
    }
}

#[expect(unsafe_code, reason = "writes within the block")]
impl<'a> RecordMut<'a> {
    /// # Safety
    /// `block` is a record that nobody else uses for `'a`.
    pub(super) unsafe fn from_raw(block: NonNull<u8>) -> Self {
        Self(block, PhantomData)
    }

    /// Looks at it.
    #[must_use]
    pub fn as_ref(&self) -> RecordRef<'_> {
        RecordRef(self.0, PhantomData)
    }

    /// Sets the age, 24 bits.
    pub fn set_age(&mut self, age: u32) {
        // SAFETY: a record has at least 24 bytes, and this borrow is the only one.
        unsafe { write_age(self.0.as_ptr(), age) }
    }

    /// Changes the expiry of a record that has one.
    ///
    /// # Panics
    /// If it has none: there is no room for it then, see [`Record::with_expiry`].
    pub fn set_expiry(&mut self, expiry: Millis) {
        let shape = self.as_ref().shape();
        assert!(shape.flags & EXPIRES != 0, "no expiry to change");
        // SAFETY: with the flag, eight bytes of expiry follow the header.
        unsafe { self.0.as_ptr().add(shape.header()).cast::<i64>().write_unaligned(expiry.0) }
    }

    /// Remembers that the string was edited in place.
    pub fn set_edited(&mut self) {
        // SAFETY: the first byte is the flags.
        unsafe { *self.0.as_ptr() |= EDITED }
    }

    /// Replaces the value if the block fits it: large enough, and not so large that memory would be wasted.
    #[must_use]
    pub fn overwrite(&mut self, value: Value<'_>) -> bool {
        let shape = self.as_ref().shape();
        let len = value.stored_len();
        let Some(new) = shape.with_value_len(len).filter(|shape| shape.capacity - len <= 16 + len / 8) else {
            return false;
        };
        let flags = new.flags & !(INT | EDITED) | if matches!(value, Value::Int(_)) { INT } else { 0 };
        // SAFETY: the value fits the capacity, which is within the block; `len` bytes are written before the header
        // says so. The value cannot be this record's own bytes: `self` is borrowed exclusively.
        unsafe {
            write_value(self.0.as_ptr().add(shape.value_at()), value);
            Shape { flags, ..new }.write(self.0.as_ptr());
        }
        true
    }

    /// Makes the string `len` bytes long, new ones zero, if the block allows it.
    ///
    /// # Panics
    /// If the value is a number.
    #[must_use]
    pub fn resize(&mut self, len: usize) -> bool {
        let shape = self.as_ref().shape();
        assert!(shape.flags & INT == 0, "numbers are not resized");
        let Some(new) = shape.with_value_len(len) else { return false };
        // SAFETY: `len` is within the capacity; new bytes are initialised before the header says so.
        unsafe {
            if let Some(added) = len.checked_sub(shape.value_len) {
                let end = self.0.as_ptr().add(shape.value_at() + shape.value_len);
                ptr::write_bytes(end, 0, added);
            }
            new.write(self.0.as_ptr());
        }
        true
    }

    /// The bytes of a string, to be changed.
    ///
    /// # Panics
    /// If the value is a number.
    #[must_use]
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        let shape = self.as_ref().shape();
        assert!(shape.flags & INT == 0, "numbers have no bytes");
        // SAFETY: the value's range is initialised and only this borrow reaches it.
        unsafe { std::slice::from_raw_parts_mut(self.0.as_ptr().add(shape.value_at()), shape.value_len) }
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_ref().fmt(f)
    }
}

impl fmt::Debug for RecordRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("key", &self.key().escape_ascii().to_string())
            .field("value", &self.value())
            .field("expiry", &self.expiry())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for RecordMut<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_ref().fmt(f)
    }
}
