//! Where effects go.

use super::log::{Log, Wrap};
use crate::{node::effects::Effects, time::Millis};

/// See the module.
#[derive(Debug, Default)]
pub struct Journal {
    log: Log,
    /// What was written and nobody has taken yet.
    written: Vec<u8>,
}

impl Journal {
    /// Adds a unit.
    pub fn append(&mut self, unit: &Effects, wrap: Wrap, stamp: Option<Millis>) {
        self.log.write(unit, wrap, stamp, &mut self.written);
    }

    /// Takes what was written.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.written)
    }
}
