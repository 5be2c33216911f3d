use super::*;
use proptest::prelude::*;

fn words(bytes: &[u8]) -> Vec<Vec<Vec<u8>>> {
    let mut batch = Batch::default();
    batch.parse(bytes, &Limits::default()).unwrap();
    batch.requests(bytes).map(|request| request.args().map(<[u8]>::to_vec).collect()).collect()
}

#[test]
fn pipelines_of_all_forms() {
    assert_eq!(
        words(b"*2\r\n$3\r\nGET\r\n$1\r\na\r\n*0\r\n\r\nset \"k\\x41\" 'v'\r\n*1\r\n$4\r\nPING\r\n*1\r\n$1"),
        [
            vec![b"GET".to_vec(), b"a".to_vec()],
            vec![b"set".to_vec(), b"kA".to_vec(), b"v".to_vec()],
            vec![b"PING".to_vec()]
        ]
    );
}

#[test]
fn a_request_may_arrive_byte_by_byte() {
    let stream = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\nhello\r\nping\r\n*1\r\n$4\r\nquit\r\n";
    let (mut batch, mut buffer, mut seen, mut raw) =
        (Batch::default(), Vec::new(), Vec::new(), Vec::<u8>::new());
    for &byte in stream {
        buffer.push(byte);
        batch.parse(&buffer, &Limits::default()).unwrap();
        for request in batch.requests(&buffer) {
            seen.push(request.args().collect::<Vec<_>>().concat());
            raw.extend_from_slice(request.raw().unwrap_or_default());
        }
        buffer.drain(..batch.consumed());
        batch.reset();
    }
    assert_eq!(seen, [b"SETkhello".to_vec(), b"ping".to_vec(), b"quit".to_vec()]);
    assert!(buffer.is_empty());
}

#[test]
fn breaking_the_protocol_gives_the_texts_of_redis() {
    let long = [b"*".to_vec(), vec![b'1'; 70_000]].concat();
    let cases: [(&[u8], &[u8]); 15] = [
        (b"*abc\r\n", b"invalid multibulk length"),
        (b"*+1\r\n", b"invalid multibulk length"),
        (b"*01\r\n", b"invalid multibulk length"),
        (b"*\r\n", b"invalid multibulk length"),
        (b"*1\n$4\r\n", b"invalid multibulk length"),
        (b"*1048577\r\n", b"invalid multibulk length"),
        (b"*1\r\n+4\r\n", b"expected '$', got '+'"),
        (b"*1\r\n\xff4\r\n", b"expected '$', got '\xff'"),
        (b"*1\r\n$-1\r\n", b"invalid bulk length"),
        (b"*1\r\n$536870913\r\n", b"invalid bulk length"),
        (b"*1\r\n$4x\r\n", b"invalid bulk length"),
        (b"get \"a\r\n", b"unbalanced quotes in request"),
        (b"get 'a'b\r\n", b"unbalanced quotes in request"),
        (&long, b"too big mbulk count string"),
        (&long[1..], b"too big inline request"),
    ];
    for (bytes, text) in cases {
        let error = Batch::default().parse(bytes, &Limits::default()).unwrap_err();
        assert_eq!(
            error.reply(),
            Some([b"ERR Protocol error: ", text].concat()),
            "{:?}",
            bytes.escape_ascii().to_string()
        );
    }
}

/// Every byte is looked at once: what was parsed may be anything by then.
#[test]
fn what_was_parsed_is_not_looked_at_again() {
    let mut stream = b"*1000\r\n".to_vec();
    for number in 0..999 {
        stream.extend_from_slice(format!("$4\r\n{number:04}\r\n").as_bytes());
    }
    stream.extend_from_slice(b"$100000\r\n");
    stream.resize(stream.len() + 100_002, b'x');
    let (mut batch, mut buffer) = (Batch::default(), Vec::new());
    for piece in stream.chunks(777) {
        buffer.extend_from_slice(piece);
        batch.parse(&buffer, &Limits::default()).unwrap();
        assert_eq!(batch.len(), usize::from(buffer.len() == stream.len()));
        buffer[..batch.position].fill(b'?');
    }
    assert_eq!((batch.get(0, &stream).arg(7), batch.get(0, &stream).arg(999).len()), (&b"0007"[..], 100_000));
}

#[test]
fn arguments_as_they_came() {
    let bytes = b"*5\r\n$4\r\nMSET\r\n$1\r\na\r\n$3\r\n\r\n1\r\n$1\r\nb\r\n$0\r\n\r\nmget a b\r\n";
    let mut batch = Batch::default();
    batch.parse(bytes, &Limits::default()).unwrap();
    let request = batch.get(0, bytes);
    assert_eq!(request.raw_args(1, 3), Some(&b"$1\r\na\r\n$3\r\n\r\n1\r\n"[..]));
    assert_eq!(request.raw_args(3, 5), Some(&b"$1\r\nb\r\n$0\r\n\r\n"[..]));
    assert_eq!(batch.get(1, bytes).raw_args(1, 2), None);
}

#[test]
fn before_login_little_is_read() {
    let limits = Limits::default().unauthenticated();
    let parse = |bytes: &[u8]| Batch::default().parse(bytes, &limits);
    assert_eq!(parse(b"*11\r\n"), Err(ProtocolError::UnauthenticatedMultibulkLength));
    assert_eq!(parse(b"*1\r\n$16385\r\n"), Err(ProtocolError::UnauthenticatedBulkLength));
    assert_eq!(parse(b"*10\r\n$16384\r\n"), Ok(()));
}

#[test]
fn requests_before_an_error_stay_usable() {
    let bytes = b"PING\r\n*1\r\n$4\r\nQUIT\r\n*x\r\n";
    let mut batch = Batch::default();
    assert_eq!(batch.parse(bytes, &Limits::default()), Err(ProtocolError::MultibulkLength));
    assert_eq!(batch.requests(bytes).map(|request| request.name()).collect::<Vec<_>>(), [b"PING", b"QUIT"]);
    assert_eq!(batch.consumed(), bytes.len() - 4);
}

#[test]
fn nothing_after_http_is_a_request() {
    for head in [
        "PUT / HTTP/1.1\r\n",
        "POST / HTTP/1.1\r\n",
        "post\r\n",
        "Host: localhost\r\n",
        "\"ho\\x73t:\" x\r\n",
        "patch /x http/2\n",
        "PUT /\" HTTP/1.1\r\n",
        "*1\r\n$4\r\nPoSt\r\n",
        "*2\r\n$5\r\nhOST:\r\n$1\r\nx\r\n",
    ] {
        let bytes = format!("PING\r\n\r\n{head}SET a b\r\n*1\r\n$4\r\nQUIT\r\n");
        for cut in 0..bytes.len() {
            let (mut batch, bytes) = (Batch::default(), bytes.as_bytes());
            let first = batch.parse(&bytes[..cut], &Limits::default());
            let result = first.and_then(|()| batch.parse(bytes, &Limits::default()));
            assert_eq!(result, Err(ProtocolError::Http), "{head:?} {cut}");
            assert!(batch.requests(bytes).all(|request| request.name() == b"PING"), "{head:?} {cut}");
            batch.reset();
            assert!(batch.is_empty(), "{head:?} {cut}");
        }
    }
    let limits = Limits { refuse_http: false, ..Limits::default() };
    let bytes = b"*2\r\n$4\r\nPOST\r\n$1\r\nx\r\n*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$8\r\nHTTP/1.1\r\n";
    let mut batch = Batch::default();
    assert_eq!(batch.parse(bytes, &limits), Ok(()));
    assert_eq!(batch.len(), 2);
}

fn multibulk(arguments: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    crate::protocol::encode_command(&mut bytes, arguments);
    bytes
}

proptest! {
    /// However a stream is cut, the same requests come out.
    #[test]
    fn cuts_do_not_matter(
        requests in prop::collection::vec(prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..6), 1..20),
        cuts in prop::collection::vec(1usize..50, 1..40),
    ) {
        let stream: Vec<u8> = requests.iter().flat_map(|request| multibulk(request)).collect();
        let (mut batch, mut buffer, mut seen) = (Batch::default(), Vec::new(), Vec::new());
        let (mut rest, mut cuts) = (&stream[..], cuts.iter().cycle());
        while !rest.is_empty() {
            let (now, later) = rest.split_at((*cuts.next().unwrap()).min(rest.len()));
            buffer.extend_from_slice(now);
            rest = later;
            batch.parse(&buffer, &Limits::default()).unwrap();
            let requests = batch.requests(&buffer).map(|request| request.args().map(<[u8]>::to_vec).collect::<Vec<_>>());
            seen.extend(requests);
            prop_assert!(batch.missing(buffer.len()) <= 42);
            buffer.drain(..batch.consumed());
            batch.reset();
        }
        prop_assert_eq!(seen, requests);
        prop_assert!(buffer.is_empty());
    }

    /// What comes out of garbage cut in two is what comes out of it whole.
    #[test]
    fn garbage_is_read_the_same_in_two_parts(
        bytes in prop::collection::vec(prop::sample::select(b"*$0123-+\r\nPING \"'\\x\0\xff".to_vec()), 0..80),
        cut in 0usize..80,
    ) {
        let collect = |batch: &Batch, buffer: &[u8]| -> Vec<Vec<Vec<u8>>> {
            batch.requests(buffer).map(|request| request.args().map(<[u8]>::to_vec).collect()).collect()
        };
        let mut whole = Batch::default();
        let whole_end = whole.parse(&bytes, &Limits::default());
        let mut parts = Batch::default();
        let first = parts.parse(&bytes[..cut.min(bytes.len())], &Limits::default());
        let parts_end = first.and_then(|()| parts.parse(&bytes, &Limits::default()));
        prop_assert_eq!(collect(&whole, &bytes), collect(&parts, &bytes));
        prop_assert_eq!(whole_end, parts_end);
        prop_assert_eq!(whole.consumed(), parts.consumed());
    }
}
