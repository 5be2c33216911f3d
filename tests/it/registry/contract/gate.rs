//! A way to a server that can be closed and opened.

/// See the module.
pub(super) struct Gate {
    pub(super) url: String,
    open: tokio::sync::watch::Sender<bool>,
}

impl Gate {
    pub(super) async fn to(server: String) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (open, is_open) = tokio::sync::watch::channel(true);
        tokio::spawn(async move {
            loop {
                let (mut client, _) = listener.accept().await.unwrap();
                let (server, mut is_open) = (server.clone(), is_open.clone());
                tokio::spawn(async move {
                    let forward = async {
                        let Ok(mut upstream) = tokio::net::TcpStream::connect(server).await else { return };
                        // However it ends, both are closed.
                        let _ = tokio::io::copy_bidirectional(&mut client, &mut upstream).await;
                    };
                    tokio::select! {
                        biased;
                        _ = is_open.wait_for(|open| !open) => {}
                        () = forward => {}
                    }
                });
            }
        });
        Self { url, open }
    }

    pub(super) fn set_open(&self, open: bool) {
        self.open.send(open).unwrap();
    }
}
