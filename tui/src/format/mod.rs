//! Replies and tables to bytes. No I/O.
//!
//! The forms are redis-cli's, byte for byte, where console users have scripts and habits: [`tty`] and [`plain`]. JSON
//! differs on purpose: it is valid for every value. What people see steers no terminal: [`harmless`]. Source of the forms: `src/redis-cli.c` of Redis 7.0 as it behaves.

pub mod harmless;
pub mod json;
pub mod plain;
pub mod table;
pub mod tty;

use redis_cluster::protocol::Value;

use table::Table;

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
    /// As [`Form::Json`], bytes beyond ASCII escaped as in [`Form::Tty`].
    QuotedJson,
}

impl Form {
    const ALL: [Self; 5] = [Self::Tty, Self::Raw, Self::Csv, Self::Json, Self::QuotedJson];

    /// As `:set format` names it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Tty => "tty",
            Self::Raw => "raw",
            Self::Csv => "csv",
            Self::Json => "json",
            Self::QuotedJson => "quoted-json",
        }
    }

    /// By its word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|form| form.word() == word)
    }
}

/// How strings beyond ASCII are shown to people.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TextForm {
    /// As redis-cli does: every such byte as `\xHH`.
    #[default]
    Escaped,
    /// As text where it is UTF-8.
    Utf8,
    /// Escaped, with the text behind it.
    Both,
}

impl TextForm {
    const ALL: [Self; 3] = [Self::Escaped, Self::Utf8, Self::Both];

    /// As `:set text` names it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Escaped => "escaped",
            Self::Utf8 => "utf8",
            Self::Both => "both",
        }
    }

    /// By its word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|form| form.word() == word)
    }
}

/// What is written how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Formatter {
    /// The form.
    pub form: Form,
    /// Of strings in [`Form::Tty`].
    pub text: TextForm,
    /// Between the elements of an array in [`Form::Raw`]; redis-cli's `-d`.
    pub between: Vec<u8>,
    /// After each reply in [`Form::Raw`]; redis-cli's `-D`.
    pub after: Vec<u8>,
    /// Cells of tables in [`Form::Tty`] carry their column's name, for whoever hears them one by one.
    pub labels: bool,
}

impl Formatter {
    /// A form with redis-cli's delimiters.
    #[must_use]
    pub fn new(form: Form, text: TextForm) -> Self {
        Self { form, text, between: b"\n".to_vec(), after: b"\n".to_vec(), labels: false }
    }

    /// Appends a reply. `verbatim`: it is text with a form of its own, such as INFO's. `line`: of the script, for
    /// errors in JSON.
    pub fn reply(&self, out: &mut Vec<u8>, value: &Value, verbatim: bool, line: Option<u64>) {
        match self.form {
            Form::Tty if !verbatim || matches!(value, Value::Error(_) | Value::Null) => {
                tty::write(out, value, self.text);
            }
            Form::Tty => {
                let mut text = Vec::new();
                plain::raw(&mut text, value, &self.between);
                out.extend_from_slice(harmless::text(&text).as_bytes());
                out.extend_from_slice(&self.after);
            }
            Form::Raw => {
                plain::raw(out, value, &self.between);
                out.extend_from_slice(&self.after);
            }
            Form::Csv => {
                plain::csv(out, value);
                out.push(b'\n');
            }
            Form::Json => json::write_line(out, value, json::Strings::Plain, line),
            Form::QuotedJson => json::write_line(out, value, json::Strings::Quoted, line),
        }
    }

    /// Appends a table.
    pub fn table(&self, out: &mut Vec<u8>, table: &Table) {
        match self.form {
            Form::Tty if self.labels => table.labelled(out),
            Form::Tty => table.aligned(out),
            Form::Raw => table.separated(out),
            Form::Csv => table.csv(out),
            Form::Json | Form::QuotedJson => table.json_lines(out),
        }
    }

    /// Appends a document: laid out for people, one line for programs.
    pub fn document(&self, out: &mut Vec<u8>, document: &serde_json::Value) {
        let text = match self.form {
            Form::Tty | Form::Raw | Form::Csv => format!("{document:#}"),
            Form::Json | Form::QuotedJson => document.to_string(),
        };
        out.extend_from_slice(harmless::text(text.as_bytes()).as_bytes());
        out.push(b'\n');
    }
}

/// `1 key`, `2 keys`.
#[must_use]
pub fn counted(count: u64, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}

/// Whether people read the reply of this command as it is: it is text with line breaks of its own.
#[must_use]
pub fn is_verbatim<A: AsRef<[u8]>>(command: &[A]) -> bool {
    let word = |at: usize| command.get(at).map_or(Vec::new(), |word| word.as_ref().to_ascii_lowercase());
    let (name, sub) = (word(0), word(1));
    match name.as_slice() {
        b"info" | b"lolwut" => true,
        b"debug" => matches!(sub.as_slice(), b"htstats" | b"htstats-key"),
        b"memory" => matches!(sub.as_slice(), b"malloc-stats" | b"doctor"),
        b"cluster" => matches!(sub.as_slice(), b"info" | b"nodes"),
        b"client" => matches!(sub.as_slice(), b"list" | b"info"),
        b"latency" => matches!(sub.as_slice(), b"graph" | b"doctor"),
        _ => false,
    }
}
