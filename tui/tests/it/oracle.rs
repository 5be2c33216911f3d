//! Random replies, shown by the real redis-cli and by this console: the same bytes. A server of the test's own gives both
//! the same replies, of the types of RESP2 and RESP3, nested. (Big numbers end redis-cli 7.0; this console prints them.)

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    process::{Command, Stdio},
    sync::Arc,
    thread,
};

use crate::support::{Stage, stage};

/// Replies per comparison.
const REPLIES: usize = 300;

/// A fixed sequence (xorshift64), so that a failure can be seen again.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: u64) -> u64 {
        (self.next() >> 16) % limit
    }
}

/// What may be in a reply.
#[derive(Clone, Copy)]
struct Alphabet {
    resp3: bool,
    errors: bool,
    /// Also strings that are not UTF-8.
    bytes: bool,
    /// Also verbatim strings that steer a terminal, which only redis-cli passes through to people.
    verbatim_bytes: bool,
}

fn string(random: &mut Random, alphabet: Alphabet) -> Vec<u8> {
    let length = random.below(12);
    if alphabet.bytes {
        return (0..length).map(|_| random.next() as u8).collect();
    }
    let characters = b" \"\\/{}:,\n\t\x01az09'";
    (0..length).map(|_| characters[random.below(characters.len() as u64) as usize]).collect()
}

/// Text of one line, as statuses and errors are.
fn word(random: &mut Random) -> Vec<u8> {
    (0..1 + random.below(9)).map(|_| b' ' + random.below(95) as u8).collect()
}

fn reply(random: &mut Random, alphabet: Alphabet, depth: u32, out: &mut Vec<u8>) {
    let scalars = if alphabet.resp3 { 8 } else { 5 };
    let aggregates = match (depth, alphabet.resp3) {
        (3, _) => 0,
        (_, true) => 3,
        (_, false) => 1,
    };
    match random.below(scalars + aggregates) {
        0 => line(out, b'+', &word(random)),
        1 if alphabet.errors => line(out, b'-', &[b"ERR ", word(random).as_slice()].concat()),
        1 | 2 => bulk(out, b'$', &string(random, alphabet)),
        3 => line(out, b':', (random.next() as i64 >> random.below(60)).to_string().as_bytes()),
        4 if alphabet.resp3 => line(out, b'_', b""),
        4 => line(out, b'$', b"-1"),
        kind if kind >= scalars => {
            let count = random.below(if depth == 0 { 12 } else { 4 });
            let (mark, per) = [(b'*', 1), (b'~', 1), (b'%', 2)][(kind - scalars) as usize];
            line(out, mark, count.to_string().as_bytes());
            for at in 0..count * per {
                if per == 2 && at % 2 == 0 {
                    bulk(out, b'$', &string(random, alphabet));
                } else {
                    reply(random, alphabet, depth + 1, out);
                }
            }
        }
        5 => {
            // JSON has no infinity; redis-cli writes one all the same.
            let numbers = ["0", "1.5", "-2.25", "10", "1e+100", "inf", "-inf"];
            let count = if alphabet.bytes { numbers.len() } else { 5 };
            line(out, b',', numbers[random.below(count as u64) as usize].as_bytes());
        }
        6 => line(out, b'#', if random.below(2) == 0 { b"t" } else { b"f" }),
        _ if alphabet.verbatim_bytes => {
            bulk(out, b'=', &[b"txt:", string(random, alphabet).as_slice()].concat());
        }
        _ => bulk(out, b'=', &[b"txt:", word(random).as_slice()].concat()),
    }
}

fn line(out: &mut Vec<u8>, mark: u8, text: &[u8]) {
    out.push(mark);
    out.extend_from_slice(text);
    out.extend_from_slice(b"\r\n");
}

fn bulk(out: &mut Vec<u8>, mark: u8, bytes: &[u8]) {
    line(out, mark, bytes.len().to_string().as_bytes());
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
}

/// One request, as an array of bulk strings; its first word. `None`: the client is gone.
fn request(stream: &mut BufReader<TcpStream>) -> Option<Vec<u8>> {
    let mut header = String::new();
    stream.read_line(&mut header).ok()?;
    let count: usize = header.trim().strip_prefix('*')?.parse().ok()?;
    let mut first = None;
    for _ in 0..count {
        let mut header = String::new();
        stream.read_line(&mut header).ok()?;
        let mut bytes = vec![0; header.trim().strip_prefix('$')?.parse::<usize>().ok()? + 2];
        stream.read_exact(&mut bytes).ok()?;
        bytes.truncate(bytes.len() - 2);
        first = first.or(Some(bytes));
    }
    first
}

/// Gives each connection the same replies, in order. The address.
fn server(replies: Vec<Vec<u8>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let replies = Arc::new(replies);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let replies = Arc::clone(&replies);
            thread::spawn(move || {
                let mut stream = BufReader::new(stream.unwrap());
                let mut next = 0;
                while let Some(name) = request(&mut stream) {
                    let answer: &[u8] = match name.to_ascii_lowercase().as_slice() {
                        b"hello" => b"%0\r\n",
                        _ => {
                            next += 1;
                            &replies[(next - 1) % replies.len()]
                        }
                    };
                    if stream.get_mut().write_all(answer).is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

/// Both programs print the replies in this form; the same bytes.
fn compare(stage: &Stage, options: &[&str], alphabet: Alphabet, seed: u64) {
    let mut random = Random(seed);
    let mut replies = Vec::new();
    while replies.len() < REPLIES {
        let mut bytes = Vec::new();
        reply(&mut random, alphabet, 0, &mut bytes);
        // There redis-cli forgets to escape a quote, and the JSON is none.
        let forgotten = options.contains(&"--quoted-json") && bytes.contains(&b'"');
        if !forgotten {
            replies.push(bytes);
        }
    }
    let address = server(replies.clone());
    let times = REPLIES.to_string();
    let port = address.rsplit(':').next().unwrap();
    let theirs = Command::new("redis-cli")
        .args(["-p", port, "-r", &times])
        .args(options)
        .args(["get", "x"])
        .stdin(Stdio::null())
        .output()
        .expect("redis-cli is installed with redis-server");
    // Sorts before the real server.
    stage.register("0", &address);
    let ours = stage.run(&[&["-r", &times], options, &["get", "x"]].concat());
    assert_eq!(theirs.status.code(), Some(0), "{}", String::from_utf8_lossy(&theirs.stderr));
    assert!(ours.code.is_some_and(|code| code <= 1), "{}", ours.stderr);
    let (ours, theirs) = (String::from_utf8_lossy(&ours.stdout), String::from_utf8_lossy(&theirs.stdout));
    if ours == theirs {
        return;
    }
    let (at, (our, their)) =
        ours.lines().zip(theirs.lines()).enumerate().find(|(_, (our, their))| our != their).unwrap_or((
            ours.lines().count().min(theirs.lines().count()),
            ("(fewer or other lines)", "(fewer or other lines)"),
        ));
    let before: Vec<&str> = theirs.lines().take(at).skip(at.saturating_sub(8)).collect();
    panic!(
        "{options:?} seed {seed}, line {at}:\n{}\nredis-cli: {their:?}\nthis:      {our:?}",
        before.join("\n")
    );
}

#[test]
fn resp2_for_people_raw_and_csv() {
    let Some(stage) = stage() else { return };
    for (seed, form) in [(1, "--no-raw"), (2, "--raw"), (3, "--csv")] {
        // In its raw form redis-cli adds a blank line behind an error; this console does not.
        let alphabet = Alphabet { resp3: false, errors: form != "--raw", bytes: true, verbatim_bytes: true };
        compare(&stage, &[form], alphabet, seed);
    }
}

#[test]
fn resp3_for_people_raw_and_csv() {
    let Some(stage) = stage() else { return };
    for (seed, form) in [(4, "--no-raw"), (5, "--raw"), (6, "--csv")] {
        let verbatim_bytes = form != "--no-raw";
        let alphabet = Alphabet { resp3: true, errors: form != "--raw", bytes: true, verbatim_bytes };
        compare(&stage, &[form, "-3"], alphabet, seed);
    }
}

#[test]
fn json_of_everything_that_redis_cli_has_valid_json_for() {
    let Some(stage) = stage() else { return };
    let alphabet = Alphabet { resp3: true, errors: false, bytes: false, verbatim_bytes: true };
    compare(&stage, &["--json", "-3"], alphabet, 7);
    compare(&stage, &["--quoted-json", "-3"], alphabet, 8);
}
