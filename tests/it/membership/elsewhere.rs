//! A console that reaches etcd and proxies, and not the nodes: whoever drives looks at them for it.

use std::{
    io,
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use super::*;

/// Leads to a server; closed to one process.
struct Door {
    address: SocketAddr,
    shut_to: Arc<Mutex<Vec<u32>>>,
}

impl Door {
    fn to(server: &Server) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (inside, shut_to) = (server.address(), Arc::new(Mutex::new(Vec::new())));
        let shut = Arc::clone(&shut_to);
        thread::spawn(move || {
            for outside in listener.incoming().map_while(Result::ok) {
                let ends = (outside.peer_addr().unwrap(), outside.local_addr().unwrap());
                if shut.lock().unwrap().iter().any(|&process| owns(process, ends)) {
                    continue;
                }
                // It may have been killed.
                let Ok(inside) = TcpStream::connect(&inside) else { continue };
                for (mut from, mut to) in
                    [(outside.try_clone().unwrap(), inside.try_clone().unwrap()), (inside, outside)]
                {
                    thread::spawn(move || {
                        let _ = io::copy(&mut from, &mut to);
                        let _ = to.shutdown(Shutdown::Both);
                    });
                }
            }
        });
        Self { address, shut_to }
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// Whether a process has the socket from the first address to the second; also if nobody has it any more.
fn owns(process: u32, ends: (SocketAddr, SocketAddr)) -> bool {
    let written = |address| {
        let SocketAddr::V4(address) = address else { panic!("all is IPv4 here") };
        format!("{:08X}:{:04X}", u32::from_ne_bytes(address.ip().octets()), address.port())
    };
    let (from, to) = (written(ends.0), written(ends.1));
    // The table is read in parts, and sockets that come and go meanwhile push others out of what is seen.
    let inode = (0..1000).find_map(|_| {
        let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
        table.lines().find_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            (fields[1] == from && fields[2] == to).then(|| format!("socket:[{}]", fields[9]))
        })
    });
    let Some(inode) = inode else { return true };
    let files = std::fs::read_dir(format!("/proc/{process}/fd")).into_iter().flatten().flatten();
    let mut links = files.filter_map(|file| std::fs::read_link(file.path()).ok());
    links.any(|link| link.as_os_str() == inode.as_str())
}

impl Cluster {
    /// A console that none of these doors is open to.
    fn console_outside(&self, doors: &[&Door], words: &[&str]) -> (Option<i32>, String) {
        let mut locked: Vec<_> = doors.iter().map(|door| door.shut_to.lock().unwrap()).collect();
        let mut command = self.of.command(words);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        locked.iter_mut().for_each(|shut| shut.push(child.id()));
        drop(locked);
        let output = child.wait_with_output().unwrap();
        (output.status.code(), cluster_fixture::said(&output))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_driver_looks_at_nodes_for_a_console_that_cannot() {
    let Some(cluster) = Cluster::start() else { return };
    let nodes = [node("1"), node("2"), node("3")];
    let doors = nodes.each_ref().map(Door::to);
    let doors = doors.each_ref();
    // Nobody drives yet, and nobody can tell.
    let (status, said) = cluster.console_outside(&doors, &["plan", "add", "1", &doors[0].url()]);
    assert!(status == Some(4) && said.contains("cannot reach"), "{said}");
    let _proxy = proxy("1", &cluster.of.etcd.url());
    while cluster.registry.list(keys::PROXIES).await.unwrap().entries.is_empty() {}
    let (status, said) = cluster.console_outside(&doors, &["plan", "add", "1", &doors[0].url()]);
    assert!(status == Some(0) && said.contains("16384 slots would move"), "{said}");
    for (id, door) in ["1", "2"].iter().zip(&doors) {
        let (status, said) = cluster.console_outside(&doors, &["add", id, &door.url()]);
        assert!(status == Some(0) && said.contains(&format!("node {id} added")), "{said}");
    }
    // Refusals are the driver's.
    call(&nodes[2], "SET somebody else's").await;
    let (status, said) = cluster.console_outside(&doors, &["add", "3", &doors[2].url()]);
    assert!(
        status == Some(4) && said.contains("holds 1 key") && said.contains("nothing was changed"),
        "{said}"
    );
    // --force gives up what the driver cannot reach, not what this console cannot.
    for number in 0..100 {
        call(&nodes[0], &format!("SET mine:{number} v")).await;
    }
    let held = call(&nodes[0], "DBSIZE").await.as_i64();
    let (status, said) = cluster.console_outside(&doors, &["plan", "remove", "1"]);
    assert!(status == Some(0) && said.contains("8192 slots would move"), "{said}");
    let (status, said) = cluster.console_outside(&doors, &["remove", "1", "--force"]);
    assert!(status == Some(0) && said.contains("node 1 removed: 8192 slots"), "{said}");
    assert!(!said.contains("slots and 0 keys moved"), "they were moved: {said}");
    assert!(call(&nodes[1], "DBSIZE").await.as_i64() > Some(0), "{held:?}");
    // Nothing of the asking is left.
    let keys = keys_of(&cluster).await;
    assert!(!keys.iter().any(|key| key.starts_with("questions/") || key.starts_with("answers/")), "{keys:?}");
}
