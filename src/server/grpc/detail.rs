//! What comes with the status of a call that failed: `google.rpc.Status` with one `google.rpc.ErrorInfo`, the forms that gRPC libraries of all
//! languages know. Its `reason` is Redis's code (`WRONGTYPE`), its domain [`DOMAIN`], and `ran` in its metadata says whether the
//! command may have run: `no`, so the call may be repeated, or `unknown`.

use std::collections::HashMap;

use bytes::Bytes;
use prost::Message as _;
use tonic::{Code, Status};

/// Whose reasons they are.
pub(super) const DOMAIN: &str = "redis.v1";
const TYPE: &str = "type.googleapis.com/google.rpc.ErrorInfo";

/// Whether the command that failed may have run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ran {
    No,
    Unknown,
}

/// `google.rpc.Status`.
#[derive(Clone, PartialEq, prost::Message)]
struct RpcStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<Any>,
}

/// `google.protobuf.Any`.
#[derive(Clone, PartialEq, prost::Message)]
struct Any {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

/// `google.rpc.ErrorInfo`.
#[derive(Clone, PartialEq, prost::Message)]
struct ErrorInfo {
    #[prost(string, tag = "1")]
    reason: String,
    #[prost(string, tag = "2")]
    domain: String,
    #[prost(map = "string, string", tag = "3")]
    metadata: HashMap<String, String>,
}

/// A status that says all of this.
pub(super) fn status(code: Code, text: String, reason: &str, ran: Ran) -> Status {
    let ran = match ran {
        Ran::No => "no",
        Ran::Unknown => "unknown",
    };
    let info = ErrorInfo {
        reason: reason.to_owned(),
        domain: DOMAIN.to_owned(),
        metadata: HashMap::from([("ran".to_owned(), ran.to_owned())]),
    };
    let details = vec![Any { type_url: TYPE.to_owned(), value: info.encode_to_vec() }];
    let whole = RpcStatus { code: code.into(), message: text.clone(), details };
    Status::with_details(code, text, Bytes::from(whole.encode_to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_finds_the_reason() {
        let status = status(Code::FailedPrecondition, "WRONGTYPE no".to_owned(), "WRONGTYPE", Ran::No);
        let whole = RpcStatus::decode(status.details()).unwrap();
        assert_eq!((whole.code, whole.message.as_str()), (9, status.message()));
        assert_eq!(whole.details[0].type_url, TYPE);
        let info = ErrorInfo::decode(&*whole.details[0].value).unwrap();
        assert_eq!((info.reason.as_str(), info.domain.as_str()), ("WRONGTYPE", "redis.v1"));
        assert_eq!(info.metadata["ran"], "no");
    }
}
