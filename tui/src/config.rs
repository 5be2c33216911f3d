//! The configuration file: defaults of options, by profile, and further keys of the full screen.
//!
//! `name value` is an option as on the command line, without its dashes; `[name]` begins a profile, what stands before the first is for
//! all; `etcd URL` says where the cluster is; `key NEW OLD` gives a key the meaning of another. Pure: from text to options.

use std::ffi::OsString;

/// What the file says to one profile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// Options as they would be typed; later ones stand above earlier ones.
    pub options: Vec<OsString>,
    /// Where the cluster is.
    pub etcd: Option<String>,
    /// Keys and whose meaning they get.
    pub keys: Vec<(String, String)>,
}

/// What is wrong with the file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A line of it.
    #[error("line {line}: {what}")]
    Line {
        /// From 1.
        line: usize,
        /// For the operator.
        what: String,
    },
    /// It has no such profile.
    #[error("no profile `{name}`; there {are}")]
    NoProfile {
        /// That was asked for.
        name: String,
        /// `is none`, or which ones there are.
        are: String,
    },
}

/// Options that are an act, not a habit: they are typed.
const TYPED_ONLY: &[&str] = &[
    "candidates",
    "chomp",
    "completions",
    "dir",
    "embedded",
    "eval",
    "file",
    "force",
    "help",
    "man",
    "no-wait",
    "profile",
    "quoted-input",
    "record",
    "speed",
    "stop-on-error",
    "timeout",
    "version",
    "yes",
];

/// Reads the file for a profile. `definition` has the options there are; `is_set` says whether a variable of the environment is:
/// it stands above the file.
///
/// # Errors
/// [`ConfigError`].
pub fn parse(
    text: &str,
    profile: Option<&str>,
    definition: &clap::Command,
    is_set: impl Fn(&str) -> bool,
) -> Result<Config, ConfigError> {
    let mut config = Config::default();
    let mut profiles = Vec::new();
    for (line, number) in text.lines().zip(1..) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            profiles.push(name.trim());
            continue;
        }
        // All of the file is looked at: what is wrong in another profile is wrong too.
        let mut of_line = Config::default();
        read(line, definition, &is_set, &mut of_line)
            .map_err(|what| ConfigError::Line { line: number, what })?;
        if profiles.last().is_none_or(|section| Some(*section) == profile) {
            config.options.append(&mut of_line.options);
            config.etcd = of_line.etcd.or(config.etcd);
            config.keys.append(&mut of_line.keys);
        }
    }
    match profile.filter(|name| !profiles.contains(name)) {
        None => Ok(config),
        Some(name) => {
            let are = match profiles.as_slice() {
                [] => "is none".to_owned(),
                some => format!("are {}", some.join(", ")),
            };
            Err(ConfigError::NoProfile { name: name.to_owned(), are })
        }
    }
}

fn read(
    line: &str,
    definition: &clap::Command,
    is_set: &impl Fn(&str) -> bool,
    config: &mut Config,
) -> Result<(), String> {
    let (name, value) =
        line.split_once(char::is_whitespace).map_or((line, ""), |(name, value)| (name, value.trim()));
    match name {
        "etcd" if value.is_empty() => return Err("etcd wants http://HOST:PORT".to_owned()),
        "etcd" => {
            config.etcd = Some(value.to_owned());
            return Ok(());
        }
        "key" => {
            let words: Vec<&str> = value.split_whitespace().collect();
            let [new, old] = words.as_slice() else {
                return Err("key wants two keys: key NEW OLD".to_owned());
            };
            config.keys.push(((*new).to_owned(), (*old).to_owned()));
            return Ok(());
        }
        _ => {}
    }
    let option = definition.get_arguments().find(|option| option.get_long() == Some(name));
    let Some(option) = option.filter(|_| !TYPED_ONLY.contains(&name)) else {
        return Err(match TYPED_ONLY.contains(&name) {
            true => format!("--{name} has to be typed"),
            false => format!("there is no option --{name}"),
        });
    };
    match (option.get_action().takes_values(), value.is_empty()) {
        (true, true) => return Err(format!("{name} wants a value")),
        (false, false) => return Err(format!("{name} takes no value")),
        (true, false) | (false, true) => {}
    }
    if option.get_env().and_then(|variable| variable.to_str()).is_some_and(is_set) {
        return Ok(());
    }
    let typed = if value.is_empty() { format!("--{name}") } else { format!("--{name}={value}") };
    config.options.push(typed.into());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# mine\ntheme light\nkey x D\n\n[prod]\netcd http://a:1,http://b:1\ncluster prod\nread-only\n[test]\n\
                        etcd http://t:1\n";

    fn parsed(text: &str, profile: Option<&str>) -> Result<Config, ConfigError> {
        parse(text, profile, &crate::arguments::definition(), |_| false)
    }

    #[test]
    fn what_stands_in_front_is_for_all_and_a_profile_adds_to_it() {
        let all = parsed(FILE, None).unwrap();
        assert_eq!((all.options, all.etcd), (vec!["--theme=light".into()], None));
        let prod = parsed(FILE, Some("prod")).unwrap();
        assert_eq!(prod.options, ["--theme=light", "--cluster=prod", "--read-only"].map(OsString::from));
        assert_eq!(prod.etcd.as_deref(), Some("http://a:1,http://b:1"));
        assert_eq!(prod.keys, [("x".to_owned(), "D".to_owned())]);
        let error = parsed(FILE, Some("prd")).unwrap_err();
        assert_eq!(error.to_string(), "no profile `prd`; there are prod, test");
    }

    #[test]
    fn a_wrong_line_is_named_whatever_the_profile() {
        for (text, says) in [
            ("theme", "line 1: theme wants a value"),
            ("[a]\nnosuch 1", "line 2: there is no option --nosuch"),
            ("\nforce", "line 2: --force has to be typed"),
            ("ascii yes", "line 1: ascii takes no value"),
            ("key x", "line 1: key wants two keys"),
            ("etcd", "line 1: etcd wants"),
        ] {
            let error = parsed(text, None).unwrap_err().to_string();
            assert!(error.starts_with(says), "{text:?}: {error}");
        }
    }

    #[test]
    fn the_environment_stands_above_the_file() {
        let definition = crate::arguments::definition();
        let of_environment = definition.get_arguments().find(|option| option.get_env().is_some()).unwrap();
        let text = format!("{} x", of_environment.get_long().unwrap());
        let options = |set: bool| parse(&text, None, &definition, |_| set).unwrap().options.len();
        assert_eq!((options(false), options(true)), (1, 0));
    }
}
