//! The trace that a call belongs to: `traceparent` of W3C's Trace Context. It stands in every line that is logged about the call, those about slow
//! and failed ones included, so that they are found from the caller's trace. Nodes are told nothing of it: RESP has no place for it.

use std::{
    fmt,
    time::{Duration, Instant},
};

use tonic::{Code, Request, Status, metadata::MetadataMap};
use tracing::{Instrument as _, Span};

/// A call that takes longer is logged.
const SLOW: Duration = Duration::from_secs(1);

/// A trace, and the span in it that calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TraceContext {
    trace: u128,
    parent: u64,
}

impl TraceContext {
    /// `00-TRACE-PARENT-FLAGS` in lower-case hexadecimal; later versions may go on behind that. As the standard wants it, what is not so is
    /// passed over, and the call is served all the same.
    fn of(metadata: &MetadataMap) -> Option<Self> {
        Self::parse(metadata.get("traceparent")?.to_str().ok()?)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let mut hexadecimal = |digits: usize| {
            let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
            parts.next().filter(|part| part.len() == digits && part.bytes().all(is_digit))
        };
        let version = hexadecimal(2)?;
        let (trace, parent, _flags) = (hexadecimal(32)?, hexadecimal(16)?, hexadecimal(2)?);
        if version == "ff" || version == "00" && parts.next().is_some() {
            return None;
        }
        let trace = u128::from_str_radix(trace, 16).ok()?;
        let parent = u64::from_str_radix(parent, 16).ok()?;
        (trace != 0 && parent != 0).then_some(Self { trace, parent })
    }
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}-{:016x}", self.trace, self.parent)
    }
}

/// What is logged within it says which call of which trace it is about.
pub(super) fn span<T>(request: &Request<T>, method: &'static str) -> Span {
    match TraceContext::of(request.metadata()) {
        Some(trace) => tracing::info_span!("grpc", method, %trace),
        None => tracing::info_span!("grpc", method),
    }
}

/// Serves a call as a part of its trace, and logs it if it was slow or failed for a reason that is not the caller's.
pub(super) async fn traced<T>(
    span: Span,
    call: impl Future<Output = Result<T, Status>>,
) -> Result<T, Status> {
    let began = Instant::now();
    let result = call.instrument(span.clone()).await;
    let (took, _entered) = (began.elapsed(), span.entered());
    let is_ours = |code| matches!(code, Code::Internal | Code::Unknown | Code::Unavailable);
    match &result {
        // What it says is for the caller: it may name keys.
        Err(status) if is_ours(status.code()) => {
            tracing::info!(?took, code = ?status.code(), "a call failed");
        }
        _ if took >= SLOW => tracing::info!(?took, "a slow call"),
        _ => {}
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_traceparent_and_what_is_not() {
        let (trace, parent) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
        let parsed = TraceContext::parse(&format!("00-{trace}-{parent}-01")).unwrap();
        assert_eq!(parsed.to_string(), format!("{trace}-{parent}"));
        assert_eq!(TraceContext::parse(&format!("cc-{trace}-{parent}-01-what-comes")), Some(parsed));
        let upper = trace.to_uppercase();
        let zeros = "0".repeat(32);
        for wrong in [
            String::new(),
            format!("00-{trace}-{parent}"),
            format!("00-{trace}-{parent}-01-more"),
            format!("ff-{trace}-{parent}-01"),
            format!("00-{upper}-{parent}-01"),
            format!("00-{zeros}-{parent}-01"),
            format!("00-{trace}-0000000000000000-01"),
            format!("00-{trace}0-{parent}-01"),
        ] {
            assert_eq!(TraceContext::parse(&wrong), None, "{wrong}");
        }
    }
}
