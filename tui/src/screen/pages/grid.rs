//! A table that is browsed: rows, their order, a filter, the selection. Drawing it is `view::pages`.

use std::cmp::Ordering;

use tui_input::Input;

use crate::screen::theme::Role;

/// A column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its heading.
    pub title: &'static str,
    /// Columns of the screen that it takes at most; the last one takes what is left.
    pub width: usize,
    /// Numbers.
    pub right: bool,
    /// Columns with the lowest are dropped first where there is no room.
    pub keep: u8,
}

/// A column in a table of them.
#[must_use]
pub const fn column(title: &'static str, width: usize, right: bool, keep: u8) -> Column {
    Column { title, width, right, keep }
}

/// What a row has in a column.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cell {
    /// Not escaped.
    pub text: String,
    /// What it is sorted by; without one it is the text.
    pub number: Option<f64>,
}

impl Cell {
    /// Text.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), number: None }
    }

    /// A number and how it is written.
    #[must_use]
    pub fn number(number: f64, text: impl Into<String>) -> Self {
        Self { text: text.into(), number: Some(number) }
    }
}

/// A row.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// What it is about: the selection stays with it.
    pub id: Vec<u8>,
    /// One for each column.
    pub cells: Vec<Cell>,
    /// How it looks.
    pub role: Role,
}

impl Row {
    /// An ordinary row.
    #[must_use]
    pub fn new(id: impl Into<Vec<u8>>, cells: Vec<Cell>) -> Self {
        Self { id: id.into(), cells, role: Role::Text }
    }
}

/// The table.
#[derive(Clone, Debug)]
pub struct Grid {
    /// Its columns.
    pub columns: &'static [Column],
    /// Only rows with this text in a cell.
    pub filter: Input,
    /// The column that rows are sorted by; `None`: as they came.
    pub sort: Option<usize>,
    /// Turned round.
    pub reverse: bool,
    rows: Vec<Row>,
    /// Places of the rows that pass the filter, in order.
    order: Vec<usize>,
    selected: usize,
}

impl Grid {
    /// No rows yet.
    #[must_use]
    pub fn new(columns: &'static [Column]) -> Self {
        Self {
            columns,
            filter: Input::default(),
            sort: None,
            reverse: false,
            rows: Vec::new(),
            order: Vec::new(),
            selected: 0,
        }
    }

    /// Sorted by a column from the beginning, largest first.
    #[must_use]
    pub fn sorted_by(mut self, column: usize) -> Self {
        (self.sort, self.reverse) = (Some(column), true);
        self
    }

    /// Other rows; the selection stays with its row, or where it was. Whoever is at the top sees what comes there.
    pub fn set(&mut self, rows: Vec<Row>) {
        let id = self.selected().filter(|_| self.selected > 0).map(|row| row.id.clone());
        self.rows = rows;
        self.arrange(id.as_deref());
    }

    /// Filter or order have changed.
    pub fn refresh(&mut self) {
        let id = self.selected().map(|row| row.id.clone());
        self.arrange(id.as_deref());
    }

    fn arrange(&mut self, selected: Option<&[u8]>) {
        let filter = self.filter.value().to_lowercase();
        let passes = |row: &Row| {
            filter.is_empty() || row.cells.iter().any(|cell| cell.text.to_lowercase().contains(&filter))
        };
        self.order = (0..self.rows.len()).filter(|&at| passes(&self.rows[at])).collect();
        if let Some(column) = self.sort {
            let (rows, reverse) = (&self.rows, self.reverse);
            self.order.sort_by(|&a, &b| {
                let order = compare(rows[a].cells.get(column), rows[b].cells.get(column));
                if reverse { order.reverse() } else { order }
            });
        } else if self.reverse {
            self.order.reverse();
        }
        let found = selected.and_then(|id| self.order.iter().position(|&at| self.rows[at].id == id));
        self.selected = found.unwrap_or(self.selected).min(self.order.len().saturating_sub(1));
    }

    /// Sorts by the next column; after the last as rows came.
    pub fn sort_by_next(&mut self) {
        self.sort = match self.sort {
            None => Some(0),
            Some(at) if at + 1 < self.columns.len() => Some(at + 1),
            Some(_) => None,
        };
        self.refresh();
    }

    /// Moves the selection, stopping at the ends.
    pub fn select_by(&mut self, rows: isize) {
        self.select(self.selected.saturating_add_signed(rows));
    }

    /// Selects the n-th of the rows that are shown.
    pub fn select(&mut self, at: usize) {
        self.selected = at.min(self.order.len().saturating_sub(1));
    }

    /// Selects the row about something, if there is one.
    pub fn select_id(&mut self, id: &[u8]) {
        if let Some(at) = self.order.iter().position(|&at| self.rows[at].id == id) {
            self.selected = at;
        }
    }

    /// The selected row.
    #[must_use]
    pub fn selected(&self) -> Option<&Row> {
        self.rows.get(self.selected_place()?)
    }

    /// Its place among the rows as they came.
    #[must_use]
    pub fn selected_place(&self) -> Option<usize> {
        self.order.get(self.selected).copied()
    }

    /// Its place among those shown.
    #[must_use]
    pub fn position(&self) -> usize {
        self.selected
    }

    /// Rows that pass the filter.
    #[must_use]
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// None passes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// All rows, whatever the filter.
    #[must_use]
    pub fn total(&self) -> usize {
        self.rows.len()
    }

    /// The first of `height` rows around the selection.
    #[must_use]
    pub fn top(&self, height: usize) -> usize {
        self.selected.saturating_sub(height / 2).min(self.order.len().saturating_sub(height))
    }

    /// Rows from a place on.
    pub fn shown(&self, top: usize, height: usize) -> impl Iterator<Item = &Row> {
        self.order.iter().skip(top).take(height).map(|&at| &self.rows[at])
    }
}

fn compare(a: Option<&Cell>, b: Option<&Cell>) -> Ordering {
    match (a, b) {
        (Some(Cell { number: Some(a), .. }), Some(Cell { number: Some(b), .. })) => a.total_cmp(b),
        // What has no figure is less than what has one.
        (Some(Cell { number: Some(_), .. }), _) => Ordering::Greater,
        (_, Some(Cell { number: Some(_), .. })) => Ordering::Less,
        (a, b) => a.map(|cell| &cell.text).cmp(&b.map(|cell| &cell.text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: &[Column] = &[column("NAME", 10, false, 1), column("SIZE", 6, true, 2)];

    fn row(name: &str, size: f64) -> Row {
        Row::new(name, vec![Cell::text(name), Cell::number(size, size.to_string())])
    }

    fn names(grid: &Grid) -> Vec<String> {
        grid.shown(0, 100).map(|row| row.cells[0].text.clone()).collect()
    }

    #[test]
    fn the_selection_stays_with_its_row_through_order_filter_and_new_rows() {
        let mut grid = Grid::new(COLUMNS).sorted_by(1);
        grid.set(vec![row("a", 2.0), row("b", 10.0), row("c", 9.0)]);
        assert_eq!(names(&grid), ["b", "c", "a"]);
        grid.select(1);
        grid.set(vec![row("c", 1.0), row("d", 4.0), row("a", 2.0)]);
        assert_eq!((names(&grid), grid.position()), (vec!["d".into(), "a".into(), "c".into()], 2));
        grid.filter = Input::new("C".to_owned());
        grid.refresh();
        assert_eq!(
            (grid.len(), grid.total(), grid.selected().unwrap().id.as_slice()),
            (1, 3, b"c".as_slice())
        );
        grid.filter = Input::new("nothing".to_owned());
        grid.refresh();
        assert!(grid.is_empty() && grid.selected().is_none());
        grid.select_by(isize::MAX);
        grid.select_by(isize::MIN);
    }
}
