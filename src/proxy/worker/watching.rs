//! Which requests are looked at more closely, before they are served: samples of all, and those that may take long.

use std::sync::Arc;

use super::{Worker, client::Client};
use crate::{
    command::{Spec, Work, keys},
    protocol::Request,
    proxy::{
        observe::{Note, SAMPLE},
        outbox::LARGE,
        upstream::Origin,
    },
};

/// Keys of one request that are counted.
const KEYS_MAX: usize = 16;

impl Worker {
    /// What nodes are asked from now on is this request.
    #[inline]
    pub(super) fn notice(&mut self, client: &Client, spec: &'static Spec, request: &Request<'_>) {
        let is_known = self.looked_at.is_some_and(|known| std::ptr::eq(known, spec));
        if !is_known || self.counters.commands >= self.sample_at {
            self.notice_again(client, spec, request);
        }
    }

    fn notice_again(&mut self, client: &Client, spec: &'static Spec, request: &Request<'_>) {
        let goes_on = self
            .upstreams
            .origin
            .is_some_and(|origin| std::ptr::eq(origin.spec, spec) && origin.read_at == client.read_at);
        if !goes_on {
            self.origins += 1;
            self.upstreams.origin = Some(Origin { number: self.origins, read_at: client.read_at, spec });
        }
        self.upstreams.note = None;
        let may_be_slow = spec.work > Work::Little;
        let is_sampled = self.counters.commands >= self.sample_at;
        let is_plain = !(may_be_slow || is_sampled || client.heavy > 0 || self.whole.is_some());
        self.looked_at = is_plain.then_some(spec);
        if !is_plain {
            self.look_closely(client, spec, request, may_be_slow, is_sampled);
        }
    }

    #[cold]
    fn look_closely(
        &mut self,
        client: &Client,
        spec: &'static Spec,
        request: &Request<'_>,
        may_be_slow: bool,
        is_sampled: bool,
    ) {
        let bytes = request.raw().map_or(0, <[u8]>::len);
        let is_heavy = client.heavy > 0 || bytes >= LARGE;
        let mut key = None;
        if is_sampled || is_heavy {
            // A request whose keys cannot be told has none.
            let positions = keys::positions(spec, request).ok();
            let keys = || {
                let indices = positions.iter().flat_map(keys::KeyPositions::indices).take(KEYS_MAX);
                indices.map(|index| request.arg(index))
            };
            let first = keys().next();
            // A reply about several keys says nothing of one of them.
            key = first.filter(|_| keys().nth(1).is_none());
            let mut seen = self.figures.traffic.keys();
            if is_sampled {
                self.sample_at = self.counters.commands + 1 + self.random.u64(0..2 * SAMPLE - 1);
                seen.sampled(keys(), self.turn.now);
            }
            if let Some(key) = first {
                seen.request(key, spec.name, bytes, self.turn.now);
            }
        }
        let is_kept = may_be_slow || key.is_some();
        self.upstreams.note =
            is_kept.then(|| Arc::new(Note::new(spec, request, &client.info, may_be_slow, key)));
    }
}
