//! How etcd knows us, and how we know etcd: login, certificates, and where they come from.

use std::{
    env, fmt, fs, io,
    path::{Path, PathBuf},
};

use etcd_client::{Certificate, Identity, TlsOptions};

use super::{RegistryError, endpoint::Endpoint};

/// The environment's password; there is no option for it, since everybody on a machine may see those.
const PASSWORD_VARIABLE: &str = "REDIS_CLUSTER_ETCD_PASSWORD";

/// The options that every program has for etcd.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "etcd")]
pub struct AccessArguments {
    /// User of etcd, if it has users; a password given here shows in `ps`
    #[arg(long, value_name = "USER[:PASSWORD]", env = "REDIS_CLUSTER_ETCD_USER", hide_env_values = true)]
    etcd_user: Option<HiddenText>,
    /// File with the password of etcd's user in its first line (also: REDIS_CLUSTER_ETCD_PASSWORD)
    #[arg(long, value_name = "FILE")]
    etcd_password_file: Option<PathBuf>,
    /// Certificates that sign that of an https:// etcd [default: those of the system]
    #[arg(long, value_name = "FILE", env = "REDIS_CLUSTER_ETCD_CACERT")]
    etcd_cacert: Option<PathBuf>,
    /// Certificate to show to etcd
    #[arg(long, value_name = "FILE", env = "REDIS_CLUSTER_ETCD_CERT")]
    etcd_cert: Option<PathBuf>,
    /// Key of that certificate
    #[arg(long, value_name = "FILE", env = "REDIS_CLUSTER_ETCD_KEY")]
    etcd_key: Option<PathBuf>,
}

impl AccessArguments {
    /// With what the environment has besides.
    #[must_use]
    pub fn access(self) -> Access {
        let (user, mut passwords) = match self.etcd_user {
            None => (None, Vec::new()),
            Some(HiddenText(text)) => match text.split_once(':') {
                None => (Some(text), Vec::new()),
                Some((user, password)) => (Some(user.to_owned()), vec![Password::Given(password.to_owned())]),
            },
        };
        passwords.extend(self.etcd_password_file.map(Password::File));
        passwords.extend(env::var(PASSWORD_VARIABLE).ok().map(Password::Given));
        Access { user, passwords, ca: self.etcd_cacert, certificate: self.etcd_cert, key: self.etcd_key }
    }
}

/// Text that no debug output shows.
#[derive(Clone)]
struct HiddenText(String);

impl fmt::Debug for HiddenText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl From<String> for HiddenText {
    fn from(text: String) -> Self {
        Self(text)
    }
}

/// Login and certificates for etcd, as they were given. A login may also stand in the URLs of the endpoints.
#[derive(Clone, Debug, Default)]
pub struct Access {
    user: Option<String>,
    /// More than one is an error, unless they are the same.
    passwords: Vec<Password>,
    ca: Option<PathBuf>,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
}

/// A password, or where it is.
#[derive(Clone, PartialEq, Eq)]
enum Password {
    Given(String),
    /// The first line of a file, read at each login.
    File(PathBuf),
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Given(_) => f.write_str("***"),
            Self::File(path) => path.fmt(f),
        }
    }
}

impl Password {
    fn read(&self) -> Result<String, String> {
        match self {
            Self::Given(password) => Ok(password.clone()),
            Self::File(path) => {
                let text =
                    String::from_utf8(read(path)?).map_err(|_| format!("{}: no UTF-8", path.display()))?;
                Ok(text.lines().next().unwrap_or_default().to_owned())
            }
        }
    }
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|error: io::Error| format!("{}: {error}", path.display()))
}

/// What a connection is made with. Files are read for each connection, so that what is renewed there is used.
#[derive(Clone, Debug)]
pub(super) struct Credentials {
    login: Option<(String, Password)>,
    ca: Option<PathBuf>,
    identity: Option<(PathBuf, PathBuf)>,
}

impl Credentials {
    /// Brings together what the options and the endpoints say; reads every file once.
    pub(super) fn new(access: &Access, endpoints: &[Endpoint]) -> Result<Self, RegistryError> {
        let invalid = |reason: String| RegistryError::Access { reason };
        let mut users: Vec<&str> = access.user.as_deref().into_iter().collect();
        let mut passwords = access.passwords.clone();
        for (user, password) in endpoints.iter().filter_map(Endpoint::login) {
            users.push(user);
            passwords.extend(password.map(|password| Password::Given(password.to_owned())));
        }
        users.dedup();
        passwords.dedup();
        let login = match (users.as_slice(), passwords.as_slice()) {
            ([], []) => None,
            ([user, _, ..], _) | ([user], [_, _, ..]) => {
                return Err(invalid(format!(
                    "two different logins (one is of {user:?}): a login stands in the URL, in --etcd-user and \
                     --etcd-password-file, or in the environment, and is the same for all endpoints"
                )));
            }
            ([""], _) | ([], _) => {
                return Err(invalid("a password without a user; --etcd-user names it".to_owned()));
            }
            ([user], []) => {
                return Err(invalid(format!(
                    "no password for user {user:?}; use --etcd-password-file or {PASSWORD_VARIABLE}"
                )));
            }
            ([user], [password]) => Some(((*user).to_owned(), password.clone())),
        };
        let identity = match (access.certificate.clone(), access.key.clone()) {
            (None, None) => None,
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (Some(_), None) => return Err(invalid("--etcd-cert wants --etcd-key".to_owned())),
            (None, Some(_)) => return Err(invalid("--etcd-key wants --etcd-cert".to_owned())),
        };
        let credentials = Self { login, ca: access.ca.clone(), identity };
        let has_files = credentials.ca.is_some() || credentials.identity.is_some();
        if has_files && !endpoints.iter().any(Endpoint::is_tls) {
            return Err(invalid("certificates are for https:// endpoints, and there is none".to_owned()));
        }
        credentials.login().map_err(invalid)?;
        if has_files {
            let tls = credentials.tls().map_err(invalid)?;
            // Reads what is in the files; connects to nothing.
            tonic::transport::Endpoint::from_static("https://localhost").tls_config(tls).map_err(
                |error| {
                    let cause = std::error::Error::source(&error)
                        .map_or_else(|| error.to_string(), ToString::to_string);
                    invalid(format!("the files of --etcd-cacert, --etcd-cert and --etcd-key: {cause}"))
                },
            )?;
        }
        Ok(credentials)
    }

    /// User and password.
    pub(super) fn login(&self) -> Result<Option<(String, String)>, String> {
        let Some((user, password)) = &self.login else { return Ok(None) };
        Ok(Some((user.clone(), password.read()?)))
    }

    /// What may be behind a connection that etcd closes without a word: the alert of TLS is not always seen.
    pub(super) fn suspicion(&self) -> &'static str {
        match self.identity {
            None => {
                "it may want a certificate: --etcd-cert and --etcd-key; or it may not speak TLS: then its URL is http://"
            }
            Some(_) => "it may not take the certificate of --etcd-cert",
        }
    }

    pub(super) fn has_login(&self) -> bool {
        self.login.is_some()
    }

    pub(super) fn tls(&self) -> Result<TlsOptions, String> {
        let mut tls = match &self.ca {
            Some(path) => {
                let pem = read(path)?;
                // Without one nobody would be trusted, and nobody told why.
                if memchr::memmem::find(&pem, b"-----BEGIN CERTIFICATE-----").is_none() {
                    return Err(format!(
                        "--etcd-cacert {}: there is no PEM certificate in it",
                        path.display()
                    ));
                }
                TlsOptions::new().ca_certificate(Certificate::from_pem(pem))
            }
            None => TlsOptions::new().with_native_roots(),
        };
        if let Some((certificate, key)) = &self.identity {
            tls = tls.identity(Identity::from_pem(read(certificate)?, read(key)?));
        }
        Ok(tls)
    }

    /// What an operator can do about a refusal, if it is about who we are.
    pub(super) fn advice(&self, reason: &str, prefix: &str) -> Option<String> {
        let user = self.login.as_ref().map(|(user, _)| user.as_str());
        let whom = user.map_or_else(|| "this certificate".to_owned(), |user| format!("user {user:?}"));
        if reason.contains("authentication failed") {
            Some(format!("{whom} has another password, or is not there"))
        } else if reason.contains("user name is empty") {
            Some(format!(
                "it has users: give --etcd-user and --etcd-password-file, or REDIS_CLUSTER_ETCD_USER and \
                 {PASSWORD_VARIABLE}"
            ))
        } else if reason.contains("permission denied") {
            Some(format!("{whom} needs a role with readwrite on the prefix {prefix}"))
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials(access: &Access, endpoints: &str) -> Result<Option<(String, String)>, String> {
        let endpoints = Endpoint::parse_all(&[endpoints.to_owned()]).unwrap();
        let credentials = Credentials::new(access, &endpoints).map_err(|error| error.to_string())?;
        credentials.login()
    }

    fn access(user: &str) -> Access {
        AccessArguments { etcd_user: Some(HiddenText(user.to_owned())), ..AccessArguments::default() }
            .access()
    }

    #[test]
    fn one_login_for_all_endpoints_wherever_it_stands() {
        let login = Ok(Some(("ops".to_owned(), "p@ss".to_owned())));
        assert_eq!(credentials(&Access::default(), "http://ops:p%40ss@a:1,http://b:1"), login);
        assert_eq!(credentials(&Access::default(), "http://ops:p%40ss@a:1,http://ops:p%40ss@b:1"), login);
        assert_eq!(credentials(&access("ops:p@ss"), "a:1,http://ops@b:1"), login);
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("password");
        fs::write(&file, "p@ss\nmore\n").unwrap();
        let from_file = Access { passwords: vec![Password::File(file)], ..access("ops") };
        assert_eq!(credentials(&from_file, "a:1"), login);
        assert_eq!(credentials(&Access::default(), "a:1"), Ok(None));
    }

    #[test]
    fn what_does_not_go_together_is_said_without_the_password() {
        let file = |path: &str| Access { passwords: vec![Password::File(path.into())], ..access("ops") };
        let pair = |certificate: Option<&str>, key: Option<&str>| Access {
            certificate: certificate.map(Into::into),
            key: key.map(Into::into),
            ..Access::default()
        };
        for (access, endpoints, wanted) in [
            (Access::default(), "http://ops:s3cret@a:1,http://dev:s3cret@b:1", "two different logins"),
            (Access::default(), "http://ops:s3cret@a:1,http://ops:s3cret2@b:1", "two different logins"),
            (access("ops:s3cret"), "http://ops:s3cret2@b:1", "two different logins"),
            (access("ops"), "a:1", "no password for user \"ops\""),
            (Access::default(), "http://:s3cret@a:1", "without a user"),
            (file("/nowhere/s"), "a:1", "/nowhere/s: No such file"),
            (pair(Some("c"), None), "https://a:1", "wants --etcd-key"),
            (pair(None, Some("k")), "https://a:1", "wants --etcd-cert"),
            (pair(Some("/nowhere/c"), Some("k")), "https://a:1", "/nowhere/c: No such file"),
            (pair(Some("c"), Some("k")), "http://a:1", "for https:// endpoints"),
            (
                Access { ca: Some(env!("CARGO_MANIFEST_DIR").into()), ..Access::default() },
                "https://a:1",
                "directory",
            ),
        ] {
            let error = credentials(&access, endpoints).unwrap_err();
            assert!(error.contains(wanted) && !error.contains("s3cret"), "{error}");
            assert!(!format!("{access:?}").contains("s3cret"), "{access:?}");
        }
    }
}
