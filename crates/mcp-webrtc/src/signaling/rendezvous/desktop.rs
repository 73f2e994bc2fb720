//! The desktop's side of a rendezvous: stays registered, and is knocked at.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gatelodge_wire::{
    DeclineCode, Fingerprint, IceServer, InvitationId, RendezvousErrorCode, RendezvousRole, RendezvousUrl,
};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::carrier::{COMMANDS, Carrier, Command, Ended, Knocked};
use super::link::Parts;
use super::{
    RendezvousError, RendezvousOptions, RendezvousSignaling, SharedIceServers, current, dial, random,
};
use crate::identity::Identity;
use crate::signaling::Signaling;

/// How many knocks wait to be looked at. What comes beyond is declined as busy.
const KNOCKS: usize = 64;

/// A connection that held this long was a good one: the next pause is a short one again.
const STABLE: Duration = Duration::from_secs(30);

/// The least pause after another one has registered as this desktop. If both came back at once, neither would be there.
const REPLACED_PAUSE: Duration = Duration::from_secs(30);

/// How a desktop is registered at the moment.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RendezvousState {
    /// It is on its way.
    Connecting,
    /// Agents can knock.
    Registered {
        /// This side's address, as the rendezvous sees it.
        address: String,
        /// The STUN and TURN servers that the rendezvous recommends. Sessions over its links use them by themselves.
        ice_servers: Vec<IceServer>,
    },
    /// It is not registered, and tries again.
    Trouble {
        /// Why, for people.
        reason: String,
        /// When the next attempt begins.
        retry_in: Duration,
    },
}

/// A desktop that stays registered until this is dropped.
pub struct RendezvousDesktop {
    knocks: mpsc::Receiver<Knock>,
    state: watch::Receiver<RendezvousState>,
    _stop: DropGuard,
}

impl RendezvousDesktop {
    /// Begins to register, in a task of its own. Failures are told as [`RendezvousState`] and tried again.
    pub fn start(identity: &Identity, url: &RendezvousUrl, options: RendezvousOptions) -> Self {
        let (state, seen) = watch::channel(RendezvousState::Connecting);
        let (knocks, taken) = mpsc::channel(KNOCKS);
        let stop = CancellationToken::new();
        let staying = Staying { identity: identity.clone(), url: url.clone(), options, state, knocks };
        let cancel = stop.clone();
        tokio::spawn(async move { cancel.run_until_cancelled(staying.run()).await });
        Self { knocks: taken, state: seen, _stop: stop.drop_guard() }
    }

    /// Returns how it is registered, to look at or to wait for changes of.
    pub fn state(&self) -> watch::Receiver<RendezvousState> {
        self.state.clone()
    }

    /// Waits for the next agent that knocks. Cancel-safe.
    pub async fn next_knock(&mut self) -> Knock {
        match self.knocks.recv().await {
            Some(knock) => knock,
            // The task ends with this handle only; if it has failed, nobody knocks any more.
            None => std::future::pending().await,
        }
    }
}

impl fmt::Debug for RendezvousDesktop {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("RendezvousDesktop")
            .field("state", &*self.state.borrow())
            .finish_non_exhaustive()
    }
}

/// An agent that would like a session. Nothing has been made for it yet; dropping it leaves the agent without an answer.
pub struct Knock {
    knocked: Option<Knocked>,
    url: RendezvousUrl,
    commands: mpsc::Sender<Command>,
    options: RendezvousOptions,
    is_local: bool,
    ice_servers: SharedIceServers,
}

impl Knock {
    /// The agent, which has proved its key to the rendezvous.
    pub fn from(&self) -> Fingerprint {
        self.parts().key.0
    }

    /// The invitation that the agent says it has.
    pub fn invitation(&self) -> Option<&InvitationId> {
        self.parts().invitation.as_ref()
    }

    /// Answers: returns the link, on which this side makes the offer.
    pub fn answer(mut self) -> Box<dyn Signaling> {
        let Knocked { key, local, arrivals, .. } =
            self.knocked.take().expect("it is taken only when the knock itself is");
        Box::new(RendezvousSignaling::new(Parts {
            key,
            url: self.url.clone(),
            commands: self.commands.clone(),
            arrivals,
            limits: self.options.limits.clone(),
            is_local: local && self.is_local,
            ice_servers: current(&self.ice_servers),
            first: None,
        }))
    }

    /// Declines, and tells the agent why.
    pub async fn decline(mut self, code: DeclineCode) {
        if let Some(knocked) = self.knocked.take() {
            // An error says that the connection has ended, and the knock with it.
            let _ = self.commands.send(Command::Decline { key: knocked.key, code }).await;
        }
    }

    fn parts(&self) -> &Knocked {
        self.knocked.as_ref().expect("it is taken only when the knock itself is")
    }
}

impl Drop for Knock {
    fn drop(&mut self) {
        if let Some(knocked) = self.knocked.take() {
            let _ = self.commands.try_send(Command::Leave { key: knocked.key });
        }
    }
}

impl fmt::Debug for Knock {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Knock")
            .field("from", &self.from())
            .field("invitation", &self.invitation())
            .finish_non_exhaustive()
    }
}

/// The task that stays registered.
struct Staying {
    identity: Identity,
    url: RendezvousUrl,
    options: RendezvousOptions,
    state: watch::Sender<RendezvousState>,
    knocks: mpsc::Sender<Knock>,
}

impl Staying {
    async fn run(self) {
        let mut pause = self.options.first_retry;
        loop {
            self.state.send_replace(RendezvousState::Connecting);
            let begun = Instant::now();
            let ended = self.register_once().await;
            if begun.elapsed() >= STABLE {
                pause = self.options.first_retry;
            }
            let (reason, retry_in) = match ended {
                // It never ends for want of users.
                Ended::Unused => ("nobody uses the rendezvous".to_owned(), pause),
                Ended::Draining(seconds) => {
                    let seconds = Duration::from_secs(seconds.min(600).into());
                    let wait = seconds + seconds.mul_f64(fraction());
                    ("the rendezvous is about to end or to start again".to_owned(), wait)
                }
                Ended::Failed(error) => {
                    let replaced =
                        matches!(error, RendezvousError::Refused { code: RendezvousErrorCode::Replaced, .. });
                    let wait = shortened(pause);
                    (
                        gatelodge_wire::with_causes(&error),
                        if replaced { wait.max(REPLACED_PAUSE) } else { wait },
                    )
                }
            };
            tracing::debug!(reason, ?retry_in, "not registered at the rendezvous");
            self.state.send_replace(RendezvousState::Trouble { reason, retry_in });
            sleep(retry_in).await;
            pause = (pause * 2).min(self.options.last_retry);
        }
    }

    async fn register_once(&self) -> Ended {
        let registering = dial::register(&self.identity, &self.url, RendezvousRole::Desktop, &self.options);
        let registered = match registering.await {
            Ok(registered) => registered,
            Err(error) => return Ended::Failed(error),
        };
        let servers = registered.ice_servers.clone();
        let ice_servers: SharedIceServers = Arc::new(Mutex::new(registered.ice_servers));
        let (sender, mut obeyed) = mpsc::channel(COMMANDS);
        let knock = {
            let (url, options, knocks) = (self.url.clone(), self.options.clone(), self.knocks.clone());
            let (ice_servers, is_local) = (Arc::clone(&ice_servers), registered.is_local);
            move |knocked| {
                let knock = Knock {
                    knocked: Some(knocked),
                    url: url.clone(),
                    commands: sender.clone(),
                    options: options.clone(),
                    is_local,
                    ice_servers: Arc::clone(&ice_servers),
                };
                match knocks.try_send(knock) {
                    Ok(()) => true,
                    Err(error) => {
                        // The caller declines it.
                        error.into_inner().knocked = None;
                        false
                    }
                }
            }
        };
        let carrier = Carrier {
            socket: registered.socket,
            commands: &mut obeyed,
            ice_servers,
            knock: Box::new(knock),
            links: HashMap::new(),
        };
        let address = registered.address;
        self.state.send_replace(RendezvousState::Registered { address, ice_servers: servers });
        carrier.run().await
    }
}

/// A random number from 0 to 1.
fn fraction() -> f64 {
    f64::from(u32::from_be_bytes(random())) / f64::from(u32::MAX)
}

/// Shortens a pause by up to half at random, so that those who lost the same rendezvous don't come back together.
fn shortened(pause: Duration) -> Duration {
    pause.mul_f64(1.0 - fraction() / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_are_shortened_by_up_to_half() {
        let whole = Duration::from_secs(60);
        let pauses: Vec<_> = (0..1000).map(|_| shortened(whole)).collect();
        assert!(pauses.iter().all(|pause| (whole / 2..=whole).contains(pause)));
        assert!(pauses.iter().any(|pause| *pause < whole * 3 / 5));
        assert!(pauses.iter().any(|pause| *pause > whole * 9 / 10));
    }
}
