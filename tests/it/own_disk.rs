//! A node on a file system of its own, which a test can fill, and make read-only.

use std::{
    path::PathBuf,
    process::{Command, Output},
};

use cluster_fixture::{Server, binary, free_port};

/// A node with `--dir` on a disk of this many kilobytes, and where that is to whoever looks from outside; `None` where nobody may make one.
pub(crate) fn on_own_disk(kilobytes: u32, options: &[&str]) -> Option<(Server, PathBuf)> {
    let mount = tempfile::tempdir().unwrap();
    let path = mount.path().to_str().unwrap().to_owned();
    let may = Command::new("unshare").args(["-rm", "mount", "-t", "tmpfs", "none", &path]).output();
    if !may.is_ok_and(|output| output.status.success()) {
        eprintln!("SKIPPED: this user may not mount a file system of its own");
        return None;
    }
    let port = free_port();
    // The mount is the process's own, and is gone with it.
    let script = format!("mount -t tmpfs -o size={kilobytes}k none '{path}' && exec \"$@\"");
    let mut command = Command::new("unshare");
    command.args(["-rm", "sh", "-c", &script, "sh"]).arg(binary("redis_node"));
    command.args(["small", &format!("127.0.0.1:{port}"), "--dir", &path]).args(options);
    let server = Server::start("redis_node on a small disk", command, port, Some(mount));
    let inside = PathBuf::from(format!("/proc/{}/root{path}", server.pid()));
    Some((server, inside))
}

/// Lets that disk be written to, or not. Files that are open for writing keep it from becoming read-only.
pub(crate) fn remount(server: &Server, mode: &str) -> Output {
    let (pid, path) = (server.pid().to_string(), server.directory().expect("it has one"));
    let mut command = Command::new("nsenter");
    command.args(["-t", &pid, "-U", "-m", "--preserve-credentials", "mount", "-o"]);
    command.arg(format!("remount,{mode}")).arg(path).output().unwrap()
}
