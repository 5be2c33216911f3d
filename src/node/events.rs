//! `notify-keyspace-events`: which events of keys become messages.

use crate::node::keyspace::EventClass;

/// The classes of events that are wanted, and where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted(u32);

/// Letters with their bits, in the order in which Redis shows them.
const LETTERS: &[(u8, u32)] = &[
    (b'g', 1 << 0),
    (b'$', 1 << 1),
    (b'l', 1 << 2),
    (b's', 1 << 3),
    (b'h', 1 << 4),
    (b'z', 1 << 5),
    (b'x', 1 << 6),
    (b'e', 1 << 7),
    (b't', 1 << 8),
    (b'd', 1 << 9),
    (b'n', NEW),
    (b'K', KEYSPACE),
    (b'E', KEYEVENT),
    (b'm', MISS),
];
const NEW: u32 = 1 << 10;
const KEYSPACE: u32 = 1 << 11;
const KEYEVENT: u32 = 1 << 12;
const MISS: u32 = 1 << 13;
/// What `A` stands for: all but misses and new keys.
const ALL: u32 = (1 << 10) - 1;

impl Wanted {
    /// From letters; `None` if one of them is no class.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        text.iter().try_fold(Self(0), |wanted, letter| {
            let bits = match letter {
                b'A' => ALL,
                letter => LETTERS.iter().find(|(known, _)| known == letter)?.1,
            };
            Some(Self(wanted.0 | bits))
        })
    }

    /// The letters, each class once.
    #[must_use]
    pub fn letters(self) -> String {
        let all = self.0 & ALL == ALL;
        let shown = LETTERS.iter().filter(|(_, bit)| self.0 & bit != 0 && !(all && ALL & bit != 0));
        all.then_some(b'A').into_iter().chain(shown.map(|(letter, _)| *letter)).map(char::from).collect()
    }

    /// As `CONFIG GET` shows it: behind `A`, Redis leaves `n` out, although it is in force.
    #[must_use]
    pub fn shown(self) -> String {
        Self(if self.0 & ALL == ALL { self.0 & !NEW } else { self.0 }).letters()
    }

    /// Nothing is.
    #[must_use]
    pub fn is_nothing(self) -> bool {
        self.0 & (KEYSPACE | KEYEVENT) == 0 || self.0 & !(KEYSPACE | KEYEVENT) == 0
    }

    fn has(self, class: EventClass) -> bool {
        let letter = match class {
            EventClass::Generic => b'g',
            EventClass::String => b'$',
            EventClass::List => b'l',
            EventClass::Set => b's',
            EventClass::Hash => b'h',
            EventClass::SortedSet => b'z',
            EventClass::Stream => b't',
            EventClass::Expired => b'x',
            EventClass::Evicted => b'e',
            EventClass::New => b'n',
            EventClass::Miss => b'm',
        };
        LETTERS.iter().any(|&(known, bit)| known == letter && self.0 & bit != 0)
    }

    /// The messages of an event: each with its channel and payload.
    pub fn messages(
        self,
        database: usize,
        class: EventClass,
        event: &str,
        key: &[u8],
        send: &mut dyn FnMut(&[u8], &[u8]),
    ) {
        if !self.has(class) {
            return;
        }
        if self.0 & KEYSPACE != 0 {
            let channel = [format!("__keyspace@{database}__:").as_bytes(), key].concat();
            send(&channel, event.as_bytes());
        }
        if self.0 & KEYEVENT != 0 {
            send(format!("__keyevent@{database}__:{event}").as_bytes(), key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_as_redis_reads_and_shows_them() {
        for (text, shown) in [
            ("", Some("")),
            ("KEA", Some("AKE")),
            ("AKEm", Some("AKEm")),
            ("AKEmn", Some("AnKEm")),
            ("g$lshzxetdKE", Some("AKE")),
            ("lK$g", Some("g$lK")),
            ("Kq", None),
        ] {
            assert_eq!(Wanted::parse(text.as_bytes()).map(Wanted::letters).as_deref(), shown, "{text}");
        }
    }

    #[test]
    fn new_keys_are_not_shown_beside_all_others() {
        let shown = |text: &[u8]| Wanted::parse(text).expect("letters").shown();
        assert_eq!((shown(b"AnKE"), shown(b"gnKE")), ("AKE".into(), "gnKE".into()));
    }

    #[test]
    fn only_wanted_events_become_messages() {
        let sent = |wanted: &str, class, event| {
            let mut sent = Vec::new();
            let wanted = Wanted::parse(wanted.as_bytes()).expect("letters");
            wanted.messages(3, class, event, b"key", &mut |channel, payload| {
                sent.push([channel, b" ", payload].concat().escape_ascii().to_string());
            });
            sent
        };
        assert_eq!(
            sent("KEg", EventClass::Generic, "del"),
            ["__keyspace@3__:key del", "__keyevent@3__:del key"]
        );
        assert_eq!(sent("EA", EventClass::List, "lpush"), ["__keyevent@3__:lpush key"]);
        assert!(sent("EA", EventClass::New, "new").is_empty());
        assert!(sent("A", EventClass::List, "lpush").is_empty());
        assert!(sent("K$", EventClass::List, "lpush").is_empty());
        assert!(Wanted::parse(b"A").expect("a letter").is_nothing());
        assert!(Wanted::parse(b"KE").expect("letters").is_nothing());
        assert!(!Wanted::parse(b"Kx").expect("letters").is_nothing());
    }
}
