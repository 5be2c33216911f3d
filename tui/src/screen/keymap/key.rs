//! A key with its modifiers: how it comes from the terminal, and how it is written on the screen.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::screen::theme::Charset;

/// A key with its modifiers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    code: KeyCode,
    control: bool,
}

pub(super) const fn key(code: KeyCode) -> Key {
    Key { code, control: false }
}

pub(super) const fn letter(character: char) -> Key {
    key(KeyCode::Char(character))
}

pub(super) const fn control(character: char) -> Key {
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
