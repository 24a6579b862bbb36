//! Downloads a file over HTTP. An interrupted download is resumed; the file gets its name only after its checksum
//! has been verified.

use std::fs::{self, File, OpenOptions};
use std::io::{self, IsTerminal, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use log::{Level, info, warn};
use md5::{Digest, Md5};
use thiserror::Error;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use crate::numbers::megabytes;
use crate::terminal;

/// Timeout of connecting. It is short, so that users without a network do not wait long.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Timeout between the request and the first line of the answer, and between two pieces of the file.
const READ_TIMEOUT: Duration = Duration::from_secs(20);

/// Maximum number of attempts in one call, as long as each of them transfers something.
const ATTEMPTS: usize = 5;

/// Limit of a download in bytes, against servers that never stop sending.
const MAX_BYTES: u64 = 1 << 30;

/// Why a download failed. Except after [`DownloadError::Checksum`], the part that was received is kept for the
/// next attempt.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DownloadError {
    /// No connection, or no valid answer.
    #[error("cannot reach {url}: {cause}{}", hint(cause))]
    Unreachable { url: String, cause: Box<ureq::Error> },
    /// The server answers with an error status.
    #[error("{url} answers with HTTP status {status}")]
    Status { url: String, status: u16 },
    /// The answer is a web page, such as the login page of a network.
    #[error("{url} answers with a web page instead of a file; is there a login page in between?")]
    WebPage { url: String },
    /// The connection broke off too often.
    #[error("the download of {url} broke off after {got} bytes; it goes on from there the next time")]
    Cut { url: String, got: u64 },
    /// The download is complete but has a wrong checksum; it was removed.
    #[error("the MD5 of what {url} sent is {found}, not {expected}; it was removed")]
    Checksum { url: String, found: String, expected: String },
    /// More than a gigabyte.
    #[error("{url} sends more than {MAX_BYTES} bytes; not reading on")]
    TooLarge { url: String },
    /// Another process holds the `.part` file.
    #[error("another download into {} is running", .0.display())]
    Busy(PathBuf),
    /// The file cannot be written.
    #[error("cannot write {}: {cause}", path.display())]
    Disk { path: PathBuf, cause: io::Error },
}

/// Advice for a server whose certificate is not accepted.
fn hint(cause: &ureq::Error) -> &'static str {
    let is_certificate = matches!(cause, ureq::Error::Rustls(_)) || cause.to_string().contains("certificate");
    if is_certificate {
        ". If a company's proxy stands in between, name the file of its certificate with the environment variable \
         SSL_CERT_FILE"
    } else {
        ""
    }
}

/// Path at which [`fetch`] keeps an unfinished file: the target's path with `.part` appended.
pub fn part_of(target: &Path) -> PathBuf {
    let mut name = target.as_os_str().to_owned();
    name.push(".part");
    name.into()
}

/// Downloads `url` to `target` unless the file exists. Creates the folder if necessary. `md5` is the
/// checksum in hexadecimal digits.
pub fn fetch(url: &str, md5: &str, target: &Path) -> Result<(), DownloadError> {
    let path = part_of(target);
    let disk = |cause| DownloadError::Disk { path: path.clone(), cause };
    if let Some(folder) = target.parent() {
        fs::create_dir_all(folder).map_err(disk)?;
    }
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(disk)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(fs::TryLockError::WouldBlock) => return Err(DownloadError::Busy(path)),
        // Some network file systems have no locks. Two simultaneous downloads then end with a wrong checksum.
        Err(fs::TryLockError::Error(_)) => {}
    }
    // Another process may have finished the download before this one got the lock.
    if target.exists() {
        return Ok(());
    }

    let mut part = Part { file, length: 0, hash: Md5::new() };
    part.recall().map_err(disk)?;
    if !part.digest().eq_ignore_ascii_case(md5)
        && let Err(stop) = transfer(url, &mut part)
    {
        if part.length == 0 {
            // The empty part is of no use. An error of removing it is ignored.
            drop(part);
            _ = fs::remove_file(&path);
        }
        return Err(match stop {
            Stop::Disk(cause) => disk(cause),
            Stop::Error(error) => error,
        });
    }
    let found = part.digest();
    if !found.eq_ignore_ascii_case(md5) {
        drop(part);
        fs::remove_file(&path).map_err(disk)?;
        return Err(DownloadError::Checksum { url: url.into(), found, expected: md5.into() });
    }
    part.file.sync_all().map_err(disk)?;
    drop(part);
    fs::rename(&path, target).map_err(disk)
}

/// Formats bytes as lower-case hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The unfinished file and the checksum of its bytes so far.
struct Part {
    file: File,
    length: u64,
    hash: Md5,
}

impl Part {
    /// Continues with the bytes that an earlier call received.
    fn recall(&mut self) -> io::Result<()> {
        let mut buffer = vec![0; 1 << 16];
        self.file.seek(SeekFrom::Start(0))?;
        loop {
            match self.file.read(&mut buffer)? {
                0 => return Ok(()),
                n => {
                    self.hash.update(&buffer[..n]);
                    self.length += n as u64;
                }
            }
        }
    }

    fn restart(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.seek(SeekFrom::Start(0))?;
        (self.length, self.hash) = (0, Md5::new());
        Ok(())
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.hash.update(bytes);
        self.length += bytes.len() as u64;
        Ok(())
    }

    fn digest(&self) -> String {
        hex(&self.hash.clone().finalize())
    }
}

enum Stop {
    Disk(io::Error),
    Error(DownloadError),
}

impl From<DownloadError> for Stop {
    fn from(error: DownloadError) -> Self {
        Self::Error(error)
    }
}

/// The trusted certificate authorities: those of the system, which may include a company's own, or those in
/// the file `SSL_CERT_FILE` (and the folder `SSL_CERT_DIR`). If there are none, Mozilla's list is used, which is
/// built in.
fn root_certs() -> RootCerts {
    let found = rustls_native_certs::load_native_certs().certs;
    if found.is_empty() {
        return RootCerts::WebPki;
    }
    found.iter().map(|certificate| Certificate::from_der(certificate).to_owned()).collect::<Vec<_>>().into()
}

/// Requests the rest of the file until it is complete or no longer grows.
fn transfer(url: &str, part: &mut Part) -> Result<(), Stop> {
    let agent = ureq::Agent::config_builder()
        .tls_config(TlsConfig::builder().root_certs(root_certs()).build())
        .http_status_as_error(false)
        .timeout_resolve(Some(CONNECT_TIMEOUT))
        .timeout_connect(Some(CONNECT_TIMEOUT))
        .timeout_recv_response(Some(READ_TIMEOUT))
        .timeout_per_read(Some(READ_TIMEOUT))
        .user_agent(concat!("ribbit/", env!("CARGO_PKG_VERSION")))
        .build()
        .new_agent();
    let mut attempt = 1;
    loop {
        let before = part.length;
        match request(&agent, url, part) {
            Err(Stop::Error(DownloadError::Cut { .. })) if part.length > before && attempt < ATTEMPTS => {
                attempt += 1;
                warn!("the connection broke off at {}; trying to go on from there", megabytes(part.length));
                std::thread::sleep(Duration::from_millis(300));
            }
            done => return done,
        }
    }
}

/// Sends one request for the missing part and reads the answer to its end.
fn request(agent: &ureq::Agent, url: &str, part: &mut Part) -> Result<(), Stop> {
    let get = |from: u64| {
        let mut request = agent.get(url);
        if from > 0 {
            request = request.header("Range", format!("bytes={from}-"));
        }
        let unreachable = |cause| DownloadError::Unreachable { url: url.into(), cause: Box::new(cause) };
        request.call().map_err(unreachable)
    };
    let mut response = get(part.length)?;
    let range_of = |response: &ureq::http::Response<ureq::Body>| {
        let range = response.headers().get("content-range").and_then(|value| value.to_str().ok());
        range.unwrap_or_default().to_owned()
    };
    let other_range = response.status() == 206 && !range_of(&response).starts_with(&format!("bytes {}-", part.length));
    if response.status() == 416 || other_range {
        // Either the server has no more bytes although the checksum is wrong, or it sends a range that was not
        // requested: start over.
        part.restart().map_err(Stop::Disk)?;
        response = get(0)?;
    }
    let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
    let total = match response.status().as_u16() {
        206 if part.length > 0 => range_of(&response).rsplit('/').next().and_then(|total| total.parse().ok()),
        200 => {
            if header("content-type").is_some_and(|kind| kind.starts_with("text/html")) {
                return Err(DownloadError::WebPage { url: url.into() }.into());
            }
            let total = header("content-length").and_then(|total| total.parse().ok());
            // The server ignored the range and sends the whole file.
            part.restart().map_err(Stop::Disk)?;
            total
        }
        status => return Err(DownloadError::Status { url: url.into(), status }.into()),
    };

    let mut progress = Progress::new(part.length, total);
    let mut body = response.into_body().into_reader();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match body.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => part.append(&buffer[..n]).map_err(Stop::Disk)?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return Err(DownloadError::Cut { url: url.into(), got: part.length }.into()),
        }
        progress.at(part.length);
        if part.length > MAX_BYTES {
            return Err(DownloadError::TooLarge { url: url.into() }.into());
        }
    }
    if total.is_some_and(|total: u64| part.length < total) {
        return Err(DownloadError::Cut { url: url.into(), got: part.length }.into());
    }
    Ok(())
}

/// Shows progress: a bar on a terminal, elsewhere a line for every tenth (or every 20 MB if the length is unknown).
enum Progress {
    Bar(ProgressBar),
    Lines { total: Option<u64>, step: u64, next: u64 },
}

impl Progress {
    fn new(start: u64, total: Option<u64>) -> Self {
        if io::stderr().is_terminal() && terminal::shows(Level::Info) {
            let bar = total.map_or_else(ProgressBar::no_length, ProgressBar::new).with_position(start);
            let style = "{bar:40} {bytes}/{total_bytes} {bytes_per_sec}, {eta} left";
            bar.set_style(ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar()));
            terminal::show_bar(Some(bar.clone()));
            return Self::Bar(bar);
        }
        let step = total.map_or(20_000_000, |total| total.div_ceil(10)).max(1);
        Self::Lines { total, step, next: (start / step + 1) * step }
    }

    fn at(&mut self, bytes: u64) {
        match self {
            Self::Bar(bar) => bar.set_position(bytes),
            Self::Lines { total, step, next } if bytes >= *next => {
                *next = (bytes / *step + 1) * *step;
                match *total {
                    Some(total) => info!("  {} of {}", megabytes(bytes), megabytes(total)),
                    None => info!("  {}", megabytes(bytes)),
                }
            }
            Self::Lines { .. } => {}
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Self::Bar(bar) = self {
            terminal::show_bar(None);
            bar.finish_and_clear();
        }
    }
}
