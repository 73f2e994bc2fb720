//! The agent's side of a rendezvous: connects, and knocks.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gatelodge_wire::{
    DeclineCode, Fingerprint, IceServer, InvitationId, KnockId, RendezvousRole, RendezvousUrl,
};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout_at};

use super::carrier::{ARRIVALS, Arrival, COMMANDS, Carrier, Command};
use super::link::Parts;
use super::{
    RendezvousError, RendezvousOptions, RendezvousSignaling, SharedIceServers, current, dial, random,
};
use crate::identity::Identity;

/// When to knock again at a desktop that is busy: a flood of others leaves gaps.
const BUSY_PAUSES: [Duration; 4] = [
    Duration::from_millis(50),
    Duration::from_millis(200),
    Duration::from_millis(500),
    Duration::from_secs(1),
];

/// An agent that is registered at a rendezvous. The connection lives as long as this or a link that came of it.
pub struct RendezvousAgent {
    commands: mpsc::Sender<Command>,
    url: RendezvousUrl,
    options: RendezvousOptions,
    is_local: bool,
    ice_servers: SharedIceServers,
}

impl RendezvousAgent {
    /// Connects and proves who this agent is.
    ///
    /// # Errors
    ///
    /// See [`RendezvousError`].
    pub async fn connect(
        identity: &Identity,
        url: &RendezvousUrl,
        options: RendezvousOptions,
    ) -> Result<Self, RendezvousError> {
        let registered = dial::register(identity, url, RendezvousRole::Agent, &options).await?;
        let ice_servers: SharedIceServers = Arc::new(Mutex::new(registered.ice_servers));
        let (commands, mut obeyed) = mpsc::channel(COMMANDS);
        let shared = Arc::clone(&ice_servers);
        tokio::spawn(async move {
            let carrier = Carrier {
                socket: registered.socket,
                commands: &mut obeyed,
                ice_servers: shared,
                // Nobody knocks at an agent.
                knock: Box::new(|_| false),
                links: HashMap::new(),
            };
            // Links notice the end by themselves.
            carrier.run().await;
        });
        let is_local = registered.is_local;
        Ok(Self { commands, url: url.clone(), options, is_local, ice_servers })
    }

    /// Returns the STUN and TURN servers that the rendezvous recommends. Sessions over its links use them by themselves.
    pub fn ice_servers(&self) -> Vec<IceServer> {
        current(&self.ice_servers)
    }

    /// Returns whether the rendezvous is on this machine.
    pub fn is_local(&self) -> bool {
        self.is_local
    }

    /// Knocks at a desktop and waits for its answer, which is its offer: the link's first object. Where the desktop is busy
    /// with others it knocks again, a few times.
    ///
    /// # Errors
    ///
    /// [`RendezvousError::NotThere`], [`RendezvousError::Declined`], [`RendezvousError::NoAnswer`], or what the connection
    /// failed of.
    pub async fn knock(
        &self,
        desktop: Fingerprint,
        invitation: Option<InvitationId>,
    ) -> Result<RendezvousSignaling, RendezvousError> {
        let mut pauses = BUSY_PAUSES.iter();
        loop {
            match self.knock_once(desktop, invitation).await {
                Err(RendezvousError::Declined { code: DeclineCode::Busy }) => match pauses.next() {
                    Some(pause) => sleep(*pause).await,
                    None => return Err(RendezvousError::Declined { code: DeclineCode::Busy }),
                },
                outcome => return outcome,
            }
        }
    }

    async fn knock_once(
        &self,
        desktop: Fingerprint,
        invitation: Option<InvitationId>,
    ) -> Result<RendezvousSignaling, RendezvousError> {
        let key = (desktop, KnockId::from_bytes(random()));
        let (sender, arrivals) = mpsc::channel(ARRIVALS);
        let knock = Command::Knock { key: key.clone(), invitation, arrivals: sender };
        self.commands.send(knock).await.map_err(|_| RendezvousError::Lost)?;
        let mut link = RendezvousSignaling::new(Parts {
            key,
            url: self.url.clone(),
            commands: self.commands.clone(),
            arrivals,
            limits: self.options.limits.clone(),
            is_local: false,
            ice_servers: self.ice_servers(),
            first: None,
        });
        let limit = self.options.answer_limit;
        let deadline = Instant::now() + limit;
        let mut there = false;
        loop {
            match timeout_at(deadline, link.arrivals.recv()).await {
                Ok(Some(Arrival::Body(body))) => {
                    link.first = Some(body);
                    return Ok(link);
                }
                Ok(Some(Arrival::Knocking { local })) => {
                    there = true;
                    link.is_local = local && self.is_local;
                }
                Ok(Some(Arrival::Failed(error))) => return Err(error),
                Ok(None) if self.commands.is_closed() => return Err(RendezvousError::Lost),
                Ok(None) => return Err(RendezvousError::Left),
                Err(_) if there => return Err(RendezvousError::NoAnswer { limit }),
                Err(_) => return Err(RendezvousError::TimedOut { action: "answer", limit }),
            }
        }
    }
}

impl fmt::Debug for RendezvousAgent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("RendezvousAgent").field("url", &self.url).finish_non_exhaustive()
    }
}
