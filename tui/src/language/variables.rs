//! `:let` and `${NAME}`: variables of a session, and lines read with them in it.

use std::collections::BTreeMap;

use super::{Line, SyntaxError, parse_expanded, parse_line};

/// What `:let` has set. Lines may hold `${` as data, so nothing is expanded before `:set vars on`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Variables {
    /// `:set vars on`.
    pub expands: bool,
    values: BTreeMap<String, Vec<u8>>,
}

impl Variables {
    /// `:let NAME VALUE`.
    pub fn set(&mut self, name: String, value: Vec<u8>) {
        self.values.insert(name, value);
    }

    /// Reads a line, with variables in it once they are expanded.
    ///
    /// # Errors
    /// [`SyntaxError`].
    pub fn parse(&self, line: &[u8]) -> Result<Option<Line>, SyntaxError> {
        if !self.expands || self.values.is_empty() {
            return parse_line(line);
        }
        parse_expanded(line, |word| self.expand(&word))
    }

    /// What is not known stays as it stands.
    fn expand(&self, word: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(word.len());
        let mut rest = word;
        while let Some(start) = rest.windows(2).position(|pair| pair == b"${") {
            let Some(length) = rest[start + 2..].iter().position(|&byte| byte == b'}') else { break };
            let name = std::str::from_utf8(&rest[start + 2..start + 2 + length]).unwrap_or_default();
            out.extend_from_slice(&rest[..start]);
            match self.values.get(name) {
                Some(value) => out.extend_from_slice(value),
                None => out.extend_from_slice(&rest[start..start + 3 + length]),
            }
            rest = &rest[start + 3 + length..];
        }
        out.extend_from_slice(rest);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::Command;

    fn words(variables: &Variables, line: &str) -> Vec<Vec<u8>> {
        match variables.parse(line.as_bytes()).unwrap().unwrap().command {
            Command::Redis(words) => words,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn expanded_only_when_asked_for() {
        let mut variables = Variables::default();
        variables.set("a".to_owned(), b"x y\xff".to_vec());
        assert_eq!(words(&variables, "set k ${a}"), [&b"set"[..], b"k", b"${a}"]);
        variables.expands = true;
        assert_eq!(words(&variables, "set k -${a}${b}${"), [&b"set"[..], b"k", b"-x y\xff${b}${"]);
    }
}
