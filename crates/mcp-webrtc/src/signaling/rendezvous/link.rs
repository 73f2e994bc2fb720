//! A knock that was answered: a signaling link.

use std::fmt;

use async_trait::async_trait;
use gatelodge_wire::{ClientMessage, IceServer, Opaque, RendezvousUrl};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::SendTimeoutError;

use super::carrier::{Arrival, Command, Key};
use crate::signaling::intake::Intake;
use crate::signaling::{Signal, Signaling, SignalingError, SignalingLimits};

/// One end of a link by way of a rendezvous.
///
/// Dropping it says `bye` and ends the knock, as far as that is possible without waiting.
pub struct RendezvousSignaling {
    pub(super) key: Key,
    pub(super) url: RendezvousUrl,
    /// Nothing once this end or the other one has left: an agent's connection ends with its last user.
    pub(super) commands: Option<mpsc::Sender<Command>>,
    pub(super) arrivals: mpsc::Receiver<Arrival>,
    pub(super) intake: Intake,
    pub(super) said_bye: bool,
    pub(super) is_local: bool,
    pub(super) ice_servers: Vec<IceServer>,
    /// What came before somebody asked for it.
    pub(super) first: Option<Opaque>,
}

/// What a link is made of.
pub(super) struct Parts {
    pub(super) key: Key,
    pub(super) url: RendezvousUrl,
    pub(super) commands: mpsc::Sender<Command>,
    pub(super) arrivals: mpsc::Receiver<Arrival>,
    pub(super) limits: SignalingLimits,
    pub(super) is_local: bool,
    pub(super) ice_servers: Vec<IceServer>,
    pub(super) first: Option<Opaque>,
}

impl RendezvousSignaling {
    pub(super) fn new(parts: Parts) -> Self {
        let Parts { key, url, commands, arrivals, limits, is_local, ice_servers, first } = parts;
        Self {
            key,
            url,
            commands: Some(commands),
            arrivals,
            intake: Intake::new(limits),
            said_bye: false,
            is_local,
            ice_servers,
            first,
        }
    }

    fn forward(&self, signal: &Signal) -> Result<Command, SignalingError> {
        let limit = self.intake.limits.max_bytes_per_object;
        let body = Opaque::new(signal.to_json()).filter(|body| body.get().len() <= limit);
        let body = body.ok_or(SignalingError::TooLarge { limit })?;
        let (to, session) = self.key.clone();
        Ok(Command::Send(ClientMessage::Forward { to, session, body }))
    }

    /// Says the last words without waiting.
    fn leave(&mut self) {
        let Some(commands) = self.commands.take() else { return };
        if !self.said_bye
            && let Ok(bye) = self.forward(&Signal::Bye)
        {
            let _ = commands.try_send(bye);
        }
        let _ = commands.try_send(Command::Leave { key: self.key.clone() });
    }
}

#[async_trait]
impl Signaling for RendezvousSignaling {
    async fn send(&mut self, signal: Signal) -> Result<(), SignalingError> {
        let commands = self.commands.as_ref().filter(|_| !self.said_bye).ok_or(SignalingError::Closed)?;
        let limit = self.intake.limits.send_timeout;
        commands.send_timeout(self.forward(&signal)?, limit).await.map_err(|error| match error {
            SendTimeoutError::Timeout(_) => SignalingError::timed_out("send an object", limit),
            SendTimeoutError::Closed(_) => SignalingError::Closed,
        })?;
        self.said_bye |= signal == Signal::Bye;
        Ok(())
    }

    async fn receive(&mut self) -> Result<Option<Signal>, SignalingError> {
        loop {
            if self.intake.is_over()? {
                return Ok(None);
            }
            let body = match self.first.take() {
                Some(body) => body,
                None => match self.arrivals.recv().await {
                    Some(Arrival::Body(body)) => body,
                    Some(Arrival::Knocking { .. }) => continue,
                    Some(Arrival::Failed(error)) => {
                        self.commands = None;
                        return self.intake.outcome(Err(SignalingError::Rendezvous(Box::new(error))));
                    }
                    None => {
                        self.intake.end();
                        self.commands = None;
                        return Ok(None);
                    }
                },
            };
            let signal = self.intake.object(body.get().as_bytes());
            if let Some(signal) = self.intake.outcome(signal)? {
                return Ok(Some(signal));
            }
        }
    }

    async fn close(&mut self) {
        self.intake.end();
        self.leave();
        self.arrivals.close();
    }

    fn is_local(&self) -> bool {
        self.is_local
    }

    fn ice_servers(&self) -> Vec<IceServer> {
        self.ice_servers.clone()
    }

    fn describe(&self) -> String {
        format!("rendezvous {}", self.url)
    }
}

impl Drop for RendezvousSignaling {
    fn drop(&mut self) {
        self.leave();
    }
}

impl fmt::Debug for RendezvousSignaling {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("RendezvousSignaling")
            .field("peer", &self.key.0)
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}
