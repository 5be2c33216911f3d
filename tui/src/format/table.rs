//! Rows under named columns: aligned for people, tabs for pipes, CSV, or one JSON object per row.

use std::io::Write as _;

use serde_json::Value as Cell;
use unicode_width::UnicodeWidthStr as _;

use super::{harmless, json};

/// Rows under named columns.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// In order.
    pub columns: Vec<Column>,
    /// As many cells as columns.
    pub rows: Vec<Vec<Cell>>,
}

/// A column of a [`Table`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Lower case; also the key in JSON.
    pub name: &'static str,
    /// Numbers stand at the right.
    pub right: bool,
}

/// Between columns for people.
const GAP: &str = "  ";

impl Table {
    /// No rows yet. A name that begins with `>` is of a column of numbers.
    #[must_use]
    pub fn new(columns: &[&'static str]) -> Self {
        let columns = columns.iter().map(|name| match name.strip_prefix('>') {
            Some(name) => Column { name, right: true },
            None => Column { name, right: false },
        });
        Self { columns: columns.collect(), rows: Vec::new() }
    }

    /// Adds a row.
    pub fn push(&mut self, row: Vec<Cell>) {
        debug_assert_eq!(row.len(), self.columns.len());
        self.rows.push(row);
    }

    fn texts(&self) -> impl Iterator<Item = Vec<String>> {
        let head = self.columns.iter().map(|column| column.name.to_uppercase()).collect();
        std::iter::once(head).chain(self.rows.iter().map(|row| row.iter().map(text).collect()))
    }

    /// Columns of equal width.
    pub fn aligned(&self, out: &mut Vec<u8>) {
        let mut widths = vec![0; self.columns.len()];
        for row in self.texts() {
            for (width, cell) in widths.iter_mut().zip(&row) {
                *width = (*width).max(cell.width());
            }
        }
        for row in self.texts() {
            let mut line = String::new();
            for ((cell, column), width) in row.iter().zip(&self.columns).zip(&widths) {
                let space = " ".repeat(width - cell.width());
                let (before, behind) = if column.right { (space.as_str(), "") } else { ("", space.as_str()) };
                line.push_str(before);
                line.push_str(cell);
                line.push_str(behind);
                line.push_str(GAP);
            }
            out.extend_from_slice(line.trim_end().as_bytes());
            out.push(b'\n');
        }
    }

    /// A line per row, each cell behind the name of its column.
    pub fn labelled(&self, out: &mut Vec<u8>) {
        for row in &self.rows {
            let cells = self.columns.iter().zip(row);
            let cells: Vec<String> =
                cells.map(|(column, cell)| format!("{} {}", column.name, text(cell))).collect();
            out.extend_from_slice(cells.join(", ").as_bytes());
            out.push(b'\n');
        }
    }

    /// Tabs between columns, the names in the first line.
    pub fn separated(&self, out: &mut Vec<u8>) {
        for row in self.texts() {
            out.extend_from_slice(row.join("\t").as_bytes());
            out.push(b'\n');
        }
    }

    /// Commas between columns, the names in the first line.
    pub fn csv(&self, out: &mut Vec<u8>) {
        let names: Vec<Cell> = self.columns.iter().map(|column| column.name.into()).collect();
        for row in std::iter::once(&names).chain(&self.rows) {
            let cells: Vec<String> = row
                .iter()
                .map(|cell| match cell {
                    Cell::String(text) => {
                        format!("\"{}\"", harmless::line(text.as_bytes()).replace('"', "\"\""))
                    }
                    Cell::Null => String::new(),
                    other => other.to_string(),
                })
                .collect();
            out.extend_from_slice(cells.join(",").as_bytes());
            out.push(b'\n');
        }
    }

    /// One object per row and line.
    pub fn json_lines(&self, out: &mut Vec<u8>) {
        for row in &self.rows {
            out.push(b'{');
            for (at, (column, cell)) in self.columns.iter().zip(row).enumerate() {
                let comma = if at > 0 { "," } else { "" };
                write!(out, "{comma}\"{}\":", column.name).expect("writing to memory cannot fail");
                match cell {
                    Cell::String(text) => json::text_of(out, text),
                    other => write!(out, "{other}").expect("writing to memory cannot fail"),
                }
            }
            out.extend_from_slice(b"}\n");
        }
    }
}

fn text(cell: &Cell) -> String {
    match cell {
        Cell::Null => "-".to_owned(),
        Cell::Bool(true) => "yes".to_owned(),
        Cell::Bool(false) => "no".to_owned(),
        Cell::String(text) if text.is_empty() => "-".to_owned(),
        Cell::String(text) => harmless::line(text.as_bytes()).into_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(&["id", "state", ">keys", "leader"]);
        table.push(vec!["1".into(), "up".into(), 1234.into(), true.into()]);
        table.push(vec!["10".into(), "a \"b\"".into(), Cell::Null, false.into()]);
        table
    }

    fn written(write: impl Fn(&Table, &mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&table(), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn cells_of_others_steer_no_terminal() {
        let mut table = Table::new(&["error"]);
        table.push(vec!["\u{1b}]0;t\u{7}\u{9b}2J\u{202e}\n".into()]);
        for write in [Table::aligned, Table::labelled, Table::separated, Table::csv, Table::json_lines] {
            let mut out = Vec::new();
            write(&table, &mut out);
            let text = String::from_utf8(out).unwrap();
            assert!(text.chars().all(|c| c == '\n' || !harmless::steers(c)), "{text:?}");
        }
    }

    #[test]
    fn all_forms() {
        assert_eq!(
            written(Table::aligned),
            "ID  STATE  KEYS  LEADER\n1   up     1234  yes\n10  a \"b\"     -  no\n"
        );
        assert_eq!(
            written(Table::labelled),
            "id 1, state up, keys 1234, leader yes\nid 10, state a \"b\", keys -, leader no\n"
        );
        assert_eq!(
            written(Table::separated),
            "ID\tSTATE\tKEYS\tLEADER\n1\tup\t1234\tyes\n10\ta \"b\"\t-\tno\n"
        );
        assert_eq!(
            written(Table::csv),
            "\"id\",\"state\",\"keys\",\"leader\"\n\"1\",\"up\",1234,true\n\"10\",\"a \"\"b\"\"\",,false\n"
        );
        assert_eq!(
            written(Table::json_lines),
            concat!(
                "{\"id\":\"1\",\"state\":\"up\",\"keys\":1234,\"leader\":true}\n",
                "{\"id\":\"10\",\"state\":\"a \\\"b\\\"\",\"keys\":null,\"leader\":false}\n"
            )
        );
    }
}
