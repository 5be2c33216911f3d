//! A table of things: whatever is done to its order, filter and selection, the selected row leads back to what it is about.

use super::grid::{Column, Grid, Row};

/// Things, and a row for each.
#[derive(Clone, Debug)]
pub struct Listing<T> {
    things: Vec<T>,
    grid: Grid,
}

impl<T> Listing<T> {
    /// Nothing yet.
    #[must_use]
    pub fn new(columns: &'static [Column]) -> Self {
        Self { things: Vec::new(), grid: Grid::new(columns) }
    }

    /// Sorted by a column from the beginning, largest first.
    #[must_use]
    pub fn sorted_by(self, column: usize) -> Self {
        Self { grid: self.grid.sorted_by(column), ..self }
    }

    /// Other things. The selection stays with the row of the same id.
    pub fn set(&mut self, rows: impl IntoIterator<Item = (T, Row)>) {
        let (things, rows) = rows.into_iter().unzip();
        self.things = things;
        self.grid.set(rows);
    }

    /// All of them, in the order in which they came.
    #[must_use]
    pub fn things(&self) -> &[T] {
        &self.things
    }

    /// What the selected row is about.
    #[must_use]
    pub fn selected(&self) -> Option<&T> {
        self.things.get(self.grid.selected_place()?)
    }

    /// Its table.
    #[must_use]
    pub fn grid(&self) -> &Grid {
        &self.grid
    }

    /// The same, to change order, filter, selection.
    pub fn grid_mut(&mut self) -> &mut Grid {
        &mut self.grid
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::grid::{Cell, column},
        *,
    };

    #[test]
    fn the_selected_row_leads_to_its_thing_in_any_order_and_behind_a_filter() {
        const COLUMNS: &[Column] = &[column("NAME", 9, false, 1), column("SIZE", 9, true, 2)];
        let row = |name: &'static str, size: f64| {
            (name, Row::new(name, vec![Cell::text(name), Cell::number(size, size.to_string())]))
        };
        let mut listing = Listing::new(COLUMNS).sorted_by(1);
        assert_eq!(listing.selected(), None);
        listing.set([row("a", 1.0), row("b", 3.0), row("ab", 2.0)]);
        assert_eq!(listing.selected(), Some(&"b"));
        listing.grid_mut().filter = tui_input::Input::new("a".to_owned());
        listing.grid_mut().refresh();
        assert_eq!((listing.selected(), listing.grid().len()), (Some(&"ab"), 2));
        listing.grid_mut().select(1);
        listing.set([row("ab", 5.0), row("a", 9.0)]);
        assert_eq!(listing.selected(), Some(&"a"), "it stays with its row");
        assert_eq!(listing.things(), ["ab", "a"]);
    }
}
