//! Commands and lines: one command may take several lines, a text of several lines holds several commands.

use std::borrow::Cow;

use redis_cluster::protocol::quote;

/// What a scan is in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum In {
    /// Blanks; `true` once the command has a word.
    Blanks(bool),
    Word,
    Quotes(u8),
    /// Behind a closing quote, where only a blank may follow.
    Closed,
    /// What is not read: a comment, or what is wrong.
    Rest,
}

/// The commands of a text, without the line breaks between them; and whether a quote is open at its end. A quote that is
/// open at the end of a line goes on in the next.
fn scan(text: &[u8]) -> (Vec<&[u8]>, bool) {
    let mut commands = Vec::new();
    let (mut state, mut start, mut at) = (In::Blanks(false), 0, 0);
    while let Some(&byte) = text.get(at) {
        let is_blank = byte == b' ' || (b'\t'..=b'\r').contains(&byte);
        state = match state {
            In::Quotes(quote) if byte == quote => In::Closed,
            In::Quotes(quote) => {
                let escapes = byte == b'\\' && (quote == b'"' || text.get(at + 1) == Some(&quote));
                at += usize::from(escapes);
                state
            }
            _ if byte == b'\n' => {
                commands.push(&text[start..at]);
                start = at + 1;
                In::Blanks(false)
            }
            In::Rest => In::Rest,
            // As it is for the splitter of words.
            _ if byte == 0 => In::Rest,
            In::Blanks(seen) if is_blank => In::Blanks(seen),
            In::Word | In::Closed if is_blank => In::Blanks(true),
            In::Blanks(false) if byte == b'#' => In::Rest,
            In::Closed => In::Rest,
            In::Blanks(_) | In::Word if matches!(byte, b'"' | b'\'') => In::Quotes(byte),
            In::Blanks(_) | In::Word => In::Word,
        };
        at += 1;
    }
    commands.push(&text[start.min(text.len())..]);
    (commands, matches!(state, In::Quotes(_)))
}

/// More input can still make a command of the last line.
#[must_use]
pub fn is_open(text: &[u8]) -> bool {
    scan(text).1
}

/// The commands of a text of several lines, in order; lines without a word are left out.
#[must_use]
pub fn commands(text: &[u8]) -> Vec<&[u8]> {
    let (mut commands, _) = scan(text);
    commands.retain(|command| !command.trim_ascii().is_empty());
    commands
}

/// The same command without line breaks and as text, for histories and scripts.
#[must_use]
pub fn on_one_line(line: &[u8]) -> Cow<'_, [u8]> {
    if !line.contains(&b'\n') && std::str::from_utf8(line).is_ok() {
        return line.into();
    }
    match quote::split(line) {
        Ok(words) => super::quote_words(&words).into_bytes().into(),
        // It was not run either.
        Err(_) => line.iter().map(|&byte| if byte == b'\n' { b' ' } else { byte }).collect::<Vec<_>>().into(),
    }
}

/// A command as text: one that is no UTF-8 or has line breaks is written with quotes.
#[must_use]
pub fn as_text(command: &[u8]) -> String {
    String::from_utf8_lossy(&on_one_line(command)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_open_quote_goes_on_and_a_wrong_one_does_not() {
        for open in
            ["set a \"b", "set a 'b", "set a \"b\\\"", "set a \"b\n c", "get x\nset a 'b", "set a 'b\\'"]
        {
            assert!(is_open(open.as_bytes()), "{open}");
        }
        for not in ["set a b", "set a \"b\"", "set a \"b\"c", "", "# it's", "set a \"b\"c'd", "# it's\nget a"]
        {
            assert!(!is_open(not.as_bytes()), "{not}");
        }
    }

    #[test]
    fn several_lines_are_several_commands() {
        assert_eq!(commands(b"del x1\nget x2"), [b"del x1", b"get x2"]);
        assert_eq!(
            commands(b"\n set a 'b\nc' \n\n# it's\nget a\n"),
            [&b" set a 'b\nc' "[..], b"# it's", b"get a"]
        );
        assert_eq!(commands(b"set a \"x\\\"\ny\"\nget a"), [&b"set a \"x\\\"\ny\""[..], b"get a"]);
        assert_eq!(commands(b"get 'a'b'\nget c"), [b"get 'a'b'", &b"get c"[..]]);
        assert!(commands(b" \n\t\n").is_empty());
    }

    #[test]
    fn line_breaks_and_bytes_are_escaped() {
        assert_eq!(&*on_one_line(b"set a 'b c'"), b"set a 'b c'");
        let line = on_one_line(b"set a 'b\nc'");
        assert_eq!(&*line, b"set a \"b\\nc\"");
        assert_eq!(quote::split(&line).unwrap(), quote::split(b"set a 'b\nc'").unwrap());
        assert_eq!(&*on_one_line(b"set a caf\xe9"), b"set a \"caf\\xe9\"");
    }

    proptest! {
        #[test]
        fn it_is_open_where_a_closing_quote_helps(line in "[a '\"\\\\#x]{0,12}") {
            let splits = |end: &str| quote::split(format!("{line}{end}").as_bytes()).is_ok();
            let is_comment = line.trim_start().starts_with('#');
            let helps = !is_comment && !splits("") && (splits("\"") || splits("'"));
            // Behind a backslash it takes two.
            let escaped = line.ends_with('\\') && is_open(line.as_bytes());
            prop_assert!(is_open(line.as_bytes()) == helps || escaped, "{line}");
        }

        #[test]
        fn commands_are_the_lines_where_nothing_is_quoted(lines in proptest::collection::vec("[a-z ]{0,5}", 0..6)) {
            let text = lines.join("\n");
            let wanted: Vec<&[u8]> =
                lines.iter().map(String::as_bytes).filter(|line| !line.trim_ascii().is_empty()).collect();
            prop_assert_eq!(commands(text.as_bytes()), wanted);
        }
    }
}
