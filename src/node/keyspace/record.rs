//! One key with its value in one heap block, which begins as `shape` says.
//!
//! A key of 16 bytes with a value of 64 takes 88 bytes, which the allocator serves from a chunk of 96. Blocks are as large as what it hands
//! out anyway; the difference is spare room for the value to grow or be overwritten in place.
//!
//! A small collection lies in the block too, as the bytes that Redis has of it ([`Small`]). A value that is large is an [`Object`] of its
//! own; the block holds its pointer then.
//!
//! All reading and writing of raw memory is here and in `shape`; [`word`](super::word) keeps records in tables, and
//! nothing outside these two modules sees a pointer. The invariant that every `SAFETY` comment leans on:
//!
//! > The pointer of a `Record` comes from one `alloc` of `Shape::read(ptr).layout()` bytes, all header fields and the
//! > first `expiry + key + value length` bytes after them are initialised, and whoever holds the `Record` owns the block.
//! > The value's bytes are a whole listpack or intset if one of the flags `SMALL` is set; no `unsafe` code relies on that.
//! > With the flag `BOXED` the value is the eight bytes of a pointer from `Box::into_raw`, and the record owns that box too.

mod content;
mod shape;
#[cfg(test)]
mod tests;

use std::{
    alloc::{alloc, dealloc, handle_alloc_error, realloc},
    fmt,
    marker::PhantomData,
    ptr::{self, NonNull},
};

pub use self::content::{Content, Value};
use self::{
    content::{Stored, StoredBytes},
    shape::{BOXED, EDITED, EXPIRES, INT, LONG, LONG_HEADER, SHORT_HEADER, SMALL, Shape},
};
use crate::{
    node::{
        allocator,
        object::{Object, Small},
    },
    time::Millis,
};

/// Bits of a record's age, see [`aging`](super::aging).
pub const AGE_BITS: u32 = 24;

/// Strings of so many bytes or more are objects of their own, which replies share.
pub const LARGE: usize = 64 << 10;

/// Collections of so many bytes are in the block. They are copied to be changed, and larger ones gain little by being there.
pub const SMALL_MAX: usize = 512;

/// What is not a string in the block.
const OTHER: u8 = BOXED | SMALL;

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
        match value.large() {
            Some(object) => Self::boxed(key, object, expiry, age),
            None => Self::build(key, &value.stored(), 0, expiry, age),
        }
    }

    /// A record of an object, which goes into the block if it is small.
    ///
    /// # Panics
    /// As [`Record::new`].
    #[must_use]
    pub fn of_object(key: &[u8], object: Object, expiry: Option<Millis>, age: u32) -> Self {
        match object.small().filter(|small| small.as_bytes().len() <= SMALL_MAX) {
            Some(small) => Self::of_small(key, small, expiry, age),
            None => Self::boxed(key, object, expiry, age),
        }
    }

    /// A record of a small collection.
    ///
    /// # Panics
    /// As [`Record::new`].
    #[must_use]
    pub fn of_small(key: &[u8], small: Small<'_>, expiry: Option<Millis>, age: u32) -> Self {
        Self::build(key, &Stored::small(small), 0, expiry, age)
    }

    fn boxed(key: &[u8], object: Object, expiry: Option<Millis>, age: u32) -> Self {
        let pointer = Box::into_raw(Box::new(object)).expose_provenance();
        let stored = Stored { flags: BOXED, bytes: StoredBytes::Word(pointer.to_ne_bytes()) };
        Self::build(key, &stored, 0, expiry, age)
    }

    /// A record with this in its block, and room for the value to grow to `capacity` bytes.
    fn build(key: &[u8], stored: &Stored<'_>, capacity: usize, expiry: Option<Millis>, age: u32) -> Self {
        assert!(u32::try_from(key.len()).is_ok(), "a key of {} bytes", key.len());
        let value = stored.bytes();
        let flags = if expiry.is_some() { EXPIRES } else { 0 } | stored.flags;
        let shape = Shape::plan(flags, key.len(), value.len(), capacity.max(value.len()));
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
            ptr::copy_nonoverlapping(value.as_ptr(), at.add(shape.value_at()), value.len());
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
        self.moved(None, expiry)
    }

    /// The same value under another key.
    #[must_use]
    pub fn with_key(self, key: &[u8]) -> Self {
        let expiry = self.as_ref().expiry();
        self.moved(Some(key), expiry)
    }

    /// What is here, in another block: an object goes over, it is not copied.
    fn moved(mut self, key: Option<&[u8]>, expiry: Option<Millis>) -> Self {
        let old = self.as_ref();
        let shape = old.shape();
        let stored = Stored {
            flags: shape.flags & (INT | EDITED | OTHER),
            bytes: StoredBytes::Slice(old.slice(shape.value_at(), shape.value_len)),
        };
        let new = Self::build(key.unwrap_or(old.key()), &stored, 0, expiry, old.age());
        self.as_mut().disown_object();
        new
    }

    /// The same string with room for `len` bytes, no fewer than it has, and up to a half more; its length stays.
    ///
    /// # Panics
    /// If the value is not a string in the block.
    #[must_use]
    pub fn grown(self, len: usize) -> Self {
        let old = self.as_ref();
        let shape = old.shape();
        assert!(shape.flags & (INT | OTHER) == 0, "only bytes in the block have room to grow into");
        // A half more makes appending cost O(1) per byte.
        let capacity = len + len / 2;
        debug_assert!(len >= shape.value_len, "growing does not cut");
        if shape.flags & LONG == 0 {
            let bytes = StoredBytes::Slice(old.slice(shape.value_at(), shape.value_len));
            let stored = Stored { flags: shape.flags & EDITED, bytes };
            return Self::build(old.key(), &stored, capacity, old.expiry(), old.age());
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
        let shape = self.as_ref().shape();
        if let Some(object) = self.as_ref().object_address() {
            // SAFETY: the pointer is that of a box this record owns, and the record is going away.
            drop(unsafe { Box::from_raw(object) });
        }
        // SAFETY: the block was allocated with this layout, and its owner is going away.
        unsafe { dealloc(self.0.as_ptr(), shape.layout()) }
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

    fn flags(self) -> u8 {
        // SAFETY: a record begins with its flags.
        unsafe { *self.0.as_ptr() }
    }

    /// The value.
    #[must_use]
    pub fn content(self) -> Content<'a> {
        if self.flags() & OTHER == 0 {
            return Content::String(self.value_in_block());
        }
        match (self.small(), self.object()) {
            (Some(small), _) => small.into(),
            (None, Some(object)) => object.into(),
            (None, None) => unreachable!("one of the flags says where it is"),
        }
    }

    /// The value, if it is a string.
    #[must_use]
    #[inline]
    pub fn string(self) -> Option<Value<'a>> {
        if self.flags() & OTHER == 0 {
            return Some(self.value_in_block());
        }
        match self.object() {
            Some(Object::String(bytes)) => Some(Value::Shared(bytes)),
            Some(_) | None => None,
        }
    }

    /// The value, if it is a small collection.
    #[must_use]
    #[inline]
    pub fn small(self) -> Option<Small<'a>> {
        if self.flags() & SMALL == 0 {
            return None;
        }
        let shape = self.shape();
        content::small(shape.flags, self.slice(shape.value_at(), shape.value_len))
    }

    fn value_in_block(self) -> Value<'a> {
        let shape = self.shape();
        let bytes = self.slice(shape.value_at(), shape.value_len);
        if shape.flags & INT == 0 {
            Value::Bytes(bytes)
        } else {
            Value::Int(i64::from_ne_bytes(bytes.try_into().expect("numbers take eight bytes")))
        }
    }

    /// The value, if it is an object of its own.
    #[must_use]
    #[inline]
    pub fn object(self) -> Option<&'a Object> {
        // SAFETY: the record owns the object, and nobody changes or frees the record for `'a`.
        self.object_address().map(|object| unsafe { &*object })
    }

    #[inline]
    fn object_address(self) -> Option<*mut Object> {
        if self.flags() & BOXED == 0 {
            return None;
        }
        self.boxed_address()
    }

    #[cold]
    fn boxed_address(self) -> Option<*mut Object> {
        let shape = self.shape();
        let bytes = self.slice(shape.value_at(), shape.value_len);
        let address = usize::from_ne_bytes(bytes.try_into().expect("pointers take eight bytes"));
        Some(ptr::with_exposed_provenance_mut(address))
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
        let expiry = self.expiry();
        let mut copy = match (self.object(), self.small()) {
            (Some(object), _) => Record::boxed(key, object.clone(), expiry, self.age()),
            (None, Some(small)) => Record::of_small(key, small, expiry, self.age()),
            (None, None) => Record::build(key, &self.value_in_block().stored(), 0, expiry, self.age()),
        };
        if self.is_edited() {
            copy.as_mut().set_edited();
        }
        copy
    }

    /// Bytes that the allocator gave for the block, and those of what it points to.
    #[must_use]
    pub fn size(self) -> usize {
        allocator::size_class(self.shape().size()) + self.object().map_or(0, Object::bytes)
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

    /// Puts a string in place of a value in the block, if that fits it: large enough, and not so large that memory would be wasted.
    #[must_use]
    pub fn overwrite(&mut self, value: Value<'_>) -> bool {
        self.overwrite_stored(&value.stored())
    }

    /// Puts a small collection in place of a value in the block, if that fits it in the same way.
    #[must_use]
    pub fn overwrite_small(&mut self, small: Small<'_>) -> bool {
        self.overwrite_stored(&Stored::small(small))
    }

    fn overwrite_stored(&mut self, stored: &Stored<'_>) -> bool {
        let shape = self.as_ref().shape();
        let len = stored.bytes().len();
        if shape.flags & BOXED != 0 || len >= LARGE {
            return false;
        }
        let Some(new) = shape.with_value_len(len).filter(|shape| shape.is_worth_keeping()) else {
            return false;
        };
        let flags = new.flags & !(INT | EDITED | SMALL) | stored.flags;
        // SAFETY: the value fits the capacity, which is within the block; `len` bytes are written before the header
        // says so. The value cannot be this record's own bytes: `self` is borrowed exclusively.
        unsafe {
            let at = self.0.as_ptr();
            ptr::copy_nonoverlapping(stored.bytes().as_ptr(), at.add(shape.value_at()), len);
            Shape { flags, ..new }.write(at);
        }
        true
    }

    /// The object, to be changed.
    #[must_use]
    pub fn object(&mut self) -> Option<&mut Object> {
        let object = self.as_ref().object_address()?;
        // SAFETY: the record owns the object, and this borrow of the record is the only one.
        Some(unsafe { &mut *object })
    }

    /// The same, for as long as the record is borrowed.
    #[must_use]
    pub fn into_object(self) -> Option<&'a mut Object> {
        let object = self.as_ref().object_address()?;
        // SAFETY: the record owns the object, and it was borrowed exclusively for `'a`.
        Some(unsafe { &mut *object })
    }

    /// The object has another owner now; what is left is a string of eight bytes.
    fn disown_object(&mut self) {
        // SAFETY: the first byte is the flags.
        unsafe { *self.0.as_ptr() &= !BOXED }
    }

    /// Makes the string `len` bytes long, new ones zero, if the block allows it.
    ///
    /// # Panics
    /// If the value is not a string of bytes in the block.
    #[must_use]
    pub fn resize(&mut self, len: usize) -> bool {
        let shape = self.as_ref().shape();
        assert!(shape.flags & (INT | OTHER) == 0, "only bytes in the block are resized");
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

    /// The bytes of a string in the block, to be changed.
    ///
    /// # Panics
    /// If the value is not a string of bytes in the block.
    #[must_use]
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        let shape = self.as_ref().shape();
        assert!(shape.flags & (INT | OTHER) == 0, "only bytes in the block are changed as such");
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
            .field("value", &self.content())
            .field("expiry", &self.expiry())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for RecordMut<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_ref().fmt(f)
    }
}
