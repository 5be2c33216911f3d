//! The one table of keys. Handlers ask it what a key means; the footer and the help are drawn from it.
//!
//! Not here: what an action does (`update`). A letter typed into a line is text, not a binding, so text contexts bind
//! only keys that write nothing.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use tui_input::InputRequest;

use super::{pages::Turn, theme::Charset};

/// Where the keys go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Context {
    /// Keys act on the tables.
    Nav,
    /// Keys are typed into the command line.
    Line,
    /// The command line while nothing is typed: a few more keys than [`Context::Line`].
    EmptyLine,
    /// Keys are typed into the filter.
    Filter,
    /// A dialog is open.
    Dialog,
    /// Keys are typed into a search through the history.
    Search,
    /// The help is open.
    Help,
    /// The palette is open: words are typed, and what they could mean is listed.
    Palette,
    /// Trends of a node.
    Node,
    /// A table about a node.
    NodeTable,
    /// Clients of a node.
    Clients,
    /// The configuration of a node.
    Config,
    /// A proxy.
    Proxy,
    /// Clients of a proxy.
    ProxyClients,
    /// A table.
    Table,
    /// A text.
    Text,
    /// Keys.
    Keys,
    /// A value.
    Value,
    /// Keys that are looked at one after the other.
    Sample,
    /// What a node is asked.
    Monitor,
    /// The cluster as it was.
    Past,
}

impl Context {
    /// All of them.
    pub const ALL: [Self; 21] = [
        Self::Nav,
        Self::Line,
        Self::EmptyLine,
        Self::Filter,
        Self::Dialog,
        Self::Search,
        Self::Help,
        Self::Palette,
        Self::Node,
        Self::NodeTable,
        Self::Clients,
        Self::Config,
        Self::Proxy,
        Self::ProxyClients,
        Self::Table,
        Self::Text,
        Self::Keys,
        Self::Value,
        Self::Sample,
        Self::Monitor,
        Self::Past,
    ];

    /// Characters are text there.
    #[must_use]
    pub const fn takes_text(self) -> bool {
        self.bits() & TEXT != 0
    }

    /// The bit of this context and, for a narrower one, of the context it extends.
    const fn bits(self) -> u32 {
        match self {
            Self::Nav => NAV,
            Self::Line => LINE,
            Self::EmptyLine => LINE | EMPTY,
            Self::Filter => FILTER,
            Self::Dialog => DIALOG,
            Self::Search => SEARCH,
            Self::Help => HELP,
            Self::Palette => PALETTE,
            Self::Node => PAGE | TABS | NODE,
            Self::NodeTable => PAGE | TABS | NODE | TABLE | OPENS,
            Self::Clients => PAGE | TABS | NODE | TABLE | CLIENTS,
            Self::Config => PAGE | TABS | NODE | TABLE | CONFIG,
            Self::Proxy => PAGE | TABS,
            Self::ProxyClients => PAGE | TABS | TABLE,
            Self::Table => PAGE | TABLE | OPENS,
            Self::Text => PAGE,
            Self::Keys => PAGE | TABLE | OPENS | BROWSER,
            Self::Value => PAGE | TABLE | OPENS | VALUE,
            Self::Sample => PAGE | TABLE | OPENS | SAMPLE,
            Self::Monitor => PAGE | TABS | TABLE | OPENS | SAMPLE,
            Self::Past => PAGE | TABLE | PAST,
        }
    }
}

const NAV: u32 = 1;
const LINE: u32 = 1 << 1;
const EMPTY: u32 = 1 << 2;
const FILTER: u32 = 1 << 3;
const DIALOG: u32 = 1 << 4;
const HELP: u32 = 1 << 5;
const SEARCH: u32 = 1 << 6;
const PALETTE: u32 = 1 << 7;
/// Any page.
const PAGE: u32 = 1 << 8;
/// A page with tabs.
const TABS: u32 = 1 << 9;
/// A page with a table.
const TABLE: u32 = 1 << 10;
/// Rows open.
const OPENS: u32 = 1 << 11;
const NODE: u32 = 1 << 12;
const CLIENTS: u32 = 1 << 13;
const CONFIG: u32 = 1 << 14;
const BROWSER: u32 = 1 << 15;
const VALUE: u32 = 1 << 16;
/// It goes on until it is stopped.
const SAMPLE: u32 = 1 << 17;
const PAST: u32 = 1 << 18;
/// Keys act on what is shown.
const KEYS: u32 = NAV | PAGE;
/// Where text is typed.
const TEXT: u32 = LINE | FILTER | DIALOG | SEARCH | PALETTE;
const ANY: u32 = KEYS | LINE | FILTER | DIALOG | SEARCH | HELP | PALETTE;

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

/// A key with its modifiers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    code: KeyCode,
    control: bool,
}

const fn key(code: KeyCode) -> Key {
    Key { code, control: false }
}

const fn letter(character: char) -> Key {
    key(KeyCode::Char(character))
}

const fn control(character: char) -> Key {
    Key { code: KeyCode::Char(character), control: true }
}

impl Key {
    /// The key of a terminal event; `None` for combinations that the table never has.
    #[must_use]
    pub fn of(event: KeyEvent) -> Option<Self> {
        if event.modifiers.intersects(KeyModifiers::ALT | KeyModifiers::SUPER | KeyModifiers::META) {
            return None;
        }
        let control = event.modifiers.contains(KeyModifiers::CONTROL);
        let code = match event.code {
            // Terminals disagree on the case of a control letter.
            KeyCode::Char(character) if control => KeyCode::Char(character.to_ascii_lowercase()),
            KeyCode::Tab if event.modifiers.contains(KeyModifiers::SHIFT) => KeyCode::BackTab,
            code => code,
        };
        Some(Self { code, control })
    }

    /// It writes a character where text is typed.
    #[must_use]
    pub const fn writes(self) -> bool {
        matches!(self.code, KeyCode::Char(_)) && !self.control
    }

    /// As the footer and the help write it.
    #[must_use]
    pub fn label(self, charset: Charset) -> String {
        let unicode = charset == Charset::Unicode;
        let pick = |glyph: &str, word: &str| if unicode { glyph.to_owned() } else { word.to_owned() };
        match self.code {
            KeyCode::Char(' ') => "space".to_owned(),
            KeyCode::Char(character) if self.control => format!("^{character}"),
            KeyCode::Char(character) => character.to_string(),
            KeyCode::Up => pick("↑", "up"),
            KeyCode::Down => pick("↓", "down"),
            KeyCode::Enter => pick("⏎", "enter"),
            KeyCode::BackTab => pick("⇧tab", "shift-tab"),
            KeyCode::PageDown => "pgdn".to_owned(),
            KeyCode::PageUp => "pgup".to_owned(),
            other => format!("{other:?}").to_lowercase(),
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

const fn edit(keys: &'static [Key], request: InputRequest, help: &'static str) -> Binding {
    bind(TEXT, keys, Action::Edit(request), Group::Line, help, "")
}

const fn bind(
    contexts: u32,
    keys: &'static [Key],
    action: Action,
    group: Group,
    help: &'static str,
    hint: &'static str,
) -> Binding {
    Binding { contexts, keys, action, group, help, hint }
}

/// Every key there is. Footers and help list them in this order.
pub static BINDINGS: &[Binding] = &[
    // ^J is what ends a line that comes with line feeds.
    bind(LINE, &[key(KeyCode::Enter), control('j')], Action::Enter, Group::Line, "run the line", "run"),
    bind(LINE, &[key(KeyCode::Tab)], Action::Complete, Group::Line, "complete", "complete"),
    bind(
        LINE,
        &[key(KeyCode::Up), control('p')],
        Action::HistoryBack,
        Group::Line,
        "earlier line",
        "history",
    ),
    bind(LINE, &[key(KeyCode::Down), control('n')], Action::HistoryForward, Group::Line, "later line", ""),
    bind(KEYS | LINE, &[control('r')], Action::Search, Group::Line, "search the history", ""),
    bind(
        SEARCH,
        &[key(KeyCode::Enter), control('j')],
        Action::Enter,
        Group::Line,
        "run what is found",
        "run",
    ),
    bind(SEARCH, &[key(KeyCode::Tab)], Action::Complete, Group::Line, "edit what is found", "edit"),
    bind(
        SEARCH,
        &[control('r'), key(KeyCode::Up)],
        Action::HistoryBack,
        Group::Line,
        "find an earlier one",
        "earlier",
    ),
    bind(
        SEARCH,
        &[control('s'), key(KeyCode::Down)],
        Action::HistoryForward,
        Group::Line,
        "find a later one",
        "later",
    ),
    bind(KEYS, &[letter('i'), letter('>')], Action::Type, Group::Line, "type a command", "command"),
    bind(KEYS, &[letter('j'), key(KeyCode::Down)], Action::Down, Group::Move, "row down", ""),
    bind(KEYS, &[letter('k'), key(KeyCode::Up)], Action::Up, Group::Move, "row up", ""),
    bind(KEYS, &[letter('g'), key(KeyCode::Home)], Action::Top, Group::Move, "first row", ""),
    bind(KEYS, &[letter('G'), key(KeyCode::End)], Action::Bottom, Group::Move, "last row", ""),
    bind(KEYS, &[control('d')], Action::HalfDown, Group::Move, "half a page down", ""),
    bind(KEYS, &[control('u')], Action::HalfUp, Group::Move, "half a page up", ""),
    bind(KEYS | LINE | HELP, &[key(KeyCode::PageDown)], Action::PageDown, Group::Move, "page down", ""),
    bind(KEYS | LINE | HELP, &[key(KeyCode::PageUp)], Action::PageUp, Group::Move, "page up", ""),
    bind(HELP, &[letter('j'), key(KeyCode::Down)], Action::Down, Group::Move, "line down", "down"),
    bind(HELP, &[letter('k'), key(KeyCode::Up)], Action::Up, Group::Move, "line up", "up"),
    bind(NAV | OPENS, &[key(KeyCode::Enter)], Action::Open, Group::Move, "open what is selected", "open"),
    bind(
        NAV | TABS | DIALOG,
        &[key(KeyCode::Tab)],
        Action::Next,
        Group::Move,
        "next panel, tab, field",
        "next",
    ),
    bind(NAV | TABS | DIALOG, &[key(KeyCode::BackTab)], Action::Previous, Group::Move, "the one before", ""),
    bind(NODE, &[letter(']')], Action::Neighbour(true), Group::Move, "next node", "next node"),
    bind(NODE, &[letter('[')], Action::Neighbour(false), Group::Move, "node before", ""),
    bind(PALETTE, &[key(KeyCode::Down), key(KeyCode::Tab)], Action::Down, Group::Move, "next choice", "next"),
    bind(PALETTE, &[key(KeyCode::Up), key(KeyCode::BackTab)], Action::Up, Group::Move, "choice before", ""),
    bind(PALETTE, &[key(KeyCode::Enter), control('j')], Action::Enter, Group::Pages, "do it", "do it"),
    bind(DIALOG, &[key(KeyCode::Enter)], Action::Enter, Group::Change, "press the button", "press"),
    bind(NAV | TABLE | EMPTY, &[letter('/')], Action::Filter, Group::Find, "filter rows", "filter"),
    bind(FILTER, &[key(KeyCode::Enter), control('j')], Action::Enter, Group::Find, "keep the filter", "keep"),
    bind(NAV | TABLE, &[letter('s')], Action::Sort, Group::Find, "sort by the next column", "sort"),
    bind(NAV | TABLE, &[letter('S')], Action::SortReverse, Group::Find, "turn the order round", ""),
    bind(NAV, &[letter('A')], Action::Add, Group::Change, "add a node (asks)", "add"),
    bind(NAV, &[letter('D')], Action::Remove, Group::Change, "remove the node (asks)", "remove"),
    bind(CLIENTS, &[letter('D')], Action::Delete, Group::Change, "close the connection (asks)", "close"),
    bind(CONFIG, &[letter('E')], Action::Change, Group::Change, "change the value (asks)", "change"),
    bind(BROWSER, &[letter('D')], Action::Delete, Group::Change, "delete the key (asks)", "delete"),
    bind(VALUE, &[letter('E')], Action::Change, Group::Change, "change value, element (asks)", "edit"),
    bind(VALUE, &[letter('D')], Action::Delete, Group::Change, "delete it (asks)", "delete"),
    bind(BROWSER | VALUE, &[letter('T')], Action::Expire, Group::Change, "time to live (asks)", "ttl"),
    bind(BROWSER | VALUE, &[letter('R')], Action::Rename, Group::Change, "another name (asks)", "rename"),
    bind(BROWSER, &[letter('t')], Action::Turn(Turn::Separator), Group::Find, "tree by : / . | - _", "tree"),
    bind(BROWSER, &[letter('f')], Action::Turn(Turn::Type), Group::Find, "one type only", "type"),
    bind(
        BROWSER | SAMPLE,
        &[letter('n')],
        Action::Turn(Turn::More),
        Group::Find,
        "stop looking, go on",
        "stop/go",
    ),
    bind(VALUE, &[letter('v')], Action::Turn(Turn::Look), Group::Screen, "text, JSON, hex", "view"),
    bind(VALUE, &[letter(']')], Action::Neighbour(true), Group::Move, "next part of the value", "next part"),
    bind(VALUE, &[letter('[')], Action::Neighbour(false), Group::Move, "part before", ""),
    bind(PAST, &[letter(']')], Action::Neighbour(true), Group::Move, "the change after", "later"),
    bind(PAST, &[letter('[')], Action::Neighbour(false), Group::Move, "the change before", "earlier"),
    bind(NAV, &[letter('t'), letter('0')], Action::Show(0), Group::Pages, "history: time travel", ""),
    bind(PAGE, &[letter('0')], Action::Show(0), Group::Pages, "history: time travel", ""),
    bind(KEYS, &[letter('1')], Action::Show(1), Group::Pages, "overview", ""),
    bind(KEYS, &[letter('2')], Action::Show(2), Group::Pages, "the selected node", ""),
    bind(KEYS, &[letter('3')], Action::Show(3), Group::Pages, "keys", "keys"),
    bind(KEYS, &[letter('4')], Action::Show(4), Group::Pages, "slots", ""),
    bind(KEYS, &[letter('5')], Action::Show(5), Group::Pages, "events", ""),
    bind(KEYS, &[letter('6')], Action::Show(6), Group::Pages, "slow log of all nodes", ""),
    bind(KEYS, &[letter('7')], Action::Show(7), Group::Pages, "monitor of the node", ""),
    bind(KEYS, &[letter('8')], Action::Show(8), Group::Pages, "big keys", ""),
    bind(KEYS, &[letter('9')], Action::Show(9), Group::Pages, "what was typed", ""),
    bind(KEYS, &[letter(':')], Action::Palette, Group::Pages, "go to, do, or :word", "go to"),
    bind(NAV, &[letter('z')], Action::Zoom, Group::Screen, "panel large, and back", "zoom"),
    bind(KEYS, &[letter('y')], Action::Copy, Group::Screen, "copy the row (OSC 52)", ""),
    bind(PAGE, &[letter('r')], Action::Refresh, Group::Screen, "ask again now", ""),
    bind(KEYS, &[letter(' ')], Action::Freeze, Group::Screen, "hold still, go on", "freeze"),
    bind(LINE, &[key(KeyCode::Esc)], Action::Back, Group::Line, "keys act on the tables", "keys"),
    bind(
        KEYS | FILTER | DIALOG | SEARCH | HELP | PALETTE,
        &[key(KeyCode::Esc)],
        Action::Back,
        Group::Screen,
        "back",
        "back",
    ),
    bind(KEYS | EMPTY, &[letter('?')], Action::Help, Group::Screen, "this help", "help"),
    bind(HELP, &[letter('?')], Action::Back, Group::Screen, "close the help", ""),
    bind(KEYS | HELP, &[letter('q')], Action::Quit, Group::Screen, "back; at the top: quit", "quit"),
    bind(EMPTY, &[control('d')], Action::Quit, Group::Screen, "quit (on an empty line)", "quit"),
    edit(&[key(KeyCode::Left), control('b')], InputRequest::GoToPrevChar, "character left"),
    edit(&[key(KeyCode::Right), control('f')], InputRequest::GoToNextChar, "character right"),
    edit(&[key(KeyCode::Home), control('a')], InputRequest::GoToStart, "start of the line"),
    edit(&[key(KeyCode::End), control('e')], InputRequest::GoToEnd, "end of the line"),
    edit(&[key(KeyCode::Backspace), control('h')], InputRequest::DeletePrevChar, "delete before"),
    edit(&[key(KeyCode::Delete)], InputRequest::DeleteNextChar, "delete at the cursor"),
    edit(&[control('w')], InputRequest::DeletePrevWord, "delete the word before"),
    edit(&[control('u')], InputRequest::DeleteFromStart, "delete to the start"),
    edit(&[control('k')], InputRequest::DeleteTillEnd, "delete to the end"),
    edit(&[control('y')], InputRequest::Yank, "put back what was deleted"),
    bind(ANY, &[control('c')], Action::Interrupt, Group::Screen, "stop; twice: quit", ""),
    bind(ANY, &[control('z')], Action::Suspend, Group::Screen, "suspend", ""),
    bind(ANY, &[control('l')], Action::Redraw, Group::Screen, "draw again", ""),
];

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
    use super::*;

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
