//! One client connection as commands see it.

/// State of a connection.
#[derive(Debug, Default)]
pub struct Session {
    /// `SELECT`ed database.
    pub database: usize,
    /// `CLIENT NO-TOUCH`: what this client reads does not become younger by it.
    pub no_touch: bool,
}
