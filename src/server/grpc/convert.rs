//! RESP values as gRPC messages, and Redis's error codes as gRPC's.

use bytes::Bytes;
use tonic::{Code, Status};

use super::{
    UNCERTAIN,
    detail::{self, Ran},
    v1::{self, reply},
};
use crate::protocol::Value;

impl From<Value> for v1::Reply {
    fn from(value: Value) -> Self {
        Self {
            value: Some(match value {
                Value::Simple(text) => reply::Value::Simple(lossy(&text)),
                Value::Error(text) => reply::Value::Error(lossy(&text)),
                Value::Integer(number) => reply::Value::Integer(number),
                Value::Bulk(bytes) => reply::Value::Bulk(bytes),
                Value::Null => reply::Value::Null(v1::Null {}),
                Value::Array(elements) => reply::Value::Array(array(elements)),
                Value::Map(pairs) => reply::Value::Map(v1::Map {
                    pairs: pairs
                        .into_iter()
                        .map(|(key, value)| v1::Pair { key: Some(key.into()), value: Some(value.into()) })
                        .collect(),
                }),
                Value::Set(elements) => reply::Value::Set(array(elements)),
                Value::Double(number) => reply::Value::Double(number),
                Value::Boolean(truth) => reply::Value::Boolean(truth),
                Value::BigNumber(digits) => reply::Value::BigNumber(lossy(&digits)),
                Value::Verbatim(format, text) => {
                    reply::Value::Verbatim(v1::Verbatim { format: lossy(&format), text })
                }
                Value::Push(elements) => reply::Value::Push(array(elements)),
            }),
        }
    }
}

fn array(elements: Vec<Value>) -> v1::Array {
    v1::Array { elements: elements.into_iter().map(Into::into).collect() }
}

fn lossy(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}

/// A Redis error as the status of a typed call, its text kept.
pub(super) fn status(error: &Bytes) -> Status {
    let text = lossy(error);
    let reason = text.split_once(' ').map_or(text.as_str(), |(reason, _)| reason).to_owned();
    if text.contains(UNCERTAIN) {
        // Never UNAVAILABLE: libraries repeat such calls by themselves.
        return detail::status(Code::Unknown, text, &reason, Ran::Unknown);
    }
    let code = match reason.as_str() {
        "WRONGTYPE" | "EXECABORT" | "READONLY" | "CROSSSLOT" => Code::FailedPrecondition,
        "NOAUTH" | "WRONGPASS" => Code::Unauthenticated,
        "NOPERM" => Code::PermissionDenied,
        "OOM" => Code::ResourceExhausted,
        "LOADING" | "BUSY" | "CLUSTERDOWN" | "TRYAGAIN" | "MASTERDOWN" | "MOVED" | "ASK" => Code::Unavailable,
        "ERR"
            if ["ERR DB index", "ERR invalid", "ERR syntax", "ERR value"]
                .iter()
                .any(|start| text.starts_with(start)) =>
        {
            Code::InvalidArgument
        }
        _ => Code::Unknown,
    };
    detail::status(code, text, &reason, Ran::No)
}

/// A reply that no server of this command gives.
pub(super) fn unexpected(command: &str, value: &Value) -> Status {
    Status::internal(format!("{command} answered {value:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_say_what_may_be_repeated() {
        let code = |text: &'static str| status(&Bytes::from_static(text.as_bytes())).code();
        assert_eq!(
            code("CLUSTERDOWN node 2 is unreachable: connection refused; nothing was done"),
            Code::Unavailable
        );
        assert_eq!(
            code(
                "ERR node 2: connection lost after the command was sent (reset); it may or may not have run"
            ),
            Code::Unknown
        );
        assert_eq!(code("WRONGTYPE Operation against a key"), Code::FailedPrecondition);
        assert_eq!(code("NOPERM this user"), Code::PermissionDenied);
        assert_eq!(code("OOM command not allowed"), Code::ResourceExhausted);
        assert_eq!(code("ERR DB index is out of range"), Code::InvalidArgument);
    }
}
