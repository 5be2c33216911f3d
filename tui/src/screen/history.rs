//! Lines of earlier sessions, in the line editor's file and format, so that both faces share them.

use std::path::PathBuf;

use rustyline::history::{FileHistory, History as _, SearchDirection};

/// Lines that are kept.
const LINES_MAX: usize = 10_000;

/// The history and its file.
pub(super) struct History {
    lines: FileHistory,
    file: Option<PathBuf>,
}

impl History {
    /// Reads the file; one that is not there, or cannot be read, is an empty history.
    pub(super) fn open(file: Option<PathBuf>) -> Self {
        let config =
            rustyline::Config::builder().max_history_size(LINES_MAX).map(rustyline::config::Builder::build);
        let mut lines =
            config.map_or_else(|_| FileHistory::new(), |config| FileHistory::with_config(&config));
        if let Some(file) = &file {
            let _ = lines.load(file);
        }
        Self { lines, file }
    }

    /// Oldest first.
    pub(super) fn lines(&self) -> Vec<String> {
        (0..self.lines.len())
            .filter_map(|at| self.lines.get(at, SearchDirection::Forward).ok().flatten())
            .map(|found| found.entry.into_owned())
            .collect()
    }

    /// Keeps a line, for others at once.
    ///
    /// # Errors
    /// One line for the operator; said once, then nothing is kept any more.
    pub(super) fn add(&mut self, line: &str) -> Result<(), String> {
        let Some(file) = self.file.clone() else { return Ok(()) };
        let kept = match file.parent() {
            Some(directory) => std::fs::create_dir_all(directory).map_err(|error| error.to_string()),
            None => Ok(()),
        };
        let kept = kept.and_then(|()| {
            self.lines.add(line).and_then(|_| self.lines.append(&file)).map_err(|error| error.to_string())
        });
        kept.map_err(|error| {
            self.file = None;
            format!("the history is not kept: {}: {error}", file.display())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_back_and_are_for_the_owner_only() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("state/history");
        let mut history = History::open(Some(file.clone()));
        history.add("set a \"x\\n\"").unwrap();
        history.add("get a").unwrap();
        assert_eq!(History::open(Some(file.clone())).lines(), ["set a \"x\\n\"", "get a"]);
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o077, 0);
    }
}
