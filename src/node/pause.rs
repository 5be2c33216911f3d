//! `CLIENT PAUSE`: which commands wait, and until when. Pure; those who wait are woken by whoever ends the pause.

use std::sync::Arc;

use super::clients::Client;
use crate::{
    command::{Flags, Spec},
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

/// See the module.
#[derive(Debug, Default)]
pub struct Pause {
    until: Option<(Millis, Scope)>,
    waiting: Vec<Arc<Client>>,
}

impl Pause {
    /// Pauses; of two pauses at once the later end and the stricter scope count, as in Redis.
    pub fn begin(&mut self, until: Millis, scope: Scope) {
        let (known, before) = self.until.unwrap_or((until, scope));
        self.until = Some((known.max(until), before.max(scope)));
    }

    /// `CLIENT UNPAUSE`, or the time has come: gives those who waited, to be woken.
    pub fn end(&mut self) -> Vec<Arc<Client>> {
        self.until = None;
        std::mem::take(&mut self.waiting)
    }

    /// Until when this command has to wait; `writes` says whether it runs others that may change something.
    #[must_use]
    pub fn holds(&self, spec: &Spec, writes: bool, now: Millis) -> Option<Millis> {
        let (until, scope) = self.until?;
        let held = scope == Scope::All || writes || may_change(spec);
        (held && now < until).then_some(until)
    }

    /// Whether keys stay although their time has come.
    #[must_use]
    pub fn is_on(&self, now: Millis) -> bool {
        self.until.is_some_and(|(until, _)| now < until)
    }

    /// A pause was begun and not ended, although its time may have come.
    #[must_use]
    pub fn is_begun(&self) -> bool {
        self.until.is_some()
    }

    /// Its time has come.
    #[must_use]
    pub fn is_over(&self, now: Millis) -> bool {
        self.until.is_some_and(|(until, _)| now >= until)
    }

    /// How many clients wait for the end.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// A client waits for the end.
    pub fn wait(&mut self, client: &Arc<Client>) {
        self.waiting.retain(|waiting| waiting.id != client.id);
        self.waiting.push(Arc::clone(client));
    }

    /// A client is gone.
    pub fn forget(&mut self, client: &Client) {
        self.waiting.retain(|waiting| waiting.id != client.id);
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
    use crate::command::lookup;

    #[test]
    fn the_later_end_and_the_stricter_scope_count() {
        let [get, set, publish] =
            ["get", "set", "publish"].map(|name| lookup(name.as_bytes()).expect("in the table"));
        let mut pause = Pause::default();
        assert_eq!(pause.holds(set, false, Millis(0)), None);
        pause.begin(Millis(100), Scope::Writes);
        let held = |pause: &Pause, now| {
            [get, set, publish].map(|spec| pause.holds(spec, false, Millis(now)).is_some())
        };
        assert_eq!(held(&pause, 0), [false, true, true]);
        assert!(pause.holds(get, true, Millis(0)).is_some(), "an EXEC of writes");
        pause.begin(Millis(50), Scope::All);
        assert_eq!((held(&pause, 99), held(&pause, 100)), ([true; 3], [false; 3]));
        pause.begin(Millis(200), Scope::Writes);
        assert_eq!(held(&pause, 150), [true; 3]);
        assert!(pause.is_on(Millis(199)) && !pause.is_on(Millis(200)));
        assert!(pause.end().is_empty());
        assert_eq!(held(&pause, 150), [false; 3]);
    }
}
