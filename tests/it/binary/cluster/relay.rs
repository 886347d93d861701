//! A line to etcd that works as well as it is told to: slow, silent, or losing what is large. It knows the frames of HTTP/2, and nothing of what they
//! hold.

use std::collections::{BTreeMap, HashSet};
use std::io::{Read, Result, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use super::super::world::now;
use super::crew::{Crew, SECOND, Scene};

/// What a client of HTTP/2 begins with.
const PREFACE: usize = 24;
/// Length, type, flags and stream come before what a frame holds.
const HEAD: usize = 9;
const DATA: u8 = 0;
const WINDOW_UPDATE: u8 = 8;

/// How the line works.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Works {
    Well,
    /// Everything comes this much later, in both directions.
    Slowly(Duration),
    /// Nothing comes, in either direction, until it works again: packets are lost, and sent again for so long.
    Silently,
    /// To etcd, a message of more than so many bytes never comes. All others do, also those behind it.
    WithoutLarger(usize),
    /// To etcd, nothing comes any more on a connection on which more than so many bytes were sent at once: a path that loses large packets. Other
    /// connections are not troubled.
    StuckAfterLarger(usize),
}

struct State {
    works: Mutex<Works>,
    changed: Condvar,
    /// What has come to harm.
    harm: AtomicUsize,
}

impl State {
    fn now(&self) -> Works {
        *self.works.lock().unwrap()
    }

    /// Waits while it is so.
    fn wait_while(&self, holds: impl Fn(Works) -> bool) {
        let works = self.works.lock().unwrap();
        drop(self.changed.wait_while(works, |works| holds(*works)).unwrap());
    }

    fn note_harm(&self) {
        self.harm.fetch_add(1, Relaxed);
    }
}

/// Its threads end with the process, or with their connections.
pub(super) struct Relay {
    pub(super) endpoint: String,
    state: Arc<State>,
}

impl Relay {
    /// To an endpoint of etcd.
    pub(super) fn to(endpoint: &str) -> Self {
        let to: SocketAddr = endpoint.trim_start_matches("http://").parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(State {
            works: Mutex::new(Works::Well),
            changed: Condvar::new(),
            harm: AtomicUsize::new(0),
        });
        let shared = state.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                // Who calls while nothing passes has a connection that says nothing.
                let state = shared.clone();
                std::thread::spawn(move || {
                    state.wait_while(|works| works == Works::Silently);
                    if let Ok(server) = TcpStream::connect(to) {
                        // Whatever ends it ends both sides.
                        let _ = join(&client, &server, &state);
                    }
                });
            }
        });
        Self { endpoint, state }
    }

    pub(super) fn works(&self, works: Works) {
        *self.state.works.lock().unwrap() = works;
        self.state.changed.notify_all();
    }

    /// Whether anything was held back or lost so far.
    pub(super) fn did_harm(&self) -> bool {
        self.state.harm.load(Relaxed) > 0
    }
}

/// Three members, each with a line to etcd of its own.
pub(super) fn on_lines(monitors: usize) -> (Crew, BTreeMap<&'static str, Relay>) {
    on_lines_of(Scene::here(1), monitors)
}

pub(super) fn on_lines_of(mut scene: Scene, monitors: usize) -> (Crew, BTreeMap<&'static str, Relay>) {
    let mut lines = BTreeMap::new();
    for (id, station) in &mut scene.stations {
        let line = Relay::to(&scene.etcd[0].endpoint);
        station.etcd = vec![line.endpoint.clone()];
        lines.insert(*id, line);
    }
    (Crew::gather(scene, monitors, SECOND), lines)
}

/// A piece of what is on its way: a frame, or the preface.
struct Piece {
    came: Instant,
    bytes: Vec<u8>,
}

impl Piece {
    fn read(from: &mut impl Read, preface: bool) -> Result<Self> {
        let mut bytes = vec![0; if preface { PREFACE } else { HEAD }];
        from.read_exact(&mut bytes)?;
        if !preface {
            let length = u32::from_be_bytes([0, bytes[0], bytes[1], bytes[2]]) as usize;
            bytes.resize(HEAD + length, 0);
            from.read_exact(&mut bytes[HEAD..])?;
        }
        Ok(Self { came: now(), bytes })
    }

    /// A message, or a part of one, of more than so many bytes.
    fn is_larger(&self, most: usize) -> bool {
        self.bytes[3] == DATA && self.length() > most
    }

    fn stream(&self) -> [u8; 4] {
        self.bytes[5..HEAD].try_into().unwrap()
    }

    fn length(&self) -> usize {
        self.bytes.len() - HEAD
    }

    /// What tells the sender that this was taken: others that share the connection may go on.
    fn taken(&self) -> Self {
        let mut bytes = vec![0, 0, 4, WINDOW_UPDATE, 0, 0, 0, 0, 0];
        bytes.extend(u32::try_from(self.length()).unwrap().to_be_bytes());
        Self { came: now(), bytes }
    }
}

fn join(client: &TcpStream, server: &TcpStream, state: &Arc<State>) -> Result<()> {
    let (to_server, for_server) = channel();
    let (to_client, for_client) = channel();
    let deliver = |pieces: Receiver<Piece>, to: &TcpStream| {
        let (mut to, state) = (to.try_clone()?, state.clone());
        to.set_nodelay(true)?;
        std::thread::spawn(move || {
            let _ = deliver(&pieces, &mut to, &state);
            let _ = to.shutdown(Shutdown::Both);
        });
        Result::Ok(())
    };
    deliver(for_server, server)?;
    deliver(for_client, client)?;
    let (mut answers, back) = (server.try_clone()?, to_client.clone());
    std::thread::spawn(move || {
        while let Ok(piece) = Piece::read(&mut answers, false) {
            if to_client.send(piece).is_err() {
                return;
            }
        }
    });
    take(&mut client.try_clone()?, &to_server, &back, state)
}

/// Reads what a client sends, and leaves out what is lost.
fn take(client: &mut TcpStream, to_server: &Sender<Piece>, back: &Sender<Piece>, state: &State) -> Result<()> {
    // Ends with an error when either side is gone.
    let gone = |_| std::io::ErrorKind::BrokenPipe;
    to_server.send(Piece::read(client, true)?).map_err(gone)?;
    let mut lost = HashSet::new();
    loop {
        let piece = Piece::read(client, false)?;
        match state.now() {
            // The rest of a message that is lost in part would be none.
            Works::WithoutLarger(most) if piece.is_larger(most) || lost.contains(&piece.stream()) => {
                state.note_harm();
                lost.insert(piece.stream());
                back.send(piece.taken()).map_err(gone)?;
                continue;
            }
            works @ Works::StuckAfterLarger(most) if piece.bytes.len() > most => {
                state.note_harm();
                state.wait_while(|now| now == works);
            }
            _ => {}
        }
        to_server.send(piece).map_err(gone)?;
    }
}

fn deliver(pieces: &Receiver<Piece>, to: &mut TcpStream, state: &State) -> Result<()> {
    while let Ok(piece) = pieces.recv() {
        if state.now() == Works::Silently {
            state.note_harm();
            state.wait_while(|works| works == Works::Silently);
        }
        if let Works::Slowly(by) = state.now() {
            let mut left = (piece.came + by).saturating_duration_since(now());
            while !left.is_zero() {
                std::thread::park_timeout(left);
                left = (piece.came + by).saturating_duration_since(now());
            }
        }
        to.write_all(&piece.bytes)?;
    }
    Ok(())
}
