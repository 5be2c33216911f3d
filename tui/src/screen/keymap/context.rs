//! Where keys go. Each context is a set of bits, so that a binding can name several contexts at once, and a narrower one has all that
//! the one it extends has.

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
    /// Slots by their heat.
    Slots,
}

impl Context {
    /// All of them.
    pub const ALL: [Self; 22] = [
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
        Self::Slots,
    ];

    /// Characters are text there.
    #[must_use]
    pub const fn takes_text(self) -> bool {
        self.bits() & TEXT != 0
    }

    /// The bit of this context and, for a narrower one, of the context it extends.
    pub(super) const fn bits(self) -> u32 {
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
            Self::Slots => PAGE | TABLE | OPENS | SLOTS,
        }
    }
}

pub(super) const NAV: u32 = 1;
pub(super) const LINE: u32 = 1 << 1;
pub(super) const EMPTY: u32 = 1 << 2;
pub(super) const FILTER: u32 = 1 << 3;
pub(super) const DIALOG: u32 = 1 << 4;
pub(super) const HELP: u32 = 1 << 5;
pub(super) const SEARCH: u32 = 1 << 6;
pub(super) const PALETTE: u32 = 1 << 7;
/// Any page.
pub(super) const PAGE: u32 = 1 << 8;
/// A page with tabs.
pub(super) const TABS: u32 = 1 << 9;
/// A page with a table.
pub(super) const TABLE: u32 = 1 << 10;
/// Rows open.
pub(super) const OPENS: u32 = 1 << 11;
pub(super) const NODE: u32 = 1 << 12;
pub(super) const CLIENTS: u32 = 1 << 13;
pub(super) const CONFIG: u32 = 1 << 14;
pub(super) const BROWSER: u32 = 1 << 15;
pub(super) const VALUE: u32 = 1 << 16;
/// It goes on until it is stopped.
pub(super) const SAMPLE: u32 = 1 << 17;
pub(super) const PAST: u32 = 1 << 18;
pub(super) const SLOTS: u32 = 1 << 19;
/// Keys act on what is shown.
pub(super) const KEYS: u32 = NAV | PAGE;
/// Where text is typed.
pub(super) const TEXT: u32 = LINE | FILTER | DIALOG | SEARCH | PALETTE;
pub(super) const ANY: u32 = KEYS | LINE | FILTER | DIALOG | SEARCH | HELP | PALETTE;
