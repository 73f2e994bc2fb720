//! `gatelodge doctor`: finds out, on the agent's machine, why a desktop is not reached.
//!
//! It looks at what the agent keeps, at the way to the desktop's rendezvous or link, and at the network. The desktop's own side
//! is `gatelodge host doctor`.

mod identity;
mod show;

use std::time::Duration;

use futures_util::future::join_all;
use gatelodge_host::CA_FILE_VARIABLE;
use gatelodge_host::diagnosis::Check;
use mcp_webrtc::Identity;
use mcp_webrtc::diagnosis::{Network, network};
use mcp_webrtc::signaling::rendezvous::RendezvousOptions;
use mcp_webrtc::signaling::{Signal, Signaling, SignalingError};
use tokio::time::timeout;

use crate::failure::Failure;
use crate::identity::Profile;
use crate::known::KnownDesktops;
use crate::place::Place;
use crate::target::Target;
pub(crate) use show::show;

/// How long a link may take to bring the desktop's first word.
const LINK_LIMIT: Duration = Duration::from_secs(8);

/// How many places are looked at; each costs a connection.
const PLACES: usize = 6;

/// Find out why a desktop is not reached, and what to do about it. Exit code 0 if all is well, 1 if anything is not
#[derive(Debug, clap::Args)]
pub(crate) struct Doctor {
    /// The desktop: a paired one's name or the beginning of its fingerprint, or a link; all paired ones if left out
    desktop: Option<String>,

    /// A STUN server such as stun:stun.example.org:3478, beside those that rendezvous recommend; may be repeated
    #[arg(long, value_name = "URL")]
    stun: Vec<String>,

    /// Print JSON: a list of objects with id, state (ok, warning, failed, skipped), found and advice
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    profile: Profile,
}

/// Runs the command.
pub(crate) async fn run(options: Doctor) -> Result<(), Failure> {
    let (mut checks, identity) = identity::checks(&options.profile).await?;
    let places = match places(&options) {
        Ok(places) if places.is_empty() => {
            checks.push(Check::warning(
                "desktops",
                "no desktop is known to this agent",
                "pair with one (gatelodge pair), or name a link to look at: gatelodge doctor https://RENDEZVOUS/#FINGERPRINT",
            ));
            places
        }
        Ok(places) => {
            checks.push(Check::ok(
                "desktops",
                format!("{} to look for a desktop at", counted(places.len(), "place")),
            ));
            places
        }
        Err(failure) => {
            let text = failure.to_string();
            let (found, advice) = text.split_once("; ").unwrap_or((&text, "see: gatelodge desktops"));
            checks.push(Check::failed("desktops", found, advice));
            Vec::new()
        }
    };
    checks.extend(way(places, identity, options.stun).await);
    show(checks, options.json)
}

fn counted(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// Returns where to look, and for whom.
fn places(options: &Doctor) -> Result<Vec<Place>, Failure> {
    let known = KnownDesktops::load(&options.profile.folder()?)
        .map_err(|error| Failure::of(crate::failure::Exit::Storage, &error))?;
    let mut places = match &options.desktop {
        Some(desktop) => Target::resolve(desktop, &known)?.places,
        None => {
            let of_desktop = |desktop: &crate::known::PairedDesktop| {
                let place = |url| Place::of_desktop(url, desktop.fingerprint).ok();
                desktop.places.iter().filter_map(place).collect::<Vec<_>>()
            };
            known.desktops().iter().flat_map(of_desktop).collect()
        }
    };
    places.truncate(PLACES);
    Ok(places)
}

/// Looks at the ways to the desktops, and at the network.
async fn way(places: Vec<Place>, identity: Option<Identity>, stun: Vec<String>) -> Vec<Check> {
    let is_own = identity.is_some();
    // One of the moment proves as well that the way to a rendezvous is open.
    let Some(identity) = identity.or_else(|| Identity::generate().ok()) else { return Vec::new() };
    let mut options = RendezvousOptions::default();
    if let Some(path) = std::env::var_os(CA_FILE_VARIABLE) {
        options = options.ca_file(path);
    }
    let (mut rendezvous, mut links) = (Vec::new(), Vec::new());
    for place in places {
        match place {
            Place::Rendezvous { url, desktop } => {
                let prefix = numbered("rendezvous", rendezvous.len());
                rendezvous.push((prefix, url, is_own.then_some(desktop)));
            }
            place => links.push((numbered("link", links.len()), place)),
        }
    }
    let unknown: Vec<Check> = rendezvous
        .iter()
        .filter(|_| !is_own)
        .map(|(prefix, ..)| {
            Check::skipped(
                format!("{prefix}.desktop"),
                "this agent has no identity that a desktop could know",
            )
        })
        .collect();
    let looking = join_all(links.iter().map(|(id, place)| link(id, place, &identity)));
    let asking = network(Network { identity: &identity, rendezvous, options, stun, ice_servers: Vec::new() });
    let (mut checks, asked) = tokio::join!(looking, asking);
    checks.extend(unknown);
    checks.extend(asked);
    checks
}

fn numbered(name: &str, before: usize) -> String {
    if before == 0 { name.to_owned() } else { format!("{name}-{}", before + 1) }
}

/// Looks whether a desktop answers at a link. It begins to set up a session, and is told `bye`.
async fn link(id: &str, place: &Place, identity: &Identity) -> Check {
    let answer = async {
        let mut link = place.open(identity, None).await?;
        let first = link.receive().await;
        link.close().await;
        first
    };
    let not_there = "make sure that the desktop is switched on and runs gatelodge, and that its link is this one and open (its user \
                     sees that with `gatelodge host doctor`); a desktop behind a router needs a rendezvous";
    match timeout(LINK_LIMIT, answer).await {
        Ok(Ok(Some(Signal::Offer { .. }))) => Check::ok(id, format!("a desktop answers at {place}")),
        Ok(Ok(_)) => {
            Check::failed(id, format!("what answers at {place} is no desktop"), "check the address and port")
        }
        Ok(Err(
            SignalingError::Malformed { .. } | SignalingError::NotText | SignalingError::NotWebSocket(_),
        )) => {
            Check::failed(id, format!("what answers at {place} is no desktop"), "check the address and port")
        }
        Ok(Err(error)) => {
            Check::failed(id, format!("{place}: {}", gatelodge_wire::with_causes(&error)), not_there)
        }
        Err(_) => Check::failed(
            id,
            format!("nothing comes from {place} within {} s", LINK_LIMIT.as_secs()),
            not_there,
        ),
    }
}
