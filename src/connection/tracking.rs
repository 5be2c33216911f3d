//! `CLIENT TRACKING`: what a client asks for, what is refused, and what it is told. Not here: who has read which key.

use super::Tracking;
use crate::protocol::{Encoder, Request, Version, number::parse_i64};

/// The channel on which clients of RESP2 are told.
const CHANNEL: &str = "__redis__:invalidate";

/// What a client asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Who gets the messages instead; a number of a client.
    pub redirect: Option<u64>,
    /// Keys that begin with one of the prefixes, whether the client read them or not.
    pub broadcast: bool,
    /// See `broadcast`; none is all keys.
    pub prefixes: Vec<Box<[u8]>>,
    /// Only what is read after `CLIENT CACHING YES`.
    pub opt_in: bool,
    /// Not what is read after `CLIENT CACHING NO`.
    pub opt_out: bool,
    /// Not what the client changes itself.
    pub no_loop: bool,
}

/// What `CLIENT TRACKING` does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The client is told of changes.
    On(Options),
    /// It is not, any more.
    Off,
}

/// Why not, with Redis's text, code first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused(pub Vec<u8>);

impl From<&str> for Refused {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

const SYNTAX: &str = "ERR syntax error";

fn is_word(argument: &[u8], word: &str) -> bool {
    argument.eq_ignore_ascii_case(word.as_bytes())
}

/// What C prints of it.
fn as_c_string(argument: &[u8]) -> &[u8] {
    argument.split(|&byte| byte == 0).next().unwrap_or_default()
}

fn parse(request: &Request<'_>, is_client: &dyn Fn(u64) -> bool) -> Result<Options, Refused> {
    let mut options = Options::default();
    let mut words = request.args_from(3);
    while let Some(word) = words.next() {
        if is_word(word, "REDIRECT") {
            let id = words.next().ok_or(SYNTAX)?;
            if options.redirect.is_some() {
                return Err("ERR A client can only redirect to a single other client".into());
            }
            let id = parse_i64(id).ok_or("ERR value is not an integer or out of range")?;
            let known = u64::try_from(id).ok().filter(|&id| is_client(id));
            options.redirect = Some(known.ok_or("ERR The client ID you want redirect to does not exist")?);
        } else if is_word(word, "BCAST") {
            options.broadcast = true;
        } else if is_word(word, "OPTIN") {
            options.opt_in = true;
        } else if is_word(word, "OPTOUT") {
            options.opt_out = true;
        } else if is_word(word, "NOLOOP") {
            options.no_loop = true;
        } else if is_word(word, "PREFIX") {
            options.prefixes.push(words.next().ok_or(SYNTAX)?.into());
        } else {
            return Err(SYNTAX.into());
        }
    }
    Ok(options)
}

/// Reads `CLIENT TRACKING`, in the order of Redis. `before`: what the client has asked for already.
///
/// # Errors
/// Its words, or how they fit together or with what was asked for before.
pub fn change(
    request: &Request<'_>,
    before: Option<&Options>,
    is_client: &dyn Fn(u64) -> bool,
    receives_messages: bool,
) -> Result<Change, Refused> {
    let options = parse(request, is_client)?;
    if is_word(request.arg(2), "OFF") {
        return Ok(Change::Off);
    }
    if !is_word(request.arg(2), "ON") {
        return Err(SYNTAX.into());
    }
    if !receives_messages {
        return Err("ERR a gRPC caller receives no messages: track over RESP".into());
    }
    if !options.broadcast && !options.prefixes.is_empty() {
        return Err("ERR PREFIX option requires BCAST mode to be enabled".into());
    }
    if before.is_some_and(|before| before.broadcast != options.broadcast) {
        return Err("ERR You can't switch BCAST mode on/off before disabling tracking for this client, and then re-enabling it with a \
             different mode."
            .into());
    }
    if options.broadcast && (options.opt_in || options.opt_out) {
        return Err("ERR OPTIN and OPTOUT are not compatible with BCAST".into());
    }
    if options.opt_in && options.opt_out {
        return Err("ERR You can't specify both OPTIN mode and OPTOUT mode".into());
    }
    if before.is_some_and(|before| options.opt_in && before.opt_out || options.opt_out && before.opt_in) {
        return Err("ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then re-enabling it with a \
             different mode."
            .into());
    }
    collision(&options.prefixes, before).map_or(Ok(Change::On(options)), Err)
}

/// Two prefixes of which one begins with the other, said as Redis says it.
fn collision(prefixes: &[Box<[u8]>], before: Option<&Options>) -> Option<Refused> {
    let overlap = |a: &[u8], b: &[u8]| a.starts_with(b) || b.starts_with(a);
    prefixes.iter().enumerate().find_map(|(index, prefix)| {
        let of_before = before.into_iter().flat_map(|before| &before.prefixes);
        let (which, other) = of_before
            .filter(|known| *known != prefix)
            .find(|known| overlap(prefix, known))
            .map(|known| ("an existing", known))
            .or_else(|| {
                let mut others = prefixes[index + 1..].iter();
                others.find(|other| overlap(prefix, other)).map(|other| ("another provided", other))
            })?;
        let text = [
            b"ERR Prefix '",
            as_c_string(prefix),
            b"' overlaps with ",
            which.as_bytes(),
            b" prefix '",
            as_c_string(other),
            b"'. Prefixes for a single client must not overlap.",
        ];
        Some(Refused(text.concat()))
    })
}

impl Options {
    /// With what the client had asked for before: prefixes are added.
    #[must_use]
    pub fn after(mut self, before: Option<&Self>) -> Self {
        if self.broadcast {
            if self.prefixes.is_empty() {
                self.prefixes.push(Box::default());
            }
            let known = before.into_iter().flat_map(|before| &before.prefixes);
            let more: Vec<_> = known.filter(|known| !self.prefixes.contains(known)).cloned().collect();
            self.prefixes.extend(more);
            self.prefixes.sort_unstable();
        }
        self
    }

    /// Whether what the client reads now is to be remembered; `caching`: after `CLIENT CACHING`.
    #[must_use]
    pub fn remembers(&self, caching: bool) -> bool {
        let asked = if self.opt_in { caching } else { !(self.opt_out && caching) };
        !self.broadcast && asked
    }

    /// What `CLIENT TRACKINGINFO` shows.
    #[must_use]
    pub fn shown(&self, caching: bool, broken_redirect: bool) -> Tracking {
        let flags = [
            (self.broadcast, "bcast"),
            (self.opt_in, "optin"),
            (self.opt_in && caching, "caching-yes"),
            (self.opt_out, "optout"),
            (self.opt_out && caching, "caching-no"),
            (self.no_loop, "noloop"),
            (broken_redirect, "broken_redirect"),
        ];
        Tracking {
            flags: flags.into_iter().filter(|(set, _)| *set).map(|(_, flag)| flag).collect(),
            redirect: self.redirect.map_or(0, |id| i64::try_from(id).unwrap_or(i64::MAX)),
            prefixes: self.prefixes.iter().map(|prefix| prefix.to_vec()).collect(),
        }
    }
}

/// Whether `CLIENT CACHING` with this word is in order.
///
/// # Errors
/// When the client has not asked for what the word is about.
pub fn check_caching(options: Option<&Options>, word: &[u8]) -> Result<(), Refused> {
    let Some(options) = options else {
        return Err("ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled".into());
    };
    if is_word(word, "YES") {
        if options.opt_in {
            return Ok(());
        }
        return Err("ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.".into());
    }
    if is_word(word, "NO") {
        if options.opt_out {
            return Ok(());
        }
        return Err("ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.".into());
    }
    Err(SYNTAX.into())
}

/// Whom a message goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receiver {
    /// What it is answered in.
    pub version: Version,
    /// It has subscriptions.
    pub subscribed: bool,
    /// Another client asked for it.
    pub redirected: bool,
}

/// What has changed.
#[derive(Clone, Copy, Debug)]
pub enum Payload<'a> {
    /// These keys.
    Keys(&'a [&'a [u8]]),
    /// All.
    Everything,
}

/// That keys have changed; `None` to a client that cannot be told: of RESP2, unless it is subscribed and others redirect to it.
#[must_use]
pub fn invalidate(to: Receiver, payload: Payload<'_>) -> Option<Vec<u8>> {
    let mut message = Vec::new();
    let mut encoder = Encoder::new(&mut message, to.version);
    match to.version {
        Version::Resp3 => {
            encoder.push(2);
            encoder.bulk("invalidate");
        }
        Version::Resp2 if to.redirected && to.subscribed => {
            encoder.push(3);
            encoder.bulk("message");
            encoder.bulk(CHANNEL);
        }
        Version::Resp2 => return None,
    }
    match payload {
        Payload::Keys(keys) => {
            encoder.array(keys.len());
            keys.iter().for_each(|key| encoder.bulk(key));
        }
        Payload::Everything => encoder.null(),
    }
    Some(message)
}

/// That messages reach nobody, because the client they are redirected to is gone.
#[must_use]
pub fn redirect_broken(version: Version, redirect: u64) -> Option<Vec<u8>> {
    if version == Version::Resp2 {
        return None;
    }
    let mut message = Vec::new();
    let mut encoder = Encoder::new(&mut message, version);
    encoder.push(2);
    encoder.bulk("tracking-redir-broken");
    encoder.integer(i64::try_from(redirect).unwrap_or(i64::MAX));
    Some(message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Args;

    fn asked(line: &str, before: Option<&Options>) -> Result<Change, String> {
        let words: Vec<&str> = line.split(' ').collect();
        let args = Args::of(&words).expect("small");
        change(&args.request().expect("a name"), before, &|id| id == 7, true)
            .map_err(|refused| String::from_utf8(refused.0).expect("text"))
    }

    #[test]
    fn what_is_asked_for_fits_together_and_to_what_was() {
        let on = |options| Ok(Change::On(options));
        assert_eq!(asked("CLIENT TRACKING on", None), on(Options::default()));
        assert_eq!(asked("CLIENT TRACKING off", None), Ok(Change::Off));
        let redirected = Options { redirect: Some(7), no_loop: true, ..Options::default() };
        assert_eq!(asked("CLIENT TRACKING on REDIRECT 7 NOLOOP", None), on(redirected));
        let broadcast =
            Options { broadcast: true, prefixes: vec![b"b"[..].into()], ..Options::default() }.after(None);
        for (line, before, text) in [
            ("CLIENT TRACKING maybe", None, "syntax error"),
            ("CLIENT TRACKING on REDIRECT 8", None, "does not exist"),
            ("CLIENT TRACKING on PREFIX a", None, "requires BCAST"),
            ("CLIENT TRACKING on OPTIN OPTOUT", None, "can't specify both"),
            ("CLIENT TRACKING on", Some(&broadcast), "switch BCAST mode"),
            ("CLIENT TRACKING on BCAST PREFIX bb", Some(&broadcast), "an existing prefix 'b'"),
            ("CLIENT TRACKING on BCAST PREFIX a PREFIX ab", None, "another provided prefix 'ab'"),
        ] {
            let refused = asked(line, before).expect_err(line);
            assert!(refused.contains(text), "{line}: {refused}");
        }
        let more = Options { broadcast: true, prefixes: vec![b"a"[..].into()], ..Options::default() };
        assert_eq!(more.after(Some(&broadcast)).prefixes, [b"a"[..].into(), b"b"[..].into()]);
    }

    #[test]
    fn what_is_read_is_remembered_as_asked() {
        let [plain, opt_in, opt_out] = [(false, false), (true, false), (false, true)]
            .map(|(opt_in, opt_out)| Options { opt_in, opt_out, ..Options::default() });
        assert_eq!([plain.remembers(false), plain.remembers(true)], [true, true]);
        assert_eq!([opt_in.remembers(false), opt_in.remembers(true)], [false, true]);
        assert_eq!([opt_out.remembers(false), opt_out.remembers(true)], [true, false]);
        assert!(check_caching(Some(&opt_in), b"yes").is_ok() && check_caching(Some(&opt_in), b"no").is_err());
        assert!(check_caching(None, b"yes").is_err());
    }

    #[test]
    fn who_cannot_be_told_is_not() {
        let to = |version, subscribed, redirected| {
            let message = invalidate(Receiver { version, subscribed, redirected }, Payload::Keys(&[b"k"]));
            message.map(|message| message.escape_ascii().to_string())
        };
        let push = r">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n";
        assert_eq!(to(Version::Resp3, false, false).as_deref(), Some(push));
        assert_eq!(to(Version::Resp2, true, false), None);
        assert_eq!(to(Version::Resp2, false, true), None);
        assert!(to(Version::Resp2, true, true).is_some_and(|message| message.contains(CHANNEL)));
    }
}
