//! Arguments that nobody else may see: passwords, and whatever makes a user. They are hidden where commands are shown, in `MONITOR` and
//! the slow log.

use crate::protocol::Request;

/// In the place of a secret.
const REDACTED: &[u8] = b"(redacted)";
/// Parameters whose values are secrets.
const PARAMETERS: [&str; 3] = ["masterauth", "masteruser", "requirepass"];

fn is(argument: Option<&[u8]>, word: &str) -> bool {
    argument.is_some_and(|argument| argument.eq_ignore_ascii_case(word.as_bytes()))
}

/// The arguments of a command, as they may be shown.
pub(crate) fn shown<'a>(request: &Request<'a>) -> impl Iterator<Item = &'a [u8]> {
    let name = Some(request.name());
    let (is_auth, is_hello) = (is(name, "auth"), is(name, "hello"));
    let is_setuser = is(name, "acl") && is(request.get(1), "setuser");
    let is_config_set = is(name, "config") && is(request.get(1), "set");
    // How many arguments are secrets from here.
    let mut secrets = if is_auth {
        3
    } else if is_setuser {
        request.len()
    } else {
        0
    };
    request.args().enumerate().map(move |(index, argument)| {
        let is_command = index == 0 || index == 1 && is_setuser;
        let shown = if secrets > 0 && !is_command { REDACTED } else { argument };
        let is_parameter = || PARAMETERS.iter().any(|name| is(Some(argument), name));
        secrets = match index {
            2.. if secrets == 0 && is_hello && is(Some(argument), "auth") => 2,
            2.. if is_config_set && index % 2 == 0 && is_parameter() => 1,
            _ => usize::saturating_sub(secrets, 1),
        };
        shown
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Args;

    #[test]
    fn secrets_are_hidden() {
        for (words, expected) in [
            ("AUTH pw", "AUTH (redacted)"),
            ("auth me pw", "auth (redacted) (redacted)"),
            ("HELLO 3 AUTH auth auth SETNAME x", "HELLO 3 AUTH (redacted) (redacted) SETNAME x"),
            ("HELLO 3 SETNAME x AUTH me pw", "HELLO 3 SETNAME x AUTH (redacted) (redacted)"),
            ("acl setuser u on >pw", "acl setuser (redacted) (redacted) (redacted)"),
            ("ACL GETUSER u", "ACL GETUSER u"),
            ("ACL SETUSER", "ACL SETUSER"),
            (
                "config set hz 5 requirepass x masterauth y",
                "config set hz 5 requirepass (redacted) masterauth (redacted)",
            ),
            ("config get requirepass requirepass", "config get requirepass requirepass"),
            ("SET auth pw", "SET auth pw"),
        ] {
            let args = Args::of(&words.split(' ').collect::<Vec<_>>()).expect("small");
            let shown: Vec<_> = shown(&args.request().expect("a name")).map(<[u8]>::to_vec).collect();
            assert_eq!(String::from_utf8_lossy(&shown.join(&b' ')), expected);
        }
    }
}
