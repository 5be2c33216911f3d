//! Compiles `proto/` with the patched `tonic-prost-build`, so no `protoc` is needed.

use std::{env, path::PathBuf};

fn main() {
    // tonic-prost-build stands in without telling cargo what it read.
    println!("cargo:rerun-if-changed=proto");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    tonic_prost_build::configure()
        .bytes(".")
        .file_descriptor_set_path(out.join("redis.v1.bin"))
        .compile_protos(&["proto/redis/v1/data.proto", "proto/redis/v1/control.proto"], &["proto"])
        .unwrap_or_else(|error| panic!("proto/: {error}"));
}
