//! The ACL file: a line for each user, as `ACL LIST` shows it.

use std::collections::BTreeMap;

use super::{
    rules::{RuleError, has_space, merge},
    user::Rules,
};

/// Reads users. All of them are good, or none is taken.
///
/// # Errors
/// Everything that is wrong, in Redis's words, without a code.
pub(super) fn parse(
    text: &[u8],
    path: &str,
    all_channels: bool,
) -> Result<BTreeMap<Vec<u8>, Rules>, Vec<u8>> {
    let mut users = BTreeMap::new();
    let mut errors: Vec<u8> = Vec::new();
    for (line, number) in text.split(|&byte| byte == b'\n').zip(1..) {
        let line = trim(line, b" \t\r\n");
        if line.is_empty() {
            continue;
        }
        if let Err(error) = read_line(line, &mut users, all_channels) {
            match error {
                LineError::NoUser => errors.extend_from_slice(
                    format!("{path}:{number} should start with user keyword followed by the username. ")
                        .as_bytes(),
                ),
                LineError::Name(name) => errors.extend_from_slice(
                    &[
                        format!("'{path}:{number}: username '").as_bytes(),
                        &name,
                        b"' contains invalid characters. ",
                    ]
                    .concat(),
                ),
                LineError::Twice(name) => errors.extend_from_slice(
                    &[
                        b"WARNING: Duplicate user '",
                        name.as_slice(),
                        format!("' found on line {number}. ").as_bytes(),
                    ]
                    .concat(),
                ),
                LineError::Unmatched => errors.extend_from_slice(
                    format!("{path}:{number}: Unmatched parenthesis in selector definition.").as_bytes(),
                ),
                LineError::Rules(reasons) => {
                    for reason in reasons {
                        errors.extend_from_slice(format!("{path}:{number}: ").as_bytes());
                        errors.extend_from_slice(&reason);
                        errors.extend_from_slice(b". ");
                    }
                }
            }
        }
    }
    if errors.is_empty() {
        return Ok(users);
    }
    errors.extend_from_slice(
        b"WARNING: ACL errors detected, no change to the previously active ACL rules was performed",
    );
    Err(errors)
}

/// What is wrong with a line.
enum LineError {
    NoUser,
    Name(Vec<u8>),
    Twice(Vec<u8>),
    Unmatched,
    Rules(Vec<Vec<u8>>),
}

fn read_line(line: &[u8], users: &mut BTreeMap<Vec<u8>, Rules>, all_channels: bool) -> Result<(), LineError> {
    let mut words = line.split(|&byte| byte == b' ');
    let name = words.next().filter(|word| *word == b"user").and_then(|_| words.next());
    let name = name.ok_or(LineError::NoUser)?;
    if has_space(name) {
        return Err(LineError::Name(name.to_vec()));
    }
    if users.contains_key(name) {
        return Err(LineError::Twice(name.to_vec()));
    }
    let mut rules = Rules::new(all_channels);
    let mut reasons = Vec::new();
    let merged = merge(words);
    let mut has_other = false;
    for rule in merged.iter().flatten() {
        let rule = trim(rule, b"\t\r\n");
        match rules.apply(rule, all_channels) {
            Ok(()) => {}
            // Of unknown commands all are named: nothing about them is secret.
            Err(reason @ RuleError::Unknown) => reasons.push(
                [b"Error in applying operation '", rule, b"': ", reason.to_string().as_bytes()].concat(),
            ),
            // Of everything else the first is told: what follows may be wrong because of it.
            Err(reason) => {
                if !std::mem::replace(&mut has_other, true) {
                    reasons.push(reason.to_string().into_bytes());
                }
            }
        }
    }
    // Redis goes on to find the same user twice, whatever is wrong with its first line.
    users.insert(name.to_vec(), rules);
    match merged {
        Err(_) => Err(LineError::Unmatched),
        Ok(_) if !reasons.is_empty() => Err(LineError::Rules(reasons)),
        Ok(_) => Ok(()),
    }
}

fn trim<'a>(text: &'a [u8], bytes: &[u8]) -> &'a [u8] {
    let is_kept = |byte: &u8| !bytes.contains(byte);
    let Some(first) = text.iter().position(is_kept) else { return &[] };
    let last = text.iter().rposition(is_kept).unwrap_or(first);
    &text[first..=last]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fails(text: &str) -> String {
        let error = parse(text.as_bytes(), "F", false).unwrap_err();
        let text = String::from_utf8(error).unwrap();
        let end = "WARNING: ACL errors detected, no change to the previously active ACL rules was performed";
        text.strip_suffix(end).unwrap().to_owned()
    }

    #[test]
    fn lines_are_users() {
        let users = parse(b"\n user a on  nopass (+get ~x) \r\n\nuser default +@all\n", "F", false).unwrap();
        assert_eq!(users.keys().collect::<Vec<_>>(), [b"a".as_slice(), b"default"]);
    }

    #[test]
    fn everything_that_is_wrong_is_told() {
        assert_eq!(
            fails("foo\nuser a on\nuser a on\nuser"),
            "F:1 should start with user keyword followed by the username. WARNING: Duplicate user 'a' found on line 3. \
             F:4 should start with user keyword followed by the username. "
        );
        assert_eq!(
            fails("user a foo +nosuch bar -@nosuch"),
            "F:1: Syntax error. F:1: Error in applying operation '+nosuch': Unknown command or category name in ACL. \
             F:1: Error in applying operation '-@nosuch': Unknown command or category name in ACL. "
        );
        assert_eq!(fails("user a (+get"), "F:1: Unmatched parenthesis in selector definition.");
        assert_eq!(fails("user a\tb on"), "'F:1: username 'a\tb' contains invalid characters. ");
    }
}
