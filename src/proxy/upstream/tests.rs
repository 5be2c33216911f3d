use proptest::prelude::*;

use super::*;
use crate::protocol::encode_command;

const TIMEOUT: Duration = Duration::from_secs(1);

/// An upstream, its node and its clock.
struct Bench {
    upstream: Upstream,
    now: Instant,
    remains: Remains,
    /// What clients got, by their sequence.
    got: Vec<(u32, Vec<u8>)>,
    sent: Vec<u8>,
}

impl Bench {
    fn new(version: Version, database: u8) -> Self {
        let purpose = Purpose { database, version };
        Self {
            upstream: Upstream::new(0, purpose, Use::Shared { number: 0 }),
            now: Instant::now(),
            remains: Remains::default(),
            got: Vec::new(),
            sent: Vec::new(),
        }
    }

    fn ready() -> Self {
        let mut bench = Self::new(Version::Resp2, 0);
        bench.connect("u");
        bench.receive(b"+OK\r\n:7\r\n").unwrap();
        assert!(bench.upstream.is_ready());
        bench
    }

    fn connect(&mut self, user: &str) -> String {
        self.upstream.connect(&login(user), TIMEOUT, self.now);
        String::from_utf8(self.upstream.opened()).unwrap()
    }

    fn push(&mut self, sequence: u32, words: &[&str]) {
        let receiver = Receiver::Client { client: client(), sequence };
        encode_command(self.upstream.push(receiver, 0, self.now).tail(), words);
    }

    fn send(&mut self) {
        self.upstream.send(&mut self.sent, self.now).unwrap();
    }

    fn receive(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let got = &mut self.got;
        self.upstream.receive(bytes, self.now, &mut self.remains, &mut |receiver, reply: Reply<'_>| {
            let Receiver::Client { sequence, .. } = receiver else { panic!("only clients ask here") };
            got.push((sequence, reply.bytes().to_vec()));
        })
    }

    fn due(&self, access: Option<&Access>) -> Option<Due> {
        self.upstream.due(access, TIMEOUT, self.now)
    }
}

fn client() -> Key {
    super::super::slab::Slab::default().insert(())
}

fn login(user: &str) -> Login {
    Login { socket: "127.0.0.1:1".parse().unwrap(), user: user.to_owned(), secret: "s".to_owned() }
}

fn unreachable(reason: &str) -> Trouble {
    Trouble::Unreachable(reason.to_owned())
}

fn outcomes(lost: &Lost) -> Vec<(u32, Outcome)> {
    let sequence = |receiver| match receiver {
        Receiver::Client { sequence, .. } | Receiver::Published { sequence, .. } => sequence,
        Receiver::Part { part, .. } => part,
        Receiver::Wait { argument, .. } => argument,
        Receiver::Listener | Receiver::Pushed | Receiver::Returned(_) | Receiver::Nobody => u32::MAX,
    };
    lost.receivers().map(|(receiver, outcome)| (sequence(receiver), outcome)).collect()
}

#[test]
fn requests_wait_for_the_handshake_and_are_answered_in_order() {
    let mut bench = Bench::new(Version::Resp3, 3);
    assert!(bench.upstream.is_idle());
    let words = bench.connect("u");
    let order: Vec<Option<usize>> =
        ["AUTH", "HELLO", "SELECT", "CLIENT"].iter().map(|word| words.find(word)).collect();
    assert!(order.is_sorted() && order[0].is_some(), "{words}");
    bench.push(0, &["GET", "a"]);
    bench.push(1, &["GET", "b"]);
    bench.send();
    assert!(bench.sent.is_empty(), "nothing is sent before it is logged in");
    bench.receive(b"+OK\r\n%1\r\n+server\r\n+redis\r\n+OK\r\n:9").unwrap();
    assert!(!bench.upstream.is_ready(), "its number is not complete");
    bench.receive(b"\r\n").unwrap();
    assert!(bench.upstream.is_ready());
    bench.send();
    assert!(bench.sent.ends_with(b"\r\nb\r\n"));
    bench.receive(b"$1\r\nA\r\n>1\r\n+pushed\r\n$-1\r\n").unwrap();
    assert_eq!(bench.got, [(0, b"$1\r\nA\r\n".to_vec()), (1, b"$-1\r\n".to_vec())]);
    assert_eq!((bench.upstream.taken(), bench.upstream.answered()), (2, 2));
}

#[test]
fn a_listener_hears_what_is_pushed_and_learns_what_is_refused() {
    let purpose = Purpose { database: 0, version: Version::Resp3 };
    let mut upstream = Upstream::new(0, purpose, Use::Listener);
    let now = Instant::now();
    let mut heard = Vec::new();
    let mut hear = |upstream: &mut Upstream, bytes: &[u8]| {
        let mut deliver =
            |receiver, reply: Reply<'_>| heard.push((receiver, reply.bytes().escape_ascii().to_string()));
        upstream.receive(bytes, now, &mut Remains::default(), &mut deliver).unwrap();
    };
    upstream.connect(&login("u"), TIMEOUT, now);
    upstream.opened();
    hear(&mut upstream, b"+OK\r\n%0\r\n:7\r\n");
    for words in [["SUBSCRIBE", "a"], ["SSUBSCRIBE", "b"]] {
        let out = upstream.push(Receiver::Listener, 0, now).tail();
        encode_command(out, &words);
        encode_command(out, &["PING"]);
    }
    upstream.send(&mut Vec::new(), now).unwrap();
    hear(&mut upstream, b">1\r\n+subscribed\r\n+PONG\r\n-ERR no\r\n+PONG\r\n>1\r\n+message\r\n");
    let expected = [
        (Receiver::Pushed, r">1\r\n+subscribed\r\n"),
        (Receiver::Listener, r"+PONG\r\n"),
        (Receiver::Listener, r"-ERR no\r\n"),
        (Receiver::Listener, r"+PONG\r\n"),
        (Receiver::Pushed, r">1\r\n+message\r\n"),
    ];
    assert_eq!(heard, expected.map(|(receiver, text)| (receiver, text.to_owned())));
    assert!(upstream.is_quiet());
    // Nothing that may still run is left behind.
    upstream.push(Receiver::Listener, 0, now).tail().extend_from_slice(b"x");
    upstream.send(&mut Vec::new(), now).unwrap();
    upstream.lose(unreachable("reset"), now);
    assert!(upstream.is_settled());
}

#[test]
fn of_a_block_only_the_last_reply_is_told() {
    let mut bench = Bench::ready();
    bench.push(0, &["GET", "a"]);
    let receiver = Receiver::Client { client: client(), sequence: 1 };
    let block = bench.upstream.push(receiver, 3, bench.now).tail();
    [&["MULTI"][..], &["GET", "a"], &["GET", "b"], &["EXEC"]]
        .iter()
        .for_each(|words| encode_command(block, words));
    bench.push(2, &["GET", "c"]);
    bench.send();
    bench.receive(b"$-1\r\n+OK\r\n+QUEUED\r\n-OOM full\r\n").unwrap();
    assert_eq!((bench.got.len(), bench.upstream.answered()), (1, 1));
    bench.receive(b"-EXECABORT no\r\n$1\r\nC\r\n").unwrap();
    assert_eq!(bench.got[1..], [(1, b"-EXECABORT no\r\n".to_vec()), (2, b"$1\r\nC\r\n".to_vec())]);
    assert_eq!((bench.upstream.taken(), bench.upstream.answered()), (3, 3));
    let receiver = Receiver::Client { client: client(), sequence: 3 };
    encode_command(bench.upstream.push(receiver, 1, bench.now).tail(), &["MULTI"]);
    bench.send();
    bench.receive(b"+OK\r\n").unwrap();
    let lost = bench.upstream.lose(unreachable("reset"), bench.now);
    assert_eq!(outcomes(&lost), [(3, Outcome::Unknown)]);
}

#[test]
fn what_a_node_refuses_is_told_apart() {
    let mut bench = Bench::new(Version::Resp2, 9);
    bench.connect("u");
    let refused = bench.receive(b"-WRONGPASS invalid username-password pair\r\n");
    assert_eq!(refused, Err(Failure::Login("WRONGPASS invalid username-password pair".to_owned())));
    bench.upstream.lose(unreachable("login"), bench.now);
    bench.connect("u");
    let select = b"-ERR DB index is out of range\r\n";
    let refused = bench.receive(&[b"+OK\r\n", &select[..]].concat());
    assert_eq!(refused, Err(Failure::Other(Trouble::Refused(select.to_vec()))));
    bench.upstream.lose(unreachable("x"), bench.now);
    bench.connect("u");
    assert!(bench.receive(b"nonsense\r\n").is_err());
    let mut ready = Bench::ready();
    assert!(ready.receive(b"+nobody asked\r\n").is_err());
}

#[test]
fn what_was_sent_when_a_connection_broke_is_unknown_and_the_rest_did_not_run() {
    let mut bench = Bench::ready();
    bench.push(0, &["SET", "a", "1"]);
    bench.push(1, &["SET", "b", "1"]);
    bench.send();
    bench.push(2, &["SET", "c", "1"]);
    bench.receive(b"+OK\r\n").unwrap();
    let lost = bench.upstream.lose(unreachable("reset"), bench.now);
    assert_eq!(outcomes(&lost), [(1, Outcome::Unknown), (2, Outcome::NotRun)]);
    assert_eq!((bench.upstream.taken(), bench.upstream.answered()), (3, 3));
    assert!(!bench.upstream.is_settled(), "the second may still run");
    assert_eq!(bench.upstream.trouble(), Some(&unreachable("reset")));
    // The connection after it sees to that.
    let words = bench.connect("u2");
    assert!(words.contains("\r\nKILL\r\n$2\r\nID\r\n$1\r\n7\r\n$4\r\nUSER\r\n$1\r\nu\r\n"), "{words}");
    bench.receive(b"+OK\r\n").unwrap();
    assert!(!bench.upstream.is_settled());
    bench.receive(b":0\r\n").unwrap();
    assert!(bench.upstream.is_settled());
    bench.receive(b":8\r\n").unwrap();
    assert!(bench.upstream.is_ready() && bench.upstream.trouble().is_none());
}

#[test]
fn a_user_that_is_gone_took_its_connections_along() {
    let mut bench = Bench::ready();
    bench.push(0, &["SET", "a", "1"]);
    bench.send();
    bench.upstream.lose(unreachable("reset"), bench.now);
    bench.connect("u");
    bench.receive(b"+OK\r\n-ERR No such user 'u'\r\n:8\r\n").unwrap();
    assert!(bench.upstream.is_settled() && bench.upstream.is_ready());
    bench.push(1, &["SET", "a", "1"]);
    bench.send();
    bench.upstream.lose(unreachable("reset"), bench.now);
    bench.connect("u");
    bench.receive(b"+OK\r\n-ERR some other reason\r\n:9\r\n").unwrap();
    assert!(!bench.upstream.is_settled(), "nobody knows");
}

#[test]
fn nobody_waits_for_an_attempt_after_one_that_failed() {
    let mut bench = Bench::new(Version::Resp2, 0);
    bench.connect("u");
    assert_eq!(bench.upstream.trouble(), None, "the first is waited for");
    bench.upstream.lose(unreachable("refused"), bench.now);
    bench.connect("u");
    assert_eq!(bench.upstream.trouble(), Some(&unreachable("refused")));
    bench.receive(b"+OK\r\n:1\r\n").unwrap();
    assert_eq!(bench.upstream.trouble(), None);
}

#[test]
fn time_asks_for_what_is_due() {
    let access = Access::Ready(login("u"));
    let mut bench = Bench::new(Version::Resp2, 0);
    assert!(bench.due(Some(&access)).is_none() && !bench.upstream.needs_time());
    bench.connect("u");
    assert_eq!(bench.due(Some(&access)), None);
    bench.now += TIMEOUT;
    assert!(matches!(bench.due(Some(&access)), Some(Due::GiveUp(_))), "no login in time");
    bench.upstream.lose(unreachable("late"), bench.now);
    assert_eq!(bench.due(Some(&access)), None, "it pauses first");
    bench.now += TIMEOUT;
    assert_eq!((bench.due(Some(&access)), bench.due(None)), (Some(Due::Connect), Some(Due::Close)));
    bench.connect("u");
    bench.receive(b"+OK\r\n:1\r\n").unwrap();
    assert!(bench.due(Some(&access)).is_none() && !bench.upstream.needs_time());
    assert_eq!(bench.due(Some(&Access::Ready(login("other")))), Some(Due::Close));
    assert_eq!((bench.due(Some(&Access::Closed(String::new()))), bench.due(None)), (None, Some(Due::Close)));
    bench.push(0, &["GET", "a"]);
    bench.push(1, &["GET", "b"]);
    bench.send();
    bench.now += TIMEOUT;
    assert_eq!(bench.due(None), None, "it is not late yet, and closes nothing that is waited for");
    bench.receive(b"$-1\r\n").unwrap();
    bench.now += TIMEOUT;
    assert_eq!(bench.due(Some(&access)), None, "a reply came meanwhile");
    bench.now += Duration::from_millis(1);
    assert!(matches!(bench.due(Some(&access)), Some(Due::GiveUp(_))));
}

#[test]
fn another_login_is_used_as_soon_as_nobody_waits() {
    let mut bench = Bench::ready();
    assert!(!bench.upstream.change_login(&login("u"), bench.now));
    bench.push(0, &["GET", "a"]);
    assert!(!bench.upstream.change_login(&login("v"), bench.now), "somebody waits");
    bench.send();
    bench.receive(b"$-1\r\n").unwrap();
    assert!(bench.upstream.change_login(&login("v"), bench.now));
    bench.upstream.close();
    assert!(bench.upstream.is_idle());
    bench.connect("v");
    bench.upstream.lose(unreachable("x"), bench.now);
    assert_eq!(bench.due(Some(&Access::Ready(login("w")))), None);
    bench.upstream.change_login(&login("w"), bench.now);
    assert_eq!(bench.due(Some(&Access::Ready(login("w")))), Some(Due::Connect), "it does not pause any more");
}

#[test]
fn a_large_reply_stays_in_the_memory_it_came_in() {
    let mut bench = Bench::ready();
    bench.push(0, &["GET", "a"]);
    bench.push(1, &["GET", "b"]);
    bench.send();
    let value = vec![b'v'; 9 << 20];
    let mut stream = format!("${}\r\n", value.len()).into_bytes();
    stream.extend_from_slice(&value);
    stream.extend_from_slice(b"\r\n$-1\r\n");
    bench.remains.take_vec(Vec::with_capacity(10 << 20));
    let mut whole = None;
    for read in stream.chunks(128 << 10) {
        bench
            .upstream
            .receive(read, bench.now, &mut bench.remains, &mut |_, reply: Reply<'_>| match reply {
                Reply::Large(reply) => whole = Some(reply),
                Reply::Small(reply) => assert_eq!(reply, b"$-1\r\n"),
            })
            .unwrap();
        assert_eq!(bench.upstream.is_receiving_much(), whole.is_none());
    }
    assert_eq!(whole.unwrap().len(), value.len() + 12);
    assert!(!bench.remains.needs_time(), "in the memory of one before");
    assert!(bench.upstream.is_quiet());
}

proptest! {
    /// However the stream is cut into reads, everybody gets its reply.
    #[test]
    fn replies_do_not_depend_on_reads(
        lengths in proptest::collection::vec(prop_oneof![0usize..50, 60_000usize..150_000], 1..12),
        cuts in proptest::collection::vec(1usize..90_000, 1..40),
    ) {
        let mut bench = Bench::ready();
        let (mut stream, mut expected) = (Vec::new(), Vec::new());
        for (sequence, &length) in (0..).zip(&lengths) {
            bench.push(sequence, &["GET", "k"]);
            let mut reply = format!("${length}\r\n").into_bytes();
            reply.extend(std::iter::repeat_n(b'a' + (sequence % 26) as u8, length));
            reply.extend_from_slice(b"\r\n");
            stream.extend_from_slice(&reply);
            expected.push((sequence, reply));
        }
        bench.send();
        let (mut rest, mut cuts) = (&stream[..], cuts.iter().cycle());
        while !rest.is_empty() {
            let (read, later) = rest.split_at((*cuts.next().unwrap()).min(rest.len()));
            bench.receive(read).unwrap();
            rest = later;
        }
        prop_assert_eq!(bench.got, expected);
    }
}
