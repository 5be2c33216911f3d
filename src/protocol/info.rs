//! The text of `INFO`: sections of `field:value` lines, and what a line about a database says.

/// One line that says something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// `# Name`: what follows belongs to it.
    Section(&'a str),
    /// `field:value`.
    Field(&'a str, &'a str),
}

/// The lines of a text; others than these are left out.
pub fn lines(text: &str) -> impl Iterator<Item = Line<'_>> {
    text.lines().filter_map(|line| match line.strip_prefix("# ") {
        Some(section) => Some(Line::Section(section.trim())),
        None => line.split_once(':').map(|(field, value)| Line::Field(field, value.trim_end())),
    })
}

/// All fields, whatever their section.
pub fn fields(text: &str) -> impl Iterator<Item = (&str, &str)> {
    lines(text).filter_map(|line| match line {
        Line::Field(field, value) => Some((field, value)),
        Line::Section(_) => None,
    })
}

/// The value of one field.
#[must_use]
pub fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    fields(text).find(|(field, _)| *field == name).map(|(_, value)| value)
}

/// The number in a field that has one.
#[must_use]
pub fn number(text: &str, name: &str) -> Option<u64> {
    field(text, name)?.parse().ok()
}

/// Which program answers, and its version: `redis_node 0.1.0`, `redis 7.0.15`. What says of itself that it is another program
/// also says which Redis it stands in for; its own name counts.
#[must_use]
pub fn version(text: &str) -> Option<String> {
    let names =
        [("redis_cluster_version", "redis_node"), ("valkey_version", "valkey"), ("redis_version", "redis")];
    names.iter().find_map(|(named, program)| Some(format!("{program} {}", field(text, named)?)))
}

/// What a database holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Database {
    /// Its number.
    pub number: u32,
    /// Keys in it.
    pub keys: u64,
    /// Those with an expiry.
    pub expires: u64,
}

/// `db0:keys=3,expires=1,avg_ttl=0`, if a field is that of a database.
#[must_use]
pub fn database(field: &str, value: &str) -> Option<Database> {
    let mut database = Database { number: field.strip_prefix("db")?.parse().ok()?, ..Database::default() };
    for (name, count) in value.split(',').filter_map(|pair| pair.split_once('=')) {
        match name {
            "keys" => database.keys = count.trim().parse().ok()?,
            "expires" => database.expires = count.trim().parse().unwrap_or_default(),
            _ => {}
        }
    }
    Some(database)
}

/// All databases that hold something.
pub fn databases(text: &str) -> impl Iterator<Item = Database> {
    fields(text).filter_map(|(field, value)| database(field, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# Server\r\nredis_version:7.0.15\r\nexecutable:/a:b\r\n\r\n# Keyspace\r\n\
                        db0:keys=3,expires=1,avg_ttl=0\r\ndb12:keys=4,expires=0\r\ndbx:keys=1\r\n";

    #[test]
    fn a_program_is_called_by_its_own_name() {
        for (text, expected) in [
            ("redis_version:7.2.4\r\nredis_cluster_version:0.1.0\r\n", Some("redis_node 0.1.0")),
            ("redis_version:7.2.4\r\nvalkey_version:8.0.1\r\n", Some("valkey 8.0.1")),
            (TEXT, Some("redis 7.0.15")),
            ("# Server\r\n", None),
        ] {
            assert_eq!(version(text).as_deref(), expected);
        }
    }

    #[test]
    fn a_text_is_taken_apart() {
        let all: Vec<Line<'_>> = lines(TEXT).collect();
        assert_eq!(all[0], Line::Section("Server"));
        assert_eq!(all[2], Line::Field("executable", "/a:b"));
        assert_eq!(all.len(), 7);
        assert_eq!(field(TEXT, "redis_version"), Some("7.0.15"));
        assert_eq!((field(TEXT, "redis"), number(TEXT, "redis_version")), (None, None));
        let all: Vec<Database> = databases(TEXT).collect();
        assert_eq!(
            all,
            [Database { number: 0, keys: 3, expires: 1 }, Database { number: 12, keys: 4, expires: 0 }]
        );
    }
}
