//! The way to a rendezvous, step by step.

use std::error::Error;

use gatelodge_wire::{DeclineCode, Fingerprint, IceServer, RendezvousErrorCode, RendezvousUrl};
use rustls::{CertificateError, Error as TlsError};

use super::Check;
use crate::identity::Identity;
use crate::signaling::rendezvous::{RendezvousAgent, RendezvousError, RendezvousOptions};
use crate::signaling::{Signaling, SignalingError};

/// What was found at a rendezvous.
#[derive(Debug, Default)]
pub struct Found {
    /// The findings, in the order of the way.
    pub checks: Vec<Check>,
    /// The STUN and TURN servers that it recommends.
    pub ice_servers: Vec<IceServer>,
    /// The registration, if it came about.
    pub agent: Option<RendezvousAgent>,
}

/// Registers at a rendezvous as an agent (which a desktop's own registration does not mind) and tells how far it came: the
/// checks `<prefix>.dns`, `.tcp`, `.tls` and `.registration`. Takes twice the options' time limit for connecting.
pub async fn rendezvous(
    prefix: &str,
    identity: &Identity,
    url: &RendezvousUrl,
    options: RendezvousOptions,
) -> Found {
    let mut way = Way { prefix, url, checks: Vec::new() };
    match RendezvousAgent::connect(identity, url, options).await {
        Ok(agent) => {
            way.passed(Step::Registration);
            let ice_servers = agent.ice_servers();
            Found { checks: way.checks, ice_servers, agent: Some(agent) }
        }
        Err(error) => {
            way.failed(&error);
            Found { checks: way.checks, ..Found::default() }
        }
    }
}

/// Knocks at a desktop without wanting in: the check `<prefix>.desktop`. A desktop that would answer begins to set up a session,
/// and is told `bye`.
pub(super) async fn knock(prefix: &str, agent: &RendezvousAgent, desktop: Fingerprint) -> Check {
    let id = format!("{prefix}.desktop");
    match agent.knock(desktop, None).await {
        Ok(mut link) => {
            link.close().await;
            Check::ok(id, "the desktop is registered there, knows this agent, and answers")
        }
        Err(RendezvousError::Declined { code: DeclineCode::NotKnown }) => Check::failed(
            id,
            "the desktop is registered there, but does not know this agent",
            "pair with it: the desktop's user runs `gatelodge host pair`, then `gatelodge pair` here",
        ),
        Err(RendezvousError::Declined { code: DeclineCode::Unavailable }) => Check::failed(
            id,
            "the desktop is registered there, but cannot look up whom it trusts",
            "the desktop's user has to unlock the keychain there",
        ),
        Err(RendezvousError::Declined { code: DeclineCode::GateClosed }) => Check::failed(
            id,
            "the desktop is registered there, but its user has closed the gate",
            "wait until the desktop's user opens it again",
        ),
        Err(RendezvousError::NotThere) => Check::failed(
            id,
            "the desktop is not registered there",
            "make sure that the desktop is switched on, online, runs gatelodge, and has a link to this same rendezvous (its \
             user sees that with `gatelodge host doctor`)",
        ),
        Err(error @ (RendezvousError::NoAnswer { .. } | RendezvousError::TimedOut { .. })) => Check::failed(
            id,
            error.to_string(),
            "the desktop may have just gone to sleep or lost its network; try again in a minute",
        ),
        Err(error) => Check::failed(id, gatelodge_wire::with_causes(&error), "try again in a minute"),
    }
}

/// The steps of the way, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Dns,
    Tcp,
    Tls,
    Registration,
}

const STEPS: [Step; 4] = [Step::Dns, Step::Tcp, Step::Tls, Step::Registration];

impl Step {
    fn name(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Registration => "registration",
        }
    }
}

struct Way<'a> {
    prefix: &'a str,
    url: &'a RendezvousUrl,
    checks: Vec<Check>,
}

impl Way<'_> {
    fn id(&self, step: Step) -> String {
        format!("{}.{}", self.prefix, step.name())
    }

    /// Notes that everything up to a step is as it should be.
    fn passed(&mut self, last: Step) {
        for step in STEPS.into_iter().filter(|step| *step <= last) {
            let found = match step {
                Step::Dns if self.url.host().parse::<std::net::IpAddr>().is_ok() => {
                    format!("{} is an address; there is no name to look up", self.url.host())
                }
                Step::Dns => format!("the name {} is found", self.url.host()),
                Step::Tcp => format!("{} accepts connections", self.url.authority()),
                Step::Tls if !self.url.is_tls() => {
                    let id = self.id(step);
                    self.checks.push(Check::skipped(
                        id,
                        format!("{} is reached without TLS; what it passes on needs none", self.url),
                    ));
                    continue;
                }
                Step::Tls => "its certificate is trusted".to_owned(),
                Step::Registration => format!("{} has accepted this side's proof of its identity", self.url),
            };
            let id = self.id(step);
            self.checks.push(Check::ok(id, found));
        }
    }

    /// Notes at which step it ended.
    fn failed(&mut self, error: &RendezvousError) {
        let (step, found, advice) = explain(self.url, error);
        if let Some(before) = STEPS.into_iter().rfind(|before| *before < step) {
            self.passed(before);
        }
        let id = self.id(step);
        self.checks.push(Check::failed(id, found, advice));
        for later in STEPS.into_iter().filter(|later| *later > step) {
            if later == Step::Tls && !self.url.is_tls() {
                continue;
            }
            let id = self.id(later);
            let because = match step {
                Step::Dns => "the name is not found",
                Step::Tcp => "there is no connection",
                _ => "there is no trusted TLS connection",
            };
            self.checks.push(Check::skipped(id, because));
        }
    }
}

/// Says at which step the way ended, what was found there, and what to do.
fn explain(url: &RendezvousUrl, error: &RendezvousError) -> (Step, String, String) {
    let found = gatelodge_wire::with_causes(error);
    match error {
        RendezvousError::Unreachable { source, .. } => match &**source {
            SignalingError::Io { action, .. } | SignalingError::TimedOut { action, .. }
                if action.starts_with("resolve") =>
            {
                let found = format!("the name {} is not found ({})", url.host(), last_cause(error));
                let advice = "check how it is written, and whether this machine is online; if other names are found and \
                              this one is not, ask whoever runs the rendezvous";
                (Step::Dns, found, advice.to_owned())
            }
            SignalingError::Io { source, .. } if source.kind() == std::io::ErrorKind::ConnectionRefused => {
                let found = format!("nothing listens at {} (the connection is refused)", url.authority());
                let advice = "the rendezvous is down, or its port is another one; ask whoever runs it";
                (Step::Tcp, found, advice.to_owned())
            }
            _ => {
                let advice = "the rendezvous is down, or a firewall between here and there lets nothing through; try it from \
                              another network";
                (Step::Tcp, found, advice.to_owned())
            }
        },
        RendezvousError::Tls { source, .. } => {
            let tls = source.get_ref().and_then(|error| error.downcast_ref::<TlsError>());
            let (reason, advice) = explain_tls(url, tls);
            let reason = reason.unwrap_or_else(|| source.to_string());
            (Step::Tls, format!("no trusted TLS connection to {}: {reason}", url.authority()), advice)
        }
        RendezvousError::CaFile { .. } => (
            Step::Tls,
            found,
            "name a file with the authority's certificate (PEM) in GATELODGE_CA_FILE or --ca-file, or none".to_owned(),
        ),
        RendezvousError::TimedOut { action, .. } if action.starts_with("accept") => (
            Step::Tcp,
            found,
            "the rendezvous hangs, or a firewall or proxy on the way holds the connection; try it from another network"
                .to_owned(),
        ),
        RendezvousError::NotARendezvous { .. } => (
            Step::Registration,
            found,
            "check the URL and its port; if a reverse proxy is in front of the rendezvous, it has to pass WebSockets on"
                .to_owned(),
        ),
        RendezvousError::Refused { code: RendezvousErrorCode::WrongAuthority, .. } => (
            Step::Registration,
            found,
            "whoever runs the rendezvous has to set its public name to the one in the URL".to_owned(),
        ),
        RendezvousError::Version { .. } => (Step::Registration, found, "update the older one".to_owned()),
        RendezvousError::Full { .. } => (Step::Registration, found, "try again in a few minutes".to_owned()),
        _ => (Step::Registration, found, "try again in a minute; if it stays, ask whoever runs the rendezvous".to_owned()),
    }
}

/// Says what is wrong with a certificate, and what to do.
fn explain_tls(url: &RendezvousUrl, error: Option<&TlsError>) -> (Option<String>, String) {
    use CertificateError::{
        Expired, ExpiredContext, NotValidForName, NotValidForNameContext, NotValidYet, NotValidYetContext,
        UnknownIssuer,
    };
    let Some(TlsError::InvalidCertificate(reason)) = error else {
        let advice = "check that the port speaks TLS (http:// in place of https:// if it does not)";
        return (None, advice.to_owned());
    };
    let (found, advice) = match reason {
        NotValidYet | NotValidYetContext { .. } => (
            "its certificate is not valid yet, by this machine's clock".to_owned(),
            "set this machine's clock and time zone right; it is most likely behind",
        ),
        Expired | ExpiredContext { .. } => (
            "its certificate has expired, by this machine's clock".to_owned(),
            "check this machine's clock; if it is right, whoever runs the rendezvous has to renew the certificate",
        ),
        NotValidForName | NotValidForNameContext { .. } => (
            format!("its certificate is for another name than {}", url.host()),
            "use the name that the certificate is for in the URL, or let whoever runs the rendezvous get one for this name",
        ),
        UnknownIssuer => (
            "its certificate is of an authority that is not known here".to_owned(),
            "if the rendezvous has a private authority, name that one's file (PEM) in GATELODGE_CA_FILE or --ca-file; else \
             somebody on this network may be intercepting TLS",
        ),
        other => {
            (format!("its certificate is refused ({other})"), "let whoever runs the rendezvous look at it")
        }
    };
    (Some(found), advice.to_owned())
}

fn last_cause(error: &dyn Error) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}
