//! How a node talks RESP: [`connection`] reads, runs and writes; [`input`] is what was read and has not run; [`step`] decides what a
//! connection does next; [`waiting`] is why a command waits; [`room`] is memory for a long reply; [`worker`] is what the connections of a thread share, [`turn`]
//! how much one may move at once; [`commit`] makes what clients are told last; [`busy`] answers while a script has the data; [`grpc`] is the same for callers over gRPC. Not here: what commands do, and who may run them.

mod busy;
mod commit;
mod connection;
pub(super) mod grpc;
mod input;
mod room;
mod step;
mod turn;
mod waiting;
mod worker;

pub(super) use self::{connection::serve, worker::Worker};
