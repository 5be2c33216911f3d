//! The address of one member of etcd.

use super::{super::userinfo, RegistryError};

/// `http://[USER[:PASSWORD]@]HOST:PORT`, or `https://`.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Endpoint {
    /// Without the login.
    url: String,
    login: Option<(String, Option<String>)>,
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.url.fmt(f)
    }
}

impl Endpoint {
    /// Each string may hold several with commas; at least one in all.
    pub(super) fn parse_all(texts: &[String]) -> Result<Vec<Self>, RegistryError> {
        let mut endpoints: Vec<Self> = Vec::new();
        for text in texts {
            for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
                // Half a password may stand in a part without an `@`.
                let endpoint = Self::parse(part).map_err(|reason| match part.contains('@') {
                    false => RegistryError::Endpoint { endpoint: userinfo::masked(text), reason },
                    true => RegistryError::Endpoint { endpoint: userinfo::masked(part), reason },
                })?;
                match endpoints.iter_mut().find(|known| known.url == endpoint.url) {
                    // With two logins it is for `Credentials` to say that they differ.
                    Some(known) if known.login.is_none() => known.login = endpoint.login,
                    Some(known) if endpoint.login.is_none() || known.login == endpoint.login => {}
                    Some(_) | None => endpoints.push(endpoint),
                }
            }
        }
        if endpoints.is_empty() {
            let endpoint = userinfo::masked(&texts.join(","));
            return Err(RegistryError::Endpoint { endpoint, reason: "no endpoint is given".into() });
        }
        Ok(endpoints)
    }

    fn parse(text: &str) -> Result<Self, userinfo::Reason> {
        let (scheme, authority) = match text.split_once("://") {
            Some((scheme @ ("http" | "https"), rest)) => (scheme, rest),
            Some(_) => return Err("only http:// and https:// are known here".into()),
            None => ("http", text),
        };
        let authority = authority.strip_suffix('/').unwrap_or(authority);
        let (login, authority) = match authority.rsplit_once('@') {
            Some((login, authority)) => (Some(userinfo::parse(login)?), authority),
            None => (None, authority),
        };
        let (host, port) = authority.rsplit_once(':').ok_or("no port")?;
        let bare = match host.strip_prefix('[') {
            Some(inner) => inner.strip_suffix(']').ok_or("unbalanced brackets")?,
            None if host.contains(':') => return Err("an IPv6 address wants brackets".into()),
            None => host,
        };
        let letters = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '%');
        if bare.is_empty() || !bare.chars().all(letters) {
            return Err("no valid host".into());
        }
        let port: u16 = port
            .parse()
            .ok()
            .filter(|&port| port != 0)
            .ok_or("no valid port (a comma in a password is written %2C)")?;
        Ok(Self { url: format!("{scheme}://{host}:{port}"), login })
    }

    /// Without the login.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// User and password in the URL.
    pub(super) fn login(&self) -> Option<(&str, Option<&str>)> {
        self.login.as_ref().map(|(user, password)| (user.as_str(), password.as_deref()))
    }

    pub(super) fn is_tls(&self) -> bool {
        self.url.starts_with("https://")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn urls(text: &str) -> Result<Vec<String>, RegistryError> {
        Ok(Endpoint::parse_all(&[text.to_owned()])?.into_iter().map(|endpoint| endpoint.url).collect())
    }

    #[test]
    fn several_with_and_without_scheme() {
        assert_eq!(
            urls("http://a:2379/, b:1,http://[::1]:7").unwrap(),
            ["http://a:2379", "http://b:1", "http://[::1]:7"]
        );
        assert_eq!(urls("a:1,http://a:1,http://u:p@a:1").unwrap(), ["http://a:1"]);
        assert_eq!(urls("https://u:p@a:1,https://[::1]:7/").unwrap(), ["https://a:1", "https://[::1]:7"]);
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        for (text, reason) in [
            ("", "no endpoint"),
            (" , ", "no endpoint"),
            ("redis://a:1", "only http:// and https://"),
            ("http://a", "no port"),
            ("http://a:0", "no valid port"),
            ("http://a:66000", "no valid port"),
            ("http://:1", "no valid host"),
            ("http://a b:1", "no valid host"),
            ("http://a/x:1", "no valid host"),
            ("http://::1:1", "brackets"),
            ("http://ops:s3cret@a", "no port"),
            ("http://ops:s3cret%zz@a:1", "%zz in the login"),
            ("http://ops:s3cret,s3cret@a:1", "%2C"),
            ("ftp://ops:s3cret@a:1", "only http:// and https://"),
            ("b:1,http://ops:s3cret@a:x", "no valid port"),
        ] {
            let error = urls(text).unwrap_err().to_string();
            assert!(error.contains(reason) && error.contains("http://HOST:PORT"), "{text:?}: {error}");
            assert!(!error.contains("s3cret"), "{error}");
        }
    }
}
