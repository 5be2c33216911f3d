//! Commands that the table does not have: those of modules and of newer servers. What a server says of one in `COMMAND INFO` is enough
//! to send it where its keys are. Nothing of it becomes a row of the table: it is true as long as that server is.
//!
//! Pure: a reply goes in. Not here: who is asked, and how long an answer is believed.

use super::{
    Acl, Flags, KeyFlags, KeyPositions, KeySpec, ResolveError, TABLE,
    keys::{self, Find, InvalidArguments, Search},
};
use crate::protocol::{Request, Value};

/// A command or subcommand, as a server describes it.
#[derive(Debug)]
pub struct Learned {
    /// Lower case, as it was asked for: a server may know it by another name. Of a subcommand, with its container.
    name: String,
    arity: i64,
    flags: Flags,
    acl: Acl,
    keys: Keys,
    way: Way,
    subcommands: Vec<Self>,
}

/// Where its keys are.
#[derive(Debug)]
enum Keys {
    /// There are none.
    None,
    /// Where these say.
    At(Box<[KeySpec]>),
    /// Only a server can tell.
    Asked,
}

/// What a proxy does with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// To the node of its keys; to any that has it, if it names none.
    ByKey,
    /// The same, but a server has to say which arguments are keys.
    ByAskedKey,
    /// To any node that has it.
    Any,
    /// To all nodes that own slots; if it writes, to every member.
    AllNodes(Fold),
    /// To every member.
    AllMembers(Fold),
    /// It cannot be done through a proxy, and why (a clause that begins in lower case).
    Refused(&'static str),
}

/// How the replies of several nodes become one: Redis's response policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fold {
    /// One that is no error is enough.
    OneSucceeded,
    /// All have to be none.
    AllSucceeded,
    /// Integers, added.
    Sum,
    /// The smallest.
    Least,
    /// The greatest.
    Greatest,
    /// 1 if all are true.
    And,
    /// 1 if one is true.
    Or,
    /// Elements of arrays, one behind the other.
    Together,
}

/// Why some are refused: clauses that follow the command's name.
mod reason {
    pub(super) const WAITS: &str =
        "it may wait for others, and this proxy, which knows it only from a node, cannot end that";
    pub(super) const MESSAGES: &str =
        "what a node sends without being asked is heard by this proxy only for the commands it knows";
    pub(super) const CONNECTION: &str = "it may be about the connection it is sent on, and clients of a proxy share those: connect to the node";
    pub(super) const SERVER: &str = "it is about one server: connect to the node";
    pub(super) const SPECIAL: &str =
        "the node says that spreading it over several, or merging the replies, takes knowledge of its own";
    pub(super) const NOWHERE: &str =
        "it writes, and the node that was asked says neither to which keys nor to which nodes it goes";
}

/// Numbers in key specifications that are greater make no sense, and are not added to anything.
const NUMBER_MAX: i64 = 1 << 16;
/// Longer names are not asked for.
pub const NAME_MAX: usize = 64;

impl Learned {
    /// From an element of the reply to `COMMAND INFO`; `None` if the server does not have the command, or what it says makes no sense.
    #[must_use]
    pub fn parse(name: &str, info: &Value) -> Option<Self> {
        let fields = elements(info).filter(|fields| fields.len() >= 6)?;
        let arity = fields.get(1)?.as_i64()?;
        let mut flags = Flags::NONE;
        let mut is_movable = false;
        for flag in words(fields.get(2)?) {
            flags = flags.with(Flags::named(flag).unwrap_or_default());
            is_movable |= flag.eq_ignore_ascii_case(b"movablekeys");
        }
        let mut acl = Acl::NONE;
        for category in fields.get(6).into_iter().flat_map(words) {
            let category = category.strip_prefix(b"@").unwrap_or(category);
            acl = acl.with(Acl::named(category).unwrap_or_default());
        }
        let keys = match fields.get(8).and_then(elements) {
            Some(specs) if !specs.is_empty() => by_specs(specs),
            _ if is_movable => Keys::Asked,
            _ => by_range(fields, flags)?,
        };
        let tips: Vec<&[u8]> = fields.get(7).into_iter().flat_map(words).collect();
        let way = way(flags, acl, &keys, &tips);
        let subcommands = fields.get(9).and_then(elements).unwrap_or_default();
        let subcommands = subcommands.iter().filter_map(|sub| {
            let full = elements(sub)?.first()?.as_bytes()?;
            let word = full.rsplit(|&byte| byte == b'|').next()?;
            Self::parse(&format!("{name}|{}", std::str::from_utf8(word).ok()?.to_ascii_lowercase()), sub)
        });
        let subcommands = subcommands.collect();
        Some(Self { name: name.to_owned(), arity, flags, acl, keys, way, subcommands })
    }

    /// What a request is for: of a subcommand, if there are such. The arity is checked.
    ///
    /// # Errors
    /// Redis's reply: unknown subcommand, or wrong number of arguments.
    pub fn resolve(&self, request: &Request<'_>) -> Result<&Self, Vec<u8>> {
        let found = match request.get(1) {
            Some(word) if !self.subcommands.is_empty() => {
                let is_meant = |sub: &&Self| sub.word().as_bytes().eq_ignore_ascii_case(word);
                let unknown = || ResolveError::unknown_subcommand(request.name(), word).text();
                self.subcommands.iter().find(is_meant).ok_or_else(unknown)?
            }
            _ => self,
        };
        let (needed, len) = (found.arity.unsigned_abs(), request.len() as u64);
        let accepts = if found.arity < 0 { len >= needed } else { len == needed };
        let refusal = || format!("ERR wrong number of arguments for '{}' command", found.name).into_bytes();
        accepts.then_some(found).ok_or_else(refusal)
    }

    fn word(&self) -> &str {
        self.name.rsplit('|').next().unwrap_or_default()
    }

    /// See the type.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it is like.
    #[must_use]
    pub fn flags(&self) -> Flags {
        self.flags
    }

    /// Its access control categories, as far as they are known here.
    #[must_use]
    pub fn acl(&self) -> Acl {
        self.acl
    }

    /// What a proxy does with it.
    #[must_use]
    pub fn way(&self) -> Way {
        self.way
    }

    /// Whether it may change keys.
    #[must_use]
    pub fn writes(&self) -> bool {
        self.flags.has(Flags::WRITE)
    }

    /// The keys of a request whose arity was checked; `None` if only a server can tell.
    ///
    /// # Errors
    /// As [`keys::positions`].
    pub fn positions(&self, request: &Request<'_>) -> Option<Result<KeyPositions, InvalidArguments>> {
        match &self.keys {
            Keys::None => Some(Ok(KeyPositions::default())),
            Keys::At(specs) => Some(keys::found(specs, request)),
            Keys::Asked => None,
        }
    }
}

/// By what a server says of a command. What may do harm where clients share connections is refused rather than tried.
fn way(flags: Flags, acl: Acl, keys: &Keys, tips: &[&[u8]]) -> Way {
    let policy = |name: &[u8]| {
        let value =
            tips.iter().find_map(|tip| tip.to_ascii_lowercase().strip_prefix(name).map(<[u8]>::to_vec));
        value.unwrap_or_default()
    };
    if flags.has(Flags::BLOCKING) {
        return Way::Refused(reason::WAITS);
    }
    if flags.has(Flags::PUBSUB) {
        return Way::Refused(reason::MESSAGES);
    }
    if acl.has_any(Acl::CONNECTION.with(Acl::TRANSACTION)) {
        return Way::Refused(reason::CONNECTION);
    }
    match keys {
        Keys::None => {}
        Keys::At(_) => return Way::ByKey,
        Keys::Asked => return Way::ByAskedKey,
    }
    let fold = match policy(b"response_policy:").as_slice() {
        b"" => Fold::Together,
        b"one_succeeded" => Fold::OneSucceeded,
        b"all_succeeded" => Fold::AllSucceeded,
        b"agg_sum" => Fold::Sum,
        b"agg_min" => Fold::Least,
        b"agg_max" => Fold::Greatest,
        b"agg_logical_and" => Fold::And,
        b"agg_logical_or" => Fold::Or,
        _ => return Way::Refused(reason::SPECIAL),
    };
    match policy(b"request_policy:").as_slice() {
        b"all_shards" => Way::AllNodes(fold),
        b"all_nodes" => Way::AllMembers(fold),
        b"" if flags.has(Flags::ADMIN) => Way::Refused(reason::SERVER),
        // Whatever a server keeps of a connection, scripts cannot change.
        b"" if flags.has(Flags::NOSCRIPT) => Way::Refused(reason::CONNECTION),
        b"" if flags.has(Flags::WRITE) => Way::Refused(reason::NOWHERE),
        b"" => Way::Any,
        _ => Way::Refused(reason::SPECIAL),
    }
}

/// First key, last key and step, as all servers have them.
fn by_range(fields: &[Value], flags: Flags) -> Option<Keys> {
    let number = |at: usize| fields.get(at)?.as_i64().filter(|number| number.abs() <= NUMBER_MAX);
    let (first, last, step) = (number(3)?, number(4)?, number(5)?);
    let (Ok(first), Ok(step)) = (usize::try_from(first), usize::try_from(step)) else {
        return Some(Keys::Asked);
    };
    if first == 0 {
        return Some(Keys::None);
    }
    let distance = if last >= 0 { last - i64::try_from(first).ok()? } else { last };
    if step == 0 || last >= 0 && distance < 0 {
        return Some(Keys::Asked);
    }
    let reads = KeyFlags::of(&[KeyFlags::RO, KeyFlags::ACCESS]);
    let writes = KeyFlags::of(&[KeyFlags::RW, KeyFlags::ACCESS, KeyFlags::UPDATE]);
    let spec = KeySpec {
        flags: if flags.has(Flags::WRITE) { writes } else { reads },
        search: Search::Index(first),
        find: Find::Range { last: i32::try_from(distance).ok()?, step, limit: 0 },
        notes: "",
    };
    Some(Keys::At(Box::new([spec])))
}

/// Key specifications; a server is asked for the keys of each request where one of them is not understood here.
fn by_specs(specs: &[Value]) -> Keys {
    let known: Option<Vec<KeySpec>> = specs.iter().map(key_spec).collect();
    match known {
        Some(specs) if specs.len() <= keys::SPECS_MAX => {
            // Channels of shards are in a slot, but have no place among keys.
            let are_keys = specs.iter().any(|spec| !spec.flags.has(KeyFlags::NOT_KEY));
            if are_keys { Keys::At(specs.into()) } else { Keys::None }
        }
        _ => Keys::Asked,
    }
}

fn key_spec(spec: &Value) -> Option<KeySpec> {
    let mut flags = KeyFlags::NONE;
    for flag in words(field(spec, b"flags")?) {
        flags = flags.with(KeyFlags::named(flag).unwrap_or_default());
    }
    if flags.has(KeyFlags::INCOMPLETE) {
        return None;
    }
    let (begin, details) = part(field(spec, b"begin_search")?)?;
    let search = match begin {
        b"index" => Search::Index(size(field(details, b"index")?)?),
        b"keyword" => {
            let start = i32::try_from(number(field(details, b"startfrom")?)?).ok()?;
            Search::Keyword(keyword(field(details, b"keyword")?.as_bytes()?)?, start)
        }
        _ => return None,
    };
    let (how, details) = part(field(spec, b"find_keys")?)?;
    let find = match how {
        b"range" => Find::Range {
            last: i32::try_from(number(field(details, b"lastkey")?)?).ok()?,
            step: size(field(details, b"keystep")?)?,
            limit: size(field(details, b"limit")?)?,
        },
        b"keynum" => Find::Count {
            count: size(field(details, b"keynumidx")?)?,
            first: size(field(details, b"firstkey")?)?,
            step: size(field(details, b"keystep")?)?,
        },
        _ => return None,
    };
    let (Find::Range { step, .. } | Find::Count { step, .. }) = find else { return None };
    (step > 0).then_some(KeySpec { flags, search, find, notes: "" })
}

/// A word that stands before keys, if a command of the table has it too.
fn keyword(word: &[u8]) -> Option<&'static str> {
    let words = TABLE.iter().flat_map(|spec| spec.keys).filter_map(|keys| match keys.search {
        Search::Keyword(word, _) => Some(word),
        Search::Index(_) | Search::Unknown => None,
    });
    words.into_iter().find(|known| known.as_bytes().eq_ignore_ascii_case(word))
}

/// `type` and `spec` of one half of a key specification.
fn part(value: &Value) -> Option<(&[u8], &Value)> {
    Some((field(value, b"type")?.as_bytes()?, field(value, b"spec")?))
}

/// Of a map, which is a plain array in RESP2.
fn field<'a>(value: &'a Value, name: &[u8]) -> Option<&'a Value> {
    match value {
        Value::Map(pairs) => {
            pairs.iter().find(|(known, _)| known.as_bytes() == Some(name)).map(|(_, value)| value)
        }
        _ => elements(value)?
            .chunks_exact(2)
            .find(|pair| pair[0].as_bytes() == Some(name))
            .map(|pair| &pair[1]),
    }
}

fn elements(value: &Value) -> Option<&[Value]> {
    match value {
        Value::Array(elements) | Value::Set(elements) => Some(elements),
        _ => None,
    }
}

fn words(value: &Value) -> impl Iterator<Item = &[u8]> {
    elements(value).unwrap_or_default().iter().filter_map(Value::as_bytes)
}

fn number(value: &Value) -> Option<i64> {
    value.as_i64().filter(|number| number.abs() <= NUMBER_MAX)
}

fn size(value: &Value) -> Option<usize> {
    usize::try_from(number(value)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::introspect;
    use crate::protocol::{Args, Encoder, Version};

    /// What a server of these rows would say of one of them, by another name.
    fn said(of: &str, version: Version) -> Value {
        let words = ["command", "info", of];
        let args = Args::of(&words).expect("small");
        let request = args.request().expect("a name");
        let spec = crate::command::resolve(&request).expect("in the table");
        let mut out = Vec::new();
        introspect::command(spec, &request, &mut Encoder::new(&mut out, version), &|_| true).expect("known");
        let (value, _) = Value::decode(&out).expect("RESP").expect("complete");
        elements(&value).expect("an array")[0].clone()
    }

    fn learned(of: &str) -> Learned {
        let [old, new] = [Version::Resp2, Version::Resp3]
            .map(|version| Learned::parse("x.y", &said(of, version)).expect("info"));
        assert_eq!(format!("{old:?}"), format!("{new:?}"));
        new
    }

    fn keys_of(of: &str, line: &str) -> Option<Vec<usize>> {
        let words: Vec<&str> = line.split(' ').collect();
        let args = Args::of(&words).expect("small");
        let found = learned(of).positions(&args.request().expect("a name"))?;
        let mut at: Vec<usize> = found.expect("valid").indices().collect();
        at.sort_unstable();
        Some(at)
    }

    #[test]
    fn what_the_table_says_is_learned_again() {
        for spec in TABLE.iter().filter(|spec| !spec.name.contains('|')) {
            let learned = learned(spec.name);
            assert_eq!(
                (learned.arity, learned.flags, learned.acl),
                (spec.arity.into(), spec.flags, spec.acl),
                "{}",
                spec.name
            );
            assert_eq!(learned.subcommands.len(), spec.subcommands().len(), "{}", spec.name);
            assert_eq!(matches!(learned.keys, Keys::None), !spec.has_keys(), "{}", spec.name);
        }
    }

    #[test]
    fn keys_are_found_as_for_the_table() {
        for (of, line, expected) in [
            ("get", "x.y k", Some(vec![1])),
            ("mset", "x.y a 1 b 2", Some(vec![1, 3])),
            ("zunionstore", "x.y d 2 a b weights 1 2", Some(vec![1, 3, 4])),
            ("xread", "x.y count 1 streams a b 0 0", Some(vec![4, 5])),
            ("blpop", "x.y a b 0", Some(vec![1, 2])),
            ("ping", "x.y k", Some(vec![])),
            // Options decide.
            ("sort", "x.y k store d", None),
        ] {
            assert_eq!(keys_of(of, line), expected, "{of}");
        }
    }

    #[test]
    fn old_servers_say_less() {
        let mut fields = elements(&said("mset", Version::Resp2)).expect("an array").to_vec();
        fields.truncate(7);
        let learned = Learned::parse("x", &Value::Array(fields.clone())).expect("enough");
        let args = Args::of(&["x", "a", "1", "b", "2"]).expect("small");
        let at = learned.positions(&args.request().expect("a name")).expect("told").expect("valid");
        assert_eq!(at.indices().collect::<Vec<_>>(), [1, 3]);
        // `movablekeys`
        fields[2] = Value::Array(vec![Value::Simple("write".into()), Value::Simple("movablekeys".into())]);
        assert_eq!(
            Learned::parse("x", &Value::Array(fields.clone())).expect("enough").way(),
            Way::ByAskedKey
        );
        fields.truncate(4);
        assert!(Learned::parse("x", &Value::Array(fields)).is_none());
        assert!(Learned::parse("x", &Value::Null).is_none());
    }

    #[test]
    fn where_it_goes() {
        for (of, way) in [
            ("get", Way::ByKey),
            ("sort", Way::ByAskedKey),
            ("lolwut", Way::Any),
            ("dbsize", Way::AllNodes(Fold::Sum)),
            ("flushall", Way::AllNodes(Fold::AllSucceeded)),
            ("keys", Way::AllNodes(Fold::Together)),
            ("scan", Way::Refused(reason::SPECIAL)),
            ("blpop", Way::Refused(reason::WAITS)),
            ("subscribe", Way::Refused(reason::MESSAGES)),
            ("select", Way::Refused(reason::CONNECTION)),
            ("watch", Way::Refused(reason::CONNECTION)),
            ("shutdown", Way::Refused(reason::SERVER)),
            ("swapdb", Way::Refused(reason::NOWHERE)),
        ] {
            assert_eq!(learned(of).way(), way, "{of}");
        }
    }

    #[test]
    fn a_request_is_checked_with_the_words_of_redis() {
        let of = learned("config");
        let outcome = |line: &str| {
            let words: Vec<&str> = line.split(' ').collect();
            let args = Args::of(&words).expect("small");
            let found = of.resolve(&args.request().expect("a name"));
            found.map(|found| found.name().to_owned()).map_err(|text| String::from_utf8(text).expect("text"))
        };
        assert_eq!(outcome("X.y GET a"), Ok("x.y|get".to_owned()));
        assert_eq!(outcome("X.y gets"), Err("ERR unknown subcommand 'gets'. Try X.Y HELP.".to_owned()));
        assert_eq!(outcome("X.y get"), Err("ERR wrong number of arguments for 'x.y|get' command".to_owned()));
    }

    #[test]
    fn numbers_that_make_no_sense_are_not_used() {
        let bulk = |text: &str| Value::Bulk(text.to_owned().into());
        let spec = |index: i64, step: i64, word: &str| {
            let map = |pairs: Vec<(&str, Value)>| {
                Value::Map(pairs.into_iter().map(|(name, value)| (bulk(name), value)).collect())
            };
            let begin = map(vec![
                ("index", Value::Integer(index)),
                ("keyword", bulk(word)),
                ("startfrom", Value::Integer(1)),
            ]);
            let kind = if word.is_empty() { "index" } else { "keyword" };
            let find = map(vec![
                ("lastkey", Value::Integer(0)),
                ("keystep", Value::Integer(step)),
                ("limit", Value::Integer(0)),
            ]);
            map(vec![
                ("flags", Value::Set(vec![Value::Simple("RO".into())])),
                ("begin_search", map(vec![("type", bulk(kind)), ("spec", begin)])),
                ("find_keys", map(vec![("type", bulk("range")), ("spec", find)])),
            ])
        };
        assert!(key_spec(&spec(1, 1, "")).is_some() && key_spec(&spec(1, 1, "streams")).is_some());
        for wrong in [spec(-1, 1, ""), spec(i64::MAX, 1, ""), spec(1, 0, ""), spec(1, 1, "nobody knows it")] {
            assert!(key_spec(&wrong).is_none(), "{wrong:?}");
        }
    }
}
