//! Tests of downloads from a small HTTP server in the test.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread;

use md5::{Digest, Md5};
use tempfile::TempDir;
use trainer::data::download::{DownloadError, fetch, part_of};
use trainer::data::{self, Class, Request, Sources};

use crate::data_common::{Python, python_records, records, tar_gz};
use crate::logged::logged;

/// How the server answers one request.
#[derive(Clone, Copy)]
enum Answer {
    /// Correctly.
    Whole,
    /// Closes the connection after this many bytes of the answer.
    CutAfter(usize),
    /// Ignores the range and sends the whole file.
    IgnoreRange,
    /// Sends another part of the file than was requested.
    WrongRange,
    Status(u16),
    WebPage,
    /// Sends neither length nor end mark: the end of the connection is the end of the file.
    NoLength,
}

/// Serves `file` with `answers`, one after the other, and ends after the last. The log has the start of
/// each request's range.
fn serve(file: Vec<u8>, answers: Vec<Answer>) -> (String, Arc<Mutex<Vec<Option<usize>>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/cifar.tar.gz", listener.local_addr().unwrap());
    let log = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&log);
    thread::spawn(move || {
        for answer in answers {
            let (stream, _) = listener.accept().unwrap();
            seen.lock().unwrap().push(reply(stream, &file, answer));
        }
    });
    (url, log)
}

fn reply(mut stream: TcpStream, file: &[u8], answer: Answer) -> Option<usize> {
    let mut range = None;
    for line in BufReader::new(stream.try_clone().unwrap()).lines() {
        let line = line.unwrap().to_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("range: bytes=") {
            range = value.trim_end_matches('-').parse().ok();
        }
    }
    let start = range.unwrap_or(0);
    let total = file.len();
    let partial = |from: usize| {
        let (last, length) = (total - 1, total - from);
        format!("206 Partial Content\r\nContent-Range: bytes {from}-{last}/{total}\r\nContent-Length: {length}")
    };
    let full = format!("200 OK\r\nContent-Length: {total}");
    let (head, body) = match answer {
        Answer::Whole | Answer::CutAfter(_) if start >= total => {
            (format!("416 Range Not Satisfiable\r\nContent-Range: bytes */{total}\r\nContent-Length: 0"), &file[..0])
        }
        Answer::Whole if range.is_some() => (partial(start), &file[start..]),
        Answer::CutAfter(n) if range.is_some() => (partial(start), &file[start..(start + n).min(total)]),
        Answer::CutAfter(n) => (full, &file[..n.min(total)]),
        Answer::Whole | Answer::IgnoreRange => (full, file),
        Answer::WrongRange => (partial(1), &file[1..]),
        Answer::Status(code) => (format!("{code} No\r\nContent-Length: 0"), &file[..0]),
        Answer::WebPage => ("200 OK\r\nContent-Type: text/html\r\nContent-Length: 6".into(), &b"<html>"[..]),
        Answer::NoLength => ("200 OK".into(), file),
    };
    // The client may have closed the connection on purpose.
    let _ = write!(stream, "HTTP/1.1 {head}\r\nConnection: close\r\n\r\n").and_then(|()| stream.write_all(body));
    range
}

fn md5(bytes: &[u8]) -> String {
    Md5::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn file() -> Vec<u8> {
    (0..300_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

struct Case {
    folder: TempDir,
    target: PathBuf,
}

impl Case {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let target = folder.path().join("new/cifar.tar.gz");
        Self { folder, target }
    }

    fn fetch(&self, url: &str) -> (Result<(), DownloadError>, String) {
        let (result, lines) = logged(|| fetch(url, &md5(&file()), &self.target));
        (result, lines.join("\n"))
    }

    #[track_caller]
    fn assert_done(&self) {
        assert!(fs::read(&self.target).unwrap() == file());
        assert!(!part_of(&self.target).exists());
    }

    /// Checks that there is no incomplete file under the final name.
    #[track_caller]
    fn assert_part(&self, length: Option<u64>) {
        assert!(!self.target.exists());
        assert_eq!(fs::metadata(part_of(&self.target)).ok().map(|meta| meta.len()), length);
    }
}

#[test]
fn a_whole_file() {
    for answer in [Answer::Whole, Answer::NoLength] {
        let case = Case::new();
        let (url, log) = serve(file(), vec![answer]);
        let (result, lines) = case.fetch(&url);
        result.unwrap();
        case.assert_done();
        assert_eq!(*log.lock().unwrap(), [None]);
        if matches!(answer, Answer::Whole) && !std::io::IsTerminal::is_terminal(&std::io::stderr()) {
            assert!(lines.contains("0.3 MB of 0.3 MB"), "{lines}");
        }
        // The second call does nothing; the server has no further answer.
        case.fetch(&url).0.unwrap();
    }
}

#[test]
fn a_cut_is_mended_in_the_same_call() {
    let case = Case::new();
    let (url, log) = serve(file(), vec![Answer::CutAfter(100_000), Answer::CutAfter(50_000), Answer::Whole]);
    let (result, lines) = case.fetch(&url);
    result.unwrap();
    case.assert_done();
    assert_eq!(*log.lock().unwrap(), [None, Some(100_000), Some(150_000)]);
    assert!(lines.contains("broke off at 0.1 MB"), "{lines}");
}

#[test]
fn a_part_is_taken_up_by_a_later_call() {
    let case = Case::new();
    let (url, _) = serve(file(), vec![Answer::CutAfter(120_000), Answer::CutAfter(0)]);
    let error = case.fetch(&url).0.unwrap_err();
    assert!(matches!(error, DownloadError::Cut { got: 120_000, .. }), "{error}");
    case.assert_part(Some(120_000));
    let (url, log) = serve(file(), vec![Answer::Whole]);
    case.fetch(&url).0.unwrap();
    case.assert_done();
    assert_eq!(*log.lock().unwrap(), [Some(120_000)]);
}

/// Downloads with a part on disk, and checks the requests that the server gets.
fn with_part(part: &[u8], answers: Vec<Answer>, expected: &[Option<usize>]) -> Case {
    let case = Case::new();
    fs::create_dir_all(case.target.parent().unwrap()).unwrap();
    fs::write(part_of(&case.target), part).unwrap();
    let (url, log) = serve(file(), answers);
    case.fetch(&url).0.unwrap();
    case.assert_done();
    assert_eq!(*log.lock().unwrap(), expected);
    case
}

#[test]
fn parts_of_all_kinds() {
    // The server ignores the range, or sends another one.
    with_part(&file()[..1000], vec![Answer::IgnoreRange], &[Some(1000)]);
    with_part(&file()[..1000], vec![Answer::WrongRange, Answer::Whole], &[Some(1000), None]);
    // The part is complete: no request at all.
    with_part(&file(), vec![], &[]);
    // The part is longer than the file.
    with_part(&[7; 400_000], vec![Answer::Whole, Answer::Whole], &[Some(400_000), None]);
}

#[test]
fn a_wrong_checksum_removes_the_part() {
    let case = Case::new();
    let (url, _) = serve(vec![1; 5000], vec![Answer::Whole]);
    let error = case.fetch(&url).0.unwrap_err();
    assert!(matches!(error, DownloadError::Checksum { .. }));
    let text = error.to_string();
    assert!(text.contains(&md5(&file())) && text.contains(&md5(&[1; 5000])) && text.contains("removed"), "{text}");
    case.assert_part(None);
}

#[test]
fn refusals_keep_the_part() {
    let case = Case::new();
    fs::create_dir_all(case.target.parent().unwrap()).unwrap();
    fs::write(part_of(&case.target), &file()[..10]).unwrap();
    let (url, _) = serve(file(), vec![Answer::Status(404), Answer::WebPage]);
    let error = case.fetch(&url).0.unwrap_err();
    assert!(matches!(error, DownloadError::Status { status: 404, .. }), "{error}");
    let error = case.fetch(&url).0.unwrap_err();
    assert!(matches!(error, DownloadError::WebPage { .. }), "{error}");
    // The server has ended, or never existed.
    for url in ["http://127.0.0.1:1/x", "http://", "nonsense"] {
        let error = case.fetch(url).0.unwrap_err();
        assert!(matches!(error, DownloadError::Unreachable { .. }), "{error}");
    }
    case.assert_part(Some(10));

    let case = Case::new();
    case.fetch("http://127.0.0.1:1/x").0.unwrap_err();
    case.assert_part(None);
}

#[test]
fn two_downloads_at_once_do_not_mix() {
    let case = Case::new();
    fs::create_dir_all(case.target.parent().unwrap()).unwrap();
    let other = fs::File::create(part_of(&case.target)).unwrap();
    other.lock().unwrap();
    let error = case.fetch("http://127.0.0.1:1/x").0.unwrap_err();
    assert!(matches!(error, DownloadError::Busy(_)), "{error}");
}

#[test]
fn a_folder_that_cannot_be_made() {
    let case = Case::new();
    fs::write(case.folder.path().join("new"), "a file in the way").unwrap();
    let error = case.fetch("http://127.0.0.1:1/x").0.unwrap_err();
    assert!(matches!(error, DownloadError::Disk { .. }), "{error}");
}

#[test]
fn loading_downloads_once_and_falls_back_to_drawn_frogs() {
    let cache = TempDir::new().unwrap();
    // CIFAR-10 with three frogs.
    let bytes = tar_gz(&[("cifar-10-batches-bin/data_batch_1.bin", &records(&[6; 3]))]);
    let (url, log) = serve(bytes.clone(), vec![Answer::Status(503), Answer::Whole, Answer::Whole]);
    let sources = Sources {
        cifar10_dir: None,
        cache: Some(cache.path().join("ribbit")),
        url,
        md5: md5(&bytes),
        offline: false,
        others: Vec::new(),
    };
    let request = Request { drawn: 4, ..Request::default() };
    let load = || {
        let (dataset, lines) =
            logged(|| data::load_from(&request, &sources).inspect(|data| data::announce(data).unwrap()).unwrap());
        (dataset.len(), lines.join("\n"))
    };
    let (count, lines) = load();
    assert_eq!(count, 4);
    assert!(lines.contains("HTTP status 503") && lines.contains("the built-in frogs, 4 drawings"), "{lines}");
    let (count, lines) = load();
    assert_eq!(count, 3);
    assert!(lines.contains("downloading CIFAR-10") && lines.contains("CIFAR-10, 3 frog pictures"), "{lines}");
    let (count, lines) = load();
    assert_eq!(count, 3);
    assert!(!lines.contains("downloading"), "{lines}");
    assert_eq!(log.lock().unwrap().len(), 2);

    // A damaged archive in the cache is downloaded again.
    let cached = sources.cache.as_ref().unwrap().join("cifar-10-binary.tar.gz");
    fs::write(&cached, &bytes[..50]).unwrap();
    let (count, lines) = load();
    assert_eq!(count, 3);
    assert!(lines.contains("the cache is no use") && lines.contains("downloading"), "{lines}");
}

/// Sources with the archive `bytes` already in the cache, which would be downloaded again from `url`.
fn cached(cache: &TempDir, bytes: &[u8], url: &str) -> (Sources, PathBuf) {
    let archive = cache.path().join("cifar-10-binary.tar.gz");
    fs::write(&archive, bytes).unwrap();
    let cache = Some(cache.path().to_owned());
    (
        Sources { cifar10_dir: None, cache, url: url.into(), md5: md5(bytes), offline: false, others: Vec::new() },
        archive,
    )
}

#[test]
fn a_good_archive_outlives_what_cannot_be_done_with_it() {
    let cache = TempDir::new().unwrap();
    let bytes = tar_gz(&[("data_batch_1.bin", &records(&[6; 6000]))]);
    let (url, log) = serve(bytes.clone(), vec![Answer::Whole]);
    let (sources, archive) = cached(&cache, &bytes, &url);
    let error = |request: &Request| format!("{:#}", data::load_from(request, &sources).unwrap_err());
    let class = |name: &str| Request { class: Class::Asked(name.into()), ..Request::default() };
    assert!(error(&class("newt")).contains("unknown class"), "{}", error(&class("newt")));
    assert!(error(&class("ship")).contains("no picture of the class ship"), "{}", error(&class("ship")));
    assert_eq!(fs::read(&archive).unwrap(), bytes);
    assert!(log.lock().unwrap().is_empty(), "nothing was downloaded");
    assert_eq!(data::load_from(&class("frog"), &sources).unwrap().len(), 6000);
}

#[cfg(unix)]
#[test]
fn an_archive_that_may_not_be_read_stays() {
    use std::os::unix::fs::symlink;
    let cache = TempDir::new().unwrap();
    let (url, log) = serve(Vec::new(), vec![Answer::Whole]);
    let (sources, archive) = cached(&cache, b"", &url);
    fs::remove_file(&archive).unwrap();
    // Even root cannot read the memory of a process at address 0, so this gives an error of the system.
    symlink("/proc/self/mem", &archive).unwrap();
    let error = format!("{:#}", data::load_from(&Request::default(), &sources).unwrap_err());
    assert!(error.contains("cifar-10-binary.tar.gz"), "{error}");
    assert!(archive.is_symlink() && log.lock().unwrap().is_empty());
}

#[test]
fn who_asked_for_a_class_gets_no_drawn_frogs_when_the_download_fails() {
    let cache = TempDir::new().unwrap();
    let (url, _) = serve(file(), vec![Answer::CutAfter(1000), Answer::CutAfter(0)]);
    let sources = Sources {
        cifar10_dir: None,
        cache: Some(cache.path().to_owned()),
        url,
        md5: md5(&file()),
        offline: false,
        others: Vec::new(),
    };
    let request = Request { class: Class::Asked("frog".into()), ..Request::default() };
    let error = format!("{:#}", data::load_from(&request, &sources).unwrap_err());
    assert!(error.contains("broke off after 1000 bytes") && error.contains("--data builtin"), "{error}");
    let part = part_of(&cache.path().join("cifar-10-binary.tar.gz"));
    assert_eq!(fs::metadata(part).unwrap().len(), 1000, "kept to go on from");
}

#[test]
fn what_keras_and_torchvision_left_is_used_before_a_download() {
    let bytes = tar_gz(&[("cifar-10-batches-bin/data_batch_1.bin", &records(&[6; 3]))]);
    let python = python_records(Python::Two, "labels", &[6, 6, 6, 6, 1]);
    let packed = tar_gz(&[("cifar-10-batches-py/data_batch_1", &python)]);
    for (name, content) in [
        ("cifar-10-batches-py/data_batch_1", &python),
        ("cifar-10-batches-py-target/cifar-10-batches-py/data_batch_1", &python),
        ("cifar-10-python.tar.gz", &packed),
        ("cifar-10-batches-py.tar.gz", &packed),
        ("cifar-10-batches-py-target_archive", &packed),
    ] {
        let (cache, other) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        let (url, log) = serve(bytes.clone(), vec![Answer::Whole]);
        let gone = other.path().join("gone");
        let mut sources = Sources {
            cifar10_dir: None,
            cache: Some(cache.path().to_owned()),
            url,
            md5: md5(&bytes),
            offline: false,
            others: vec![gone, other.path().to_owned()],
        };
        let path = other.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        let load = |sources: &Sources| {
            let (dataset, lines) = logged(|| data::load_from(&Request::default(), sources).unwrap());
            (dataset, lines.join("\n"))
        };
        let (dataset, lines) = load(&sources);
        assert_eq!((dataset.len(), dataset.class.as_deref(), dataset.chosen), (4, Some("frog"), false), "{name}");
        assert!(lines.contains("CIFAR-10 was found in") && lines.contains("not downloaded"), "{lines}");
        // What a run records leads to it again.
        assert!(path.starts_with(&dataset.origin), "{}", dataset.origin.display());
        let again = Request {
            path: Some(dataset.origin.clone()),
            class: Class::noted(dataset.class.clone()),
            ..Request::default()
        };
        assert_eq!(data::load(&again).unwrap().fingerprint().unwrap(), dataset.fingerprint().unwrap());
        // Without a network and a cache too.
        (sources.cache, sources.offline) = (None, true);
        assert_eq!(load(&sources).0.len(), 4);
        (sources.cache, sources.offline) = (Some(cache.path().to_owned()), false);
        assert!(log.lock().unwrap().is_empty(), "{name}: the server was asked");

        // A damaged one is told, and CIFAR-10 is downloaded; the file is left as it is.
        fs::write(&path, &content[..content.len() / 2]).unwrap();
        let (dataset, lines) = load(&sources);
        assert_eq!((dataset.len(), log.lock().unwrap().len()), (3, 1), "{name}");
        assert!(lines.contains("found, but no use") && lines.contains("downloading"), "{lines}");
        assert_eq!(fs::read(&path).unwrap(), content[..content.len() / 2]);
        // What is in the cache comes first.
        fs::write(&path, content).unwrap();
        assert_eq!(load(&sources).0.len(), 3);
    }
}
