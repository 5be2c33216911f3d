//! What a client is told.

use crate::{
    node::clients::{Client, ClientId, PUBSUB},
    protocol::{Encoder, Version},
};

/// The channel on which clients of RESP2 are told.
const CHANNEL: &str = "__redis__:invalidate";

/// What has changed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Payload<'a> {
    /// These keys.
    Keys(&'a [&'a [u8]]),
    /// All.
    Everything,
}

/// That keys have changed; `None` to a client that cannot be told: of RESP2, unless it is subscribed and others redirect to it.
pub(super) fn invalidate(to: &Client, redirected: bool, payload: Payload<'_>) -> Option<Vec<u8>> {
    let mut message = Vec::new();
    let mut encoder = Encoder::new(&mut message, to.version());
    match to.version() {
        Version::Resp3 => {
            encoder.push(2);
            encoder.bulk("invalidate");
        }
        Version::Resp2 if redirected && to.has_flag(PUBSUB) => {
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
pub(super) fn redirect_broken(version: Version, redirect: ClientId) -> Option<Vec<u8>> {
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
