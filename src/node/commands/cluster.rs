//! CLUSTER and what clients of a Redis Cluster send: a node is a server of its own, and says so as such a server does.

use super::support::Outcome;
use crate::{
    node::context::{CommandError, Context, Handler},
    protocol::Request,
};

macro_rules! disabled {
    ($($name:literal),* $(,)?) => { &[$(($name, disabled)),*] };
}

pub(super) const HANDLERS: &[(&str, Handler)] = disabled![
    "asking",
    "cluster|addslots",
    "cluster|addslotsrange",
    "cluster|bumpepoch",
    "cluster|count-failure-reports",
    "cluster|countkeysinslot",
    "cluster|delslots",
    "cluster|delslotsrange",
    "cluster|failover",
    "cluster|flushslots",
    "cluster|forget",
    "cluster|getkeysinslot",
    "cluster|help",
    "cluster|info",
    "cluster|keyslot",
    "cluster|links",
    "cluster|meet",
    "cluster|myid",
    "cluster|myshardid",
    "cluster|nodes",
    "cluster|replicas",
    "cluster|replicate",
    "cluster|reset",
    "cluster|saveconfig",
    "cluster|set-config-epoch",
    "cluster|setslot",
    "cluster|shards",
    "cluster|slaves",
    "cluster|slots",
    "readonly",
    "readwrite",
];

fn disabled(_: &mut Context<'_>, _: Request<'_>) -> Outcome {
    Err(CommandError::other("ERR This instance has cluster support disabled"))
}
