//! The address of one member of etcd.

use super::RegistryError;

/// `http://HOST:PORT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Endpoint {
    url: String,
}

impl Endpoint {
    /// Each string may hold several with commas; at least one in all.
    pub(super) fn parse_all(texts: &[String]) -> Result<Vec<Self>, RegistryError> {
        let mut endpoints = Vec::new();
        for part in texts.iter().flat_map(|text| text.split(',')).map(str::trim) {
            if part.is_empty() {
                continue;
            }
            let endpoint = Self::parse(part)?;
            if !endpoints.contains(&endpoint) {
                endpoints.push(endpoint);
            }
        }
        if endpoints.is_empty() {
            let endpoint = texts.join(",");
            return Err(RegistryError::Endpoint { endpoint, reason: "no endpoint is given" });
        }
        Ok(endpoints)
    }

    fn parse(text: &str) -> Result<Self, RegistryError> {
        let invalid = |reason| RegistryError::Endpoint { endpoint: text.to_owned(), reason };
        let authority = match text.split_once("://") {
            Some(("http", rest)) => rest,
            Some(("https", _)) => return Err(invalid("TLS is not supported yet")),
            Some(_) => return Err(invalid("only http:// is known here")),
            None => text,
        };
        let authority = authority.strip_suffix('/').unwrap_or(authority);
        if authority.contains('@') {
            return Err(invalid("a login is not supported"));
        }
        let (host, port) = authority.rsplit_once(':').ok_or_else(|| invalid("no port"))?;
        let bare = match host.strip_prefix('[') {
            Some(inner) => inner.strip_suffix(']').ok_or_else(|| invalid("unbalanced brackets"))?,
            None if host.contains(':') => return Err(invalid("an IPv6 address wants brackets")),
            None => host,
        };
        let letters = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '%');
        if bare.is_empty() || !bare.chars().all(letters) {
            return Err(invalid("no valid host"));
        }
        let port: u16 =
            port.parse().ok().filter(|&port| port != 0).ok_or_else(|| invalid("no valid port"))?;
        Ok(Self { url: format!("http://{host}:{port}") })
    }

    pub(super) fn url(&self) -> &str {
        &self.url
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
        assert_eq!(urls("a:1,http://a:1").unwrap(), ["http://a:1"]);
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        for (text, reason) in [
            ("", "no endpoint"),
            (" , ", "no endpoint"),
            ("https://a:1", "TLS is not supported yet"),
            ("redis://a:1", "only http://"),
            ("http://a", "no port"),
            ("http://a:0", "no valid port"),
            ("http://a:66000", "no valid port"),
            ("http://:1", "no valid host"),
            ("http://a b:1", "no valid host"),
            ("http://a/x:1", "no valid host"),
            ("http://::1:1", "brackets"),
            ("http://u:p@a:1", "login"),
        ] {
            let error = urls(text).unwrap_err().to_string();
            assert!(error.contains(reason) && error.contains("http://HOST:PORT"), "{text:?}: {error}");
        }
    }
}
