//! The first line of a script that says how it is to be run: `#!lua flags=no-writes,allow-stale`. The node runs it so, and a proxy lets it
//! run while clients that write are paused.

/// What a script says about itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Declared {
    /// It has such a line at all.
    pub is_declared: bool,
    /// It writes nothing.
    pub no_writes: bool,
    /// It may write when there is no more memory.
    pub allow_oom: bool,
}

impl Declared {
    /// It says what it does, and not that it may run when there is no more memory.
    #[must_use]
    pub fn needs_memory(self) -> bool {
        self.is_declared && !(self.allow_oom || self.no_writes)
    }
}

/// Flags that mean something to Redis; of these two change what happens here.
pub const FLAGS: [&str; 5] = ["no-writes", "allow-oom", "allow-stale", "no-cluster", "allow-cross-slot-keys"];

/// Reads the first line, and gives the script with an empty line in its place.
///
/// # Errors
/// The text of Redis, code first.
pub fn parse(source: &[u8]) -> Result<(Declared, Vec<u8>), String> {
    if !source.starts_with(b"#!") {
        return Ok((Declared::default(), source.to_vec()));
    }
    let end = source.iter().position(|&byte| byte == b'\n').ok_or("ERR Invalid script shebang")?;
    let line = String::from_utf8_lossy(&source[..end]);
    let mut words = line.split_ascii_whitespace();
    let engine = words.next().unwrap_or_default();
    if engine != "#!lua" {
        return Err(format!("ERR Unexpected engine in script shebang: {engine}"));
    }
    let mut declared = Declared { is_declared: true, ..Declared::default() };
    for word in words {
        let flags =
            word.strip_prefix("flags=").ok_or_else(|| format!("ERR Unknown lua shebang option: {word}"))?;
        for flag in flags.split(',').filter(|flag| !flag.is_empty()) {
            if !FLAGS.contains(&flag) {
                return Err(format!("ERR Unexpected flag in script shebang: {flag}"));
            }
            declared.no_writes |= flag == "no-writes";
            declared.allow_oom |= flag == "allow-oom";
        }
    }
    Ok((declared, source[end..].to_vec()))
}

/// Whether a script has a first line that says that it writes nothing.
#[must_use]
pub fn says_it_reads(source: &[u8]) -> bool {
    source.starts_with(b"#!") && parse(source).is_ok_and(|(declared, _)| declared.no_writes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_lines() {
        let parsed = |source: &str| parse(source.as_bytes()).map(|(declared, _)| declared.no_writes);
        assert_eq!(parsed("return 1"), Ok(false));
        assert_eq!(parsed("#!lua flags=no-writes,allow-stale\nreturn 1"), Ok(true));
        assert_eq!(parsed("#!lua\nreturn 1"), Ok(false));
        assert!(
            parsed("#!lua").is_err() && parsed("#!python\n").is_err() && parsed("#!lua flags=x\n").is_err()
        );
        // Lines keep their numbers.
        assert_eq!(parse(b"#!lua\nreturn 1").unwrap().1, b"\nreturn 1");
    }
}
