//! proxy_node: makes all nodes look like one Redis.
