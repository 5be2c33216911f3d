//! What commands share: the caller's database, keys with their place, replies of values, number arguments.

use std::collections::HashSet;

pub(super) use crate::protocol::quote::c_string as as_c_string;
use crate::{
    command::misused_subcommand,
    node::{
        context::{CommandError, Context},
        keyspace::{Access, Db, EventClass, Key, LARGE, Value},
        object::Element,
    },
    protocol::{Encoder, Request, number},
};

/// A command's result.
pub(super) type Outcome = Result<(), CommandError>;

/// Keys of one command that are fetched together.
const TOGETHER: usize = 32;

impl<'a> Context<'a> {
    /// The caller's database.
    pub(super) fn db(&mut self) -> &mut Db {
        self.store.keyspace.db_mut(self.caller.database)
    }

    /// How this command looks keys up.
    pub(super) fn access(&self) -> Access {
        self.store.keyspace.access(self.now, !self.caller.no_touch)
    }

    /// The key in argument `index`.
    pub(super) fn key<'r>(&self, request: Request<'r>, index: usize) -> Key<'r> {
        let bytes = request.arg(index);
        match self.place {
            Some(place) if index == 1 => Key::with_place(bytes, place),
            _ => Key::new(bytes),
        }
    }

    /// Runs `run` on the key in argument 1 and in each `step`-th after it, with the index of the argument. The memory of
    /// several keys is asked for before the first of them is looked up.
    pub(super) fn each_key<'r>(
        &mut self,
        request: Request<'r>,
        step: usize,
        mut run: impl FnMut(&mut Self, Key<'r>, usize),
    ) {
        let mut places = [self.key(request, 1).place; TOGETHER];
        let mut first = 1;
        while first < request.len() {
            let indexes = (first..request.len()).step_by(step).take(TOGETHER);
            for (place, index) in places.iter_mut().zip(indexes.clone()) {
                *place = self.key(request, index).place;
            }
            if indexes.len() > 1 {
                self.store.keyspace.prefetch(self.caller.database, &places[..indexes.len()], false);
            }
            for (place, index) in places.into_iter().zip(indexes) {
                run(self, Key::with_place(request.arg(index), place), index);
            }
            first += TOGETHER * step;
        }
    }

    /// The caller's database and the reply, to write what is found.
    pub(super) fn db_and_reply(&mut self) -> (&mut Db, &mut Encoder<'a>) {
        (self.store.keyspace.db_mut(self.caller.database), &mut self.reply)
    }
}

/// Replies with a string.
pub(super) fn reply_value(reply: &mut Encoder<'_>, value: Value<'_>) {
    match value {
        Value::Bytes(bytes) => reply.bulk(bytes),
        Value::Shared(bytes) => reply.shared(bytes),
        Value::Int(number) => reply.bulk(itoa::Buffer::new().format(number)),
    }
}

/// Replies with a string, or that there is none.
#[inline]
pub(super) fn reply_optional(reply: &mut Encoder<'_>, value: Option<Value<'_>>) {
    match value {
        Some(value) => reply_value(reply, value),
        None => reply.null(),
    }
}

/// The string in argument `index`, in the form it is kept in: where it lies if it is large and may be kept there.
pub(super) fn with_value<R>(request: Request<'_>, index: usize, with: impl FnOnce(Value<'_>) -> R) -> R {
    let bytes = request.arg(index);
    if bytes.len() >= LARGE
        && let Some(shared) = request.shared(index)
    {
        return with(Value::Shared(&shared));
    }
    with(Value::of_string(bytes))
}

/// Replies with an element of a collection.
pub(super) fn reply_element(reply: &mut Encoder<'_>, element: Element<'_>) {
    match element {
        Element::Int(number) => reply.bulk(itoa::Buffer::new().format(number)),
        Element::Bytes(bytes) => reply.bulk(bytes),
    }
}

/// A command that changed a collection may have left nothing of it.
pub(super) fn gone(db: &mut Db, key: Key<'_>, access: Access) {
    if !db.contains(key, access.now) {
        db.event(EventClass::Generic, "del", key.bytes);
    }
}

/// A number of elements.
pub(super) fn positive(argument: &[u8]) -> Result<usize, CommandError> {
    number::parse_i64(argument)
        .and_then(|count| usize::try_from(count).ok())
        .ok_or(CommandError::other("ERR value is out of range, must be positive"))
}

/// A floating point argument.
pub(super) fn double(argument: &[u8]) -> Result<f64, CommandError> {
    number::parse_f64(argument).ok_or(CommandError::NotFloat)
}

/// How many elements chance chooses.
#[derive(Clone, Copy, Debug)]
pub(super) enum Chosen {
    /// So many, each once.
    Once(usize),
    /// So many, each perhaps several times.
    Again(usize),
}

/// More elements at once are no reply that anybody could take.
const CHOSEN_MAX: u64 = 1 << 27;

impl Chosen {
    /// Negative: an element may come again.
    pub(super) fn parse(argument: &[u8]) -> Result<Self, CommandError> {
        let count = integer(argument)?;
        if count == i64::MIN {
            let most = i64::MAX;
            return Err(CommandError::other(format!(
                "ERR value is out of range, value must between -{most} and {most}"
            )));
        }
        match usize::try_from(count) {
            Ok(count) => Ok(Self::Once(count)),
            Err(_) if count.unsigned_abs() > CHOSEN_MAX => {
                Err(CommandError::other("ERR value is out of range"))
            }
            Err(_) => Ok(Self::Again(usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX))),
        }
    }
}

/// Below this it costs nothing to go through all elements.
const FEW: usize = 512;

/// Shows `count` of `of` elements, each once: chosen by their place in `all`, or, where they are few of many, one by one by
/// `random`, which also says what tells one from another.
pub(super) fn choose<T>(
    count: usize,
    of: usize,
    all: impl Iterator<Item = T>,
    mut random: impl FnMut() -> Option<(Vec<u8>, T)>,
    mut show: impl FnMut(T),
) {
    if of <= FEW || count > of / 3 {
        let chosen = distinct(of, count.min(of));
        all.enumerate().filter(|(place, _)| chosen.contains(place)).for_each(|(_, element)| show(element));
        return;
    }
    let mut seen = HashSet::with_capacity(count);
    while seen.len() < count {
        let Some((name, element)) = random() else { return };
        if seen.insert(name) {
            show(element);
        }
    }
}

/// `count` numbers below `of`.
fn distinct(of: usize, count: usize) -> HashSet<usize> {
    // Floyd's: as many steps as numbers, however many there are to choose from.
    let mut chosen = HashSet::with_capacity(count);
    for last in of - count..of {
        let number = fastrand::usize(..=last);
        if !chosen.insert(number) {
            chosen.insert(last);
        }
    }
    chosen
}

/// What a command says to so many arguments that only it itself can tell.
pub(super) fn wrong_arity(command: &str) -> CommandError {
    CommandError::other(format!("ERR wrong number of arguments for '{command}' command"))
}

/// Runs `with` on the bytes of a string.
pub(super) fn with_bytes<R>(value: Value<'_>, with: impl FnOnce(&[u8]) -> R) -> R {
    match value {
        Value::Bytes(bytes) => with(bytes),
        Value::Shared(bytes) => with(bytes),
        Value::Int(number) => with(itoa::Buffer::new().format(number).as_bytes()),
    }
}

/// Words that the subcommand in argument 1 has no use for, or too few of them.
pub(super) fn wrong_subcommand(request: Request<'_>) -> CommandError {
    CommandError::Bytes(misused_subcommand(&request))
}

/// An integer argument.
pub(super) fn integer(argument: &[u8]) -> Result<i64, CommandError> {
    number::parse_i64(argument).ok_or(CommandError::NotInteger)
}

/// Whether an argument is this word, which is given in upper case.
pub(super) fn is_word(argument: &[u8], word: &str) -> bool {
    argument.eq_ignore_ascii_case(word.as_bytes())
}

/// An integer argument of 32 bits.
pub(super) fn int(argument: &[u8]) -> Result<i32, CommandError> {
    i32::try_from(integer(argument)?).map_err(|_| {
        CommandError::other(format!(
            "ERR value is out of range, value must between {} and {}",
            i32::MIN,
            i32::MAX
        ))
    })
}

/// An integer argument of 32 bits with an error of its own.
pub(super) fn int_or(argument: &[u8], error: &'static str) -> Result<i32, CommandError> {
    number::parse_i64(argument)
        .and_then(|number| i32::try_from(number).ok())
        .ok_or(CommandError::other(error))
}
