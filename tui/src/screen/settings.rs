//! What `:words` have set for this session, and the lines that wait for their turn.

use std::path::PathBuf;

use crate::{
    format::{Form, Formatter, TextForm},
    language::{Directive, variables::Variables},
};

/// What `:words` have set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `:let`, `:set vars`.
    pub variables: Variables,
    /// `:set format`.
    pub form: Form,
    /// `:set text`.
    pub text: TextForm,
    /// `:timing`: results say how long they took.
    pub timing: bool,
    /// `:on-error stop`: lines that wait behind one that failed are not run.
    pub stop_on_error: bool,
    /// What was typed and run, for `:script save`.
    pub typed: Vec<u8>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            variables: Variables::default(),
            form: Form::Tty,
            text: TextForm::Both,
            timing: true,
            stop_on_error: false,
            typed: Vec::new(),
        }
    }
}

impl Settings {
    /// Takes over a setting, and says what it is now; `None`: the word sets nothing.
    pub fn set(&mut self, directive: &Directive) -> Option<String> {
        let on = |on: bool| if on { "on" } else { "off" };
        Some(match directive {
            Directive::SetText(text) => {
                self.text = *text;
                format!("text is {}", text.word())
            }
            Directive::SetForm(form) => {
                self.form = *form;
                format!("format is {}", form.word())
            }
            Directive::SetVariables(expands) => {
                self.variables.expands = *expands;
                format!("variables are {}", on(*expands))
            }
            Directive::Let { name, value } => {
                self.variables.set(name.clone(), value.clone());
                let hint = if self.variables.expands { "" } else { " once `:set vars on`" };
                format!("${{{name}}} is set{hint}")
            }
            Directive::Timing(timing) => {
                self.timing = *timing;
                format!("timing is {}", on(*timing))
            }
            Directive::OnErrorStop(stop) => {
                self.stop_on_error = *stop;
                let what = if *stop { "drops the lines that wait" } else { "stops nothing" };
                format!("an error {what}")
            }
            _ => return None,
        })
    }

    /// How replies are written.
    #[must_use]
    pub fn formatter(&self) -> Formatter {
        Formatter::new(self.form, self.text)
    }
}

/// A line that waits for its turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queued {
    /// The line.
    pub text: String,
    /// The file it stands in; `None`: somebody typed or pasted it.
    pub source: Option<Place>,
}

impl From<String> for Queued {
    fn from(text: String) -> Self {
        Self { text, source: None }
    }
}

/// A line of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub path: PathBuf,
    /// Counted from 1.
    pub line: u64,
    /// Files that sourced one another to get here, this one included.
    pub depth: usize,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.path.display(), self.line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_say_what_they_are_now() {
        let mut settings = Settings::default();
        for (line, said) in [
            (":set format json", "format is json"),
            (":set text utf8", "text is utf8"),
            (":let a 1", "${a} is set once `:set vars on`"),
            (":set vars on", "variables are on"),
            (":let a 2", "${a} is set"),
            (":timing off", "timing is off"),
            (":on-error stop", "an error drops the lines that wait"),
        ] {
            let parsed = crate::language::parse_line(line.as_bytes()).unwrap().unwrap();
            let crate::language::Command::Directive(directive) = parsed.command else { panic!("{line}") };
            assert_eq!(settings.set(&directive).as_deref(), Some(said));
        }
        assert_eq!(settings.formatter().form, Form::Json);
        assert_eq!(settings.set(&Directive::Quit), None);
    }
}
