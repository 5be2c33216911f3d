//! What only the embedded registry promises: its directory, its file, its end.

use std::time::Duration;

use redis_cluster::cluster::registry::{
    Registry, Txn,
    embedded::{self, EmbeddedError, Handle, Storage},
};

async fn serve(storage: Storage) -> Result<Handle, EmbeddedError> {
    embedded::serve(tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap(), storage).await
}

fn open(handle: &Handle) -> Registry {
    Registry::open(&[handle.url().to_owned()], "test").unwrap()
}

#[tokio::test]
async fn a_stop_is_quick_and_gives_the_directory_free() {
    let directory = tempfile::tempdir().unwrap();
    let storage = || Storage::Directory(directory.path().join("new"));
    for round in 0..3 {
        let handle = serve(storage()).await.unwrap();
        let second = serve(storage()).await.unwrap_err();
        assert!(matches!(second, EmbeddedError::Locked { .. }));
        assert!(second.to_string().contains(directory.path().to_str().unwrap()), "{second}");
        let registry = open(&handle);
        assert_eq!(registry.list("").await.unwrap().entries.len(), round);
        // A watch and a lease are open when it stops.
        let _watch = registry.watch("");
        let _lease = registry.grant(Duration::from_secs(60)).await.unwrap();
        registry.commit(Txn::new().put(format!("k{round}"), "v")).await.unwrap();
        tokio::time::timeout(Duration::from_secs(5), handle.stop()).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn leases_begin_anew_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let storage = || Storage::Directory(directory.path().to_owned());
    let handle = serve(storage()).await.unwrap();
    let mut client = etcd_client::Client::connect([handle.url()], None).await.unwrap();
    let lease = client.lease_client().grant(2, None).await.unwrap().id();
    let options = || Some(etcd_client::PutOptions::new().with_lease(lease));
    client.put("kept", "1", options()).await.unwrap();
    client.put("moved", "1", options()).await.unwrap();
    client.put("moved", "2", None).await.unwrap();
    handle.stop().await.unwrap();
    let handle = serve(storage()).await.unwrap();
    let mut client = etcd_client::Client::connect([handle.url()], None).await.unwrap();
    let options = etcd_client::LeaseTimeToLiveOptions::new().with_keys();
    let left = client.lease_client().time_to_live(lease, Some(options)).await.unwrap();
    assert_eq!((left.granted_ttl(), left.keys()), (2, [b"kept".to_vec()].as_slice()));
    let mut watch = client.watch("", Some(etcd_client::WatchOptions::new().with_all_keys())).await.unwrap();
    let gone = tokio::time::timeout(Duration::from_secs(5), async {
        loop {
            let message = watch.message().await.unwrap().unwrap();
            if let Some(event) = message.events().first() {
                return event.kv().unwrap().key().to_vec();
            }
        }
    });
    assert_eq!(gone.await.unwrap(), b"kept");
    assert_eq!(client.get("moved", None).await.unwrap().kvs()[0].value(), b"2");
    assert!(client.get("kept", None).await.unwrap().kvs().is_empty());
}

#[tokio::test]
async fn the_file_stays_small_and_true_while_one_key_changes_often() {
    let directory = tempfile::tempdir().unwrap();
    let storage = || Storage::Directory(directory.path().to_owned());
    let handle = serve(storage()).await.unwrap();
    let client = etcd_client::Client::connect([handle.url()], None).await.unwrap();
    let value = vec![b'x'; 256 << 10];
    let mut last = 0;
    for _ in 0..20 {
        // Sixteen at once share their syncs.
        let puts =
            (0..16).map(|number| {
                let (mut kv, value) = (client.kv_client(), value.clone());
                async move {
                    kv.put(format!("k{number}"), value, None).await.unwrap().header().unwrap().revision()
                }
            });
        last = futures::future::join_all(puts).await.into_iter().max().unwrap();
    }
    handle.stop().await.unwrap();
    let size = std::fs::metadata(directory.path().join("registry")).unwrap().len();
    assert!(size < 64 << 20, "{size} bytes for 4 MB");
    let handle = serve(storage()).await.unwrap();
    let mut client = etcd_client::Client::connect([handle.url()], None).await.unwrap();
    let options = etcd_client::GetOptions::new().with_all_keys().with_keys_only();
    let all = client.get("", Some(options)).await.unwrap();
    assert_eq!((all.header().unwrap().revision(), all.count()), (last, 16));
    assert!(all.kvs().iter().all(|kv| kv.version() == 20));
}
