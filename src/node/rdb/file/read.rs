//! Reads a file, one thing after the other.

use std::{
    borrow::Cow,
    io::{Chain, Cursor, Read},
};

use super::{
    AUX, END, EXPIRY, EXPIRY_SECONDS, FREQUENCY, FUNCTION_BEFORE_7, IDLE, MAGIC, MODULE_AUX, RESIZE,
    ReadError, SELECT, SLOT_INFO, VERSION_OF_CHECKSUM, Why, error::What, window::Window,
};
use crate::{
    node::{
        keyspace::{Content, LARGE, Record, Value},
        rdb::{
            FUNCTION, Fault, Forms, NEWEST, Restored, dump,
            source::Source as _,
            value::{self, Unreadable},
        },
    },
    time::Millis,
};

/// Something in a file.
#[derive(Debug, PartialEq)]
pub enum Item<'r> {
    /// About the file itself.
    Aux {
        /// What it is.
        name: Vec<u8>,
        /// What it is for this file.
        value: Vec<u8>,
    },
    /// The source of a library of functions.
    Function(Vec<u8>),
    /// What follows is in this database, and this much of it.
    Sizes {
        /// Its number, which no node may have.
        database: usize,
        /// Keys, as far as the file is right.
        keys: usize,
        /// Those that expire.
        expiring: usize,
    },
    /// A key.
    Entry(Entry<'r>),
}

/// A key with its value.
#[derive(Debug, PartialEq)]
pub struct Entry<'r> {
    /// Number of its database.
    pub database: usize,
    /// Its name.
    pub key: &'r [u8],
    /// Its value.
    pub value: Restored<'r>,
    /// When it expires.
    pub expiry: Option<Millis>,
    /// Seconds for which it was not used.
    pub idle: Option<i64>,
    /// How often it was used, as LFU counts.
    pub frequency: Option<u8>,
}

impl Entry<'_> {
    /// Its value as RESTORE takes it.
    #[must_use]
    pub fn into_payload(self) -> Vec<u8> {
        match self.value {
            Restored::String(string) => dump(Content::String(Value::of_string(&string))),
            Restored::Object(object) => dump(Record::of_object(b"", object, None, 0).as_ref().content()),
        }
    }
}

/// See the module.
#[derive(Debug)]
pub struct Reader<R> {
    window: Window<R>,
    forms: Forms,
    version: u16,
    database: usize,
    /// Keys of the database so far.
    number: u64,
    empty: u64,
    key: Vec<u8>,
    /// The last short string.
    text: Vec<u8>,
}

/// What stands in front of a type, about the key that follows.
#[derive(Default)]
struct Attributes {
    expiry: Option<Millis>,
    idle: Option<i64>,
    frequency: Option<u8>,
}

impl<R: Read> Reader<R> {
    /// Reads the header. Without `checks` nobody looks at the checksum.
    ///
    /// # Errors
    /// It is no file of a version that this node reads.
    pub fn new(reader: R, forms: Forms, checks: bool) -> Result<Self, ReadError> {
        let window = Window::new(reader, checks);
        let mut new = Self {
            window,
            forms,
            version: 0,
            database: 0,
            number: 0,
            empty: 0,
            key: Vec::new(),
            text: Vec::new(),
        };
        new.version = new.header().map_err(|why| new.error(What::Header, why))?;
        Ok(new)
    }

    fn header(&mut self) -> Result<u16, Why> {
        let (magic, digits) = (self.window.array::<5>()?, self.window.array::<4>()?);
        let number =
            std::str::from_utf8(&digits).ok().filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
        let version = number.and_then(|text| text.parse().ok()).filter(|_| magic == *MAGIC);
        match version.ok_or(Why::Magic)? {
            version @ 1..=NEWEST => Ok(version),
            version => Err(Why::Version(version)),
        }
    }

    fn error(&mut self, what: What, why: Why) -> ReadError {
        let why = match (why, self.window.failure.take()) {
            (Why::Fault(Fault::Unreadable), Some(error)) => Why::Io(error),
            (why, _) => why,
        };
        ReadError { at: self.window.offset(), what, why }
    }

    /// The version that the file has.
    #[must_use]
    pub fn version(&self) -> u16 {
        self.version
    }

    /// Bytes that were read.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.window.offset()
    }

    /// Keys that were passed over because there is nothing in them, as Redis does.
    #[must_use]
    pub fn empty(&self) -> u64 {
        self.empty
    }

    /// What follows the end of the file, in a file that goes on as something else.
    #[must_use]
    pub fn into_rest(self) -> Chain<Cursor<Vec<u8>>, R> {
        self.window.into_rest()
    }

    /// The next thing; `None` at the end, when the checksum is right.
    ///
    /// # Errors
    /// The file cannot be read on. It is not to be asked again then.
    #[expect(clippy::should_implement_trait, reason = "what it returns borrows from it")]
    pub fn next(&mut self) -> Result<Option<Item<'_>>, ReadError> {
        let mut attributes = Attributes::default();
        loop {
            let mut what = What::Mark(self.window.offset());
            match self.step(&mut what, &mut attributes) {
                Ok(Step::Mark) => {}
                Ok(Step::Nothing) => attributes = Attributes::default(),
                Ok(Step::Item(item)) => return Ok(Some(item)),
                Ok(Step::Key(value)) => {
                    let value = value.unwrap_or_else(|| Restored::String(Cow::Borrowed(&self.text)));
                    let Attributes { expiry, idle, frequency } = attributes;
                    let (database, key) = (self.database, self.key.as_slice());
                    return Ok(Some(Item::Entry(Entry { database, key, value, expiry, idle, frequency })));
                }
                Ok(Step::End) => return Ok(None),
                Err(why) => return Err(self.error(what, why)),
            }
        }
    }

    /// Reads on by one mark and what belongs to it.
    fn step(&mut self, what: &mut What, attributes: &mut Attributes) -> Result<Step, Why> {
        let begins = self.window.offset();
        let window = &mut self.window;
        match window.byte()? {
            EXPIRY => attributes.expiry = Some(Millis(i64::from_le_bytes(window.array()?))),
            EXPIRY_SECONDS => {
                let seconds = i32::from_le_bytes(window.array()?);
                attributes.expiry = Some(Millis(i64::from(seconds) * 1000));
            }
            IDLE => attributes.idle = Some(i64::try_from(window.length()?).unwrap_or(i64::MAX)),
            FREQUENCY => attributes.frequency = Some(window.byte()?),
            AUX => {
                *what = What::Aux(begins);
                let name = window.string()?.into_owned();
                return Ok(Step::Item(Item::Aux { name, value: window.string()?.into_owned() }));
            }
            FUNCTION => {
                *what = What::Function(begins);
                return Ok(Step::Item(Item::Function(window.string()?.into_owned())));
            }
            FUNCTION_BEFORE_7 => {
                *what = What::Function(begins);
                return Err(Why::FunctionBefore7);
            }
            SELECT => {
                self.database = window.length()?;
                self.number = 0;
            }
            RESIZE => {
                let (keys, expiring) = (window.length()?, window.length()?);
                return Ok(Step::Item(Item::Sizes { database: self.database, keys, expiring }));
            }
            SLOT_INFO => {
                // A slot, its keys, and those that expire: this node knows where keys belong.
                for _ in 0..3 {
                    window.length()?;
                }
            }
            MODULE_AUX => {
                *what = What::Aux(begins);
                return Err(Why::Module(module(window.length()?)));
            }
            END => {
                *what = What::Checksum;
                self.end()?;
                return Ok(Step::End);
            }
            kind if kind > value::LAST => return Err(Why::Unknown(kind)),
            kind => {
                self.number += 1;
                *what = What::Key { number: self.number, database: self.database, begins };
                return self.key(kind);
            }
        }
        Ok(Step::Mark)
    }

    fn key(&mut self, kind: u8) -> Result<Step, Why> {
        let window = &mut self.window;
        self.key.clear();
        self.key.extend_from_slice(&window.string()?);
        if kind == value::TYPE_STRING {
            return Ok(Step::Key(match window.string()? {
                Cow::Owned(string) => Some(Restored::String(Cow::Owned(string))),
                Cow::Borrowed(string) if string.len() >= LARGE => {
                    Some(Restored::String(Cow::Owned(string.to_vec())))
                }
                Cow::Borrowed(string) => {
                    self.text.clear();
                    self.text.extend_from_slice(string);
                    None
                }
            }));
        }
        if value::MODULES.contains(&kind) {
            return Err(Why::Module(module(window.length()?)));
        }
        match value::read_object(kind, window, self.forms) {
            Ok(object) => Ok(Step::Key(Some(Restored::Object(object)))),
            Err(Unreadable::Fault(Fault::Empty)) => {
                self.empty += 1;
                Ok(Step::Nothing)
            }
            Err(unreadable) => Err(unreadable.into()),
        }
    }

    fn end(&mut self) -> Result<(), Why> {
        let computed = self.window.sum();
        if self.version < VERSION_OF_CHECKSUM {
            return Ok(());
        }
        let stored = u64::from_le_bytes(self.window.array()?);
        match computed {
            // Who wrote it did not want to compute one.
            _ if stored == 0 => Ok(()),
            Some(computed) if computed != stored => Err(Why::Checksum { stored, computed }),
            _ => Ok(()),
        }
    }
}

/// What a mark and the bytes behind it are.
enum Step {
    /// Something about what follows.
    Mark,
    /// A key that is none.
    Nothing,
    Item(Item<'static>),
    /// A key, in `Reader::key`; no value: a string, in `Reader::text`.
    Key(Option<Restored<'static>>),
    End,
}

/// The name of a module's type: nine letters of six bits each, and ten bits of a version.
fn module(id: usize) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    (0..9).map(|place| char::from(LETTERS[id >> (58 - 6 * place) & 63])).collect()
}
