//! The commands about connections and the server itself, compared with a real Redis: replies and errors, RESP2 and RESP3.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::{Shutdown, TcpStream},
    time::Duration,
};

use cluster_fixture::{Server, binary, free_port, node, redis_server};
use redis_cluster::protocol::{encode_command, quote};

use crate::differential::with_their_version;

/// One command each on a connection of its own, in this order.
const CASES: &str = r##"
hello
hello 3
hello 4
hello abc
hello 3 foo
hello 3 auth a
hello 3 auth a b
hello 3 setname
hello 2 setname "a b"
hello 2 3
auth
auth a
auth a b
auth a b c
ping
ping a
ping ""
ping a b
echo
echo x
select 16
select -1
select abc
select 99999999999999999999
select 3000000000
select 3
dbsize
time x
reset
reset a
quit a
client id x
client getname
client setname "a b"
client setname foo
client getname
client setname ""
client getname
client kill
client kill 1.2.3.4:5
client kill id abc
client kill id 0
client kill id -1
client kill id 99999999
client kill type foo
client kill type master
client kill user foo
client kill user default skipme maybe
client kill foo bar
client kill id 5 addr
client kill addr 1.2.3.4:5
client kill addr 1.2.3.4:5 laddr 1.2.3.4:5 type normal skipme no
client list type foo
client list id
client list id a
client list foo
client list id 9999999
client list type
client list type pubsub
client reply foo
client reply off x
client reply
client no-evict foo
client no-evict on
client no-evict off
client foo
client
config
config get
config set
config set foo bar
config set maxclients
config set maxclients abc
config set maxclients 0
config set maxclients 100 maxclients 200
config set maxclients 100 foo bar
config set databases 5
config set maxmemory-policy foo
config set maxmemory-policy ALLKEYS-lfu
config get maxmemory-policy
config set maxmemory-policy noeviction
config set timeout -1
config set timeout 99999999999
config set hz 0
config get hz
config set hz 10
config set client-query-buffer-limit 10
config set proto-max-bulk-len 10
config set proto-max-bulk-len 10zz
config set proto-max-bulk-len 1mb
config get proto-max-bulk-len
config set proto-max-bulk-len 512mb
config set tcp-keepalive x
config set a b c
config get MAXCLIENTS
config get nope
config get maxclient[s]
config get MAXCLIENT?
config resetstat
config resetstat x
config rewrite
config rewrite x
config foo
acl whoami
acl list
acl users
acl getuser default
acl getuser foo
acl cat
acl cat foo
acl cat a b
acl setuser
acl setuser x foo
acl setuser x "<nope"
acl setuser x "#abc"
acl setuser x "!abc"
acl setuser "x y" on
acl setuser x on >p ~* &* +@all
acl getuser x
acl list
acl users
auth x p
acl whoami
acl setuser x resetpass
acl getuser x
acl setuser x nopass
acl getuser x
acl list
acl setuser x reset
acl getuser x
acl list
acl deluser default
acl deluser x y
acl deluser
acl foo
shutdown foo
info nosuch
info cluster
info keyspace
save foo bar
nosuchcommand a b "c d"
client pause
get
config set requirepass ""
config get requirepass
object freq
config set save ""
config set appendonly no
config set appendonly maybe
config set maxmemory 0
config set maxmemory abc
config set notify-keyspace-events ""
config set latency-tracking no
info latencystats
role
role x
module list
client getredir
client trackinginfo
hello 2 auth a b c
hello 2 setname named foo
client reply skip x
config set maxmemory-policy allkeys-lfu lfu-log-factor 0
set used v
object freq used
get used
get used
object freq used
object idletime used
config set maxmemory-policy allkeys-lru
object freq used
config set maxmemory-policy noeviction lfu-log-factor 10
del used
set grows abc
config set proto-max-bulk-len 1mb
setrange grows 1048573 abc
setrange grows 1048574 abc
setrange grows 1048576 ""
strlen grows
append grows x
setrange grows 9223372036854775807 x
set other abc
lcs grows other
lcs grows grows len
config set proto-max-bulk-len 512mb
append grows x
del grows other
"##;

/// The reply to `words` on a new connection, in RESP3 if asked.
fn ask(server: &Server, resp3: bool, words: &[Vec<u8>]) -> String {
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut input = Vec::new();
    if resp3 {
        encode_command(&mut input, &["HELLO", "3"]);
    }
    encode_command(&mut input, words);
    encode_command(&mut input, &["ECHO", "still here"]);
    stream.write_all(&input).unwrap();
    // A connection that was closed already has nothing to shut down.
    if let Err(error) = stream.shutdown(Shutdown::Write) {
        assert_eq!(error.kind(), ErrorKind::NotConnected);
    }
    let mut reply = Vec::new();
    match stream.read_to_end(&mut reply) {
        Ok(_) => {}
        // Closed with something of ours unread.
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
    }
    without_ids(&String::from_utf8_lossy(&with_their_version(&reply)))
}

/// `HELLO` tells the connection's number.
fn without_ids(reply: &str) -> String {
    let mut lines = reply.split("\r\n").peekable();
    let mut out = Vec::new();
    while let Some(line) = lines.next() {
        out.push(line.to_owned());
        if line == "id" {
            lines.next_if(|next| next.starts_with(':'));
        }
    }
    out.join("\r\n")
}

#[test]
fn replies_are_those_of_redis() {
    let Some(redis) = redis_server() else { return };
    let node = node("1");
    for resp3 in [false, true] {
        for case in CASES.trim().lines() {
            let words = quote::split(case.as_bytes()).unwrap();
            assert_eq!(ask(&node, resp3, &words), ask(&redis, resp3, &words), "{case}");
        }
    }
}

/// The counters of `INFO` are exact, however many threads serve how many clients.
#[test]
fn info_counts_every_command_of_all_threads() {
    const CLIENTS: usize = 8;
    const BATCHES: usize = 50;
    for workers in ["1", "2", "5"] {
        let port = free_port();
        let mut command = std::process::Command::new(binary("redis_node"));
        command.args(["1", &format!("127.0.0.1:{port}"), "--workers", workers]);
        let node = Server::start("redis_node", command, port, None);
        let mut batch = Vec::new();
        for words in
            [&["INCR", "counter"][..], &["GET", "counter"], &["GET", "nosuch"], &["INCR", "counter", "x"]]
        {
            encode_command(&mut batch, words);
        }
        std::thread::scope(|threads| {
            for _ in 0..CLIENTS {
                threads.spawn(|| {
                    let mut stream = TcpStream::connect(node.address()).unwrap();
                    for _ in 0..BATCHES {
                        stream.write_all(&batch).unwrap();
                    }
                    stream.shutdown(Shutdown::Write).unwrap();
                    std::io::copy(&mut stream, &mut std::io::sink()).unwrap();
                });
            }
        });
        let info = ask(&node, false, &[b"INFO".to_vec(), b"everything".to_vec()]);
        let total = CLIENTS * BATCHES;
        for line in [
            format!("total_commands_processed:{}", 3 * total),
            format!("keyspace_hits:{total}"),
            format!("keyspace_misses:{total}"),
            format!("total_error_replies:{total}"),
            format!("errorstat_ERR:count={total}"),
            "db0:keys=1,expires=0,avg_ttl=0".to_owned(),
        ] {
            assert!(info.lines().any(|found| found == line), "{workers} workers: no {line} in\n{info}");
        }
        for (command, calls, rejected) in [("incr", total, total), ("get", 2 * total, 0)] {
            let start = format!("cmdstat_{command}:calls={calls},");
            let end = format!(",rejected_calls={rejected},failed_calls=0");
            let counted = info.lines().any(|line| line.starts_with(&start) && line.ends_with(&end));
            assert!(counted, "{workers} workers: no {start}…{end} in\n{info}");
        }
    }
}

#[test]
fn nothing_runs_before_login() {
    let Some(redis) = redis_server() else { return };
    let node = node("1");
    let cases = "config set requirepass secret\nget k\nnosuch\nget\nping\nhello\nhello 3\nacl whoami\nselect 3\nauth wrong\n\
                 auth default wrong\nauth nobody secret\nhello 3 auth default secret\nreset\nquit\nauth secret";
    for resp3 in [false, true] {
        for case in cases.lines() {
            let words = quote::split(case.as_bytes()).unwrap();
            assert_eq!(ask(&node, resp3, &words), ask(&redis, resp3, &words), "{case}");
        }
        for words in [vec![b"get".to_vec(); 11], vec![b"get".to_vec(), vec![b'x'; 20_000]]] {
            assert_eq!(ask(&node, resp3, &words), ask(&redis, resp3, &words));
        }
    }
}
