//! `gatelodge-rendezvous`: the server as a program, with options, signals and a log.

mod options;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use gatelodge_rendezvous::Rendezvous;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// With it, memory that ten thousand connections took goes back to the system when they have gone.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const AFTER_HELP: &str = "\
Every option can also be set in the environment, as shown, or in the file given by --config, by the same name without the
dashes in front (max-connections = 100). Flags go before the environment, the environment before the file.

  Behind a reverse proxy that speaks TLS:
    gatelodge-rendezvous --listen 127.0.0.1:7424 --public-url https://meet.example.org --trust-forwarded-for
  With TLS of its own:
    gatelodge-rendezvous --listen [::]:443 --public-url https://meet.example.org --tls-cert cert.pem --tls-key key.pem
  With a TURN server (coturn with use-auth-secret):
    gatelodge-rendezvous --turn-url turn:meet.example.org:3478 --turn-secret-file /etc/turn-secret ...

SIGHUP reads file, certificate and secret again; SIGTERM tells clients to come back later and ends.
GET /healthz answers ok (or 503 while it ends), GET /metrics counts. Desktops then use:
  gatelodge host links add ID https://meet.example.org";

/// The rendezvous of Gatelodge: desktops wait here to be found by agents. It forwards the beginning of each session, sees
/// nothing of what follows, and keeps nothing on disk.
#[derive(Debug, Parser)]
#[command(name = "gatelodge-rendezvous", version, after_help = AFTER_HELP, max_term_width = 100)]
struct Command {
    /// A file with settings, TOML
    #[arg(long, value_name = "FILE", env = "GATELODGE_RENDEZVOUS_CONFIG")]
    config: Option<PathBuf>,

    /// Check the settings and end
    #[arg(long)]
    check: bool,

    #[command(flatten)]
    settings: options::Settings,
}

fn main() -> ExitCode {
    let command = Command::parse();
    let filter = EnvFilter::try_from_env("GATELODGE_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let outcome = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Into::into)
        .and_then(|runtime| runtime.block_on(run(&command)));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("gatelodge-rendezvous: {}", with_causes(&*error));
            ExitCode::FAILURE
        }
    }
}

async fn run(command: &Command) -> Result<(), Box<dyn std::error::Error>> {
    let config = options::config(command.config.as_deref(), &command.settings)?;
    if command.check {
        println!("the settings are good");
        return Ok(());
    }
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    let tls = config.tls.is_some();
    let server = Rendezvous::bind(config).await?;
    let scheme = if tls { "https" } else { "http" };
    tracing::info!("listening on {scheme}://{}", server.local_addr());
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hang_up.recv() => match reload(command, &server) {
                Ok(()) => tracing::info!("the settings were read again"),
                Err(error) => tracing::error!("the old settings stay: {}", with_causes(&*error)),
            },
        }
    }
    tracing::info!("ending; clients are told to come back later");
    server.shutdown().await;
    Ok(())
}

fn reload(command: &Command, server: &Rendezvous) -> Result<(), Box<dyn std::error::Error>> {
    let config = options::config(command.config.as_deref(), &command.settings)?;
    Ok(server.reload(config)?)
}

/// An error with its causes, as one sentence.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut sentence = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        sentence.push_str(": ");
        sentence.push_str(&cause.to_string());
        source = cause.source();
    }
    sentence
}
