//! The pairing exchange: how an agent and a desktop prove to each other that they know the same invitation's secret, over
//! a session whose two certificates the proofs are bound to.
//!
//! Sans-IO: nonces, fingerprints and the other side's objects come in as arguments, what to send goes out. Each step
//! consumes the state before it, so that none can be left out, repeated or taken out of order:
//!
//! | agent | | desktop |
//! |---|---|---|
//! | [`AgentPairing::begin`] | `pair.begin` → | |
//! | | ← `pair.challenge` | [`DesktopPairing::challenge`] |
//! | [`AgentPairing::prove`] | `pair.proof` → | |
//! | | ← `pair.accepted` | [`DesktopPairing::check`] |
//! | [`AgentProved::confirm`] | | |
//!
//! Both nonces and both fingerprints, as the *handshake* proved them, go into the key: a proof is good in one exchange of
//! one session. The role is what is authenticated with it: a proof that comes back to its sender is wrong.

use std::fmt;
use std::str::FromStr;

use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::{Fingerprint, InvitationId, InvitationSecret};

/// What precedes everything else in the transcript.
const DOMAIN: &[u8] = b"gatelodge-pair-v1";

/// What each role authenticates.
const AGENT: &[u8] = b"agent";
const DESKTOP: &[u8] = b"desktop";

/// A number that is used once: 32 bytes that nobody can guess, written as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PairNonce([u8; 32]);

/// What proves the knowledge of an invitation's secret: 32 bytes, written as 64 lower-case hexadecimal digits. Comparing
/// two takes the same time wherever they differ.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PairProof([u8; 32]);

impl PairNonce {
    /// Takes 32 bytes that nobody can guess and that were never used before.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl PartialEq for PairProof {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for PairProof {}

/// The hash over everything that the proofs are bound to:
/// `SHA-256("gatelodge-pair-v1" | desktop | agent | desktop's nonce | agent's nonce | invitation id)`.
fn transcript(
    desktop: &Fingerprint,
    agent: &Fingerprint,
    desktop_nonce: &PairNonce,
    agent_nonce: &PairNonce,
    invitation: &InvitationId,
) -> [u8; 32] {
    // All parts have fixed lengths, so that nothing needs to separate them.
    Sha256::new()
        .chain_update(DOMAIN)
        .chain_update(desktop.as_bytes())
        .chain_update(agent.as_bytes())
        .chain_update(desktop_nonce.0)
        .chain_update(agent_nonce.0)
        .chain_update(invitation.as_bytes())
        .finalize()
        .into()
}

/// The key of one exchange: HKDF-SHA256 with the secret as input key, no salt, and the transcript as info; 32 bytes.
fn key(secret: &InvitationSecret, transcript: &[u8; 32]) -> Zeroizing<[u8; 32]> {
    let mut key = Zeroizing::new([0; 32]);
    let derived = Hkdf::<Sha256>::new(None, &secret.0).expand(transcript, &mut *key);
    derived.expect("32 bytes are far below the limit of HKDF-SHA256");
    key
}

/// `HMAC-SHA256(key, role)`.
fn proof(key: &[u8; 32], role: &[u8]) -> PairProof {
    let mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    PairProof(mac.chain_update(role).finalize().into_bytes().into())
}

/// The agent's side, before the desktop's nonce is known.
#[derive(Debug)]
pub struct AgentPairing {
    secret: InvitationSecret,
    agent: Fingerprint,
    nonce: PairNonce,
}

impl AgentPairing {
    /// Begins an exchange; the invitation's id and `nonce` go to the desktop in `pair.begin`. `agent` is this side's own
    /// certificate.
    pub fn begin(secret: InvitationSecret, agent: Fingerprint, nonce: PairNonce) -> Self {
        Self { secret, agent, nonce }
    }

    /// Takes the nonce of `pair.challenge` and makes what goes into `pair.proof`. `desktop` is the certificate that the
    /// handshake of this very session has proved.
    pub fn prove(self, desktop: &Fingerprint, challenge: &PairNonce) -> (AgentProved, PairProof) {
        let id = self.secret.id();
        let key = key(&self.secret, &transcript(desktop, &self.agent, challenge, &self.nonce, &id));
        let own = proof(&key, AGENT);
        (AgentProved { expected: proof(&key, DESKTOP) }, own)
    }
}

/// The agent's side, with its own proof on the way.
#[derive(Debug)]
pub struct AgentProved {
    expected: PairProof,
}

impl AgentProved {
    /// Checks the proof of `pair.accepted`. After it the desktop is the one of the invitation, and nobody is in between.
    ///
    /// # Errors
    ///
    /// [`WrongProof`]: the session is to be ended.
    pub fn confirm(self, accepted: &PairProof) -> Result<(), WrongProof> {
        if self.expected == *accepted { Ok(()) } else { Err(WrongProof) }
    }
}

/// The desktop's side, with its challenge on the way.
#[derive(Debug)]
pub struct DesktopPairing {
    expected: PairProof,
    own: PairProof,
}

impl DesktopPairing {
    /// Answers `pair.begin`; `nonce` goes to the agent in `pair.challenge`. `agent` is the certificate that the handshake
    /// of this very session has proved, `desktop` this side's own.
    pub fn challenge(
        secret: &InvitationSecret,
        desktop: &Fingerprint,
        agent: &Fingerprint,
        begun: &PairNonce,
        nonce: &PairNonce,
    ) -> Self {
        let key = key(secret, &transcript(desktop, agent, nonce, begun, &secret.id()));
        Self { expected: proof(&key, AGENT), own: proof(&key, DESKTOP) }
    }

    /// Checks the proof of `pair.proof`; returns what goes into `pair.accepted`. The agent knows the secret then.
    ///
    /// # Errors
    ///
    /// [`WrongProof`], which is to be counted. Another try needs another `pair.begin`.
    pub fn check(self, proof: &PairProof) -> Result<PairProof, WrongProof> {
        if self.expected == *proof { Ok(self.own) } else { Err(WrongProof) }
    }
}

/// A proof is not the one of this exchange: the secret is another one, or somebody is in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the proof is wrong: the other side has not the same invitation, or somebody is in between")]
pub struct WrongProof;

/// A text has not 64 lower-case hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("nonces and proofs have 64 lower-case hexadecimal digits")]
pub struct PairBytesError;

fn to_hex(bytes: &[u8; 32]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Result<[u8; 32], PairBytesError> {
    let value = |digit: u8| match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        _ => Err(PairBytesError),
    };
    let digits = <&[u8; 64]>::try_from(text.as_bytes()).map_err(|_| PairBytesError)?;
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
        *byte = value(pair[0])? << 4 | value(pair[1])?;
    }
    Ok(bytes)
}

/// Both are written and read the same way.
macro_rules! as_hex {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.pad(&to_hex(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                let [a, b, ..] = self.0;
                write!(formatter, concat!(stringify!($name), "({:02x}{:02x}..)"), a, b)
            }
        }

        impl FromStr for $name {
            type Err = PairBytesError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                from_hex(text).map(Self)
            }
        }

        impl TryFrom<String> for $name {
            type Error = PairBytesError;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(bytes: $name) -> Self {
                to_hex(&bytes.0)
            }
        }
    };
}

as_hex!(PairNonce);
as_hex!(PairProof);

#[cfg(test)]
mod tests;
