//! Users of the whole cluster: changed at one proxy, enforced at all, kept in etcd.

use cluster_fixture::proxy_with;
use redis_cluster::server::grpc::v1::{self, redis_client::RedisClient};

use super::*;

fn ok() -> Value {
    Value::Simple("OK".into())
}

const NO_KEY: &str = "NOPERM this user has no permissions to access one of the keys used as arguments";

async fn connect(proxy: &Server) -> Connection {
    Connection::connect(&proxy.address(), TIMEOUT).await.unwrap()
}

/// A change that was made at another proxy is heard of within this.
const HEARD: Duration = Duration::from_secs(1);

/// Asks again until the reply is this, within [`HEARD`].
async fn comes_to(connection: &mut Connection, command: &str, reply: &Value) {
    let deadline = Instant::now() + HEARD;
    loop {
        let said = call(connection, command).await;
        if said == *reply {
            return;
        }
        assert!(Instant::now() < deadline, "{command}: {said:?}, not {reply:?}");
        tokio::task::yield_now().await;
    }
}

/// The connection is closed, whatever it is asked.
async fn is_closed(connection: &mut Connection) {
    let deadline = Instant::now() + HEARD;
    while connection.call(&["PING"]).await.is_ok() {
        assert!(Instant::now() < deadline, "it is still open");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_is_changed_at_one_proxy_is_in_force_at_all() {
    let Some(cluster) = Cluster::start().await else { return };
    let second = proxy("2", &cluster.etcd.url());
    cluster.proxy_comes_to("2", Epoch(1)).await;
    let (mut here, mut there) = (cluster.connect().await, connect(&second).await);
    let (mine, other) = (key_of(1, 1), key_of(2, 1));
    let rules = format!("ACL SETUSER alice on >s3cret ~{mine} &news +@all -acl|deluser (+set ~{other})");
    assert_eq!(call(&mut here, &rules).await, ok());
    // In force here with the reply; there soon.
    let mut alice = cluster.connect().await;
    assert_eq!(call(&mut alice, "AUTH alice s3cret").await, ok());
    let mut away = connect(&second).await;
    comes_to(&mut away, "AUTH alice s3cret", &ok()).await;
    for alice in [&mut alice, &mut away] {
        assert_eq!(call(alice, "ACL WHOAMI").await, Value::Bulk("alice".into()));
        assert_eq!(call(alice, &format!("SET {mine} 1")).await, ok());
        assert_eq!(call(alice, &format!("SET {other} 1")).await, ok());
        assert_eq!(error(&call(alice, &format!("GET {other}")).await), NO_KEY);
        assert_eq!(error(&call(alice, &format!("MGET {mine} {other}")).await), NO_KEY);
        assert_eq!(
            error(&call(alice, "ACL DELUSER alice").await),
            "NOPERM this user has no permissions to run the 'acl|deluser' command"
        );
    }
    // Anybody can read it in etcd, and no password.
    let entry = cluster.registry.get("acl/alice").await.unwrap().expect("it is there");
    let text = String::from_utf8(entry.value).unwrap();
    assert!(
        text.starts_with("{\"rules\":\"user alice on #") && text.contains("\"changed_by\":\"proxy 1\""),
        "{text}"
    );
    assert!(!text.contains("s3cret"), "{text}");
    // Changes through several proxies add up; those of the other one are here soon.
    let more = (0..20).map(|number| {
        let command = format!("ACL SETUSER alice ~more{number}");
        let address = [&cluster.proxy, &second][number % 2].address();
        async move {
            let mut connection = Connection::connect(&address, TIMEOUT).await.unwrap();
            assert_eq!(call(&mut connection, &command).await, ok());
        }
    });
    futures::future::join_all(more).await;
    let deadline = Instant::now() + TIMEOUT;
    let lines = loop {
        let Value::Array(lines) = call(&mut here, "ACL LIST").await else { panic!("lines") };
        let mut shown = lines.iter().map(|line| format!("{line:?}"));
        let line = shown.find(|line| line.contains("user alice")).unwrap();
        if (0..20).all(|number| line.contains(&format!("~more{number} "))) {
            break lines;
        }
        assert!(Instant::now() < deadline, "{line}");
    };
    comes_to(&mut there, "ACL LIST", &Value::Array(lines)).await;
    // Who loses channels loses its connection; who is deleted loses all, at every proxy.
    let mut hears = connect(&second).await;
    assert_eq!(call(&mut hears, "AUTH alice s3cret").await, ok());
    call(&mut hears, "SUBSCRIBE news").await;
    assert_eq!(call(&mut here, "ACL SETUSER alice resetchannels").await, ok());
    is_closed(&mut hears).await;
    assert_eq!(call(&mut away, "PING").await, Value::Simple("PONG".into()));
    assert_eq!(call(&mut here, "ACL DELUSER alice nobody").await, Value::Integer(1));
    assert!(alice.call(&["PING"]).await.is_err(), "closed before the reply to who deleted it");
    is_closed(&mut away).await;
    comes_to(&mut there, "ACL GETUSER alice", &Value::Null).await;
    // Who deletes itself has the reply first.
    assert_eq!(call(&mut here, "ACL SETUSER bob on nopass +@all").await, ok());
    let mut bob = cluster.connect().await;
    assert_eq!(call(&mut bob, "AUTH bob x").await, ok());
    assert_eq!(call(&mut bob, "ACL DELUSER bob").await, Value::Integer(1));
    assert!(bob.call(&["PING"]).await.is_err());
}

#[tokio::test]
async fn without_etcd_the_last_known_users_stay() {
    let Some(mut cluster) = Cluster::start().await else { return };
    let mut here = cluster.connect().await;
    assert_eq!(call(&mut here, "ACL SETUSER alice on nopass ~a +get +ping").await, ok());
    cluster.etcd.kill();
    let mut alice = cluster.connect().await;
    assert_eq!(call(&mut alice, "AUTH alice x").await, ok());
    assert_eq!(error(&call(&mut alice, "GET b").await), NO_KEY);
    assert_eq!(call(&mut alice, "GET a").await, Value::Null);
    for command in ["ACL SETUSER alice ~b", "ACL DELUSER alice"] {
        let text = error(&call(&mut here, command).await);
        assert!(
            text.starts_with("ERR users were not changed, the last known ones stay in force: "),
            "{text}"
        );
    }
    assert_eq!(error(&call(&mut alice, "GET b").await), NO_KEY);
}

#[tokio::test]
async fn the_default_user_is_restricted_for_a_proxy_that_starts_too() {
    let Some(cluster) = Cluster::start().await else { return };
    let mut here = cluster.connect().await;
    assert_eq!(call(&mut here, "ACL SETUSER root on >root ~* &* +@all").await, ok());
    assert_eq!(call(&mut here, "ACL SETUSER default resetkeys ~open:* -@all +get +acl|whoami").await, ok());
    assert_eq!(error(&call(&mut here, "GET a").await), NO_KEY);
    let late = proxy_with("2", &cluster.etcd.url(), &["--requirepass", "own"]);
    let mut there = connect(&late).await;
    assert_eq!(error(&call(&mut there, "GET a").await), NO_KEY);
    assert_eq!(call(&mut there, "ACL WHOAMI").await, Value::Bulk("default".into()));
    assert!(error(&call(&mut there, "ACL LIST").await).starts_with("NOPERM"));
    // Of --requirepass nothing is left: the registry has a default user.
    assert_eq!(call(&mut there, "AUTH root root").await, ok());
    let Value::Array(users) = call(&mut there, "ACL USERS").await else { panic!("names") };
    assert_eq!(users, [Value::Bulk("default".into()), Value::Bulk("root".into())]);
    // When it has none any more, the option counts.
    let gone = cluster.registry.commit(Txn::new().delete("acl/default")).await.unwrap();
    assert!(gone.is_done());
    let mut stranger = connect(&late).await;
    let deadline = Instant::now() + HEARD;
    while error(&call(&mut stranger, "GET a").await) != "NOAUTH Authentication required." {
        assert!(Instant::now() < deadline, "{}", late.log());
        stranger = connect(&late).await;
    }
    assert_eq!(call(&mut stranger, "AUTH own").await, ok());
    assert_eq!(call(&mut stranger, "GET a").await, Value::Null);
    // Changing it begins with what it is here.
    assert_eq!(call(&mut stranger, "ACL SETUSER default >second").await, ok());
    let entry = cluster.registry.get("acl/default").await.unwrap().expect("it is there again");
    let text = String::from_utf8(entry.value).unwrap();
    assert_eq!(text.matches('#').count(), 2, "{text}");
}

#[tokio::test]
async fn rights_that_are_taken_away_before_exec() {
    let Some(cluster) = Cluster::start().await else { return };
    let (mut here, mut alice) = (cluster.connect().await, cluster.connect().await);
    call(&mut here, "ACL SETUSER alice on nopass ~a +@all").await;
    call(&mut alice, "AUTH alice x").await;
    for command in ["MULTI", "SET a 1", "INCR a"] {
        call(&mut alice, command).await;
    }
    assert_eq!(call(&mut here, "ACL SETUSER alice -incr").await, ok());
    assert_eq!(
        error(&call(&mut alice, "EXEC").await),
        "EXECABORT Transaction discarded because of: NOPERM ACLs rules changed between the moment the transaction was \
         accumulated and the EXEC call. This command is no longer allowed for the following reason: no permission to execute \
         the command or subcommand"
    );
    assert_eq!(call(&mut here, "GET a").await, Value::Null, "nothing ran");
    call(&mut alice, "MULTI").await;
    assert_eq!(error(&call(&mut alice, "SET b 1").await), NO_KEY);
    assert!(error(&call(&mut alice, "EXEC").await).starts_with("EXECABORT"));
    let log = call(&mut here, "ACL LOG 1").await;
    assert!(format!("{log:?}").contains("multi"), "{log:?}");
}

/// Declared keys are checked; what a script does beside them cannot be, so it takes more than the command.
#[tokio::test]
async fn scripts_take_all_of_their_category() {
    let Some(cluster) = Cluster::start().await else { return };
    let (mut here, mut alice) = (cluster.connect().await, cluster.connect().await);
    call(&mut here, "ACL SETUSER alice on nopass ~a +eval +fcall").await;
    call(&mut alice, "AUTH alice x").await;
    for command in ["EVAL return(1) 1 a", "EVAL return(1) 0", "FCALL f 0"] {
        let text = error(&call(&mut alice, command).await);
        assert!(text.ends_with("so it takes all of +@scripting"), "{text}");
    }
    assert_eq!(error(&call(&mut alice, "EVAL return(1) 1 b").await), NO_KEY);
    call(&mut here, "ACL SETUSER alice +@scripting +multi +exec").await;
    assert_eq!(call(&mut alice, "EVAL return(1) 1 a").await, Value::Integer(1));
    assert_eq!(error(&call(&mut alice, "EVAL return(1) 1 b").await), NO_KEY);
    call(&mut alice, "MULTI").await;
    assert_eq!(error(&call(&mut alice, "EVAL return(1) 1 b").await), NO_KEY);
}

#[tokio::test]
async fn callers_of_grpc_are_users_too() {
    let Some(cluster) = Cluster::start().await else { return };
    let mut here = cluster.connect().await;
    call(&mut here, "ACL SETUSER alice on >pw ~a +get").await;
    let mut client = RedisClient::connect(format!("http://{}", cluster.proxy.address())).await.unwrap();
    let mut execute = async |words: &[&'static str]| {
        let arguments = words.iter().map(|word| bytes::Bytes::from_static(word.as_bytes())).collect();
        let mut request = tonic::Request::new(v1::Command { arguments, database: 0 });
        request.metadata_mut().insert("username", "alice".parse().unwrap());
        request.metadata_mut().insert("password", "pw".parse().unwrap());
        format!("{:?}", client.execute(request).await.unwrap().into_inner().value)
    };
    assert!(execute(&["GET", "a"]).await.contains("Null"));
    assert!(execute(&["GET", "b"]).await.contains(NO_KEY));
    assert!(execute(&["SET", "a", "b"]).await.contains("run the 'set' command"));
    // Nobody in particular is the default user, in RESP3 whether it must log in or not.
    call(&mut here, "ACL SETUSER default >pw").await;
    let mut request = tonic::Request::new(v1::Command {
        arguments: vec![bytes::Bytes::from_static(b"HGETALL"), bytes::Bytes::from_static(b"h")],
        database: 0,
    });
    request.metadata_mut().insert("password", "pw".parse().unwrap());
    let reply = format!("{:?}", client.execute(request).await.unwrap().into_inner().value);
    assert!(reply.contains("Map"), "{reply}");
}
