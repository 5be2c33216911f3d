//! Comparing the two sides of a move, before the switch: how many keys, and a sample of them in full.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::DriverError;
use crate::{
    cluster::peer::{Peer, keys::SlotSet},
    protocol::quote::repr,
};

/// Keys whose whole value is compared, beside the count of all.
const SAMPLE: usize = 256;

/// How far two reads of a TTL, one after the other, may be apart.
const TTL_TOLERANCE_MS: i64 = 2_000;

#[derive(Debug, Default)]
pub(super) struct Verify {
    /// By database.
    sample: BTreeMap<u32, Vec<Bytes>>,
    kept: usize,
    seen: usize,
}

pub(super) struct Verified {
    pub(super) keys: u64,
    pub(super) values: u64,
}

impl Verify {
    /// Keeps some keys of each page, spread over all pages.
    pub(super) fn sample(&mut self, database: u32, page: &[Bytes]) {
        for key in page {
            self.seen += 1;
            let sample = self.sample.entry(database).or_default();
            if self.kept < SAMPLE {
                self.kept += 1;
                sample.push(key.clone());
            } else if self.seen.is_multiple_of(SAMPLE) && !sample.is_empty() {
                let at = (self.seen / SAMPLE) % sample.len();
                sample[at] = key.clone();
            }
        }
    }

    /// Counts the keys of the slots on both sides, and compares the sample.
    pub(super) async fn run(
        self,
        source: &mut Peer,
        target: &mut Peer,
        slots: &SlotSet,
    ) -> Result<Verified, DriverError> {
        let mut verified = Verified { keys: 0, values: 0 };
        let databases = source.databases().await?;
        for (database, _) in &databases {
            source.select(*database).await?;
            target.select(*database).await?;
            let (mut here, mut there) = (source.count(slots).await?, target.count(slots).await?);
            if here != there {
                // Keys that expired between the two counts are gone from both by now.
                (here, there) = (source.count(slots).await?, target.count(slots).await?);
            }
            if here != there {
                return Err(DriverError::Verify(format!(
                    "database {database}: {here} keys at {} but {there} at {}",
                    source.address(),
                    target.address()
                )));
            }
            verified.keys += here;
        }
        for (database, keys) in self.sample {
            source.select(database).await?;
            target.select(database).await?;
            let same = source.same_on(target, &keys, TTL_TOLERANCE_MS).await?;
            for (key, same) in keys.iter().zip(same) {
                match same {
                    None => {}
                    Some(true) => verified.values += 1,
                    Some(false) => {
                        return Err(DriverError::Verify(format!(
                            "key {} of database {database} differs between {} and {}",
                            repr(key),
                            source.address(),
                            target.address()
                        )));
                    }
                }
            }
        }
        Ok(verified)
    }
}
