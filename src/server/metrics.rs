//! The Prometheus text format, version 0.0.4.
//!
//! Written by hand: the figures already exist as plain per-worker counters that are summed at scrape time, so a
//! registry of metric objects would be a second copy of them.

use std::fmt::{Display, Write as _};

/// What a family's numbers mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows, until the process ends; the name ends in `_total`.
    Counter,
    /// Goes up and down.
    Gauge,
}

/// The answer to `GET /metrics` under construction.
#[derive(Debug, Default)]
pub struct Text {
    out: String,
}

/// `Content-Type` of the format.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

impl Text {
    /// A family of one number without labels.
    pub fn one(&mut self, kind: Kind, name: &str, help: &str, value: impl Display) {
        self.family(kind, name, help).sample(&[], value);
    }

    /// Begins a family: its samples follow.
    pub fn family<'a>(&'a mut self, kind: Kind, name: &'a str, help: &str) -> Family<'a> {
        debug_assert!(kind != Kind::Counter || name.ends_with("_total"), "{name}");
        let word = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
        };
        let help = help.replace('\\', "\\\\").replace('\n', "\\n");
        let _ = write!(self.out, "# HELP {name} {help}\n# TYPE {name} {word}\n");
        Family { text: self, name }
    }

    /// The finished text.
    #[must_use]
    pub fn finish(self) -> String {
        self.out
    }
}

/// Samples of one name.
#[derive(Debug)]
pub struct Family<'a> {
    text: &'a mut Text,
    name: &'a str,
}

impl Family<'_> {
    /// One number; labels as name and value.
    pub fn sample(&mut self, labels: &[(&str, &str)], value: impl Display) {
        let out = &mut self.text.out;
        out.push_str(self.name);
        for (index, (name, label)) in labels.iter().enumerate() {
            out.push(if index == 0 { '{' } else { ',' });
            out.push_str(name);
            out.push_str("=\"");
            for character in label.chars() {
                match character {
                    '\\' => out.push_str("\\\\"),
                    '"' => out.push_str("\\\""),
                    '\n' => out.push_str("\\n"),
                    other => out.push(other),
                }
            }
            out.push('"');
        }
        if !labels.is_empty() {
            out.push('}');
        }
        let _ = writeln!(out, " {value}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_format() {
        let mut text = Text::default();
        text.one(Kind::Gauge, "redis_up", "Whether it\nruns.", 1);
        let mut family = text.family(Kind::Counter, "redis_commands_total", "Commands.");
        family.sample(&[("cmd", "get"), ("node", "a\"b\\c")], 7);
        family.sample(&[("cmd", "set")], 0.5);
        assert_eq!(
            text.finish(),
            "# HELP redis_up Whether it\\nruns.\n# TYPE redis_up gauge\nredis_up 1\n\
             # HELP redis_commands_total Commands.\n# TYPE redis_commands_total counter\n\
             redis_commands_total{cmd=\"get\",node=\"a\\\"b\\\\c\"} 7\nredis_commands_total{cmd=\"set\"} 0.5\n"
        );
    }
}
