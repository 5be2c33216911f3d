//! The one table of keys. Handlers ask it what a key means; the footer and the help are drawn from it.
//!
//! Not here: what an action does (`update`). A letter typed into a line is text, not a binding, so text contexts bind
//! only keys that write nothing.

mod bindings;
mod context;
mod key;

use ratatui::crossterm::event::KeyEvent;
use tui_input::InputRequest;

pub use self::{bindings::BINDINGS, context::Context, key::Key};
use super::{pages::Turn, theme::Charset};

/// What a key does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Selection or text one row down.
    Down,
    /// One row up.
    Up,
    /// Half a page down.
    HalfDown,
    /// Half a page up.
    HalfUp,
    /// A page of the focused panel down.
    PageDown,
    /// A page up.
    PageUp,
    /// To the first row.
    Top,
    /// To the last row.
    Bottom,
    /// To the next panel or field.
    Next,
    /// To the one before.
    Previous,
    /// Sort by the next column.
    Sort,
    /// Turn the order round.
    SortReverse,
    /// Type a filter.
    Filter,
    /// Hold still, or go on.
    Freeze,
    /// Open the help.
    Help,
    /// Type a command.
    Type,
    /// Open the palette.
    Palette,
    /// Show page number n.
    Show(u8),
    /// Open what is selected.
    Open,
    /// To the neighbour of what is shown, or the one before.
    Neighbour(bool),
    /// The focused panel takes the screen, or gives it back.
    Zoom,
    /// Give what is selected to the terminal's clipboard.
    Copy,
    /// Ask again now.
    Refresh,
    /// The dialog that takes what is selected away.
    Delete,
    /// The dialog that gives it another value.
    Change,
    /// The dialog that changes its time to live.
    Expire,
    /// The dialog that gives it another name.
    Rename,
    /// Turn a switch of the page.
    Turn(Turn),
    /// The dialog that adds a node.
    Add,
    /// The dialog that removes the selected node.
    Remove,
    /// Back to where one came from.
    Back,
    /// Run what is typed, or do what the dialog says.
    Enter,
    /// Fill in what can follow.
    Complete,
    /// Earlier line of the history.
    HistoryBack,
    /// Later line of the history.
    HistoryForward,
    /// Search the history; again: an earlier line.
    Search,
    /// Stop what runs; twice: leave.
    Interrupt,
    /// Leave.
    Quit,
    /// Give the terminal back to the shell for a while.
    Suspend,
    /// Draw everything again.
    Redraw,
    /// Change the text under the cursor.
    Edit(InputRequest),
}

/// Columns of the help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// Moving about.
    Move,
    /// Finding and ordering.
    Find,
    /// What changes the cluster.
    Change,
    /// Pages.
    Pages,
    /// The command line.
    Line,
    /// The screen as a whole.
    Screen,
}

impl Group {
    /// In the order of the help.
    pub const ALL: [Self; 6] = [Self::Move, Self::Find, Self::Change, Self::Pages, Self::Screen, Self::Line];

    /// Its heading.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Move => "MOVE",
            Self::Find => "FIND",
            Self::Change => "CHANGE",
            Self::Pages => "PAGES",
            Self::Line => "COMMAND LINE",
            Self::Screen => "SCREEN",
        }
    }
}

/// One line of the table.
#[derive(Debug)]
pub struct Binding {
    contexts: u32,
    /// Any of these.
    pub keys: &'static [Key],
    /// What they do.
    pub action: Action,
    /// Where the help lists it.
    pub group: Group,
    /// A few words for the help.
    pub help: &'static str,
    /// One word for the footer; empty: not there.
    pub hint: &'static str,
}

impl Binding {
    /// It works in this context.
    #[must_use]
    pub const fn applies(&self, context: Context) -> bool {
        self.contexts & context.bits() != 0
    }

    /// Its keys as text.
    #[must_use]
    pub fn label(&self, charset: Charset) -> String {
        self.keys.iter().map(|key| key.label(charset)).collect::<Vec<_>>().join(" ")
    }
}

/// What a key does in a context; `None`: nothing, or it is text.
#[must_use]
pub fn action(context: Context, event: KeyEvent) -> Option<Action> {
    let pressed = Key::of(event)?;
    BINDINGS
        .iter()
        .find(|binding| binding.applies(context) && binding.keys.contains(&pressed))
        .map(|binding| binding.action)
}

/// The first key of an action in a context, as it is written on the screen; empty if there is none.
#[must_use]
pub fn label(action: Action, context: Context, charset: Charset) -> String {
    let bound = BINDINGS.iter().find(|binding| binding.applies(context) && binding.action == action);
    bound.and_then(|binding| binding.keys.first()).map(|key| key.label(charset)).unwrap_or_default()
}

/// Hints of a context for the footer: key and word. The ways out come first: they must be there on the narrowest line.
#[must_use]
pub fn hints(context: Context, charset: Charset) -> Vec<(String, &'static str)> {
    let mut bindings: Vec<&Binding> =
        BINDINGS.iter().filter(|binding| binding.applies(context) && !binding.hint.is_empty()).collect();
    bindings.sort_by_key(|binding| match binding.action {
        Action::Back => 0,
        Action::Help => 1,
        Action::Quit => 2,
        _ => 3,
    });
    bindings
        .into_iter()
        .filter_map(|binding| Some((binding.keys.first()?.label(charset), binding.hint)))
        .collect()
}

/// A key that would do two things in one context.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("key {key:?} is bound twice in {context:?}: {first:?} and {second:?}")]
pub struct BoundTwice {
    key: Key,
    context: Context,
    first: Action,
    second: Action,
}

/// Checks a table: done with [`BINDINGS`] before the screen opens.
///
/// # Errors
/// The first key that is bound twice.
pub fn check(bindings: &[Binding]) -> Result<(), BoundTwice> {
    for context in Context::ALL {
        let mut seen: Vec<(Key, Action)> = Vec::new();
        for binding in bindings.iter().filter(|binding| binding.applies(context)) {
            for &key in binding.keys {
                if let Some(&(_, first)) = seen.iter().find(|(other, _)| *other == key) {
                    return Err(BoundTwice { key, context, first, second: binding.action });
                }
                seen.push((key, binding.action));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use ratatui::crossterm::event::{KeyCode, KeyModifiers};

    use super::{
        bindings::bind,
        context::{EMPTY, LINE},
        key::control,
        *,
    };

    fn press(code: KeyCode, modifiers: KeyModifiers) -> KeyEvent {
        KeyEvent::new(code, modifiers)
    }

    #[test]
    fn no_key_is_bound_twice() {
        check(BINDINGS).unwrap();
    }

    #[test]
    fn a_key_bound_twice_is_found() {
        static TWICE: &[Binding] = &[
            bind(LINE, &[control('d')], Action::Enter, Group::Line, "", ""),
            bind(EMPTY, &[control('d')], Action::Quit, Group::Line, "", ""),
        ];
        let error = check(TWICE).unwrap_err();
        assert_eq!(
            (error.context, error.first, error.second),
            (Context::EmptyLine, Action::Enter, Action::Quit)
        );
    }

    #[test]
    fn a_control_letter_has_no_case_and_alt_is_no_binding() {
        assert_eq!(
            action(Context::Nav, press(KeyCode::Char('C'), KeyModifiers::CONTROL)),
            Some(Action::Interrupt)
        );
        assert_eq!(action(Context::Nav, press(KeyCode::Char('q'), KeyModifiers::ALT)), None);
        assert_eq!(action(Context::Nav, press(KeyCode::Tab, KeyModifiers::SHIFT)), Some(Action::Previous));
    }

    #[test]
    fn letters_write_into_lines_and_change_nothing_there() {
        for context in [Context::Line, Context::Filter, Context::Dialog, Context::Search] {
            for character in ' '..='~' {
                assert_eq!(action(context, press(KeyCode::Char(character), KeyModifiers::NONE)), None);
            }
        }
        for (context, allowed) in [(Context::EmptyLine, "/?"), (Context::Nav, "jkgGsS/?:>iADqyzt0123456789 ")]
        {
            for character in ' '..='~' {
                let bound = action(context, press(KeyCode::Char(character), KeyModifiers::NONE)).is_some();
                assert_eq!(bound, allowed.contains(character), "{context:?} {character:?}");
            }
        }
    }

    #[test]
    fn labels_can_be_ascii() {
        for binding in BINDINGS {
            assert!(binding.label(Charset::Ascii).is_ascii() && !binding.help.is_empty());
        }
    }
}
