//! Makes the pictures of `doc/console.md` and of the README: the real console on a real cluster, in a pseudo-terminal.
//!
//! `.ci/pictures` builds what it needs and runs it. Arguments: the directory to write to; or `--recording FILE PICTURE`, which makes
//! one that moves of a recording.

#![expect(clippy::expect_used, reason = "a picture that cannot be made should say so and stop")]

mod movie;
mod svg;

use std::{
    io::{Read as _, Write as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use cluster_fixture::{Cluster, binary, node, peer, within};
use portable_pty::{CommandBuilder, MasterPty, PtySize, native_pty_system};

const PATIENCE: Duration = Duration::from_secs(60);

/// The console in a terminal.
struct Console {
    // Closed, the terminal is gone.
    _master: Box<dyn MasterPty + Send>,
    input: Box<dyn std::io::Write + Send>,
    child: Box<dyn portable_pty::Child + Send + Sync>,
    screen: Arc<Mutex<vt100::Parser>>,
}

impl Console {
    fn start(etcd: &str, columns: u16, rows: u16) -> Self {
        let size = PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).expect("a pseudo-terminal");
        let mut command = CommandBuilder::new(binary("redis_console"));
        command.arg(etcd);
        command.env("TERM", "xterm-256color");
        command.env("LANG", "C.UTF-8");
        command.env_remove("HOME");
        command.env_remove("NO_COLOR");
        let child = pair.slave.spawn_command(command).expect("the console starts");
        let rows = rows.try_into().expect("rows");
        let columns = columns.try_into().expect("columns");
        let screen = Arc::new(Mutex::new(vt100::Parser::new(rows, columns, 0)));
        let mut output = pair.master.try_clone_reader().expect("its output");
        let sink = Arc::clone(&screen);
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(read @ 1..) = output.read(&mut bytes) {
                sink.lock().expect("nobody panics with it").process(&bytes[..read]);
            }
        });
        let input = pair.master.take_writer().expect("its input");
        Self { _master: pair.master, input, child, screen }
    }

    fn send(&mut self, keys: &str) {
        self.input.write_all(keys.as_bytes()).and_then(|()| self.input.flush()).expect("it reads");
    }

    fn wait(&self, text: &str) {
        self.wait_for(text, |screen| screen.contains(text));
    }

    fn wait_for(&self, what: &str, is_so: impl Fn(&str) -> bool) {
        let contents = || self.screen.lock().expect("nobody panics with it").screen().contents();
        assert!(within(PATIENCE, || is_so(&contents())), "no {what} on\n{}", contents());
    }

    fn picture(&self, directory: &Path, name: &str) {
        let svg = svg::draw(self.screen.lock().expect("nobody panics with it").screen());
        let path: PathBuf = directory.join(format!("{name}.svg"));
        std::fs::write(&path, svg).expect("the picture can be written");
        eprintln!("{}", path.display());
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        // Gone already, if it did not start.
        let _ = self.child.kill();
    }
}

/// Clients, until it is dropped.
struct Load(Child);

impl Drop for Load {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn load(proxy: u16, test: &str, keys: &str) -> Load {
    let benchmark = peer("redis-benchmark", "redis-tools").expect("redis-benchmark is installed");
    let child = Command::new(benchmark)
        .args(["-p", &proxy.to_string(), "-t", test, "-c", "4", "-n", "100000000", "-r", keys, "-q"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    Load(child.expect("redis-benchmark starts"))
}

/// Keys such as an application has.
fn keys() -> Vec<u8> {
    let mut lines = String::new();
    for user in 1..=400 {
        lines.push_str(&format!(
            "hset user:{user}:profile name \"user {user}\" town london age {}\nzadd ranking {} user:{user}\n",
            20 + user % 50,
            user * 7 % 1000
        ));
        if user % 10 == 0 {
            lines.push_str(&format!(
                "set session:{user} \"{{\\\"user\\\":{user},\\\"roles\\\":[\\\"reader\\\"],\\\"theme\\\":\\\"dark\\\"}}\" ex 3600\n\
                 rpush queue:{} job-{user}\n",
                user % 3
            ));
        }
    }
    lines.into_bytes()
}

fn main() {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let directory = match arguments.as_slice() {
        [flag, recording, picture] if flag.as_os_str() == "--recording" => {
            let text = std::fs::read_to_string(recording).expect("the recording can be read");
            let recording = redis_console::replay::read(&text).expect("it is a recording");
            std::fs::write(picture, movie::draw(&recording)).expect("the picture can be written");
            return;
        }
        [directory] => directory.clone(),
        _ => panic!("usage: pictures DIRECTORY, or pictures --recording FILE PICTURE"),
    };
    std::fs::create_dir_all(&directory).expect("the directory can be made");
    let nodes = ["1", "2", "3", "4"].map(node).into_iter().collect();
    let cluster = Cluster::of(nodes, 2).expect("etcd is installed");
    for id in ["1", "2", "3"] {
        let node = &cluster.nodes[id.parse::<usize>().expect("a number") - 1];
        cluster.ok(&["add", id, &node.url()]);
    }
    let mut script = cluster.command(&["-f", "-"]);
    let mut script = script.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("the console starts");
    let mut lines = script.stdin.take().expect("a pipe");
    lines.write_all(&keys()).expect("it reads");
    drop(lines);
    assert!(script.wait().expect("it ends").success(), "the keys are there");

    let clients = [
        load(cluster.proxies[0].port(), "get,set", "200000"),
        load(cluster.proxies[1].port(), "set", "200000"),
    ];
    let mut console = Console::start(&cluster.etcd.url(), 120, 36);
    console.wait("Nodes (3)");
    console.send("\x1b");
    console.wait("[NAV]");
    console.send("2");
    console.wait("reads that hit");
    // Trends need a while to be ones.
    let shown = Instant::now();
    assert!(within(PATIENCE, || shown.elapsed() > Duration::from_secs(40)), "time passes");
    console.picture(&directory, "node");
    console.send("\t\t\t\t\t");
    console.wait("CALLS/S");
    console.wait("SET");
    console.send("4");
    console.wait_for("all counts", |screen| {
        let words: Vec<&str> = screen.split_whitespace().collect();
        words.windows(4).any(|words| words[1] == "of" && words[3] == "counted" && words[0] == words[2])
    });
    console.picture(&directory, "slots");

    console.send("3/user:1\r");
    console.wait("all looked at");
    console.wait("+ user:");
    console.send("\r");
    console.wait("- user:");
    console.wait_for("what is known of the keys", |screen| screen.matches("listpack").count() > 20);
    console.picture(&directory, "keys");

    console.send("1i");
    console.wait("[CMD]");
    console.send(&format!("add 4 {}\r", cluster.nodes[3].url()));
    console.wait("refused if the cluster changes first");
    console.picture(&directory, "add");
    console.send("\r");
    console.wait("joining");
    console.send("hgetall user:7:profile\r");
    console.send("\x1b");
    console.wait("[NAV]");
    console.wait("moving");
    console.picture(&directory, "overview");
    drop(clients);
    console.wait("node 4 added");
}
