//! What all collections have in common.

use super::Content;
use crate::{
    node::object::{
        Hash, HashRef, List, ListRef, Object, Set, SetRef, Small, SortedSet, SortedSetRef, Stream,
    },
    time::Millis,
};

/// A collection that a command may change.
pub trait Collection: Sized {
    /// It, looked at where it is.
    type Ref<'a>: Copy;

    /// The value of a record, if it is of this type.
    fn read(content: Content<'_>) -> Option<Self::Ref<'_>>;
    /// Something in it is to be taken out before anybody looks at it.
    fn is_due(collection: Self::Ref<'_>, now: Millis) -> bool;

    /// An object, if it is of this type.
    fn of(object: &Object) -> Option<&Self>;
    /// The same, to be changed.
    fn of_mut(object: &mut Object) -> Option<&mut Self>;
    /// As an object.
    fn into_object(self) -> Object;
    /// Such a collection is not kept.
    fn is_empty(&self) -> bool;

    /// An empty one, in this memory if it can use that.
    fn new_in(memory: Vec<u8>) -> Self;
    /// A copy of a small one in this memory; `None` if that is of another type.
    fn copy_in(small: Small<'_>, memory: Vec<u8>) -> Option<Self>;
    /// It, if it is small.
    fn small(&self) -> Option<Small<'_>>;
    /// The memory of a small one.
    fn into_memory(self) -> Option<Vec<u8>>;
}

macro_rules! collections {
    ($($type:ident as $ref:ident: $is_due:expr),*) => {$(
        impl Collection for $type {
            type Ref<'a> = $ref<'a>;

            fn read(content: Content<'_>) -> Option<$ref<'_>> {
                match content {
                    Content::$type(value) => Some(value),
                    _ => None,
                }
            }

            fn is_due(collection: $ref<'_>, now: Millis) -> bool {
                let is_due: fn($ref<'_>, Millis) -> bool = $is_due;
                is_due(collection, now)
            }

            fn of(object: &Object) -> Option<&Self> {
                match object {
                    Object::$type(value) => Some(value),
                    _ => None,
                }
            }

            fn of_mut(object: &mut Object) -> Option<&mut Self> {
                match object {
                    Object::$type(value) => Some(value),
                    _ => None,
                }
            }

            fn into_object(self) -> Object {
                Object::$type(self)
            }

            fn is_empty(&self) -> bool {
                $type::is_empty(self)
            }

            fn new_in(memory: Vec<u8>) -> Self {
                $type::new_in(memory)
            }

            fn copy_in(small: Small<'_>, memory: Vec<u8>) -> Option<Self> {
                $type::copy_in(small, memory)
            }

            fn small(&self) -> Option<Small<'_>> {
                $type::small(self)
            }

            fn into_memory(self) -> Option<Vec<u8>> {
                $type::into_memory(self)
            }
        }
    )*};
}

collections!(
    Hash as HashRef: |hash, now| hash.next_deadline().is_some_and(|deadline| deadline < now),
    List as ListRef: |_, _| false,
    Set as SetRef: |_, _| false,
    SortedSet as SortedSetRef: |_, _| false
);

/// Never small.
impl Collection for Stream {
    type Ref<'a> = &'a Self;

    fn read(content: Content<'_>) -> Option<&Self> {
        match content {
            Content::Stream(stream) => Some(stream),
            _ => None,
        }
    }

    fn is_due(_: &Self, _: Millis) -> bool {
        false
    }

    fn of(object: &Object) -> Option<&Self> {
        match object {
            Object::Stream(stream) => Some(stream),
            _ => None,
        }
    }

    fn of_mut(object: &mut Object) -> Option<&mut Self> {
        match object {
            Object::Stream(stream) => Some(stream),
            _ => None,
        }
    }

    fn into_object(self) -> Object {
        Object::Stream(Box::new(self))
    }

    fn is_empty(&self) -> bool {
        Self::is_empty(self)
    }

    fn new_in(_: Vec<u8>) -> Self {
        Self::default()
    }

    fn copy_in(_: Small<'_>, _: Vec<u8>) -> Option<Self> {
        None
    }

    fn small(&self) -> Option<Small<'_>> {
        None
    }

    fn into_memory(self) -> Option<Vec<u8>> {
        None
    }
}
