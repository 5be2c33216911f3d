//! What all connections of a node share: configuration, clients, statistics.

/// Shared state.
#[derive(Debug, Default)]
pub struct NodeState {}
