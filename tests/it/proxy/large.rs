//! What is large, through a proxy: the same bytes come back as from a stock Redis, in whatever pieces they are sent and
//! however slowly they are read, and others are served meanwhile.

use super::*;

/// One request as RESP.
fn request(words: &[&[u8]]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        bytes.extend_from_slice(word);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

fn value(size: usize, seed: usize) -> Vec<u8> {
    (0..size).map(|at| b'!' + ((at * 31 + at / 251 + seed) % 90) as u8).collect()
}

fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(TIMEOUT * 3)).unwrap();
    stream
}

/// Sends a script in pieces of a size, and reads to the end of the connection.
fn exchange(address: &str, script: &[u8], piece: usize) -> Vec<u8> {
    let mut stream = connect(address);
    let mut writer = stream.try_clone().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for piece in script.chunks(piece) {
                writer.write_all(piece).unwrap();
            }
            writer.write_all(&request(&[b"QUIT"])).unwrap();
        });
        let mut replies = Vec::new();
        stream.read_to_end(&mut replies).unwrap();
        replies
    })
}

fn assert_same(what: &str, ours: &[u8], theirs: &[u8]) {
    let at = ours.iter().zip(theirs).position(|(a, b)| a != b).unwrap_or(ours.len().min(theirs.len()));
    let around = |bytes: &[u8]| {
        bytes[at.saturating_sub(40).min(bytes.len())..bytes.len().min(at + 80)].escape_ascii().to_string()
    };
    assert!(
        ours == theirs,
        "{what}: {} bytes, {} expected; they differ at {at}: {}\nexpected: {}",
        ours.len(),
        theirs.len(),
        around(ours),
        around(theirs)
    );
}

/// Small requests before, between and behind large ones, to both nodes.
fn mixed(large: usize) -> Vec<u8> {
    let (a, b) = (key_of(1, 1), key_of(2, 2));
    let (a, b, small) = (a.as_bytes(), b.as_bytes(), key_of(1, 3));
    let small = small.as_bytes();
    let (one, two) = (value(large, 1), value(large / 3, 2));
    let keys: Vec<String> = (0..40).map(|number| key_of(number % 2 + 1, 100 + number)).collect();
    let values: Vec<Vec<u8>> = (0..40).map(|number| value(number * large / 400, number)).collect();
    let mut mset: Vec<&[u8]> = vec![b"MSET"];
    for (key, value) in keys.iter().zip(&values) {
        mset.extend([key.as_bytes(), value]);
    }
    let mut mget: Vec<&[u8]> = vec![b"MGET"];
    mget.extend(keys.iter().rev().map(String::as_bytes));
    mget.push(b"missing");
    [
        request(&[b"SET", small, b"before"]),
        request(&[b"SET", a, &one]),
        request(&[b"SET", small, b"after"]),
        request(&[b"GET", small]),
        request(&[b"GET", a]),
        request(&[b"PING"]),
        request(&[b"SET", b, &two, b"EX", b"100"]),
        request(&[b"STRLEN", b]),
        request(&[b"APPEND", b, &one]),
        request(&[b"GET", b]),
        request(&[b"GET", a]),
        request(&[b"GET", small]),
        request(&[b"ECHO", &one]),
        request(&[b"PING", &two]),
        b"ECHO inline\r\n".to_vec(),
        request(&[b"SET", a, &two, b"NONSENSE"]),
        request(&mset),
        request(&mget),
        request(&[b"SELECT", b"3"]),
        request(&[b"SET", a, &two]),
        request(&[b"GET", a]),
        request(&[b"GET", b]),
        request(&[b"CLIENT", b"REPLY", b"SKIP"]),
        request(&[b"GET", a]),
        request(&[b"GET", small]),
        request(&[b"HELLO", b"5"]),
        request(&[b"SELECT", b"0"]),
        request(&[&[&b"DEL"[..]], &mget[1..]].concat()),
        request(&[b"GET", a]),
    ]
    .concat()
}

#[tokio::test]
async fn the_same_bytes_as_from_redis_whatever_the_pieces() {
    let Some(cluster) = Cluster::start().await else { return };
    let Some(redis) = redis_server() else { return };
    for (large, piece) in
        [(4 << 20, usize::MAX), (1 << 20, 7919), (300_000, 65_536), (150_000, 131_072), (600, 1)]
    {
        let script = mixed(large);
        let [ours, theirs] =
            [&cluster.proxy, &redis].map(|server| exchange(&server.address(), &script, piece));
        assert_same(&format!("values of {large} in pieces of {piece}"), &ours, &theirs);
    }
}

#[tokio::test]
async fn the_same_bytes_from_our_own_nodes() {
    let Some(cluster) = Cluster::of(Members::Ours).await else { return };
    let Some(redis) = redis_server() else { return };
    let node = node("9");
    for (large, piece) in [(4 << 20, usize::MAX), (500_000, 10_007), (600, 1)] {
        let script = mixed(large);
        let theirs = exchange(&redis.address(), &script, piece);
        for (what, server) in [("the proxy", &cluster.proxy), ("the node", &node)] {
            let ours = exchange(&server.address(), &script, piece);
            assert_same(&format!("{what}, values of {large} in pieces of {piece}"), &ours, &theirs);
        }
    }
}

/// Replies of several nodes that are merged in many turns.
#[tokio::test]
async fn all_keys_of_many() {
    let Some(cluster) = Cluster::of(Members::Ours).await else { return };
    let mut client = cluster.connect().await;
    let names: BTreeSet<String> =
        (0..30_000).map(|number| format!("a-name-that-is-rather-long:{number}")).collect();
    for some in names.iter().collect::<Vec<_>>().chunks(5000) {
        let mset: Vec<&str> =
            std::iter::once("MSET").chain(some.iter().flat_map(|name| [name, "v"])).collect();
        assert_eq!(client.call(&mset).await.unwrap().as_bytes(), Some(&b"OK"[..]));
    }
    let strings = |value: &Value| -> Vec<String> {
        let Value::Array(elements) = value else { panic!("no array: {value:?}") };
        elements.iter().map(|name| String::from_utf8(name.as_bytes().unwrap().to_vec()).unwrap()).collect()
    };
    let keys = strings(&call(&mut client, "KEYS *").await);
    assert_eq!((keys.len(), &keys.into_iter().collect::<BTreeSet<_>>()), (names.len(), &names));
    let (mut cursor, mut found) = ("0".to_owned(), BTreeSet::new());
    loop {
        let Value::Array(reply) = call(&mut client, &format!("SCAN {cursor} COUNT 20000")).await else {
            panic!("no array")
        };
        found.extend(strings(&reply[1]));
        cursor = String::from_utf8(reply[0].as_bytes().unwrap().to_vec()).unwrap();
        if cursor == "0" {
            break;
        }
    }
    assert_eq!(found, names);
}

#[tokio::test]
async fn pipelines_and_requests_of_many_parts() {
    let Some(cluster) = Cluster::start().await else { return };
    let Some(redis) = redis_server() else { return };
    let keys: Vec<String> = (0..10_000).map(|number| format!("key:{number}")).collect();
    let values: Vec<Vec<u8>> = (0..10_000).map(|number| value(number % 700, number)).collect();
    let names: Vec<&[u8]> = keys.iter().map(String::as_bytes).collect();
    let mut mset: Vec<&[u8]> = vec![b"MSET"];
    for (key, value) in names.iter().zip(&values) {
        mset.extend([*key, value]);
    }
    let push: Vec<&[u8]> = [&[&b"RPUSH"[..], b"list"], &names[..]].concat();
    let mut script = [
        request(&mset),
        request(&[&[&b"MGET"[..]], &names[..]].concat()),
        request(&[&[&b"EXISTS"[..]], &names[..]].concat()),
        request(&push).repeat(10),
        request(&[b"LRANGE", b"list", b"0", b"-1"]),
        request(&[&[&b"DEL"[..]], &names[..]].concat()),
        request(&[b"DBSIZE"]),
    ]
    .concat();
    for number in 0..100_000 {
        script.extend(match number % 4 {
            0 => request(&[b"INCR", b"counter:a"]),
            1 => request(&[b"PING", number.to_string().as_bytes()]),
            2 => request(&[b"INCR", b"counter:b"]),
            // Over two nodes: it sees what was asked before it, because that went the same way.
            _ => request(&[b"MGET", b"counter:a", b"counter:b"]),
        });
    }
    let [ours, theirs] = [&cluster.proxy, &redis].map(|server| exchange(&server.address(), &script, 1 << 20));
    assert_same("many parts", &ours, &theirs);
}

/// Who does not read, and who has sent half of a large request, keeps nobody else waiting.
#[tokio::test]
async fn a_slow_client_is_alone_with_it() {
    let Some(cluster) = Cluster::start().await else { return };
    let key = key_of(1, 7);
    let (large, replies) = (value(1 << 20, 5), 100);
    let expected = [format!("${}\r\n", large.len()).as_bytes(), &large, b"\r\n"].concat();
    let mut other = cluster.connect().await;
    other.call(&[b"SET", key.as_bytes(), &large[..]]).await.unwrap();

    let mut slow = connect(&cluster.proxy.address());
    slow.write_all(&request(&[b"GET", key.as_bytes()]).repeat(replies)).unwrap();
    let mut first = [0; 1000];
    slow.read_exact(&mut first).unwrap();
    assert_eq!(first[..], expected[..1000]);
    let mut half = connect(&cluster.proxy.address());
    let set = request(&[b"SET", key.as_bytes(), &value(8 << 20, 6)]);
    half.write_all(&set[..5 << 20]).unwrap();

    for number in 0..200 {
        assert_eq!(call(&mut other, "PING").await.as_bytes(), Some(&b"PONG"[..]));
        let text = format!("small{number}");
        assert_eq!(
            call(&mut other, &format!("SET {key}:{number} {text}")).await.as_bytes(),
            Some(&b"OK"[..])
        );
        assert_eq!(call(&mut other, &format!("GET {key}:{number}")).await.as_bytes(), Some(text.as_bytes()));
    }

    let mut reply = vec![0; expected.len()];
    slow.read_exact(&mut reply[1000..]).unwrap();
    assert!(reply[1000..] == expected[1000..]);
    for _ in 1..replies {
        slow.read_exact(&mut reply).unwrap();
        assert!(reply == expected);
    }
    half.write_all(&set[5 << 20..]).unwrap();
    let mut ok = [0; 5];
    half.read_exact(&mut ok).unwrap();
    assert_eq!(&ok, b"+OK\r\n");
    assert_eq!(call(&mut other, &format!("STRLEN {key}")).await.as_i64(), Some(8 << 20));
}

/// Large requests do not lie before small ones on the connection that all share, nor do requests for what is large.
#[tokio::test]
async fn large_requests_and_replies_take_a_connection_of_their_own() {
    let Some(cluster) = Cluster::start().await else { return };
    let mut node = Connection::connect(&cluster.nodes[0].address(), TIMEOUT).await.unwrap();
    let mut client = cluster.connect().await;
    let (small, large) = (key_of(1, 1), key_of(1, 2));
    // How many connections' latest command this is.
    let mut latest = async |command: &str| {
        let list = node.call(&["CLIENT", "LIST"]).await.unwrap();
        let list = String::from_utf8(list.as_bytes().unwrap().to_vec()).unwrap();
        list.lines().filter(|line| line.contains(&format!(" cmd={command} "))).count()
    };
    call(&mut client, &format!("SET {small} x")).await;
    assert_eq!(latest("set").await, 1);
    client.call(&[b"SET", large.as_bytes(), &value(1 << 20, 1)]).await.unwrap();
    assert_eq!(latest("set").await, 2);
    // The value was seen to be large: asking for it goes the same way, and for other keys the old one.
    call(&mut client, &format!("STRLEN {large}")).await;
    assert_eq!((latest("set").await, latest("strlen").await), (1, 1));
    call(&mut client, &format!("GET {small}")).await;
    assert_eq!((latest("set").await, latest("strlen").await, latest("get").await), (0, 1, 1));
}

/// A large reply on its way to one client does not lie before the replies of others, and all of them come to the right one.
#[tokio::test]
async fn many_clients_with_large_and_small_replies() {
    let Some(cluster) = Cluster::start().await else { return };
    let address = cluster.proxy.address();
    std::thread::scope(|scope| {
        for client in 0..8 {
            let address = &address;
            scope.spawn(move || {
                let size = if client % 2 == 0 { 2 << 20 } else { 100 };
                let keys: Vec<String> =
                    (0..4).map(|number| key_of(number % 2 + 1, client * 10 + number)).collect();
                let mut script = Vec::new();
                let mut expected = Vec::new();
                for round in 0..10 {
                    let key = keys[round % 4].as_bytes();
                    let value = value(size + round, client);
                    script.extend(request(&[b"SET", key, &value]));
                    script.extend(request(&[b"GET", key]));
                    expected.extend(format!("+OK\r\n${}\r\n", value.len()).into_bytes());
                    expected.extend([&value[..], b"\r\n"].concat());
                }
                expected.extend(b"+OK\r\n");
                assert_same("a client among others", &exchange(address, &script, usize::MAX), &expected);
            });
        }
    });
}
