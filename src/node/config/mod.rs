//! `CONFIG`: the parameters of a node. What they are and take is in [`parameters`], what the hot path reads of them in [`typed`],
//! and a configuration file's lines are read and written in [`mod@file`]. No I/O here but of that file.

mod file;
mod parameters;
mod typed;

use std::{
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
};

use file::Written;
pub use file::{FileError, UserLines, Users};
use parameters::{ALIASES, Access, PARAMETERS, Parameter};
use typed::Hot;

use crate::server::files;

fn find(name: &[u8]) -> Option<usize> {
    PARAMETERS.iter().position(|parameter| parameter.name.as_bytes().eq_ignore_ascii_case(name))
}

/// Names of all parameters, and whether they take several words.
pub fn names() -> impl Iterator<Item = (&'static str, bool)> {
    PARAMETERS.iter().map(|parameter| (parameter.name, parameter.takes_many()))
}

/// The other name of a parameter.
fn other_name(name: &str) -> Option<&'static str> {
    ALIASES.iter().find_map(|&(a, b)| match name {
        _ if name == a => Some(b),
        _ if name == b => Some(a),
        _ => None,
    })
}

/// Who says what a parameter is to be, before anything runs.
#[derive(Clone, Copy, Debug)]
enum Source {
    /// This program, of what it is.
    Program,
    CommandLine,
    /// A line with so many values.
    File {
        words: usize,
    },
}

/// A number of clients that there can be files for.
fn has_room_for(clients: String) -> Result<String, String> {
    let asked = clients.parse().unwrap_or(u64::MAX);
    match files::room_for(asked, 0) {
        room if room < asked => Err(format!(
            "The operating system is not able to handle the specified number of clients, try with {room}"
        )),
        _ => Ok(clients),
    }
}

/// Why a node without a directory does not take what is about files.
pub(crate) const NO_DIRECTORY: &str =
    "this server was started without --dir and writes no files: only '' is possible";

/// The save points of a node that has a directory and was told of no others, as in Redis.
pub(crate) const SAVE_POINTS: &str = "3600 1 300 100 60 10000";

/// Sets a parameter, under its other name too.
fn put(values: &mut [String], index: usize, value: String) {
    if let Some(other) = other_name(PARAMETERS[index].name).and_then(|other| find(other.as_bytes())) {
        values[other].clone_from(&value);
    }
    values[index] = value;
}

/// The parameters of one node.
#[derive(Debug)]
pub struct Config {
    values: Mutex<Vec<String>>,
    /// Parameters that somebody has set.
    given: Mutex<Vec<usize>>,
    /// The configuration file, if there is one.
    file: Mutex<Option<PathBuf>>,
    /// What it says of users.
    users: Mutex<Vec<UserLines>>,
    hot: Hot,
}

impl Default for Config {
    fn default() -> Self {
        let config = Self {
            values: Mutex::new(PARAMETERS.iter().map(|parameter| parameter.default.to_owned()).collect()),
            given: Mutex::default(),
            file: Mutex::default(),
            users: Mutex::default(),
            hot: Hot::default(),
        };
        config.refresh(&config.values());
        config
    }
}

impl Config {
    fn values(&self) -> MutexGuard<'_, Vec<String>> {
        self.values.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn given(&self) -> MutexGuard<'_, Vec<usize>> {
        self.given.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether somebody has set a parameter.
    #[must_use]
    pub fn is_given(&self, name: &str) -> bool {
        find(name.as_bytes()).is_some_and(|index| self.given().contains(&index))
    }

    /// A value as `CONFIG GET` shows it.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<String> {
        find(name.as_bytes()).map(|index| self.values()[index].clone())
    }

    /// Parameters whose name fits a pattern, by name; hidden ones only where the pattern is their name.
    pub fn matching(&self, fits: impl Fn(&str) -> bool, is_name: bool) -> Vec<(&'static str, String)> {
        let values = self.values();
        PARAMETERS
            .iter()
            .zip(values.iter())
            .filter(|(parameter, _)| fits(parameter.name) && (is_name || !parameter.hidden))
            .map(|(parameter, value)| (parameter.name, parameter.shown(value)))
            .collect()
    }

    fn file(&self) -> MutexGuard<'_, Option<PathBuf>> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn users(&self) -> MutexGuard<'_, Vec<UserLines>> {
        self.users.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the configuration file says of users.
    #[must_use]
    pub fn user_lines(&self) -> Vec<UserLines> {
        self.users().clone()
    }

    /// The configuration file as INFO shows it.
    #[must_use]
    pub fn file_name(&self) -> String {
        self.file().as_ref().map(|path| path.display().to_string()).unwrap_or_default()
    }

    /// What this program knows of itself; also of fixed parameters.
    ///
    /// # Errors
    /// When there is no such parameter or it does not take the value.
    pub fn describe(&self, name: &str, value: &str) -> Result<(), String> {
        self.preset_by(Source::Program, name.as_bytes(), value.as_bytes()).map(drop)
    }

    /// What the command line says. `Some`: it is without effect, and why.
    ///
    /// # Errors
    /// When there is no such parameter or it does not take the value.
    pub fn preset(&self, name: &str, value: &str) -> Result<Option<&'static str>, String> {
        self.preset_by(Source::CommandLine, name.as_bytes(), value.as_bytes())
            .map_err(|reason| format!("{name}: {reason}"))
    }

    /// Sets a parameter before anything runs. `Some`: it is without effect, and why.
    fn preset_by(&self, source: Source, name: &[u8], value: &[u8]) -> Result<Option<&'static str>, String> {
        let index = find(name).ok_or("no such parameter")?;
        let parameter = &PARAMETERS[index];
        if let Source::File { words } = source
            && (words == 0 || words > 1 && !parameter.takes_many())
        {
            return Err("wrong number of arguments".to_owned());
        }
        let mut values = self.values();
        let value = match (source, parameter.only_value()) {
            (Source::Program, _) | (_, None) => parameter.parse(value, &values[index])?,
            (Source::CommandLine | Source::File { .. }, Some(reason)) => {
                let parsed = parameter.parse(value, &values[index]);
                if parsed.as_ref().is_ok_and(|value| *value == values[index]) {
                    return Ok(None);
                }
                if parameter.is_of_surroundings() {
                    return Ok(Some(reason));
                }
                return Err(format!("{reason}: only '{}' is possible", values[index]));
            }
        };
        // Each line of a file adds save points.
        let value = match (source, parameter.name) {
            (Source::File { .. }, "save") if !value.is_empty() && self.given().contains(&index) => {
                format!("{} {value}", values[index]).trim_start().to_owned()
            }
            _ => value,
        };
        if !matches!(source, Source::Program) {
            self.given().push(index);
        }
        put(&mut values, index, value);
        self.refresh(&values);
        Ok(None)
    }

    /// All parameters that somebody may have set, as a file is to have them.
    fn to_write(&self) -> Vec<Written> {
        let values = self.values();
        let is_written = |parameter: &Parameter| {
            parameter.only_value().is_none() && ALIASES.iter().all(|(_, alias)| *alias != parameter.name)
        };
        let written = |(parameter, value): (&Parameter, &String)| Written {
            name: parameter.name,
            alias: other_name(parameter.name),
            lines: parameter.lines(value),
            // What it is without a line depends on whether there is a directory.
            is_default: *value == parameter.default && !(parameter.name == "save" && self.is_given("save")),
        };
        PARAMETERS
            .iter()
            .zip(values.iter())
            .filter(|(parameter, _)| is_written(parameter))
            .map(written)
            .collect()
    }

    /// `CONFIG SET`: all pairs or none. Returns the names that were set.
    ///
    /// # Errors
    /// The text of Redis, code first.
    pub fn set<'a>(
        &self,
        pairs: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    ) -> Result<Vec<&'static str>, Vec<u8>> {
        let mut changes: Vec<(usize, String)> = Vec::new();
        let mut first_failure = None;
        let mut values = self.values();
        for (name, value) in pairs {
            let Some(index) = find(name) else {
                return Err(
                    [b"ERR Unknown option or number of arguments for CONFIG SET - '", name, b"'"].concat()
                );
            };
            let parameter = &PARAMETERS[index];
            let checked = if matches!(parameter.access, Access::Fixed | Access::AtStart) {
                Err("can't set immutable config".to_owned())
            } else if changes.iter().any(|(known, _)| *known == index) {
                Err("duplicate parameter".to_owned())
            } else {
                parameter.parse(value, &values[index]).and_then(|value| match parameter.access {
                    Access::Only(reason) if value != values[index] => {
                        Err(format!("{reason}: only '{}' is possible", values[index]))
                    }
                    _ => Ok(value),
                })
            };
            let checked = checked.and_then(|value| match parameter.name {
                "maxclients" => has_room_for(value),
                "save" if !value.is_empty() && find(b"dir").is_none_or(|dir| values[dir].is_empty()) => {
                    Err(NO_DIRECTORY.to_owned())
                }
                _ => Ok(value),
            });
            match checked {
                Ok(value) => changes.push((index, value)),
                // An unknown name further on is reported first, as in Redis.
                Err(reason) => {
                    first_failure.get_or_insert((parameter.name, reason));
                }
            }
        }
        if let Some((name, reason)) = first_failure {
            let text = format!("ERR CONFIG SET failed (possibly related to argument '{name}') - {reason}");
            return Err(text.into_bytes());
        }
        let names = changes.iter().map(|(index, _)| PARAMETERS[*index].name).collect();
        for (index, value) in changes {
            self.given().push(index);
            put(&mut values, index, value);
        }
        self.refresh(&values);
        Ok(names)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::BUFFER_MAX;

    fn set(config: &Config, pairs: &[(&str, &str)]) -> Result<Vec<&'static str>, String> {
        config
            .set(pairs.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())))
            .map_err(|text| String::from_utf8(text).unwrap())
    }

    #[test]
    fn every_default_is_a_value_of_its_parameter() {
        assert!(PARAMETERS.is_sorted_by_key(|parameter| parameter.name));
        for parameter in PARAMETERS {
            assert_eq!(
                parameter.parse(parameter.default.as_bytes(), parameter.default).as_deref(),
                Ok(parameter.default)
            );
        }
    }

    #[test]
    fn what_a_client_sends_has_room_in_32_bits() {
        let config = Config::default();
        for name in ["proto-max-bulk-len", "client-query-buffer-limit"] {
            assert_eq!(set(&config, &[(name, "3gb")]).unwrap(), [name]);
            let refused = set(&config, &[(name, "4gb")]).unwrap_err();
            assert!(refused.ends_with(&format!("this server takes at most {BUFFER_MAX}")), "{refused}");
            assert!(set(&config, &[(name, "1")]).unwrap_err().contains("argument must be between 1048576"));
        }
        assert_eq!(config.limits().bulk, 3 << 30);
    }

    #[test]
    fn all_or_nothing() {
        let config = Config::default();
        set(&config, &[("MaxClients", "5"), ("proto-max-bulk-len", "2mb")]).unwrap();
        assert_eq!((config.max_clients(), config.limits().bulk), (5, 2 << 20));
        for (pairs, expected) in [
            (&[("foo", "bar")][..], "ERR Unknown option or number of arguments for CONFIG SET - 'foo'"),
            (&[("timeout", "9"), ("databases", "5")], "'databases') - can't set immutable config"),
            (&[("timeout", "9"), ("timeout", "9")], "'timeout') - duplicate parameter"),
            (&[("timeout", "x")], "argument couldn't be parsed into an integer"),
            (&[("timeout", "-1")], "argument must be between 0 and 2147483647 inclusive"),
            (&[("proto-max-bulk-len", "1.5gb")], "argument must be a memory value"),
            (&[("maxclients", "0"), ("foo", "bar")], "CONFIG SET - 'foo'"),
            (
                &[("timeout", "9"), ("save", "60 1")],
                "'save') - this server was started without --dir and writes no files: only ''",
            ),
            (&[("client-output-buffer-limit", "normal 1 2")], "Wrong number of arguments in buffer limit"),
            (&[("maxmemory-clients", "-1")], "argument must be a memory or percent value"),
            (&[("maxmemory-clients", "200%")], "percentage argument must be less or equal to 100"),
            (&[("appendonly", "maybe")], "argument must be 'yes' or 'no'"),
        ] {
            let error = set(&config, pairs).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
        assert_eq!(config.idle_timeout(), 0);
        assert_eq!(config.client_memory_limit(), None);
        set(&config, &[("maxmemory-clients", "5%")]).unwrap();
        assert_eq!(config.client_memory_limit(), None);
        set(&config, &[("maxmemory", "1gb")]).unwrap();
        assert_eq!(config.client_memory_limit(), Some((1 << 30) / 100 * 5));
        set(&config, &[("maxmemory-clients", "10mb")]).unwrap();
        assert_eq!(config.client_memory_limit(), Some(10 << 20));
        set(&config, &[("save", ""), ("maxmemory", "0mb"), ("appendonly", "NO")]).unwrap();
    }
}
