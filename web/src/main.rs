//! `cargo web`: serves the page to play with a model on this machine.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use web_page::{PAGE, PLAYER, SCRIPT, STYLE, self_contained};

/// Serves a page on which you play with a model in a browser: other pictures, classes, morphs, the numbers of the latent.
///
/// Only this machine can reach it. The page offers the shipped models, and draws with any model.gen that is dropped on it.
#[derive(Debug, Parser)]
#[command(name = "cargo web", bin_name = "cargo web")]
struct Arguments {
    /// Model to begin with: a file, or the folder of a run or of a shipped model [default: models/pocket-frogs]
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// Port; 0 takes any that is free
    #[arg(long, default_value_t = 8000)]
    port: u16,
    /// Writes the page with the model in it to one file, which works without a server, and ends
    #[arg(long, value_name = "HTML")]
    out: Option<PathBuf>,
}

/// The shipped model that the page begins with.
const FIRST: &str = "pocket-frogs";
/// Longest request that is read, in bytes.
const LONGEST_REQUEST: u64 = 16 * 1024;
/// How long a browser may take to send a request.
const PATIENCE: Duration = Duration::from_secs(10);

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let models = models(arguments.model.as_deref())?;
    if let Some(out) = arguments.out {
        let (name, path) = models.first().context("there are no models")?;
        fs::write(&out, self_contained(name, &read(path)?))
            .with_context(|| format!("cannot write {}", out.display()))?;
        println!("{}", out.canonicalize()?.display());
        return Ok(());
    }
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, arguments.port))
        .with_context(|| format!("cannot use port {}; --port 0 takes a free one", arguments.port))?;
    println!("http://{}/  (Ctrl-C ends)", listener.local_addr()?);
    let models = Arc::new(models);
    for stream in listener.incoming() {
        let models = Arc::clone(&models);
        // A browser that closes its connection early is no error of the server.
        thread::spawn(move || stream.and_then(|stream| answer(stream, &models)));
    }
    Ok(())
}

/// The models to choose from, each with its name and its file: the given one first, then the shipped ones.
fn models(given: Option<&Path>) -> Result<Vec<(String, PathBuf)>> {
    let mut models: Vec<(String, PathBuf)> = Vec::new();
    if let Some(path) = given {
        let file = if path.is_dir() { path.join("model.gen") } else { path.to_owned() };
        ensure!(file.is_file(), "there is no model {}", file.display());
        models.push((name(&file), file));
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models");
    let entries = fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let mut shipped: Vec<_> = entries
        .flatten()
        .map(|entry| entry.path().join("model.gen"))
        .filter(|file| file.is_file())
        .map(|file| (name(&file), file))
        .collect();
    shipped.sort_by_key(|(name, _)| (name != FIRST, name.clone()));
    // Not twice, if the given one is shipped.
    let given = models.first().and_then(|(_, file)| file.canonicalize().ok());
    models.extend(shipped.into_iter().filter(|(_, file)| file.canonicalize().ok() != given || given.is_none()));
    Ok(models)
}

/// The name of a model for people: that of its folder, if the file is called `model.gen`.
fn name(file: &Path) -> String {
    let absolute = file.canonicalize().unwrap_or_else(|_| file.to_owned());
    let part = match absolute.file_name() {
        Some(name) if name == "model.gen" => absolute.parent().and_then(Path::file_name),
        name => name,
    };
    // One line: the page gets the names as lines.
    part.map_or_else(String::new, |part| part.to_string_lossy().replace(char::is_control, " "))
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Answers one request.
fn answer(mut stream: TcpStream, models: &[(String, PathBuf)]) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut lines = BufReader::new(&stream).take(LONGEST_REQUEST).lines();
    let request = lines.next().transpose()?.unwrap_or_default();
    // The rest is read as well, because closing a connection with unread bytes would reset it.
    for line in lines {
        if line?.is_empty() {
            break;
        }
    }
    let mut words = request.split(' ');
    let (status, kind, body) = match (words.next(), words.next()) {
        (Some("GET"), Some(path)) => page(path, models),
        _ => ("405 Method Not Allowed", "text/plain", b"only GET".to_vec()),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nCache-Control: no-store\r\n\
         X-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(&body)
}

/// Status, type and contents of the answer to a path.
fn page(path: &str, models: &[(String, PathBuf)]) -> (&'static str, &'static str, Vec<u8>) {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let model = || models.get(path.strip_prefix("/models/")?.parse::<usize>().ok()?);
    match (path, model()) {
        ("/" | "/index.html", _) => ("200 OK", "text/html; charset=utf-8", PAGE.into()),
        ("/style.css", _) => ("200 OK", "text/css; charset=utf-8", STYLE.into()),
        ("/page.js", _) => ("200 OK", "text/javascript; charset=utf-8", SCRIPT.into()),
        ("/player.wasm", _) => ("200 OK", "application/wasm", PLAYER.into()),
        ("/models.txt", _) => {
            let names: Vec<_> = models.iter().map(|(name, _)| name.as_str()).collect();
            ("200 OK", "text/plain; charset=utf-8", names.join("\n").into())
        }
        (_, Some((_, file))) => match fs::read(file) {
            Ok(bytes) => ("200 OK", "application/octet-stream", bytes),
            Err(_) => ("404 Not Found", "text/plain", b"the model cannot be read any more".into()),
        },
        _ => ("404 Not Found", "text/plain", b"there is no such file".into()),
    }
}
