//! A daemon that cannot go on ends, and says why: nothing half-changed is served, and no connection is left to a worker that is
//! not there any more.

use std::{
    io::Read as _,
    net::TcpStream,
    process::{Command, Stdio},
    time::Duration,
};

use cluster_fixture::{binary, free_port, node_with, within};
use redis_cluster::client::Connection;

const TIMEOUT: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_panic_ends_a_node_at_once() {
    let mut node = node_with("1", &["--enable-debug-command", "local", "--workers", "2"]);
    let mut bystander = TcpStream::connect(node.address()).unwrap();
    bystander.set_read_timeout(Some(TIMEOUT)).unwrap();
    let mut client = Connection::connect(&node.address(), TIMEOUT).await.unwrap();
    let unknown = client.call(&["DEBUG", "NOSUCH"]).await.unwrap();
    let text = unknown.as_error().expect("an error");
    assert_eq!(text, "ERR unknown subcommand or wrong number of arguments for 'NOSUCH'. Try DEBUG HELP.");
    assert!(client.call(&["DEBUG", "PANIC"]).await.is_err(), "no reply");
    let status = node.wait(TIMEOUT);
    assert!(!status.success(), "{status}");
    let log = node.log();
    assert!(log.contains("DEBUG PANIC, as a client asked for"), "{log}");
    assert!(log.contains("the process ends here"), "{log}");
    // Those on the other thread are not left hanging either.
    assert!(matches!(bystander.read(&mut [0; 10]), Ok(0) | Err(_)));
    assert!(TcpStream::connect(node.address()).is_err());
}

#[tokio::test]
async fn debug_is_not_for_everybody() {
    let node = node_with("1", &[]);
    let mut client = Connection::connect(&node.address(), TIMEOUT).await.unwrap();
    let refused = client.call(&["DEBUG", "PANIC"]).await.unwrap();
    assert!(refused.as_error().expect("an error").starts_with("ERR DEBUG command not allowed."));
    assert!(
        client.call(&["CONFIG", "SET", "enable-debug-command", "yes"]).await.unwrap().as_error().is_some()
    );
    assert!(client.call(&["PING"]).await.is_ok());
}

/// Started with fewer file descriptors than its workers need.
fn starved(program: &str, arguments: &[&str], descriptors: u32) {
    let line = format!("ulimit -n {descriptors}; exec \"$0\" \"$@\"");
    let mut child = Command::new("bash")
        .args(["-c", &line])
        .arg(binary(program))
        .args(arguments)
        .args(["--workers", "64"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut status = None;
    let ended = within(TIMEOUT, || {
        status = child.try_wait().unwrap();
        status.is_some()
    });
    if !ended {
        child.kill().unwrap();
    }
    let output = child.wait_with_output().unwrap();
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(ended, "it goes on without its workers:\n{log}");
    assert_eq!(status.unwrap().code(), Some(1), "{log}");
    assert!(log.contains("Too many open files"), "{log}");
}

#[test]
fn a_node_without_a_worker_ends() {
    // Another part is the first to go without each time.
    for descriptors in (11..60).step_by(4) {
        starved("redis_node", &["1", &format!("127.0.0.1:{}", free_port())], descriptors);
    }
}

#[test]
fn a_proxy_without_a_worker_ends() {
    for descriptors in (11..60).step_by(12) {
        starved(
            "proxy_node",
            &["1", &format!("127.0.0.1:{}", free_port()), "http://127.0.0.1:1"],
            descriptors,
        );
    }
}
