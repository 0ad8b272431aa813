//! A line between one replica and somebody: it may be cut, slow, or silent.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pointsman::time::{Clock, Timestamp};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;

/// How a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Open,
    /// Every piece takes so much longer.
    Slow(Duration),
    /// Nothing comes through, and nobody is told: what was sent arrives when it is over.
    Silent,
    /// Closed, and refused.
    Cut,
}

/// Where it leads.
#[derive(Debug, Clone)]
pub enum Far {
    Tcp(String),
    Unix(PathBuf),
}

/// A line. Cheap to clone.
#[derive(Clone)]
pub struct Line {
    pub port: u16,
    way: watch::Sender<Way>,
    /// Requests of HTTP that write, and when they came by.
    pub writes: Arc<Mutex<Vec<(Timestamp, String)>>>,
}

impl Line {
    pub async fn to(far: Far, clock: Clock) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let line = Self {
            port: listener.local_addr().unwrap().port(),
            way: watch::Sender::new(Way::Open),
            writes: Arc::default(),
        };
        let (way, writes) = (line.way.clone(), line.writes.clone());
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                tokio::spawn(carry(near, far.clone(), way.subscribe(), (writes.clone(), clock.clone())));
            }
        });
        line
    }

    pub fn set(&self, way: Way) {
        self.way.send_replace(way);
    }
}

type Tap = (Arc<Mutex<Vec<(Timestamp, String)>>>, Clock);

async fn carry(near: TcpStream, far: Far, way: watch::Receiver<Way>, tap: Tap) {
    if *way.borrow() == Way::Cut {
        return;
    }
    let _ = near.set_nodelay(true);
    let (near_in, near_out) = near.into_split();
    // A line that ends in one direction ends in both.
    match far {
        Far::Tcp(address) => {
            let Ok(far) = TcpStream::connect(address).await else { return };
            let _ = far.set_nodelay(true);
            let (far_in, far_out) = far.into_split();
            tokio::select! {
                () = pass(near_in, far_out, way.clone(), Some(tap)) => {}
                () = pass(far_in, near_out, way, None) => {}
            }
        }
        Far::Unix(path) => {
            let Ok(far) = UnixStream::connect(path).await else { return };
            let (far_in, far_out) = far.into_split();
            tokio::select! {
                () = pass(near_in, far_out, way.clone(), Some(tap)) => {}
                () = pass(far_in, near_out, way, None) => {}
            }
        }
    }
}

async fn pass(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut way: watch::Receiver<Way>,
    tap: Option<Tap>,
) {
    let mut piece = vec![0; 64 * 1024];
    let mut cut = way.clone();
    let passing = async {
        while let Ok(length @ 1..) = from.read(&mut piece).await {
            if way.wait_for(|way| *way != Way::Silent).await.is_err() {
                return;
            }
            let now = *way.borrow();
            if let Way::Slow(by) = now {
                tokio::time::sleep(by).await;
            }
            if let Some((writes, clock)) = &tap
                && let Some(request) = writing(&piece[..length])
            {
                writes.lock().unwrap().push((clock.now(), request));
            }
            if to.write_all(&piece[..length]).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = passing => {}
        _ = cut.wait_for(|way| *way == Way::Cut) => {}
    }
}

/// The first words of a request that writes to a repository.
fn writing(piece: &[u8]) -> Option<String> {
    let line = piece.split(|byte| *byte == b'\r').next()?;
    let line = std::str::from_utf8(line).ok()?;
    let (method, rest) = line.split_once(' ')?;
    let writes = matches!(method, "POST" | "PATCH" | "PUT" | "DELETE") && rest.starts_with("/repos/");
    writes.then(|| format!("{method} {}", rest.split(' ').next().unwrap_or_default()))
}
