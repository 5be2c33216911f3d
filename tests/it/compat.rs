//! COMPAT.md says what the command table says.

use redis_cluster::{
    command::compat::{Daemons, markdown},
    node, proxy,
};

#[test]
fn compat_md_is_up_to_date() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/COMPAT.md");
    let page = markdown(Daemons {
        node: &node::commands::table::is_implemented,
        absence: &node::absence::absence,
        proxy: &proxy::answers,
    });
    if std::env::var_os("UPDATE_COMPAT").is_some() {
        std::fs::write(path, &page).expect("COMPAT.md can be written");
    }
    let current = std::fs::read_to_string(path).expect("COMPAT.md is there");
    assert!(
        current == page,
        "COMPAT.md is stale: run UPDATE_COMPAT=1 cargo test --test it compat, and commit it"
    );
}
