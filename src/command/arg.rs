//! The argument syntax of a command, as a tree: for hints, documentation and `COMMAND DOCS`.

/// One argument, or a group of arguments.
#[derive(Clone, Copy, Debug)]
pub struct Arg {
    /// What it means, in lower case; of a bare token, the token itself.
    pub name: &'static str,
    /// What may stand there.
    pub kind: ArgKind,
    /// A word before the value, or the word itself.
    pub token: Option<&'static str>,
    /// Of a key: which of the command's key specifications finds it.
    pub key_spec: Option<u8>,
    /// May be left out.
    pub optional: bool,
    /// May be repeated.
    pub multiple: bool,
    /// When repeated, the token is repeated too.
    pub multiple_token: bool,
    /// Version of Redis, if newer than the command.
    pub since: Option<&'static str>,
    /// Version of Redis since which it is not recommended.
    pub deprecated_since: Option<&'static str>,
}

/// What may stand in the place of an argument.
#[derive(Clone, Copy, Debug)]
pub enum ArgKind {
    /// Any bytes.
    String,
    /// A decimal integer of 64 bits.
    Integer,
    /// A floating point number.
    Double,
    /// The name of a key.
    Key,
    /// A glob.
    Pattern,
    /// Seconds or milliseconds since 1970.
    UnixTime,
    /// Only the token.
    Token,
    /// One of these.
    OneOf(&'static [Arg]),
    /// All of these, in this order.
    Block(&'static [Arg]),
}

impl ArgKind {
    /// The name in `COMMAND DOCS`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Integer => "integer",
            Self::Double => "double",
            Self::Key => "key",
            Self::Pattern => "pattern",
            Self::UnixTime => "unix-time",
            Self::Token => "pure-token",
            Self::OneOf(_) => "oneof",
            Self::Block(_) => "block",
        }
    }
}

const fn arg(name: &'static str, kind: ArgKind) -> Arg {
    Arg {
        name,
        kind,
        token: None,
        key_spec: None,
        optional: false,
        multiple: false,
        multiple_token: false,
        since: None,
        deprecated_since: None,
    }
}

pub(super) const fn string(name: &'static str) -> Arg {
    arg(name, ArgKind::String)
}

pub(super) const fn integer(name: &'static str) -> Arg {
    arg(name, ArgKind::Integer)
}

pub(super) const fn double(name: &'static str) -> Arg {
    arg(name, ArgKind::Double)
}

pub(super) const fn pattern(name: &'static str) -> Arg {
    arg(name, ArgKind::Pattern)
}

pub(super) const fn unix_time(name: &'static str) -> Arg {
    arg(name, ArgKind::UnixTime)
}

/// A key that key specification `spec` finds.
pub(super) const fn key(name: &'static str, spec: u8) -> Arg {
    Arg { key_spec: Some(spec), ..arg(name, ArgKind::Key) }
}

pub(super) const fn token(word: &'static str) -> Arg {
    Arg { token: Some(word), ..arg(word, ArgKind::Token) }
}

pub(super) const fn one_of(name: &'static str, choices: &'static [Arg]) -> Arg {
    arg(name, ArgKind::OneOf(choices))
}

pub(super) const fn block(name: &'static str, parts: &'static [Arg]) -> Arg {
    arg(name, ArgKind::Block(parts))
}

impl Arg {
    /// Its name in a syntax line differs from the token's letters.
    pub(super) const fn named(self, name: &'static str) -> Self {
        Self { name, ..self }
    }

    /// After the word `token`.
    pub(super) const fn after(self, token: &'static str) -> Self {
        Self { token: Some(token), ..self }
    }

    /// Stands where key specification `spec` finds keys, without being one always.
    pub(super) const fn found_by(self, spec: u8) -> Self {
        Self { key_spec: Some(spec), ..self }
    }

    pub(super) const fn optional(self) -> Self {
        Self { optional: true, ..self }
    }

    pub(super) const fn multiple(self) -> Self {
        Self { multiple: true, ..self }
    }

    pub(super) const fn multiple_token(self) -> Self {
        Self { multiple: true, multiple_token: true, ..self }
    }

    pub(super) const fn since(self, version: &'static str) -> Self {
        Self { since: Some(version), ..self }
    }

    pub(super) const fn deprecated_since(self, version: &'static str) -> Self {
        Self { deprecated_since: Some(version), ..self }
    }

    /// Arguments inside a choice or a block.
    #[must_use]
    pub const fn parts(&self) -> &'static [Self] {
        match self.kind {
            ArgKind::OneOf(parts) | ArgKind::Block(parts) => parts,
            _ => &[],
        }
    }
}

impl std::fmt::Display for Arg {
    /// The usual syntax: `[EX seconds | PX milliseconds]`, `key [key ...]`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.optional {
            f.write_str("[")?;
        }
        self.once(f, true)?;
        if self.multiple {
            f.write_str(" [")?;
            self.once(f, self.multiple_token)?;
            f.write_str(" ...]")?;
        }
        f.write_str(if self.optional { "]" } else { "" })
    }
}

impl Arg {
    fn once(&self, f: &mut std::fmt::Formatter<'_>, with_token: bool) -> std::fmt::Result {
        if let Some(token) = self.token.filter(|_| with_token) {
            f.write_str(if token.is_empty() { "\"\"" } else { token })?;
            if matches!(self.kind, ArgKind::Token) {
                return Ok(());
            }
            f.write_str(" ")?;
        }
        let (parts, separator) = match self.kind {
            ArgKind::OneOf(parts) => (parts, " | "),
            ArgKind::Block(parts) => (parts, " "),
            _ => return f.write_str(self.name),
        };
        // A choice is bracketed where its bars could be read as belonging to more.
        let bracketed = separator == " | " && (!self.optional || with_token && self.token.is_some());
        f.write_str(if bracketed { "<" } else { "" })?;
        for (index, part) in parts.iter().enumerate() {
            if index > 0 {
                f.write_str(separator)?;
            }
            std::fmt::Display::fmt(part, f)?;
        }
        f.write_str(if bracketed { ">" } else { "" })
    }
}
