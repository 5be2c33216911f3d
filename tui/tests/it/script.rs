//! Lines from stdin and files: alignment, exit status, bytes, and what scripts meet in practice.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::Stdio,
};

use crate::support::stage;

#[test]
fn one_thing_on_stdout_for_each_command_and_a_summary_on_stderr() {
    let Some(stage) = stage() else { return };
    let ran = stage.script(&[], b"set a x\nincr a\n\n# note\nget \"a\n:echo hi there\nget a");
    assert_eq!(
        ran.text(),
        "OK\nERR value is not an integer or out of range\nERR Invalid argument(s): unbalanced quotes, or a closing quote \
         with something right behind it\nhi there\nx\n"
    );
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.stderr.contains("stdin:2: ERR value is not an integer"), "{ran:?}");
    assert!(ran.stderr.contains("stdin:5: Invalid argument(s)"), "{ran:?}");
    assert!(ran.stderr.contains("2 of 4 commands failed"), "{ran:?}");
    assert_eq!(stage.script(&[], b"set a 1\nincr a\nget a\n").text(), "OK\n2\n2\n");
    assert_eq!(stage.script(&[], b"incr a\nset a x\nincr a\n").code, Some(1));
    assert_eq!(stage.script(&[], b"").code, Some(0));
}

#[test]
fn stops_where_it_is_told_to() {
    let Some(stage) = stage() else { return };
    for (arguments, lines) in [
        (&["-e"][..], &b"set a x\nincr a\nset b 1\n"[..]),
        (&[], b":on-error stop\nset a x\nincr a\nset b 1\n"),
        (&[], b"set a x\nquit\nset b 1\n"),
        (&[], b"set a x\n:exit\nset b 1\n"),
        (&[], b":on-error stop\nset a x\n:assert get a == y\nset b 1\n"),
    ] {
        let ran = stage.script(arguments, lines);
        assert_eq!(stage.run(&["exists", "b"]).text(), "0\n", "{}: {ran:?}", String::from_utf8_lossy(lines));
    }
    assert_eq!(stage.script(&[], b"set a x\n:assert get a == x\n:exit 9\n").code, Some(9));
    assert_eq!(stage.script(&[], b"set a x\n:assert get a == y\n").code, Some(1));
}

#[test]
fn bytes_line_ends_counts_and_variables() {
    let Some(stage) = stage() else { return };
    assert_eq!(stage.script(&[], b"set a \xff\x08\xe4\r\nget a\r\n").stdout, b"OK\n\xff\x08\xe4\n");
    assert_eq!(stage.script(&[], b"3 incr n").text(), "1\n2\n3\n");
    assert_eq!(
        stage.script(&[], b"set c ${x}\nget c\n:let x 5\n:set vars on\nset c ${x}\nget c\n").text(),
        "OK\n${x}\nOK\n5\n"
    );
    let big = [&b"set big "[..], &vec![b'v'; 1 << 20], b"\nstrlen big\n"].concat();
    assert_eq!(stage.script(&[], &big).text(), "OK\n1048576\n");
    assert_eq!(stage.script(&[], b"set z a\0b\n").code, Some(2), "a zero byte is not cut off silently");
    let json = stage.script(&["--json"], b"set a 1\n:echo a 'b'\n");
    assert_eq!(json.text(), "\"OK\"\n\"a b\"\n");
    let json = stage.script(&["--json"], b"set a 1\nincr b c\n");
    assert!(json.text().ends_with("\"line\":2}\n"), "{json:?}");
}

#[test]
fn many_lines_come_back_in_order() {
    let Some(stage) = stage() else { return };
    let lines: String = (0..20_000).map(|i| format!("set k{i} v{i}\nget k{i}\n")).collect();
    let ran = stage.script(&[], lines.as_bytes());
    assert_eq!(ran.code, Some(0));
    let expected: String = (0..20_000).map(|i| format!("OK\nv{i}\n")).collect();
    assert_eq!(ran.text(), expected);
}

#[test]
fn files_and_files_in_files() {
    let Some(stage) = stage() else { return };
    let directory = tempfile::tempdir().unwrap();
    let (outer, inner) = (directory.path().join("outer"), directory.path().join("inner"));
    std::fs::write(&inner, "incr n\nnosuch\n").unwrap();
    std::fs::write(&outer, format!("incr n\n:source {}\nincr n\n", inner.display())).unwrap();
    let ran = stage.run(&["-f", outer.to_str().unwrap()]);
    assert_eq!(
        ran.text().lines().filter(|line| !line.starts_with("ERR")).collect::<Vec<_>>(),
        ["1", "2", "3"]
    );
    assert!(ran.stderr.contains(&format!("{}:2: ERR unknown command", inner.display())), "{ran:?}");
    assert_eq!(ran.code, Some(1));
    std::fs::write(&inner, format!(":source {}\n", inner.display())).unwrap();
    let endless = stage.run(&["-f", inner.to_str().unwrap()]);
    assert_eq!(endless.code, Some(2), "{endless:?}");
    assert_eq!(stage.run(&["-f", "/nowhere"]).code, Some(2));
    assert_eq!(stage.script(&["-f", "-"], b"ping\n").text(), "PONG\n");
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let Some(stage) = stage() else { return };
    let mut child = stage
        .console(&[])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    writeln!(stdin, "ping").unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut first = String::new();
    // Answered although stdin stays open: nothing waits for more lines.
    stdout.read_line(&mut first).unwrap();
    assert_eq!(first, "PONG\n");
    drop(stdout);
    writeln!(stdin, "ping").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(141));
    assert!(output.stderr.is_empty(), "{output:?}");
}

#[test]
fn the_loss_of_the_proxy_ends_it() {
    let Some(mut stage) = stage() else { return };
    let mut child = stage
        .console(&[])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    writeln!(stdin, "ping").unwrap();
    let mut first = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut first).unwrap();
    stage.redis.kill();
    writeln!(stdin, "set a 1").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("stdin:2:"), "{output:?}");
}
