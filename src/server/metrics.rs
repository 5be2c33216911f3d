//! The Prometheus text format, version 0.0.4.
//!
//! Written by hand: the figures already exist as plain per-worker counters that are summed at scrape time, so a
//! registry of metric objects would be a second copy of them.

use std::fmt::{Display, Write as _};

use super::counts::Spread;

/// What a family's numbers mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows, until the process ends; the name ends in `_total`.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Times by size, in seconds.
    Histogram,
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
            Kind::Histogram => "histogram",
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
        self.sample_of("", labels, value);
    }

    /// All samples of a histogram.
    pub fn spread(&mut self, labels: &[(&str, &str)], spread: &Spread) {
        for (bound, count) in spread.up_to() {
            self.sample_of("_bucket", &[labels, &[("le", bound)]].concat(), count);
        }
        self.sample_of("_bucket", &[labels, &[("le", "+Inf")]].concat(), spread.count());
        self.sample_of("_sum", labels, spread.seconds());
        self.sample_of("_count", labels, spread.count());
    }

    fn sample_of(&mut self, suffix: &str, labels: &[(&str, &str)], value: impl Display) {
        let out = &mut self.text.out;
        out.push_str(self.name);
        out.push_str(suffix);
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

    #[test]
    fn a_histogram_ends_in_what_is_longer_than_all_bounds() {
        let histogram = super::super::counts::Histogram::default();
        histogram.record(std::time::Duration::from_secs(100), 2);
        let mut text = Text::default();
        text.family(Kind::Histogram, "x_seconds", "Times.").spread(&[("node", "1")], &histogram.read());
        let text = text.finish();
        assert!(text.starts_with("# HELP x_seconds Times.\n# TYPE x_seconds histogram\n"), "{text}");
        assert!(text.contains("x_seconds_bucket{node=\"1\",le=\"10\"} 0\n"), "{text}");
        let end = "x_seconds_bucket{node=\"1\",le=\"+Inf\"} 2\nx_seconds_sum{node=\"1\"} 200\nx_seconds_count{node=\"1\"} 2\n";
        assert!(text.ends_with(end), "{text}");
    }
}
