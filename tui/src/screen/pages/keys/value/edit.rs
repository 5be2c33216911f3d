//! The commands that change a part of a value, each for its dialog.

use super::{ValuePage, window::Shape};
use crate::{
    language::{quote_word, quote_words},
    screen::{
        dialog::Change,
        pages::{Wish, keys::facts},
    },
};

impl ValuePage {
    /// The command that changes the selected part of the value.
    pub(super) fn edit(&self, shape: Shape) -> Result<Change, String> {
        let key = self.key.as_slice();
        let about = vec![("Key".to_owned(), quote_word(key))];
        let change = |words: &[&[u8]]| {
            Change::new("Change a value", about.clone(), quote_words(words), "Change it").to_edit()
        };
        if shape == Shape::String {
            if self.length != Some(self.bytes.len() as u64) {
                return Err(
                    "only values that are shown whole are edited here; SETRANGE changes a part".to_owned()
                );
            }
            return Ok(change(&[b"set", key, &self.bytes, b"xx", b"keepttl"]));
        }
        let element = self.elements.selected().ok_or("no element is selected")?;
        if !element.is_whole() {
            return Err("the element is too long to be edited here; type the command".to_owned());
        }
        let (name, bytes) = (element.name.as_slice(), element.bytes.as_slice());
        Ok(match shape {
            Shape::String => return Err("a string has no elements".to_owned()),
            Shape::List => change(&[b"lset", key, name, bytes]),
            Shape::Hash => change(&[b"hset", key, name, bytes]),
            Shape::Set => return Err("a member is what it is: D removes it, SADD adds another".to_owned()),
            Shape::Zset => change(&[b"zadd", key, b"xx", name, bytes]),
            Shape::Stream => return Err("entries of a stream do not change; D removes one".to_owned()),
        })
    }

    pub(super) fn delete(&self, shape: Shape) -> Result<Change, String> {
        let key = self.key.as_slice();
        let Some(element) = self.elements.selected().filter(|_| shape != Shape::String) else {
            return Ok(facts::change(key, self.facts.as_ref(), Wish::Delete));
        };
        if !element.is_whole() && shape != Shape::Hash {
            return Err("the element is too long for a dialog; type the command".to_owned());
        }
        let (name, bytes) = (element.name.as_slice(), element.bytes.as_slice());
        let words: Vec<&[u8]> = match shape {
            Shape::Hash => vec![b"hdel", key, name],
            Shape::Set => vec![b"srem", key, bytes],
            Shape::Zset => vec![b"zrem", key, bytes],
            Shape::Stream => vec![b"xdel", key, name],
            Shape::List | Shape::String => vec![b"lrem", key, b"1", bytes],
        };
        let mut about = vec![("Key".to_owned(), quote_word(key))];
        if shape == Shape::List {
            about.push(("Note".to_owned(), "the first element with this value is removed".to_owned()));
        }
        Ok(Change::new("Remove an element", about, quote_words(&words), "Remove it"))
    }
}
