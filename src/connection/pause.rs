//! `CLIENT PAUSE`: what is asked for, which commands wait, and until when. Pure; those who wait are woken by whoever ends the pause.

use super::Refusal;
use crate::{
    command::{Flags, Spec},
    protocol::{Request, number::parse_i64},
    time::Millis,
};

/// What waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// What may change something that others hear of.
    #[default]
    Writes,
    /// Everything.
    All,
}

/// A pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    until: Millis,
    scope: Scope,
}

impl Span {
    /// What `CLIENT PAUSE` asks for now.
    ///
    /// # Errors
    /// Redis's, for arguments that make no sense.
    pub fn parse(request: &Request<'_>, now: Millis) -> Result<Self, Refusal> {
        let is = |word: &[u8], mode: &str| word.eq_ignore_ascii_case(mode.as_bytes());
        let scope = match request.get(3) {
            None => Scope::All,
            Some(word) if is(word, "ALL") => Scope::All,
            Some(word) if is(word, "WRITE") => Scope::Writes,
            Some(_) => return Err(Refusal::new("ERR CLIENT PAUSE mode must be WRITE or ALL")),
        };
        let timeout =
            parse_i64(request.arg(2)).ok_or(Refusal::new("ERR timeout is not an integer or out of range"))?;
        if timeout < 0 {
            return Err(Refusal::new("ERR timeout is negative"));
        }
        // Redis does not look whether there is such a time: a pause beyond all times is none.
        Ok(Self::new(Millis(now.0.wrapping_add(timeout)), scope))
    }

    /// A pause until this time.
    #[must_use]
    pub fn new(until: Millis, scope: Scope) -> Self {
        Self { until, scope }
    }

    /// This one, while there is another: the later end and the stricter scope count, as in Redis.
    #[must_use]
    pub fn beside(self, other: Option<Self>) -> Self {
        let other = other.unwrap_or(self);
        Self { until: self.until.max(other.until), scope: self.scope.max(other.scope) }
    }

    /// Until when this command has to wait; `writes` says whether it runs others that may change something.
    #[must_use]
    pub fn holds(self, spec: &Spec, writes: bool, now: Millis) -> Option<Millis> {
        self.holds_what(writes || may_change(spec), now)
    }

    /// The same for what changes something, or does not.
    #[must_use]
    pub fn holds_what(self, changes: bool, now: Millis) -> Option<Millis> {
        ((self.scope == Scope::All || changes) && now < self.until).then_some(self.until)
    }

    /// When it ends.
    #[must_use]
    pub fn until(self) -> Millis {
        self.until
    }

    /// Its time has come.
    #[must_use]
    pub fn is_over(self, now: Millis) -> bool {
        now >= self.until
    }
}

/// Whether others may hear of what a command does.
#[must_use]
pub fn may_change(spec: &Spec) -> bool {
    spec.flags.has(Flags::WRITE) || matches!(spec.name, "publish" | "spublish" | "pfcount")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{command::lookup, protocol::Args};

    #[test]
    fn the_later_end_and_the_stricter_scope_count() {
        let specs = ["get", "set", "publish"].map(|name| lookup(name.as_bytes()).expect("in the table"));
        let held = |span: Span, now| specs.map(|spec| span.holds(spec, false, Millis(now)).is_some());
        let writes = Span::new(Millis(100), Scope::Writes).beside(None);
        assert_eq!(held(writes, 0), [false, true, true]);
        assert!(writes.holds(specs[0], true, Millis(0)).is_some(), "an EXEC of writes");
        let all = Span::new(Millis(50), Scope::All).beside(Some(writes));
        assert_eq!((held(all, 99), held(all, 100)), ([true; 3], [false; 3]));
        let longer = Span::new(Millis(200), Scope::Writes).beside(Some(all));
        assert_eq!(held(longer, 150), [true; 3]);
        assert!(!longer.is_over(Millis(199)) && longer.is_over(Millis(200)));
    }

    #[test]
    fn what_is_asked_for() {
        let parse = |line: &str| {
            let words: Vec<&str> = line.split(' ').collect();
            let args = Args::of(&words).expect("small");
            Span::parse(&args.request().expect("a name"), Millis(1000))
                .map_err(|refusal| refusal.0.into_owned())
        };
        let span = |until, scope| Ok(Span::new(Millis(until), scope));
        assert_eq!(parse("CLIENT PAUSE 5"), span(1005, Scope::All));
        assert_eq!(parse("CLIENT PAUSE 5 all"), span(1005, Scope::All));
        assert_eq!(parse("CLIENT PAUSE 5 Write"), span(1005, Scope::Writes));
        assert_eq!(
            parse("CLIENT PAUSE x READ"),
            Err("ERR CLIENT PAUSE mode must be WRITE or ALL".to_owned())
        );
        assert_eq!(parse("CLIENT PAUSE x"), Err("ERR timeout is not an integer or out of range".to_owned()));
        assert_eq!(parse("CLIENT PAUSE -1"), Err("ERR timeout is negative".to_owned()));
    }
}
