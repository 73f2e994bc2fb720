//! Whether a TURN server gives this side an address.

use std::net::SocketAddr;
use std::time::Duration;

use gatelodge_wire::IceServer;
use thiserror::Error;
use tokio::time::timeout;

use super::udp;
use crate::engine::{EngineError, StunAnswer, TurnLogin, allocate_request, release_request};

/// How often a login is made anew: a relay may say once that its nonce has gone stale (RFC 8656, section 5).
const LOGINS: usize = 2;

/// Why a relay gives no address.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RelayError {
    /// Its name or the URL.
    #[error("{0}")]
    Unresolved(String),
    /// A transport that is not looked at.
    #[error("only relays over UDP are checked")]
    NotOverUdp,
    /// Nothing comes back.
    #[error("no answer from {0} over UDP within 3 s")]
    Silent(SocketAddr),
    /// It takes too long.
    #[error("it did not give an address within 6 s")]
    Slow,
    /// The system does not send.
    #[error("nothing can be sent to {server}")]
    Unsent {
        /// Where.
        server: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// There is no user name or credential to log in with.
    #[error("it wants a user name and a credential, and there are none")]
    NoCredentials,
    /// The credentials are wrong, or have expired.
    #[error("it does not accept the credentials")]
    WrongCredentials,
    /// It has no room, for anybody or for this user.
    #[error("it has no room for another relay (error {0})")]
    Full(u16),
    /// Any other refusal.
    #[error("it refuses (error {0})")]
    Refused(u16),
    /// It answers something else.
    #[error("it answers, but not what a TURN server answers")]
    NoTurnServer,
    /// No request could be made.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// How long all of it may take: one answer that is late, with room for the others.
const LIMIT: Duration = Duration::from_secs(6);

/// Asks the TURN server at one of the URLs of `server` for an address, and gives it back. Takes 6 s at most.
///
/// # Errors
///
/// See [`RelayError`].
pub async fn relay(url: &str, server: &IceServer) -> Result<SocketAddr, RelayError> {
    timeout(LIMIT, allocate(url, server)).await.unwrap_or(Err(RelayError::Slow))
}

async fn allocate(url: &str, server: &IceServer) -> Result<SocketAddr, RelayError> {
    if !udp::is_over_udp(url) {
        return Err(RelayError::NotOverUdp);
    }
    let addresses = udp::resolve(url).await.map_err(RelayError::Unresolved)?;
    let address = addresses.iter().find(|address| address.is_ipv4()).or(addresses.first());
    let address = *address.ok_or_else(|| RelayError::Unresolved(format!("{url} leads nowhere")))?;
    let unsent = |source| RelayError::Unsent { server: address, source };
    let socket = udp::socket_towards(address).await.map_err(unsent)?;
    let ask = async |request| {
        let answer = udp::ask_one(&socket, address, request).await.map_err(unsent)?;
        answer.map(|(answer, _)| answer).ok_or(RelayError::Silent(address))
    };
    let mut login: Option<TurnLogin> = None;
    for _ in 0..=LOGINS {
        match ask(allocate_request(login.as_ref())?).await? {
            StunAnswer::Relayed(relayed) => {
                if let Some(login) = &login {
                    // It would be given back by itself in ten minutes; an answer is not waited for.
                    let _ = socket.send_to(&release_request(login)?.bytes, address).await;
                }
                return Ok(relayed);
            }
            StunAnswer::Mapped(_) => return Err(RelayError::NoTurnServer),
            // Stale Nonce: the credentials may be right, and are tried once more.
            StunAnswer::Refused { code: 401, .. } if login.is_some() => {
                return Err(RelayError::WrongCredentials);
            }
            StunAnswer::Refused { code: 401 | 438, realm: Some(realm), nonce: Some(nonce) } => {
                let (Some(username), Some(credential)) = (server.username.clone(), server.credential.clone())
                else {
                    return Err(RelayError::NoCredentials);
                };
                login = Some(TurnLogin { username, credential, realm, nonce });
            }
            // Allocation Quota Reached, and Insufficient Capacity.
            StunAnswer::Refused { code: code @ (486 | 508), .. } => return Err(RelayError::Full(code)),
            StunAnswer::Refused { code, .. } => return Err(RelayError::Refused(code)),
        }
    }
    Err(RelayError::WrongCredentials)
}
