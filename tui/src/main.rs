//! redis_console.

fn main() {}
