//! Keys of the operator's own: each means what another one means, wherever it means nothing by itself.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::keymap::{self, Context, Key};

/// The keys, from the configuration file.
#[derive(Clone, Debug, Default)]
pub struct Aliases(Vec<(Key, KeyEvent)>);

/// Why a line of them cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AliasError {
    /// Nobody has such a key.
    #[error(
        "key `{0}`: a key is a character, ctrl-x, f1 to f12, or space, enter, tab, esc, home, end, up, down, left, right, pgup, pgdn"
    )]
    NoKey(String),
    /// It has a meaning where the other one has one.
    #[error("key `{new}` has a meaning of its own where `{old}` has one; choose another")]
    Taken {
        /// The one that was to get a meaning.
        new: String,
        /// Of this one.
        old: String,
    },
    /// There is nothing to mean.
    #[error("key `{0}` means nothing anywhere (`?` lists the keys)")]
    MeansNothing(String),
}

impl Aliases {
    /// From pairs of names: the new key, and the one whose meaning it gets.
    ///
    /// # Errors
    /// [`AliasError`].
    pub fn new(pairs: &[(String, String)]) -> Result<Self, AliasError> {
        let key = |name: &String| named(name).ok_or_else(|| AliasError::NoKey(name.clone()));
        let mut aliases = Vec::new();
        for (new, old) in pairs {
            let (pressed, meant) = (key(new)?, key(old)?);
            let means = |context: Context, key: KeyEvent| keymap::action(context, key).is_some();
            let mut contexts = Context::ALL.into_iter().filter(|context| means(*context, meant)).peekable();
            if contexts.peek().is_none() {
                return Err(AliasError::MeansNothing(old.clone()));
            }
            if contexts.any(|context| means(context, pressed)) {
                return Err(AliasError::Taken { new: new.clone(), old: old.clone() });
            }
            aliases.extend(Key::of(pressed).map(|pressed| (pressed, meant)));
        }
        Ok(Self(aliases))
    }

    /// What a key stands for in a context where it means nothing by itself.
    #[must_use]
    pub fn meant(&self, context: Context, pressed: KeyEvent) -> Option<KeyEvent> {
        let key = Key::of(pressed)?;
        let meant = self.0.iter().find(|(new, _)| *new == key).map(|(_, meant)| *meant)?;
        // A character is text where text is typed.
        let is_text = context.takes_text() && key.writes();
        (!is_text && keymap::action(context, meant).is_some()).then_some(meant)
    }
}

/// A key by its name, as the help writes it: `x`, `^x` or `ctrl-x`, `f5`, `space`.
fn named(name: &str) -> Option<KeyEvent> {
    let plain = |code| Some(KeyEvent::new(code, KeyModifiers::NONE));
    let mut characters = name.chars();
    if let (Some(character), None) = (characters.next(), characters.next()) {
        return plain(KeyCode::Char(character));
    }
    if let Some(letter) = name.strip_prefix("ctrl-").or_else(|| name.strip_prefix('^')) {
        let mut letters = letter.chars();
        let (Some(letter), None) = (letters.next(), letters.next()) else { return None };
        return Some(KeyEvent::new(KeyCode::Char(letter.to_ascii_lowercase()), KeyModifiers::CONTROL));
    }
    if let Some(number) = name.strip_prefix('f').and_then(|number| number.parse::<u8>().ok()) {
        return (1..=12).contains(&number).then(|| KeyEvent::new(KeyCode::F(number), KeyModifiers::NONE));
    }
    plain(match name {
        "space" => KeyCode::Char(' '),
        "enter" => KeyCode::Enter,
        "tab" => KeyCode::Tab,
        "esc" => KeyCode::Esc,
        "home" => KeyCode::Home,
        "end" => KeyCode::End,
        "up" => KeyCode::Up,
        "down" => KeyCode::Down,
        "left" => KeyCode::Left,
        "right" => KeyCode::Right,
        "pgup" => KeyCode::PageUp,
        "pgdn" => KeyCode::PageDown,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn aliases(new: &str, old: &str) -> Result<Aliases, AliasError> {
        Aliases::new(&[(new.to_owned(), old.to_owned())])
    }

    #[test]
    fn a_key_means_what_another_one_means_but_where_text_is_typed() {
        let x = named("x").unwrap();
        let of_x = aliases("x", "D").unwrap();
        assert_eq!(of_x.meant(Context::Nav, x), named("D"));
        assert_eq!(of_x.meant(Context::Line, x), None);
        // Nothing there means what D means.
        assert_eq!(of_x.meant(Context::Help, x), None);
        let f5 = aliases("f5", "^l").unwrap();
        assert_eq!(f5.meant(Context::Line, named("f5").unwrap()), named("ctrl-l"));
    }

    #[test]
    fn a_key_keeps_the_meaning_it_has() {
        assert!(matches!(aliases("j", "D"), Err(AliasError::Taken { .. })));
        assert!(matches!(aliases("hyper-x", "D"), Err(AliasError::NoKey(name)) if name == "hyper-x"));
        assert!(matches!(aliases("x", "X"), Err(AliasError::MeansNothing(_))));
    }
}
