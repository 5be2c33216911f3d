//! `MONITOR`: how a command is shown to those who are shown all.

use std::{fmt::Write as _, time::Duration};

use super::secrets;
use crate::protocol::{Request, quote};

/// One line, as a status reply: the time, the database and the client (or `lua`), and the command with its arguments quoted. Passwords are not
/// shown.
pub(crate) fn line(
    now: Duration,
    database: usize,
    client: &dyn std::fmt::Display,
    request: &Request<'_>,
) -> Vec<u8> {
    let mut line = format!("+{}.{:06} [{database} {client}]", now.as_secs(), now.subsec_micros());
    for argument in secrets::shown(request) {
        let _ = write!(line, " {}", quote::repr(argument));
    }
    line.push_str("\r\n");
    line.into_bytes()
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::protocol::Args;

    fn shown(words: &[&str]) -> String {
        let args = Args::of(words).expect("small");
        let client = SocketAddr::from(([127, 0, 0, 1], 60866));
        let request = args.request().expect("a name");
        String::from_utf8(line(Duration::from_micros(1_339_518_083_107_412), 3, &client, &request))
            .expect("text")
    }

    #[test]
    fn a_line_is_that_of_redis() {
        assert_eq!(
            shown(&["set", "a key", "\u{1}\""]),
            "+1339518083.107412 [3 127.0.0.1:60866] \"set\" \"a key\" \"\\x01\\\"\"\r\n"
        );
    }

    #[test]
    fn passwords_are_not_shown() {
        let line = shown(&["HELLO", "3", "AUTH", "me", "secret", "SETNAME", "x"]);
        assert!(line.ends_with("\"AUTH\" \"(redacted)\" \"(redacted)\" \"SETNAME\" \"x\"\r\n"), "{line}");
    }
}
