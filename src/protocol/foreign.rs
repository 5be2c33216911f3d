//! HTTP where Redis's protocol should stand: what a web page that was led to this port makes a browser send.
//!
//! A browser can be made to send any body to any port of its machine, and every line of a body is an inline command. So the
//! first line of such a request has to end the connection before the next is read. Redis knows it by `POST` and `Host:`; here
//! every line that ends like a request line of HTTP is one, whatever its verb, since `PUT` needs no more than `POST` does.

/// Whether this line of the inline protocol begins an HTTP request: two words or more, the last of which is a version of
/// HTTP. A value that looks the same can be quoted, or sent as a bulk string.
pub(super) fn is_http_request_line(line: &[u8]) -> bool {
    let line = line.trim_ascii();
    let Some(blank) = line.iter().rposition(u8::is_ascii_whitespace) else { return false };
    let version = line[blank + 1..].split_at_checked(b"HTTP/".len());
    version.is_some_and(|(name, number)| {
        name.eq_ignore_ascii_case(b"HTTP/")
            && !number.is_empty()
            && number.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.')
    })
}

/// Whether Redis takes a command of this name for an attack, in whichever form it comes.
#[inline]
pub(super) fn is_http_command(name: &[u8]) -> bool {
    match name.len() {
        4 => name.eq_ignore_ascii_case(b"POST"),
        5 => name.eq_ignore_ascii_case(b"HOST:"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_lines() {
        for line in [
            "PUT / HTTP/1.1",
            "GET /metrics HTTP/2",
            "get / http/1.0",
            "PRI * HTTP/2.0",
            "BREW\t/pot\thttp/1.1 \r",
            " DELETE /a b HTTP/1.1",
            "PUT  HTTP/1.1",
            "PUT / HTTP/9.9",
        ] {
            assert!(is_http_request_line(line.as_bytes()), "{line:?}");
        }
        for line in [
            "",
            "HTTP/1.1",
            "GET key",
            "SET k HTTP",
            "SET k HTTP/",
            "SET k HTTP/x",
            "SET k 'HTTP/1.1'",
            "SET k \"a HTTP/1.1\"",
            "SET k http://1",
            "SET k xHTTP/1.1",
        ] {
            assert!(!is_http_request_line(line.as_bytes()), "{line:?}");
        }
    }
}
