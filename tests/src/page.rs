//! A page in a headless Chromium: the server that it comes from and reports to, and the browser itself.

use std::net::{SocketAddr, UdpSocket};
use std::path::Path;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::installation::{Installation, sources};
use crate::process::{Process, command};
use crate::steps::{Log, Reporter, Steps, steps};

/// A report names numbers and texts; nothing that the page posts comes near this size, in bytes.
const MAX_REPORT: usize = 1 << 20;

/// The web site that has the page: a server on this machine, to which the page also reports.
pub struct Site {
    address: SocketAddr,
    pub(crate) log: Log,
    pub(crate) steps: Steps,
    server: JoinSet<()>,
}

impl Site {
    /// Starts to serve the page.
    ///
    /// # Panics
    ///
    /// When there is no free port.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        let address = listener.local_addr().expect("a bound listener has an address");
        let log = Log::default();
        let (reporter, steps) = steps(log.clone());
        let mut server = JoinSet::new();
        server.spawn(serve(listener, reporter));
        Self { address, log, steps, server }
    }

    /// Returns the page's origin, which its WebSocket names.
    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Opens `page.html` with this query in a browser.
    pub(crate) fn visit(self, query: &str) -> (Page, Steps) {
        let profile = tempfile::Builder::new().prefix("gatelodge-page-").tempdir();
        let profile = profile.expect("the temporary folder can be written to");
        let mut browser = command(&Installation::get().chromium);
        browser.args(["--headless=new", "--no-sandbox", "--disable-gpu"]).args(loopback_options());
        browser.arg(format!("--user-data-dir={}", profile.path().display()));
        browser.arg(format!("{}/page.html?{query}", self.origin()));
        // Chromium itself speaks much and says little; what is missing on the machine is no fault of the page.
        let browser = Process::start(browser, |_| {}, |_| {});
        (Page { _browser: browser, _profile: profile, _server: self.server }, self.steps)
    }
}

/// A browser with one page. Dropping it ends both, and removes what the browser wrote.
pub(crate) struct Page {
    // The order counts: the browser writes into its profile until it has ended.
    _browser: Process,
    _profile: TempDir,
    _server: JoinSet<()>,
}

/// Where there is no network, a page has to be allowed the loopback address, and cannot hide it behind an mDNS name.
fn loopback_options() -> &'static [&'static str] {
    // Connecting a UDP socket sends nothing; it fails where there is no route to that documentation address (RFC 5737).
    let socket = UdpSocket::bind("0.0.0.0:0").expect("there is a free port");
    match socket.connect(SocketAddr::from(([203, 0, 113, 1], 9))) {
        Ok(()) => &[],
        Err(_) => &["--allow-loopback-in-peer-connection", "--disable-features=WebRtcHideLocalIpsWithMdns"],
    }
}

async fn serve(listener: TcpListener, reporter: Reporter) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let reporter = reporter.clone();
        connections.spawn(async move {
            // A browser that is killed breaks its connections off.
            let _ = answer(stream, &reporter).await;
        });
    }
}

/// Answers one request: the page's files, and `POST /report`.
async fn answer(stream: TcpStream, reporter: &Reporter) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut request = String::new();
    stream.read_line(&mut request).await?;
    let mut length = 0;
    loop {
        let mut header = String::new();
        stream.read_line(&mut header).await?;
        let Some((name, value)) = header.split_once(':') else { break };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    let mut words = request.split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let path = target.split('?').next().unwrap_or_default();
    let (status, kind, body) = match (method, path) {
        ("POST", "/report") => {
            let mut report = vec![0; usize::min(length, MAX_REPORT)];
            stream.read_exact(&mut report).await?;
            reporter.report(&String::from_utf8_lossy(&report));
            ("204 No Content", "text/plain", Vec::new())
        }
        ("GET", "/page.html") => ("200 OK", "text/html", file(path)?),
        ("GET", "/page.mjs" | "/mcp.mjs" | "/fragments.mjs") => ("200 OK", "text/javascript", file(path)?),
        _ => ("404 Not Found", "text/plain", Vec::new()),
    };
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(&body).await?;
    stream.shutdown().await
}

fn file(path: &str) -> std::io::Result<Vec<u8>> {
    std::fs::read(sources().join("browser").join(Path::new(path).file_name().unwrap_or_default()))
}
