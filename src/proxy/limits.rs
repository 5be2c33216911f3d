//! What clients may take up of a proxy's memory. Not here: where it lies, and the cutting.

use std::{
    cmp::Reverse,
    sync::{Arc, atomic::Ordering::Relaxed},
};

use super::clients::ClientInfo;
use crate::{connection::output, protocol};

/// The options, in Redis's terms.
#[derive(Clone, Debug)]
pub struct ClientLimits {
    /// `client-query-buffer-limit`: what a client may have sent of a request that is not complete, bytes.
    pub query_buffer: usize,
    /// `client-output-buffer-limit`: what may wait for a client that does not read.
    pub output: output::Limits,
    /// `maxmemory-clients`: the buffers of all clients together, bytes; 0 is no limit.
    pub memory: u64,
}

impl Default for ClientLimits {
    fn default() -> Self {
        let query_buffer = protocol::Limits::default().query_buffer;
        Self { query_buffer, output: output::Limits::default(), memory: 0 }
    }
}

/// Who is to go so that the buffers of all are within `limit`: the largest first, but for those that are not to be evicted, and
/// those that are being closed already.
pub(super) fn beyond(clients: &[Arc<ClientInfo>], limit: u64) -> Vec<Arc<ClientInfo>> {
    if limit == 0 {
        return Vec::new();
    }
    let mut total: u64 = clients.iter().map(|client| client.memory()).sum();
    if total <= limit {
        return Vec::new();
    }
    let mut sorted: Vec<(u64, &Arc<ClientInfo>)> =
        clients.iter().map(|client| (client.memory(), client)).collect();
    sorted.sort_by_key(|(memory, _)| Reverse(*memory));
    let mut gone = Vec::new();
    for (memory, client) in sorted {
        if total <= limit || memory == 0 {
            break;
        }
        let goes_already = client.killed.load(Relaxed);
        if goes_already || !client.names().no_evict {
            total -= memory;
        }
        if !goes_already && !client.names().no_evict {
            gone.push(Arc::clone(client));
        }
    }
    gone
}
