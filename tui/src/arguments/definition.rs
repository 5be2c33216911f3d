//! The options as clap knows them. What they mean together: [`super`].

use std::{ffi::OsString, path::PathBuf, time::Duration};

use clap::Parser;
use clap_complete::Shell;
use redis_cluster::cluster::registry::AccessArguments;

use crate::screen::theme;

const TEMPLATE: &str = "\
redis_console: see, change and use a cluster of Redis nodes

Examples:
  redis_console                                         an embedded cluster, full screen
  redis_console http://localhost:2379                   a running cluster, full screen
  redis_console http://localhost:2379 add 1 http://10.0.0.11:8001
  redis_console http://localhost:2379 show nodes
  redis_console http://localhost:2379 set key1 value1
  redis_console http://localhost:2379 delete key1 value1     only if it holds value1
  printf 'set a 1\\nincr a\\n' | redis_console http://localhost:2379
  redis_console --embedded set key1 value1              a cluster for this command only
  redis_console http://localhost:2379 --record FILE     and then: redis_console replay FILE

Usage: {usage}

{all-args}

Exit status: 0 all ran without error reply; 1 an error reply; 2 usage or syntax; 3 etcd, proxy or node out of reach;
4 refused; 124 --timeout; 129, 130, 141, 143 hang-up, Ctrl-C, closed pipe, SIGTERM. Words: redis_console help
";

/// What was typed.
#[derive(Clone, Debug, Default, Parser)]
#[command(
    name = "redis_console",
    version,
    help_template = TEMPLATE,
    override_usage = "redis_console [OPTIONS] [ETCD] [COMMAND]...",
    disable_help_subcommand = true,
    // What is typed comes after what the configuration file says.
    args_override_self = true
)]
pub(super) struct Typed {
    /// ETCD: http://HOST:PORT or https://HOST:PORT, several with commas (else: REDIS_CLUSTER_ETCD from the environment; else
    /// an embedded cluster, for a person at a terminal); COMMAND: one command to run
    #[arg(value_name = "[ETCD] [COMMAND]...", trailing_var_arg = true)]
    pub(super) words: Vec<OsString>,
    /// Name of the cluster in the registry
    #[arg(long, default_value = "default", env = "REDIS_CLUSTER")]
    pub(super) cluster: String,
    /// Replies for programs (default unless stdout is a terminal)
    #[arg(long, overrides_with_all = ["no_raw", "csv", "json", "quoted_json"])]
    pub(super) raw: bool,
    /// Replies for people, also into a pipe
    #[arg(long, overrides_with_all = ["raw", "csv", "json", "quoted_json"])]
    pub(super) no_raw: bool,
    /// Replies as comma-separated values
    #[arg(long, overrides_with_all = ["raw", "no_raw", "json", "quoted_json"])]
    pub(super) csv: bool,
    /// One JSON document per command and line
    #[arg(long, overrides_with_all = ["raw", "no_raw", "csv", "quoted_json"])]
    pub(super) json: bool,
    /// As --json, with bytes beyond ASCII escaped
    #[arg(long, overrides_with_all = ["raw", "no_raw", "csv", "json"])]
    pub(super) quoted_json: bool,
    /// Between the elements of a raw array
    #[arg(short = 'd', value_name = "TEXT", default_value = "\n", hide_default_value = true)]
    pub(super) between: OsString,
    /// After each raw reply
    #[arg(short = 'D', value_name = "TEXT", default_value = "\n", hide_default_value = true)]
    pub(super) after: OsString,
    /// The last argument is read from stdin
    #[arg(short = 'x', conflicts_with = "tag")]
    pub(super) last_from_stdin: bool,
    /// The argument TAG is read from stdin
    #[arg(short = 'X', value_name = "TAG")]
    pub(super) tag: Option<OsString>,
    /// With -x or -X: without the final newline
    #[arg(long)]
    pub(super) chomp: bool,
    /// Run the command N times; -1: until Ctrl-C
    #[arg(
        short = 'r',
        value_name = "N",
        default_value_t = 1,
        allow_negative_numbers = true,
        hide_default_value = true
    )]
    pub(super) repeat: i64,
    /// Seconds between repetitions
    #[arg(short = 'i', value_name = "SECONDS", default_value = "0", hide_default_value = true, value_parser = seconds)]
    pub(super) interval: Duration,
    /// Run a Lua script with the arguments KEY... , ARG...
    #[arg(long, value_name = "FILE", conflicts_with_all = ["file", "last_from_stdin", "tag"])]
    pub(super) eval: Option<PathBuf>,
    /// Run the lines of a file; - is stdin
    #[arg(short = 'f', long = "file", value_name = "FILE")]
    pub(super) file: Option<PathBuf>,
    /// A script ends at its first error
    #[arg(short = 'e', long)]
    pub(super) stop_on_error: bool,
    /// Give up after so long
    #[arg(short = 't', long, value_name = "SECONDS", value_parser = seconds)]
    pub(super) timeout: Option<Duration>,
    /// For connecting
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = seconds)]
    pub(super) connect_timeout: Duration,
    /// Refuse whatever changes data or membership
    #[arg(long)]
    pub(super) read_only: bool,
    /// Do not ask
    #[arg(long)]
    pub(super) yes: bool,
    /// Also where keys are lost
    #[arg(long)]
    pub(super) force: bool,
    /// add and remove return when the registry has the plan
    #[arg(long)]
    pub(super) no_wait: bool,
    /// Unquote the arguments of the command as on a line
    #[arg(long)]
    pub(super) quoted_input: bool,
    /// Number of the database
    #[arg(short = 'n', value_name = "DB", default_value_t = 0, hide_default_value = true)]
    pub(super) database: u32,
    /// Speak RESP3
    #[arg(short = '3')]
    pub(super) resp3: bool,
    /// User to log in as (password: REDISCLI_AUTH, --password-file or --askpass)
    #[arg(long, value_name = "NAME", default_value = "default")]
    pub(super) user: String,
    /// File with the password in its first line
    #[arg(long, value_name = "FILE")]
    pub(super) password_file: Option<PathBuf>,
    /// Ask for the password on the terminal
    #[arg(long, conflicts_with = "password_file")]
    pub(super) askpass: bool,
    /// Only plain lines: no full screen, no line editing, no redrawing, no escape sequences, labels in tables
    #[arg(long)]
    pub(super) plain: bool,
    /// No colour (also: NO_COLOR)
    #[arg(long)]
    pub(super) no_color: bool,
    /// Also what the configuration file says under `[NAME]`
    #[arg(long, value_name = "NAME")]
    pub(super) profile: Option<String>,
    /// Colours of the full screen
    #[arg(long, value_name = "THEME", value_enum, default_value_t, hide_default_value = true)]
    pub(super) theme: theme::Choice,
    /// Only ASCII on the full screen
    #[arg(long)]
    pub(super) ascii: bool,
    /// Leave the mouse to the terminal on the full screen
    #[arg(long)]
    pub(super) no_mouse: bool,
    /// Write what the full screen shows to a new FILE, an asciicast: `redis_console replay FILE` shows it again
    #[arg(long, value_name = "FILE")]
    pub(super) record: Option<PathBuf>,
    /// replay: so many times faster
    #[arg(long, value_name = "N", default_value = "1", hide_default_value = true, value_parser = speed)]
    pub(super) speed: f64,
    /// The line editor instead of the full screen
    #[arg(long)]
    pub(super) repl: bool,
    /// A cluster in this process that ends with it, also for a command or a script, which else want ETCD
    #[arg(long)]
    pub(super) embedded: bool,
    /// Embedded cluster: keep it in DIR, members, slots and keys
    #[arg(long, value_name = "DIR")]
    pub(super) dir: Option<PathBuf>,
    /// Print a completion script for this shell
    #[arg(long, value_name = "SHELL")]
    pub(super) completions: Option<Shell>,
    /// Print what the last argument could become; completion scripts ask this
    #[arg(long, hide = true)]
    pub(super) candidates: bool,
    /// Print the manual page, for man -l -
    #[arg(long)]
    pub(super) man: bool,
    // Last: what follows would stand under its heading.
    #[command(flatten)]
    pub(super) access: AccessArguments,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number of seconds".to_owned())?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

fn speed(text: &str) -> Result<f64, String> {
    let speed: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (0.01..=1_000.0).contains(&speed) { Ok(speed) } else { Err("0.01 to 1000".to_owned()) }
}
