//! The one table of the console's own words: help, completion, hints and error texts come from it.

/// A word of the operator language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word {
    /// As it is typed; lower case, with the colon if it has one.
    pub name: &'static str,
    /// What follows, in the notation of usage texts.
    pub syntax: &'static str,
    /// One line.
    pub summary: &'static str,
    /// False: the word is reserved and answers that this version does not have it.
    pub available: bool,
}

const fn word(name: &'static str, syntax: &'static str, summary: &'static str) -> Word {
    Word { name, syntax, summary, available: true }
}

const fn reserved(name: &'static str, syntax: &'static str, summary: &'static str) -> Word {
    Word { name, syntax, summary, available: false }
}

/// Words that stand bare, as in the fixed command lines.
pub const OPERATOR: &[Word] = &[
    word(
        "add",
        "ID [ADDRESS] [--force] [--no-wait] [--if-rev N] [--yes]",
        "add a node and move its share of the slots to it",
    ),
    word("remove", "ID [--force] [--no-wait] [--if-rev N] [--yes]", "move a node's slots away and remove it"),
    word(
        "show",
        "nodes|proxies|slots|moves|audit|topology|slow|hotkeys",
        "print what the registry and the members say",
    ),
    word("ack", "ID", "take note that a node came back without its keys: the warning ends"),
    word(
        "drain",
        "proxy ID [--force] [--no-wait] [--yes]",
        "end a proxy in order: nobody new, what runs is finished",
    ),
    word("sync", "", "wait until every proxy confirms the current epoch, and say who does not"),
    word("plan", "add ID ADDRESS | remove ID", "what add or remove would do; changes nothing"),
    word("node", "ID COMMAND…", "ask one node directly, past the proxies"),
    word("delete", "KEY [VALUE]", "delete a key; with VALUE only if it holds exactly that string"),
    word("explain", "COMMAND…", "slots, nodes and round trips of a command, without running it"),
    word("watch", "COMMAND…", "run a command again and again until Ctrl-C"),
    word(
        "import",
        "FILE [--skip|--replace|--stop]",
        "put the keys of an RDB file into the cluster; a key that is there: skip it, replace it, or stop (default)",
    ),
    word("export", "FILE [--rdb 10|12]", "write all keys into a new RDB file that one redis-server loads"),
    word("backup", "DIR [--rdb 10|12]", "write all keys and a manifest into a new directory"),
    word(
        "restore",
        "DIR [--skip|--replace|--stop]",
        "put the keys of a backup into the cluster, which is empty unless something is said about keys that are there",
    ),
    word("help", "[WORD]", "this list, or one word or Redis command"),
    reserved("rebalance", "[--by slots|keys|bytes|ops]", "even out the nodes"),
    reserved("pause", "MOVE", "stop a move for now"),
    reserved("resume", "MOVE", "go on with a paused move"),
    reserved("cancel", "MOVE", "give a move up"),
    reserved("undo", "MOVE", "move the slots back"),
    reserved("verify", "", "compare what the nodes hold with the topology"),
    reserved("apply", "FILE", "make the cluster what a file declares"),
];

/// Words for the console itself.
pub const DIRECTIVES: &[Word] = &[
    word(":echo", "TEXT…", "print text"),
    word(":set", "NAME VALUE", "text escaped|utf8|both, vars on|off, format tty|raw|csv|json"),
    word(":let", "NAME VALUE", "a variable: ${NAME} stands for it once `:set vars on`"),
    word(":source", "FILE", "run the lines of a file"),
    word(":sleep", "SECONDS", "wait"),
    word(":timing", "on|off", "print how long each command took"),
    word(":assert", "COMMAND… == VALUE", "an error unless the reply is VALUE"),
    word(":wait", "moves|sync [SECONDS]", "until no move is under way, or every proxy has the current epoch"),
    word(":on-error", "stop|go", "what a script does after an error"),
    word(":script", "save FILE", "write the lines of this session to a new file, for -f"),
    word(":clear", "", "an empty screen; `clear` does it too"),
    word(":exit", "[STATUS]", "leave; so do `quit` and `exit`"),
];

/// Finds a word in any case of letters.
#[must_use]
pub fn find(name: &[u8]) -> Option<&'static Word> {
    OPERATOR.iter().chain(DIRECTIVES).find(|word| word.name.as_bytes().eq_ignore_ascii_case(name))
}

/// A word for the console by its name without the colon.
#[must_use]
pub fn find_bare(name: &str) -> Option<&'static Word> {
    DIRECTIVES.iter().find(|word| word.name[1..].eq_ignore_ascii_case(name))
}

impl Word {
    /// `add ID [ADDRESS]`.
    #[must_use]
    pub fn usage(&self) -> String {
        if self.syntax.is_empty() { self.name.to_owned() } else { format!("{} {}", self.name, self.syntax) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_there_once_and_in_lower_case() {
        let names: Vec<&str> = OPERATOR.iter().chain(DIRECTIVES).map(|word| word.name).collect();
        let mut unique = names.clone();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), names.len());
        assert!(names.iter().all(|name| *name == name.to_lowercase()));
        assert!(DIRECTIVES.iter().all(|word| word.name.starts_with(':')));
    }
}
