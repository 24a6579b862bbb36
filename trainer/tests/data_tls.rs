//! Tests downloads with a certificate authority of a company, whose certificate is in the system's store
//! or in the file that `SSL_CERT_FILE` names.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::{fs, thread};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// A certificate authority, and its certificate as PEM.
fn authority() -> (Issuer<'static, KeyPair>, String) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let certificate = params.self_signed(&key).unwrap();
    let lines: Vec<_> = STANDARD.encode(certificate.der()).into_bytes().chunks(64).map(<[u8]>::to_vec).collect();
    let body = String::from_utf8(lines.join(&b'\n')).unwrap();
    (Issuer::new(params, key), format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n"))
}

/// A server with a certificate that `issuer` signed. Every answer is the word "frogs".
fn serve(issuer: &Issuer<'_, KeyPair>) -> String {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["127.0.0.1".into()]).unwrap().signed_by(&key, issuer).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}/cifar.tar.gz", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A client that does not accept the certificate closes the connection.
            _ = answer(stream, &config);
        }
    });
    url
}

fn answer(stream: TcpStream, config: &Arc<ServerConfig>) -> std::io::Result<()> {
    let connection = ServerConnection::new(Arc::clone(config)).map_err(std::io::Error::other)?;
    let mut stream = BufReader::new(StreamOwned::new(connection, stream));
    let mut line = String::new();
    while stream.read_line(&mut line)? > 2 {
        line.clear();
    }
    let stream = stream.get_mut();
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nfrogs")?;
    stream.conn.send_close_notify();
    stream.flush()
}

fn download(url: &str, believed: &Path, cache: &Path) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trainer"));
    command.args(["data", "--class", "frog"]).current_dir(cache).env_remove("CIFAR10_DIR").env_remove("SSL_CERT_DIR");
    command.env_remove("RIBBIT_OFFLINE").env("RIBBIT_CACHE", cache).env("RIBBIT_CIFAR10_URL", url);
    for proxy in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
        command.env_remove(proxy);
    }
    let output = command.env("SSL_CERT_FILE", believed).output().unwrap();
    assert!(!output.status.success());
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn an_authority_of_ones_own_is_believed() {
    let folder = tempfile::tempdir().unwrap();
    let ((ours, certificate), (_, other)) = (authority(), authority());
    let (own_file, other_file) = (folder.path().join("own.pem"), folder.path().join("other.pem"));
    fs::write(&own_file, certificate).unwrap();
    fs::write(&other_file, other).unwrap();
    let url = serve(&ours);
    // The error that the download is not CIFAR-10 shows that it was received.
    let text = download(&url, &own_file, folder.path());
    assert!(text.contains("the MD5 of what") && text.contains("was removed"), "{text}");
    let text = download(&url, &other_file, folder.path());
    assert!(text.contains("cannot reach") && text.contains("SSL_CERT_FILE"), "{text}");
}
