//! etcd with users and TLS: real ones, set up by etcdctl and openssl as an operator does it.

use std::{
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use clap::Parser;
use cluster_fixture::{Server, console, etcd_binary, etcd_with, node, peer, proxy_with, within};
use redis_cluster::cluster::registry::{
    AccessArguments, Change, Commit, Registry, RegistryError, Txn, Watch, WatchEvent,
};

const PATIENCE: Duration = Duration::from_secs(20);
/// Of the user `ops`, and as it stands in a URL.
const PASSWORD: &str = "p@ss/w:%#é";
const ENCODED: &str = "p%40ss%2Fw%3A%25%23%C3%A9";
/// Longer than an etcd takes to start.
const LEASE: Duration = Duration::from_secs(6);
const VERSIONS: [&str; 2] = ["3.4", "3.5"];

/// The options as programs have them.
#[derive(Parser)]
struct Line {
    #[command(flatten)]
    access: AccessArguments,
}

fn open(url: &str, cluster: &str, options: &[&str]) -> Result<Registry, RegistryError> {
    let line = Line::try_parse_from([&["test"], options].concat()).unwrap();
    Registry::open_with(&[url.to_owned()], cluster, &line.access.access())
}

/// An etcd and the etcdctl that reaches it as root.
struct Guarded {
    server: Server,
    scheme: &'static str,
    etcdctl: std::path::PathBuf,
    options: Vec<String>,
}

impl Guarded {
    /// Without users yet.
    fn start(
        version: &str,
        scheme: &'static str,
        options: &[&str],
        etcdctl_options: &[String],
    ) -> Option<Self> {
        let (program, etcdctl) = (etcd_binary(version)?, peer("etcdctl", "etcd-client")?);
        let server = etcd_with(&program, scheme, options);
        Some(Self { server, scheme, etcdctl, options: etcdctl_options.to_vec() })
    }

    fn url(&self, login: &str) -> String {
        format!("{}://{login}{}", self.scheme, self.server.address())
    }

    fn etcdctl(&self, arguments: &[&str]) {
        let mut command = Command::new(&self.etcdctl);
        command.env("ETCDCTL_API", "3").arg(format!("--endpoints={}", self.url(""))).args(&self.options);
        let output = command.args(arguments).stdin(Stdio::null()).output().unwrap();
        assert!(
            output.status.success(),
            "etcdctl {arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    fn root(&self, arguments: &[&str]) {
        self.etcdctl(&[&["--user", "root:root"], arguments].concat());
    }

    /// `ops` may do what this program needs, and nothing else.
    fn add_users(&self) {
        self.etcdctl(&["user", "add", "root:root"]);
        self.etcdctl(&["user", "grant-role", "root", "root"]);
        self.etcdctl(&["role", "add", "redis-cluster"]);
        let prefix = "/redis-cluster/default/";
        self.etcdctl(&["role", "grant-permission", "redis-cluster", "--prefix=true", "readwrite", prefix]);
        self.etcdctl(&["user", "add", &format!("ops:{PASSWORD}")]);
        self.etcdctl(&["user", "grant-role", "ops", "redis-cluster"]);
        self.etcdctl(&["auth", "enable"]);
    }

    fn with_users(version: &str, options: &[&str]) -> Option<Self> {
        let guarded = Self::start(version, "http", options, &[])?;
        guarded.add_users();
        Some(guarded)
    }
}

async fn put(registry: &Registry, key: &str, value: &str) {
    let done = registry.commit(Txn::new().put(key, value.as_bytes().to_vec())).await.unwrap();
    assert!(matches!(done, Commit::Done { .. }), "{done:?}");
}

/// Waits until the watch has told that a key has this value.
async fn told(watch: &mut Watch, key: &str, value: &str) {
    let is_it =
        |entry: &redis_cluster::cluster::registry::Entry| entry.key == key && entry.value == value.as_bytes();
    let telling = async {
        loop {
            match watch.next().await {
                WatchEvent::Reset { entries, .. } if entries.iter().any(is_it) => return,
                WatchEvent::Changed { changes, .. }
                    if changes.iter().any(|c| matches!(c, Change::Put(entry) if is_it(entry))) =>
                {
                    return;
                }
                _ => {}
            }
        }
    };
    tokio::time::timeout(PATIENCE, telling).await.unwrap_or_else(|_| panic!("{key} is not told"));
}

/// An error that says what to do, shows no password, and does not pretend that etcd is away.
#[track_caller]
fn assert_refused(error: &RegistryError, wanted: &str) {
    let text = format!("{error} {error:?}");
    assert!(!error.is_outage() && text.contains(wanted), "{text}");
    assert!(!text.contains("p@ss") && !text.contains("p%40ss") && !text.contains("wr0ng"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_outlives_its_tokens_of_etcd_3_4() {
    a_login_outlives_its_tokens("3.4").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_outlives_its_tokens_of_etcd_3_5() {
    a_login_outlives_its_tokens("3.5").await;
}

async fn a_login_outlives_its_tokens(version: &str) {
    // Simple tokens live for so long after they were last used, and until etcd ends.
    let Some(mut etcd) = Guarded::with_users(version, &["--auth-token-ttl", "1"]) else { return };
    let registry = open(&etcd.url(&format!("ops:{ENCODED}@")), "default", &[]).unwrap();
    let mut watch = registry.watch("");
    let lease = registry.grant(LEASE).await.unwrap();
    let leased = Txn::new().put_leased("proxies/1", b"here".to_vec(), lease.id());
    assert!(matches!(registry.commit(leased).await.unwrap(), Commit::Done { .. }));
    told(&mut watch, "proxies/1", "here").await;
    // Longer than the lease and the token: nothing but keep-alives meanwhile.
    tokio::time::timeout(LEASE + Duration::from_secs(1), lease.lost())
        .await
        .expect_err("the lease is kept alive");
    put(&registry, "a", "1").await;
    told(&mut watch, "a", "1").await;
    // Users and roles change: tokens of before are too old.
    etcd.root(&["user", "add", "other:other"]);
    put(&registry, "a", "2").await;
    told(&mut watch, "a", "2").await;
    // Nobody there knows a token any more.
    etcd.server.kill();
    etcd.server.restart();
    put(&registry, "a", "3").await;
    told(&mut watch, "a", "3").await;
    assert!(lease.liveness().is_alive(), "{version}");
    tokio::time::timeout(LEASE + Duration::from_secs(1), lease.lost())
        .await
        .expect_err("the lease is kept alive");
    assert_eq!(registry.get("proxies/1").await.unwrap().map(|entry| entry.value), Some(b"here".to_vec()));
    lease.revoke().await.unwrap();
    assert_eq!(registry.get("proxies/1").await.unwrap(), None);
    // Whoever is not a user any more hears so at once.
    etcd.root(&["user", "delete", "ops"]);
    assert_refused(
        &registry.get("a").await.unwrap_err(),
        "user \"ops\" has another password, or is not there",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_say_what_to_do() {
    for version in VERSIONS {
        let Some(etcd) = Guarded::with_users(version, &[]) else { return };
        let login = format!("ops:{ENCODED}@");
        for (url, cluster, wanted) in [
            (etcd.url("ops:wr0ng@"), "default", "user \"ops\" has another password, or is not there"),
            (etcd.url(""), "default", "it has users: give --etcd-user"),
            (
                etcd.url(&login),
                "other",
                "user \"ops\" needs a role with readwrite on the prefix /redis-cluster/other/",
            ),
        ] {
            let registry = open(&url, cluster, &[]).unwrap();
            assert_refused(&registry.get("a").await.unwrap_err(), wanted);
            assert_refused(&registry.commit(Txn::new().put("a", b"1".to_vec())).await.unwrap_err(), wanted);
            let mut watch = registry.watch("");
            let WatchEvent::Down { error } = watch.next().await else { panic!("{version}: it is refused") };
            assert_refused(&error, wanted);
            let shown = format!("{registry:?} {:?}", registry.endpoints().collect::<Vec<_>>());
            assert!(!shown.contains("p%40ss") && !shown.contains("wr0ng"), "{shown}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_where_there_are_no_users_yet() {
    for version in VERSIONS {
        let Some(etcd) = Guarded::start(version, "http", &[], &[]) else { return };
        let registry = open(&etcd.url(&format!("ops:{ENCODED}@")), "default", &[]).unwrap();
        let mut watch = registry.watch("");
        put(&registry, "a", "1").await;
        told(&mut watch, "a", "1").await;
        etcd.add_users();
        put(&registry, "a", "2").await;
        told(&mut watch, "a", "2").await;
        // And back.
        etcd.root(&["auth", "disable"]);
        put(&registry, "a", "3").await;
        told(&mut watch, "a", "3").await;
    }
}

/// A CA, a certificate of 127.0.0.1, one of the user `ops`, and one that another CA signed.
fn certificates() -> Option<tempfile::TempDir> {
    let program = peer("openssl", "openssl")?;
    let directory = tempfile::tempdir().unwrap();
    let openssl = |arguments: &str| {
        let output =
            Command::new(&program).current_dir(&directory).args(arguments.split(' ')).output().unwrap();
        assert!(output.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&output.stderr));
    };
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    for ca in ["ca", "other-ca"] {
        openssl(&format!(
            "req -x509 {key} -keyout {ca}.key -out {ca}.pem -days 2 -subj /CN={ca} \
             -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign"
        ));
    }
    std::fs::write(directory.path().join("san"), "subjectAltName=IP:127.0.0.1\n").unwrap();
    for (name, ca) in [("server", "ca"), ("ops", "ca"), ("stranger", "other-ca")] {
        openssl(&format!("req -new {key} -keyout {name}.key -out {name}.csr -subj /CN={name}"));
        openssl(&format!(
            "x509 -req -in {name}.csr -CA {ca}.pem -CAkey {ca}.key -CAcreateserial -days 2 -out {name}.pem -extfile san"
        ));
    }
    Some(directory)
}

fn path(directory: &tempfile::TempDir, name: &str) -> String {
    directory.path().join(name).display().to_string()
}

/// An etcd that speaks TLS only, to those who show a certificate of its CA.
fn with_tls(version: &str, files: &tempfile::TempDir) -> Option<Guarded> {
    let file = |name: &str| path(files, name);
    let options = [
        "--cert-file",
        &file("server.pem"),
        "--key-file",
        &file("server.key"),
        "--client-cert-auth",
        "--trusted-ca-file",
        &file("ca.pem"),
    ];
    // Without a certificate that names a user, which etcd would take for the login.
    let etcdctl = ["--cacert", "ca.pem", "--cert", "server.pem", "--key", "server.key"]
        .map(|word| if Path::new(word).extension().is_some() { file(word) } else { word.to_owned() });
    Guarded::start(version, "https", &options, &etcdctl)
}

#[tokio::test(flavor = "multi_thread")]
async fn both_ends_show_certificates() {
    let Some(files) = certificates() else { return };
    let file = |name: &str| path(&files, name);
    for version in VERSIONS {
        let Some(etcd) = with_tls(version, &files) else { return };
        let identity = |name: &str| {
            vec![
                "--etcd-cert".to_owned(),
                file(&format!("{name}.pem")),
                "--etcd-key".to_owned(),
                file(&format!("{name}.key")),
            ]
        };
        let with = |ca: Option<&str>, name: Option<&str>| {
            let ca = ca.into_iter().flat_map(|ca| ["--etcd-cacert".to_owned(), file(ca)]);
            let options: Vec<String> = ca.chain(name.into_iter().flat_map(identity)).collect();
            let options: Vec<&str> = options.iter().map(String::as_str).collect();
            open(&etcd.url(""), "default", &options).unwrap()
        };
        let registry = with(Some("ca.pem"), Some("ops"));
        let mut watch = registry.watch("");
        let lease = registry.grant(Duration::from_secs(5)).await.unwrap();
        put(&registry, "a", "1").await;
        told(&mut watch, "a", "1").await;
        lease.revoke().await.unwrap();
        for (ca, name, wanted) in [
            (None, Some("ops"), "TLS: invalid peer certificate"),
            (Some("other-ca.pem"), Some("ops"), "TLS: invalid peer certificate"),
        ] {
            let registry = with(ca, name);
            assert_refused(&registry.get("a").await.unwrap_err(), wanted);
            let mut watch = registry.watch("");
            let WatchEvent::Down { error } = watch.next().await else { panic!("{version}: it is refused") };
            assert_refused(&error, wanted);
        }
        // Whether the alert is seen before the connection closes is a matter of luck.
        for (name, wanted) in
            [(None, "it may want a certificate"), (Some("stranger"), "it may not take the certificate")]
        {
            let error = with(Some("ca.pem"), name).get("a").await.unwrap_err().to_string();
            assert!(
                error.contains(wanted) || error.contains("TLS: received fatal alert"),
                "{version}: {error}"
            );
        }
        let plain = Guarded::start(version, "http", &[], &[]).unwrap();
        let https = format!("https://{}", plain.server.address());
        let error = open(&https, "default", &[]).unwrap().get("a").await.unwrap_err();
        assert!(error.to_string().contains("it may not speak TLS"), "{version}: {error}");
        let garbage = open(&etcd.url(""), "default", &["--etcd-cacert", &file("san")]);
        assert_refused(&garbage.unwrap_err(), "--etcd-cacert");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_a_login_too() {
    let Some(files) = certificates() else { return };
    let file = |name: &str| path(&files, name);
    for version in VERSIONS {
        let Some(etcd) = with_tls(version, &files) else { return };
        etcd.add_users();
        let (ca, certificate, key) = (file("ca.pem"), file("ops.pem"), file("ops.key"));
        let options = ["--etcd-cacert", &ca, "--etcd-cert", &certificate, "--etcd-key", &key];
        let registry = open(&etcd.url(""), "default", &options).unwrap();
        let mut watch = registry.watch("");
        put(&registry, "a", "1").await;
        told(&mut watch, "a", "1").await;
        let (certificate, key) = (file("server.pem"), file("server.key"));
        let options = ["--etcd-cacert", &ca, "--etcd-cert", &certificate, "--etcd-key", &key];
        let registry = open(&etcd.url(&format!("ops:{ENCODED}@")), "default", &options).unwrap();
        assert_eq!(registry.get("a").await.unwrap().map(|entry| entry.value), Some(b"1".to_vec()));
    }
}

/// What a program printed, and how it ended.
fn run(mut command: Command) -> (String, Option<i32>) {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (String::from_utf8(text).unwrap(), output.status.code())
}

#[test]
fn the_programs_with_users_and_tls() {
    let Some(files) = certificates() else { return };
    let file = |name: &str| path(&files, name);
    for version in VERSIONS {
        let Some(etcd) = with_tls(version, &files) else { return };
        etcd.add_users();
        std::fs::write(file("password"), format!("{PASSWORD}\n")).unwrap();
        let (ca, certificate, key, password) =
            (file("ca.pem"), file("server.pem"), file("server.key"), file("password"));
        let tls = ["--etcd-cacert", &ca, "--etcd-cert", &certificate, "--etcd-key", &key];
        let login = ["--etcd-user", "ops", "--etcd-password-file", &password];
        let proxy = proxy_with("1", &etcd.url(""), &[&tls[..], &login].concat());
        let node = node("1");
        let ask = |etcd: &str, words: &[&str], password: Option<&str>| {
            let mut command = console();
            command.arg(etcd).args(words);
            command.envs([
                ("REDIS_CLUSTER_ETCD_CACERT", &ca),
                ("REDIS_CLUSTER_ETCD_CERT", &certificate),
                ("REDIS_CLUSTER_ETCD_KEY", &key),
            ]);
            if let Some(password) = password {
                command.envs([("REDIS_CLUSTER_ETCD_USER", "ops"), ("REDIS_CLUSTER_ETCD_PASSWORD", password)]);
            }
            run(command)
        };
        let url = etcd.url("");
        let (text, code) = ask(&url, &["add", "1", &node.url()], Some(PASSWORD));
        assert_eq!(code, Some(0), "{version}: {text}");
        let (text, code) = ask(&url, &["set", "k", "v"], Some(PASSWORD));
        assert_eq!((text.as_str(), code), ("OK\n", Some(0)), "{version}");
        let (text, code) = ask(&etcd.url(&format!("ops:{ENCODED}@")), &["show", "audit"], None);
        assert!(code == Some(0) && text.contains("add 1"), "{version}: {text}");
        // Refused, which is not out of reach.
        for words in [&["show", "nodes"][..], &["get", "k"], &["add", "2", "http://127.0.0.1:1"]] {
            let (text, code) = ask(&url, words, Some("wr0ng"));
            assert_eq!(code, Some(4), "{version} {words:?}: {text}");
            assert!(text.contains("user \"ops\" has another password") && !text.contains("wr0ng"), "{text}");
            let (text, code) = ask(&url, words, None);
            assert_eq!(code, Some(4), "{version} {words:?}: {text}");
        }
        let (text, code) = ask(&etcd.url("dev:x@"), &["get", "k"], Some(PASSWORD));
        assert!(code == Some(2) && text.contains("two different logins"), "{code:?} {text}");
        let shown = std::fs::read_to_string(format!("/proc/{}/cmdline", proxy.pid())).unwrap();
        assert!(!shown.contains("p@ss") && !proxy.log().contains("p@ss"), "{shown}\n{}", proxy.log());
        let mut refused = Command::new(cluster_fixture::binary("proxy_node"));
        refused.args(["2", "127.0.0.1:0", &etcd.url("ops:wr0ng@")]).args(tls);
        let (text, code) = run(refused);
        assert!(code == Some(1) && text.contains("user \"ops\" has another password"), "{code:?} {text}");
        assert!(!text.contains("wr0ng"), "{text}");
        assert!(within(PATIENCE, || proxy.log().contains("registered")), "{}", proxy.log());
    }
}
