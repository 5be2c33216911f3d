//! The cluster inside the console: what is started for a plan ends with it.

use std::{
    net::TcpStream,
    sync::{Arc, Mutex},
};

use cluster_fixture::within;
use redis_cluster::cluster::member::Address;
use redis_console::{
    embedded::Embedded,
    language::{self, Command},
    session::{Options, Session, StartsNodes, Status},
};

use crate::support::PATIENCE;

/// Remembers what was started.
#[derive(Debug)]
struct Recorded {
    inner: Arc<dyn StartsNodes>,
    started: Mutex<Vec<Address>>,
}

impl StartsNodes for Recorded {
    fn start_node(&self, id: &str) -> Result<Address, String> {
        let address = self.inner.start_node(id)?;
        self.started.lock().unwrap().push(address.clone());
        Ok(address)
    }

    fn keeps_keys(&self) -> bool {
        self.inner.keeps_keys()
    }

    fn stop_node(&self, address: &Address) {
        self.inner.stop_node(address);
    }
}

fn command(line: &str) -> Command {
    language::parse_line(line.as_bytes()).unwrap().unwrap().command
}

fn listens(address: &Address) -> bool {
    TcpStream::connect(address.connect_to()).is_ok()
}

#[test]
fn it_needs_no_login_whatever_the_environment_says_of_another_registry() {
    let mut command = cluster_fixture::console();
    command.args(["--embedded", "set", "k", "v"]);
    command
        .envs([("REDIS_CLUSTER_ETCD_USER", "ops:secret"), ("REDIS_CLUSTER_ETCD_CACERT", "/nowhere/ca.pem")]);
    let ran = crate::support::run(command, b"");
    assert_eq!((ran.text(), ran.code), ("OK\n", Some(0)), "{ran:?}");
}

#[test]
fn with_a_directory_its_keys_are_there_the_next_time() {
    let directory = tempfile::tempdir().unwrap();
    let says = |input: &str, words: &[&str]| {
        let mut command = cluster_fixture::console();
        command.arg("--dir").arg(directory.path()).args(words);
        let ran = crate::support::run(command, input.as_bytes());
        assert_eq!(ran.code, Some(0), "{ran:?}");
        ran.text().to_owned()
    };
    let lines: String = (0..300).map(|number| format!("set key:{number} {number}\n")).collect();
    says(&lines, &[]);
    assert_eq!(says("", &["dbsize"]), "300\n");
    assert_eq!(says("", &["add", "4"]).lines().count(), 1);
    assert_eq!(says("", &["mget", "key:0", "key:299"]), "0\n299\n");
    // A node that comes again under the name of one that left begins with nothing.
    says("remove 4\nadd 4\n", &[]);
    assert_eq!(says("", &["dbsize"]), "300\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_of_a_plan_that_is_refused_ends_again() {
    let mut cluster = Embedded::start("default", None).await.unwrap();
    cluster.ready().await.unwrap();
    let starter = Arc::new(Recorded { inner: cluster.starter(), started: Mutex::default() });
    let options = Options { endpoints: vec![cluster.url().to_owned()], ..Options::default() };
    let session = Session::open_with(options, Some(starter.clone())).unwrap();

    let refused = session.execute(command("add 4 --if-rev 1")).await;
    assert_eq!(refused.status, Status::Refused, "{refused:?}");
    let started = starter.started.lock().unwrap().clone();
    let [address] = started.as_slice() else { panic!("{started:?}") };
    assert!(within(PATIENCE, || !listens(address)), "{address} still listens");
    assert!(!session.now().nodes.contains_key(&"4".parse().unwrap()));

    let added = session.execute(command("add 4")).await;
    assert_eq!(added.status, Status::Done, "{added:?}");
    let address = starter.started.lock().unwrap()[1].clone();
    assert!(listens(&address), "a member stays");
    drop(session);
    cluster.stop().await;
}
