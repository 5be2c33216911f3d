//! RESP values as gRPC messages, and Redis's error codes as gRPC's.

use bytes::Bytes;
use tonic::{Code, Status};

use super::v1::{self, reply};
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
    let code = match text.split_once(' ').map_or(text.as_str(), |(code, _)| code) {
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
    Status::new(code, text)
}

/// A reply that no server of this command gives.
pub(super) fn unexpected(command: &str, value: &Value) -> Status {
    Status::internal(format!("{command} answered {value:?}"))
}
