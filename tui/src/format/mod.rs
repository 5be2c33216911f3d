//! Replies and tables to bytes. No I/O.

/// How replies are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// For people, as redis-cli on a terminal.
    #[default]
    Tty,
    /// The bytes of the value, for pipes.
    Raw,
    /// One line of comma-separated values per reply.
    Csv,
    /// One JSON document per reply and line.
    Json,
    /// As [`Form::Json`], strings as redis-cli's `--quoted-json`: bytes beyond ASCII escaped.
    QuotedJson,
}

impl Form {
    /// As `:set format` names it.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Some(match word {
            "tty" => Self::Tty,
            "raw" => Self::Raw,
            "csv" => Self::Csv,
            "json" => Self::Json,
            "quoted-json" => Self::QuotedJson,
            _ => return None,
        })
    }
}
