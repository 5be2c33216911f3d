//! Completion scripts and the manual page, from the table of options and the table of words.

use std::io::{self, Write};

use clap::{Command, builder::PossibleValuesParser};
use clap_complete::Shell;

use crate::{
    arguments::{self, Printed},
    language::words::{self, Word},
};

const NAME: &str = "redis_console";

const EXIT_STATUS: &[(&str, &str)] = &[
    ("0", "Everything ran, and there was no error reply."),
    ("1", "An error reply."),
    ("2", "Usage or syntax."),
    ("3", "etcd, proxy or node out of reach."),
    ("4", "Refused: read-only, keys would be lost, the cluster changed."),
    ("124", "The time of --timeout is over."),
    ("129, 130, 141, 143", "Hang-up, Ctrl-C, closed pipe, SIGTERM."),
];

/// Writes it to stdout.
///
/// # Errors
/// When stdout cannot be written; a reader that has seen enough is none.
pub fn print(what: Printed) -> io::Result<()> {
    let mut text = Vec::new();
    match what {
        Printed::Completions(shell) => completions(shell, &mut text),
        Printed::Manual => manual(&mut text)?,
    }
    match io::stdout().lock().write_all(&text) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// Options by the shell itself. What follows them, words and what comes behind those, by the program where the shell's script
/// can ask it: it knows the command table and the cluster.
fn completions(shell: Shell, out: &mut Vec<u8>) {
    let definition = arguments::definition();
    let (mut definition, asks) = match shell {
        Shell::Bash => (definition, BASH),
        Shell::Zsh => (definition, ZSH),
        Shell::Fish => (definition, FISH),
        _ => (with_words(definition), ""),
    };
    clap_complete::generate(shell, &mut definition, NAME, out);
    out.extend_from_slice(asks.as_bytes());
}

/// With the words about the cluster; Redis commands are too many to be of help.
fn with_words(definition: Command) -> Command {
    let names = words::OPERATOR.iter().filter(|word| word.available).map(|word| word.name);
    let parser = PossibleValuesParser::new(names.collect::<Vec<_>>());
    definition.mut_arg("words", |argument| argument.value_name("COMMAND").value_parser(parser))
}

const BASH: &str = r#"
_redis_console_words() {
    local current=${COMP_WORDS[COMP_CWORD]} IFS=$'\n'
    COMPREPLY=()
    [[ $current == -* ]] && _redis_console "$@"
    # A colon ends a word for readline: of http://HOST:PORT each part is one.
    local line=${COMP_LINE:0:COMP_POINT} IFS=$' \t\n'
    local -a words=($line)
    [[ $line == *[[:space:]] ]] && words+=("")
    IFS=$'\n'
    COMPREPLY+=($(redis_console --candidates "${words[@]:1}" 2>/dev/null))
    if declare -F __ltrim_colon_completions >/dev/null; then
        __ltrim_colon_completions "$current"
    fi
}
complete -F _redis_console_words -o bashdefault -o default redis_console
"#;

const ZSH: &str = r#"
_redis_console_words() {
    local -a found
    found=(${(f)"$(redis_console --candidates "${(@Q)words[2,CURRENT]}" 2>/dev/null)"})
    (( $#found )) && compadd -- $found
    [[ ${words[CURRENT]} == -* || $#found -eq 0 ]] && _redis_console "$@"
}
compdef _redis_console_words redis_console
"#;

const FISH: &str = r#"
complete -c redis_console -f -a '(redis_console --candidates (commandline -opc)[2..] (commandline -ct) 2>/dev/null)'
"#;

fn manual(out: &mut Vec<u8>) -> io::Result<()> {
    let definition: Command = arguments::definition().about("see, change and use a cluster of Redis nodes");
    let page = clap_mangen::Man::new(definition);
    page.render_title(out)?;
    page.render_name_section(out)?;
    page.render_synopsis_section(out)?;
    section(out, "DESCRIPTION")?;
    text(
        out,
        "With a COMMAND it runs that and ends. Without one it runs the lines of stdin if that is not a terminal, and shows \
         the full screen otherwise. Without ETCD it starts a cluster of its own. A COMMAND is one of the words below, or \
         any Redis command, sent through a proxy.",
    )?;
    page.render_options_section(out)?;
    section(out, "WORDS ABOUT THE CLUSTER")?;
    words(out, words::OPERATOR)?;
    section(out, "WORDS FOR THE CONSOLE")?;
    words(out, words::DIRECTIVES)?;
    section(out, "EXIT STATUS")?;
    for (status, meaning) in EXIT_STATUS {
        item(out, status, meaning)?;
    }
    section(out, "ENVIRONMENT")?;
    item(out, "REDISCLI_AUTH", "The password for proxies.")?;
    item(out, "REDIS_CLUSTER", "The name of the cluster, as --cluster.")?;
    item(out, "NO_COLOR", "No colour if it is not empty.")?;
    item(out, "XDG_STATE_HOME", "Holds redis_console/history; by default ~/.local/state.")?;
    section(out, "EXAMPLES")?;
    for example in [
        "redis_console http://localhost:2379 add 1 http://10.0.0.11:8001",
        "redis_console http://localhost:2379 show nodes --json",
        "printf 'set a 1\\nincr a\\n' | redis_console http://localhost:2379",
    ] {
        writeln!(out, ".PP\n.nf\n{}\n.fi", escaped(example))?;
    }
    Ok(())
}

fn section(out: &mut Vec<u8>, title: &str) -> io::Result<()> {
    writeln!(out, ".SH {title}")
}

fn text(out: &mut Vec<u8>, text: &str) -> io::Result<()> {
    writeln!(out, "{}", escaped(text))
}

fn item(out: &mut Vec<u8>, term: &str, meaning: &str) -> io::Result<()> {
    writeln!(out, ".TP\n\\fB{}\\fR\n{}", escaped(term), escaped(meaning))
}

fn words(out: &mut Vec<u8>, words: &[Word]) -> io::Result<()> {
    words.iter().filter(|word| word.available).try_for_each(|word| item(out, &word.usage(), word.summary))
}

/// As text of roff: no escapes of its own, hyphens that can be copied, no line that begins as a request does.
fn escaped(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-").replace('…', "...");
    match text.as_bytes().first() {
        Some(b'.' | b'\'') => format!("\\&{text}"),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::Status;

    #[test]
    fn every_option_and_word_has_its_place() {
        let mut page = Vec::new();
        manual(&mut page).unwrap();
        let page = String::from_utf8(page).unwrap();
        let definition = arguments::definition();
        let shown = definition.get_arguments().filter(|argument| !argument.is_hide_set());
        for option in shown.filter_map(clap::Arg::get_long) {
            assert!(page.contains(&format!("\\-\\-{}", option.replace('-', "\\-"))), "{option}");
        }
        for word in words::OPERATOR.iter().chain(words::DIRECTIVES).filter(|word| word.available) {
            assert!(page.contains(&escaped(&word.usage())), "{}", word.name);
        }
        assert!(page.lines().all(|line| !line.starts_with('\'') || line.starts_with("'br")), "{page}");
    }

    #[test]
    fn statuses_are_those_of_the_program() {
        let listed: Vec<u8> = EXIT_STATUS
            .iter()
            .flat_map(|(codes, _)| codes.split(", "))
            .map(|code| code.parse().unwrap())
            .collect();
        let known = [
            Status::Done,
            Status::ErrorReply,
            Status::Usage,
            Status::Unreachable,
            Status::Refused,
            Status::TimedOut,
            Status::HungUp,
            Status::Interrupted,
            Status::BrokenPipe,
            Status::Terminated,
        ];
        assert_eq!(listed, known.map(Status::code));
    }

    #[test]
    fn completion_scripts_know_options_and_words() {
        use clap::ValueEnum as _;
        for shell in clap_complete::Shell::value_variants() {
            let mut script = Vec::new();
            completions(*shell, &mut script);
            let script = String::from_utf8(script).unwrap();
            assert!(script.contains("read-only") && script.contains(NAME), "{shell}");
        }
        let mut bash = Vec::new();
        completions(clap_complete::Shell::Bash, &mut bash);
        let bash = String::from_utf8(bash).unwrap();
        assert!(bash.contains("--read-only") && bash.contains("redis_console --candidates"), "{bash}");
    }
}
