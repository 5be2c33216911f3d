//! The login in front of the host of a URL: percent signs, and a text that shows no password.

use std::borrow::Cow;

/// Why a login cannot be read.
pub(super) type Reason = Cow<'static, str>;

/// `user:password` as it stands in a URL; the user may be empty, the password missing.
pub(super) fn parse(text: &str) -> Result<(String, Option<String>), Reason> {
    match text.split_once(':') {
        Some((user, password)) => Ok((decode(user)?, Some(decode(password)?))),
        None => Ok((decode(text)?, None)),
    }
}

/// What [`parse`] reads.
pub(super) fn write(user: &str, password: &str) -> String {
    format!("{}:{}", encode(user), encode(password))
}

fn decode(text: &str) -> Result<String, Reason> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, escape)) = rest.split_once('%') {
        bytes.extend_from_slice(before.as_bytes());
        let digits = escape.get(..2).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let Some(byte) = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) else {
            let shown: String = escape.chars().take(2).collect();
            return Err(format!("%{shown} in the login is no escape; a percent sign is written %25").into());
        };
        bytes.push(byte);
        rest = &escape[2..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8(bytes).map_err(|_| "the escapes of the login are not UTF-8".into())
}

/// Everything but letters, digits and `-._~`, so that no other part of a URL can begin in it.
fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for &byte in text.as_bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// An address as errors show it: without what stands before the last `@`, where a password may be.
pub(super) fn masked(text: &str) -> String {
    match text.rsplit_once('@') {
        None => text.to_owned(),
        Some((before, after)) => {
            let scheme = before.find("://").map_or("", |at| &before[..at + 3]);
            format!("{scheme}***@{after}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn escapes() {
        assert_eq!(parse("ops:p%40ss%2fw%3A"), Ok(("ops".to_owned(), Some("p@ss/w:".to_owned()))));
        assert_eq!(parse("%C3%A9"), Ok(("é".to_owned(), None)));
        assert_eq!(parse(":x"), Ok((String::new(), Some("x".to_owned()))));
        for (text, named) in
            [("u:secret%zz", "%zz "), ("u:secret%4", "%4 "), ("u:secret%", "% "), ("u:%é0", "%é0 ")]
        {
            let error = parse(text).unwrap_err();
            assert!(error.starts_with(named) && !error.contains("secret"), "{error}");
        }
        assert!(parse("u:%ff").unwrap_err().contains("UTF-8"));
    }

    #[test]
    fn no_password_is_shown() {
        assert_eq!(masked("redis://u:p@ss@h:1"), "redis://***@h:1");
        assert_eq!(masked("u:p@h"), "***@h");
        assert_eq!(masked("http://h:1"), "http://h:1");
    }

    proptest! {
        #[test]
        fn every_login_comes_back(user: String, password: String) {
            let text = write(&user, &password);
            prop_assert!(text.bytes().all(|byte| byte.is_ascii_graphic() && !b"@/#?[]\"\\,".contains(&byte)));
            prop_assert_eq!(parse(&text), Ok((user, Some(password))));
        }
    }
}
