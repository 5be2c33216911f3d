//! The program's arguments: what was typed, and what it means. The options: [`definition`](mod@definition).

mod definition;

use std::{
    ffi::OsString,
    io::{self, IsTerminal as _},
    os::unix::ffi::OsStringExt as _,
    path::PathBuf,
    time::Duration,
};

use clap::{CommandFactory as _, Parser, error::ErrorKind};
use clap_complete::Shell;
use redis_cluster::cluster::registry::Access;

use self::definition::Typed;
use crate::{
    config::{self, Config},
    format::Form,
    language::{self, words},
    paths,
    screen::theme,
};

/// Something about the program itself that is printed instead of running a face.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Printed {
    /// `--completions SHELL`.
    Completions(Shell),
    /// `--man`.
    Manual,
}

/// What it means.
#[derive(Clone, Debug)]
pub struct Arguments {
    /// Endpoints of etcd, from the command line or the environment; `None`: an embedded cluster, if one is wanted.
    pub etcd: Option<String>,
    /// An embedded cluster was asked for: `--embedded` or `--dir`.
    pub embedded: bool,
    /// The command, if one was given.
    pub command: Option<Vec<Vec<u8>>>,
    /// The form that was asked for; `None`: by what stdout is.
    pub form: Option<Form>,
    /// `-d`.
    pub between: Vec<u8>,
    /// `-D`.
    pub after: Vec<u8>,
    /// An argument comes from stdin.
    pub stdin: Option<FromStdin>,
    /// `-r`; `None`: without end.
    pub repeat: Option<u64>,
    /// `--candidates`: nothing is run, the last word is completed.
    pub candidates: bool,
    /// `replay FILE`: a recording is shown; nothing else happens.
    pub replay: Option<PathBuf>,
    /// `--completions`, `--man`.
    pub printed: Option<Printed>,
    /// Keys of the full screen, from the configuration file: the new one, and whose meaning it gets.
    pub keys: Vec<(String, String)>,
    /// Everything that needs no reading.
    pub typed: TypedOptions,
}

/// Where an argument from stdin goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FromStdin {
    /// In place of this argument; `None`: behind the last.
    pub tag: Option<Vec<u8>>,
    /// Without the final newline.
    pub chomp: bool,
}

/// Options that are used as they were typed.
#[derive(Clone, Debug)]
pub struct TypedOptions {
    /// `--cluster`.
    pub cluster: String,
    /// `-i`.
    pub interval: Duration,
    /// `--eval`.
    pub eval: Option<PathBuf>,
    /// `-f`.
    pub file: Option<PathBuf>,
    /// `-e`.
    pub stop_on_error: bool,
    /// `--timeout`.
    pub timeout: Option<Duration>,
    /// `--connect-timeout`.
    pub connect_timeout: Duration,
    /// `--read-only`.
    pub read_only: bool,
    /// `--yes`.
    pub yes: bool,
    /// `--force`.
    pub force: bool,
    /// `--no-wait`.
    pub no_wait: bool,
    /// `-n`.
    pub database: u32,
    /// `-3`, or a form that shows maps.
    pub resp3: bool,
    /// `--user`.
    pub user: String,
    /// `--password-file`.
    pub password_file: Option<PathBuf>,
    /// `--askpass`.
    pub askpass: bool,
    /// `--plain`.
    pub plain: bool,
    /// `--no-color`.
    pub no_color: bool,
    /// `--theme`.
    pub theme: theme::Choice,
    /// `--ascii`.
    pub ascii: bool,
    /// `--no-mouse`.
    pub no_mouse: bool,
    /// `--record`.
    pub record: Option<PathBuf>,
    /// `--speed`.
    pub speed: f64,
    /// `--repl`.
    pub repl: bool,
    /// `--dir`.
    pub dir: Option<PathBuf>,
    /// `--etcd-…`, and the environment.
    pub access: Access,
}

/// `replay FILE`, without an ETCD: no command of Redis has that name.
fn replayed(words: &[Vec<u8>]) -> Option<PathBuf> {
    match words {
        [word, file] if word.eq_ignore_ascii_case(b"replay") => {
            Some(PathBuf::from(OsString::from_vec(file.clone())))
        }
        _ => None,
    }
}

/// `http://…`, or `host:port`, also several with commas. No command of Redis or of ours looks like that.
fn is_etcd(word: &OsString) -> bool {
    let Some(text) = word.to_str() else { return false };
    let is_endpoint = |part: &str| {
        part.starts_with("http://")
            || part.starts_with("https://")
            || part
                .rsplit_once(':')
                .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
    };
    !text.is_empty() && text.split(',').all(is_endpoint)
}

/// Reads the program's arguments, its own name first.
///
/// # Errors
/// Wrong options; also `--help` and `--version`, which are not errors to clap's [`clap::Error::exit_code`].
pub fn parse(mut arguments: Vec<OsString>) -> Result<Arguments, clap::Error> {
    let (typed, _) = typed(&mut arguments.clone())?;
    let mut config = configured(&typed)?;
    let at = arguments.len().min(1);
    arguments.splice(at..at, config.options.drain(..));
    let etcd = std::env::var_os(ETCD_VARIABLE).filter(|value| !value.is_empty());
    let mut parsed = parse_with(arguments, etcd.or(config.etcd.map(Into::into)))?;
    parsed.keys = config.keys;
    Ok(parsed)
}

/// What the file says: where somebody sits at a terminal, or it was asked for. A job does the same whatever somebody's file says.
fn configured(typed: &Typed) -> Result<Config, clap::Error> {
    let profile = typed.profile.as_deref();
    let is_wanted = profile.is_some() || (io::stdin().is_terminal() && io::stdout().is_terminal());
    let Some(path) = paths::config_file().filter(|_| is_wanted && !typed.candidates) else {
        return Ok(Config::default());
    };
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound && profile.is_none() => String::new(),
        Err(error) => return Err(usage(&format!("{}: {error}", path.display()))),
    };
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let config = config::parse(&text, profile, &definition(), is_set)
        .map_err(|error| usage(&format!("{}: {error}", path.display())))?;
    match config.etcd.as_ref().filter(|etcd| !is_etcd(&OsString::from(etcd))) {
        None => Ok(config),
        Some(etcd) => Err(usage(&format!("{}: etcd is `{etcd}`; it wants http://HOST:PORT", path.display()))),
    }
}

/// What was typed, and the ETCD, which is taken out of the arguments.
fn typed(arguments: &mut Vec<OsString>) -> Result<(Typed, Option<OsString>), clap::Error> {
    let typed = Typed::try_parse_from(&*arguments)?;
    if !typed.words.first().is_some_and(is_etcd) {
        return Ok((typed, None));
    }
    let etcd = arguments.remove(arguments.len() - typed.words.len());
    // Options may stand between ETCD and the command too.
    Ok((Typed::try_parse_from(&*arguments)?, Some(etcd)))
}

/// The environment's etcd, where the command line names none.
const ETCD_VARIABLE: &str = "REDIS_CLUSTER_ETCD";

fn parse_with(
    mut arguments: Vec<OsString>,
    etcd_of_environment: Option<OsString>,
) -> Result<Arguments, clap::Error> {
    let (mut typed, mut etcd) = typed(&mut arguments)?;
    let mut words: Vec<Vec<u8>> = typed.words.drain(..).map(OsString::into_vec).collect();
    let trailing = if typed.eval.is_none() { take_trailing_form(&mut words) } else { None };
    if typed.quoted_input {
        words = words
            .iter()
            .map(|word| unquote(word))
            .collect::<Option<_>>()
            .ok_or_else(|| usage("an argument is not quoted as --quoted-input wants it"))?;
    }
    let form = trailing.or(form(&typed));
    let is_json = matches!(form, Some(Form::Json | Form::QuotedJson));
    let stdin = (typed.last_from_stdin || typed.tag.is_some())
        .then(|| FromStdin { tag: typed.tag.clone().map(OsString::into_vec), chomp: typed.chomp });
    if stdin.is_some() && words.is_empty() {
        return Err(usage("-x and -X need a command"));
    }
    if typed.file.is_some() && !words.is_empty() {
        return Err(usage("a command and -f exclude each other"));
    }
    let replay = if etcd.is_none() { replayed(&words) } else { None };
    let embedded = typed.embedded || typed.dir.is_some();
    if embedded && etcd.is_some() {
        return Err(usage("--embedded and --dir are for a cluster in this process, which has no ETCD"));
    }
    // What is typed goes before what is set.
    if etcd.is_none() && !embedded {
        etcd = etcd_of_environment.filter(|value| !value.is_empty());
        if let Some(value) = etcd.as_ref().filter(|value| !is_etcd(value)) {
            let value = value.to_string_lossy();
            return Err(usage(&format!("{ETCD_VARIABLE} is `{value}`; it wants http://HOST:PORT")));
        }
    }
    Ok(Arguments {
        etcd: etcd.map(|etcd| etcd.to_string_lossy().into_owned()),
        embedded,
        command: (typed.eval.is_some() || !words.is_empty()).then_some(words),
        form,
        between: typed.between.into_vec(),
        after: typed.after.into_vec(),
        stdin,
        repeat: u64::try_from(typed.repeat).ok(),
        candidates: typed.candidates,
        replay,
        keys: Vec::new(),
        printed: typed.completions.map(Printed::Completions).or(typed.man.then_some(Printed::Manual)),
        typed: TypedOptions {
            cluster: typed.cluster,
            interval: typed.interval,
            eval: typed.eval,
            file: typed.file,
            stop_on_error: typed.stop_on_error,
            timeout: typed.timeout,
            connect_timeout: typed.connect_timeout,
            read_only: typed.read_only,
            yes: typed.yes,
            force: typed.force,
            no_wait: typed.no_wait,
            database: typed.database,
            resp3: typed.resp3 || is_json,
            user: typed.user,
            password_file: typed.password_file,
            askpass: typed.askpass,
            plain: typed.plain,
            no_color: typed.no_color,
            theme: typed.theme,
            ascii: typed.ascii,
            no_mouse: typed.no_mouse,
            record: typed.record,
            speed: typed.speed,
            repl: typed.repl,
            dir: typed.dir,
            access: typed.access.access(),
        },
    })
}

/// The definition of all options, for completion and the manual.
#[must_use]
pub fn definition() -> clap::Command {
    Typed::command()
}

fn usage(text: &str) -> clap::Error {
    clap::Error::raw(ErrorKind::ArgumentConflict, format!("{text}\n"))
}

fn form(typed: &Typed) -> Option<Form> {
    let asked = [
        (typed.raw, Form::Raw),
        (typed.no_raw, Form::Tty),
        (typed.csv, Form::Csv),
        (typed.json, Form::Json),
        (typed.quoted_json, Form::QuotedJson),
    ];
    asked.into_iter().find(|(asked, _)| *asked).map(|(_, form)| form)
}

/// `show nodes --json`: behind words of ours that take no data, the form may stand last.
fn take_trailing_form(words: &mut Vec<Vec<u8>>) -> Option<Form> {
    let first = words.first()?;
    let ours = words::OPERATOR.iter().find(|word| word.name.as_bytes().eq_ignore_ascii_case(first))?;
    let takes_no_data = match ours.name {
        "show" | "plan" | "add" | "remove" | "drain" | "ack" | "sync" | "help" | "import" | "export"
        | "backup" => true,
        "restore" => language::of_ours(words).is_some(),
        _ => false,
    };
    if !takes_no_data {
        return None;
    }
    let form = match words.last()?.as_slice() {
        b"--json" => Form::Json,
        b"--csv" => Form::Csv,
        b"--raw" => Form::Raw,
        b"--no-raw" => Form::Tty,
        _ => return None,
    };
    words.pop();
    Some(form)
}

/// One argument as on a line: bare, or in quotes.
fn unquote(word: &[u8]) -> Option<Vec<u8>> {
    if !matches!(word.first(), Some(b'"' | b'\'')) {
        return Some(word.to_vec());
    }
    let mut parts = redis_cluster::protocol::quote::split(word).ok()?;
    if parts.len() == 1 { parts.pop() } else { None }
}

impl Arguments {
    /// The command as it is read, with what `--force` and `--no-wait` add to it.
    ///
    /// # Errors
    /// [`language::SyntaxError`].
    pub fn command(&self, words: Vec<Vec<u8>>) -> Result<language::Command, language::SyntaxError> {
        let mut command = language::parse_words(words)?;
        self.amend(&mut command);
        Ok(command)
    }

    /// Adds what `--force` and `--no-wait` say.
    pub fn amend(&self, command: &mut language::Command) {
        use language::{Command, Operator};
        if let Command::Operator(
            Operator::Add { options, .. }
            | Operator::Remove { options, .. }
            | Operator::DrainProxy { options, .. },
        ) = command
        {
            options.force |= self.typed.force;
            options.no_wait |= self.typed.no_wait;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Arguments {
        let arguments = std::iter::once("redis_console").chain(line.split_whitespace()).map(OsString::from);
        parse_with(arguments.collect(), None).unwrap_or_else(|error| panic!("{line}: {error}"))
    }

    fn command(line: &str) -> Vec<String> {
        let words = parsed(line).command.unwrap_or_default();
        words.into_iter().map(|word| String::from_utf8(word).unwrap()).collect()
    }

    #[test]
    fn the_fixed_lines() {
        let add = parsed("http://localhost:2379 add 1 http://0.0.0.0:8001");
        assert_eq!(add.etcd.as_deref(), Some("http://localhost:2379"));
        assert_eq!(
            command("http://localhost:2379 add 1 http://0.0.0.0:8001"),
            ["add", "1", "http://0.0.0.0:8001"]
        );
        assert_eq!(parsed("a:2379,b:2379 ping").etcd.as_deref(), Some("a:2379,b:2379"));
        assert_eq!((parsed("get a").etcd, command("get a")), (None, vec!["get".to_owned(), "a".to_owned()]));
        assert!(parsed("").command.is_none());
    }

    #[test]
    fn a_recording_is_replayed_without_a_cluster() {
        let replay = |line: &str| parsed(line).replay.map(|path| path.display().to_string());
        assert_eq!(replay("--speed 4 replay tape.cast").as_deref(), Some("tape.cast"));
        // Whatever a server makes of it.
        assert_eq!((replay("h:1 replay x"), replay("replay"), replay("replay a b")), (None, None, None));
    }

    #[test]
    fn options_end_at_the_command() {
        assert_eq!(command("h:1 incrby k -5"), ["incrby", "k", "-5"]);
        assert_eq!(command("h:1 --json set a --raw"), ["set", "a", "--raw"]);
        assert_eq!(parsed("h:1 --json get a").form, Some(Form::Json));
        assert_eq!(parsed("--json h:1 get a").form, Some(Form::Json));
        assert_eq!(parsed("h:1 show nodes --json").form, Some(Form::Json));
        assert_eq!(command("h:1 show nodes --json"), ["show", "nodes"]);
        assert_eq!(parsed("--raw --no-raw h:1 get a").form, Some(Form::Tty));
        assert_eq!(parsed("h:1 -r -1 get a").repeat, None);
        assert_eq!(parsed("h:1 get a").repeat, Some(1));
    }

    #[test]
    fn wrong_ones_are_usage_errors() {
        for line in [
            "--nosuch",
            "-x",
            "-f x get a",
            "-t soon get a",
            "-x -X t set a t",
            "--embedded h:1 get a",
            "--dir d h:1 get a",
        ] {
            let arguments =
                std::iter::once("redis_console").chain(line.split_whitespace()).map(OsString::from);
            let error = parse(arguments.collect()).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{line}");
        }
    }

    #[test]
    fn the_environment_names_etcd_where_nothing_else_does() {
        let etcd = |line: &str, variable: &str| {
            let arguments =
                std::iter::once("redis_console").chain(line.split_whitespace()).map(OsString::from);
            parse_with(arguments.collect(), Some(variable.into())).map(|arguments| arguments.etcd)
        };
        let set = "http://e:2379,http://f:2379";
        assert_eq!(etcd("get a", set).unwrap().as_deref(), Some(set));
        assert_eq!(etcd("h:1 get a", set).unwrap().as_deref(), Some("h:1"));
        for (line, variable) in [("--embedded get a", set), ("--dir d", set), ("get a", "")] {
            assert_eq!(etcd(line, variable).unwrap(), None, "{line} {variable}");
        }
        let error = etcd("get a", "localhost").unwrap_err();
        assert!(
            error.exit_code() == 2 && error.to_string().contains("REDIS_CLUSTER_ETCD is `localhost`"),
            "{error}"
        );
    }

    #[test]
    fn bytes_stay_bytes() {
        let arguments = ["redis_console", "set", "a"].map(OsString::from).into_iter();
        let parsed = parse(arguments.chain([OsString::from_vec(vec![0xff])]).collect()).unwrap();
        assert_eq!(parsed.command.unwrap()[2], [0xff]);
    }
}
