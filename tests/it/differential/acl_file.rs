//! Users in a file: what is read at the start and again, what is written, and who loses the connection by it. Node beside
//! redis-server.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use cluster_fixture::{binary, node_with, redis_server_with};
use redis_cluster::protocol::{Value, Version, quote};

use super::peer::{Differences, Peer};

/// As people write it: all kinds of rules, in no order.
const USERS: &str = "\nuser alice on  nopass +@all ~* &* -config|set\r\n\
    user bob off #2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b +get ~b* (+set %W~c* &x)\n\
    user default on nopass +@all ~* &* \n\n";

/// Each takes the place of the file, is loaded, and refused.
const WRONG: &[&str] = &[
    "",
    "user",
    "foo",
    "user alice on\nuser alice off",
    "user default on nopass\nuser default off",
    "user alice on foo bar +nosuch",
    "user alice +nosuch\nuser bob +get -nosuch +@nosuch\nuser a\tb on",
    "user alice on #xyz",
    "user alice ~* ~x\n\nuser x <y",
    "USER alice on",
    "user alice on nopass ~* &* +@all\n# a remark",
];

struct Side {
    file: PathBuf,
    address: String,
}

impl Side {
    fn connect(&self) -> Peer {
        Peer::connect(&self.address, Version::Resp2)
    }

    /// A reply without the path of the file, which is each server's own.
    fn ask(&self, peer: &mut Peer, line: &str) -> String {
        let words = quote::split(line.as_bytes()).expect("quotes match");
        quote::repr(&peer.call(&words)).replace(self.file.to_str().expect("text"), "FILE")
    }
}

fn write(path: &Path, text: &str) {
    std::fs::write(path, text).expect("the file can be written");
}

#[test]
fn users_in_a_file() {
    let directory = tempfile::tempdir().expect("a directory");
    let files = ["node.acl", "peer.acl"].map(|name| directory.path().join(name));
    files.iter().for_each(|file| write(file, USERS));
    let [ours, theirs] = files.each_ref().map(|file| file.to_str().expect("text"));
    let Some(redis) = redis_server_with(&["--save", "", "--aclfile", theirs]) else { return };
    let mut node = node_with("acl-file", &["--aclfile", ours]);
    let sides = [
        Side { file: ours.into(), address: node.address() },
        Side { file: theirs.into(), address: redis.address() },
    ];
    let mut peers = sides.each_ref().map(Side::connect);
    let mut differences = Differences::default();
    let mut ask = |peers: &mut [Peer; 2], line: &str| {
        let [ours, theirs] = [0, 1].map(|at| sides[at].ask(&mut peers[at], line));
        differences.compare(line, &ours, &theirs);
    };

    ask(&mut peers, "CONFIG GET aclfile");
    ask(&mut peers, "ACL LIST");
    ask(&mut peers, "ACL SETUSER carol on >pw ~a %R~b &c +@read (+set ~x)");
    ask(&mut peers, "ACL SETUSER bob skip-sanitize-payload");
    ask(&mut peers, "ACL SAVE");
    let texts = files.each_ref().map(|file| std::fs::read_to_string(file).expect("text"));
    assert_eq!(texts[0], texts[1], "both write the same lines");
    assert_eq!(std::fs::read_dir(directory.path()).expect("a directory").count(), 2, "nothing else is left");

    // Only the connections of the default user stay.
    let mut alices = sides.each_ref().map(Side::connect);
    ask(&mut alices, "AUTH alice x");
    ask(&mut peers, "ACL DELUSER carol");
    ask(&mut peers, "ACL SETUSER dave on");
    ask(&mut peers, "ACL LOAD");
    ask(&mut peers, "ACL LIST");
    let [ours, theirs] = alices.each_mut().map(Peer::receive);
    assert!(ours.is_empty() && theirs.is_empty(), "the user is another one now");
    let mut alices = sides.each_ref().map(Side::connect);
    ask(&mut alices, "AUTH alice x");
    ask(&mut alices, "ACL LOAD");
    let [ours, theirs] = alices.each_mut().map(Peer::receive);
    assert!(ours.is_empty() && theirs.is_empty(), "whoever loads is closed too");

    for text in WRONG {
        files.iter().for_each(|file| write(file, text));
        ask(&mut peers, "ACL LOAD");
        ask(&mut peers, "ACL LIST");
    }
    files.iter().for_each(|file| std::fs::remove_file(file).expect("the file is there"));
    ask(&mut peers, "ACL LOAD");
    ask(&mut peers, "ACL SAVE");
    ask(&mut peers, "ACL SETUSER erin on nopass +ping");
    ask(&mut peers, "ACL SAVE");
    differences.none();

    // What was saved is there after a restart.
    let mut before = Peer::connect(&node.address(), Version::Resp2);
    let users = before.value(&["ACL", "LIST"]);
    node.kill();
    node.restart();
    let mut after = Peer::connect(&node.address(), Version::Resp2);
    assert_eq!(after.value(&["ACL", "LIST"]), users);
    assert_eq!(after.value(&["AUTH", "erin", "x"]), Value::Simple("OK".into()));

    // The place of the file cannot be written.
    std::fs::remove_file(&files[0]).expect("the file is there");
    std::fs::create_dir(&files[0]).expect("a directory");
    let mut control = Peer::connect(&node.address(), Version::Resp2);
    let Value::Error(error) = control.value(&["ACL", "SAVE"]) else { panic!("it was written") };
    assert!(error.starts_with(b"ERR There was an error trying to save the ACLs."));
    assert_eq!(std::fs::read_dir(directory.path()).expect("a directory").count(), 2, "nothing else is left");
}

/// Nobody is let in by users that are not the operator's.
#[test]
fn a_node_does_not_start_with_a_file_that_is_wrong() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("users.acl");
    write(&path, "user alice +nosuch\n");
    let mut command = Command::new(binary("redis_node"));
    command.args(["acl-wrong", "127.0.0.1:0", "--aclfile"]).arg(&path);
    let output = command.output().expect("redis_node runs");
    assert!(!output.status.success());
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    assert!(text.contains("Error in applying operation '+nosuch'"), "{text}");
}
