//! Pairing on a session's control channel: the exchange that proves an invitation, and the question to the person after it.
//!
//! The proofs are bound to the two certificates that this session's handshake has proved, and to nothing that came by the
//! link. Until an agent has proved the secret of an open invitation, nobody is asked about it and nothing is written down.

use std::sync::Arc;
use std::time::Duration;

use gatelodge_wire::{Control, DesktopPairing, InvitationId, PairFailure, PairNonce, PairProof, RefusalCode};
use tokio::sync::{Mutex, mpsc};
use tokio_util::sync::CancellationToken;

use super::control::{ControlChannel, Hello};
use super::ending::Refusal;
use super::entrance::{Admitted, keep, refusal_of};
use super::live::Live;
use crate::approval::{ClaimedName, Denial, Request, Subject, Verdict};
use crate::desktop::{Desktop, least_shared_grant};
use crate::event::HostEvent;
use crate::link::{LinkDefinition, LinkPolicy};
use crate::pairing::{Failed, Moment, use_up};
use crate::trust::{AgentLabel, Origin};

/// How long a step of the exchange may take. It needs no person.
const STEP_LIMIT: Duration = Duration::from_secs(15);

/// How long an agent on a link for known agents only has to begin, from its hello on.
const BEGIN_LIMIT: Duration = Duration::from_secs(3);

/// How long the question about an unknown agent waits for a `pair.begin` that may be on its way right behind the hello,
/// where there is an invitation that it could be about.
const BEGIN_GRACE: Duration = Duration::from_millis(500);

/// How many objects of an exchange may wait: more than one is out of order already.
const BACKLOG: usize = 4;

/// What the agent says on the control channel about pairing, on its way to whoever runs the exchange.
#[derive(Clone, Debug)]
pub(super) struct PairObjects {
    sender: mpsc::Sender<Said>,
    receiver: Arc<Mutex<mpsc::Receiver<Said>>>,
}

/// An object of the exchange that agents send.
#[derive(Debug)]
enum Said {
    Begin { invitation: InvitationId, nonce: PairNonce },
    Proof(PairProof),
}

impl Default for PairObjects {
    fn default() -> Self {
        let (sender, receiver) = mpsc::channel(BACKLOG);
        Self { sender, receiver: Arc::new(Mutex::new(receiver)) }
    }
}

impl PairObjects {
    /// Takes an object from the control channel; what is none of the exchange, or too much, is dropped.
    pub(super) fn take(&self, object: Control) {
        let said = match object {
            Control::PairBegin { invitation, nonce } => Said::Begin { invitation, nonce },
            Control::PairProof { proof } => Said::Proof(proof),
            _ => return,
        };
        let _ = self.sender.try_send(said);
    }

    /// Waits for the next object. Cancel-safe; the sender is this channel's own, so that it does not end.
    async fn next(&self) -> Said {
        match self.receiver.lock().await.recv().await {
            Some(said) => said,
            None => std::future::pending().await,
        }
    }
}

/// An invitation that an agent has proved to have.
struct Proved {
    invitation: InvitationId,
    taken_back: CancellationToken,
}

/// Decides about an agent without a record: by its invitation, if it has one; by asking, where the link says so; else not
/// at all.
pub(super) async fn stranger(
    desktop: &Desktop,
    live: &Live,
    link: &LinkDefinition,
    control: &ControlChannel,
    hello: Option<Hello>,
    claimed: Option<AgentLabel>,
) -> Result<Admitted, Refusal> {
    let asks = link.prompt == LinkPolicy::AskUnknown;
    let wait = match asks {
        // A plain peer has no invitation.
        _ if hello.is_none() => Duration::ZERO,
        true if !desktop.invitations.any_known() => Duration::ZERO,
        true => BEGIN_GRACE,
        false => BEGIN_LIMIT,
    };
    if let Ok(said) = tokio::time::timeout(wait, control.pairing.next()).await {
        return by_invitation(desktop, live, control, claimed, said).await;
    }
    if !asks {
        return Err(Refusal::new(RefusalCode::Denied, "this desktop does not let this agent in"));
    }
    let label = claimed.clone();
    tokio::select! {
        biased;
        // Late, but it says what the agent wants; the question that it did not want is withdrawn.
        said = control.pairing.next() => by_invitation(desktop, live, control, label, said).await,
        asked = super::entrance::ask(desktop, live, link, control, hello, claimed) => asked,
    }
}

async fn by_invitation(
    desktop: &Desktop,
    live: &Live,
    control: &ControlChannel,
    claimed: Option<AgentLabel>,
    first: Said,
) -> Result<Admitted, Refusal> {
    let proved = exchange(desktop, live, control, first).await?;
    let id = proved.invitation;
    let taken_back = proved.taken_back;
    tokio::select! {
        biased;
        () = taken_back.cancelled() => Err(fail(control, PairFailure::Cancelled).await),
        asked = ask(desktop, live, control, claimed, &id) => asked,
    }
}

/// Goes on with exchanges after the agent was let in: one that is known already may have forgotten the desktop. It proves
/// the desktop to the agent, and changes nothing on this side but the invitation.
pub(super) async fn of_known_agent(desktop: Arc<Desktop>, live: Arc<Live>, control: ControlChannel) {
    loop {
        let said = control.pairing.next().await;
        match exchange(&desktop, &live, &control, said).await {
            Ok(proved) => use_up(&desktop, &proved.invitation),
            Err(refusal) if refusal.code == RefusalCode::TooMany => return live.ending.end(refusal),
            Err(_) => {}
        }
    }
}

/// Runs exchanges until one succeeds, or there is to be no other.
async fn exchange(
    desktop: &Desktop,
    live: &Live,
    control: &ControlChannel,
    first: Said,
) -> Result<Proved, Refusal> {
    let own = desktop.identity.fingerprint();
    let mut said = first;
    loop {
        let Said::Begin { invitation, nonce } = said else {
            return Err(fail(control, PairFailure::OutOfOrder).await);
        };
        let secret = match desktop.invitations.secret(Moment::now(), &invitation, &live.agent) {
            Ok(secret) => secret,
            Err(failed) => {
                told(desktop, live, &invitation, failed);
                return Err(fail(control, failed.0).await);
            }
        };
        let challenge = random_nonce();
        let pairing = DesktopPairing::challenge(&secret, &own, &live.agent, &nonce, &challenge);
        control.say(&Control::PairChallenge { nonce: challenge }).await;
        let Said::Proof(proof) = next(control).await? else {
            return Err(fail(control, PairFailure::OutOfOrder).await);
        };
        let Ok(accepted) = pairing.check(&proof) else {
            let (wait, last) = desktop.invitations.wrong_proof(&invitation, &live.agent);
            told(desktop, live, &invitation, Failed(PairFailure::WrongProof));
            tokio::time::sleep(wait).await;
            if last {
                return Err(fail(control, PairFailure::TooMany).await);
            }
            fail(control, PairFailure::WrongProof).await;
            said = next(control).await?;
            continue;
        };
        // In the meantime it may have been used, cancelled or become too old.
        return match desktop.invitations.take(Moment::now(), &invitation, &live.agent) {
            Ok(taken_back) => {
                control.say(&Control::PairAccepted { proof: accepted }).await;
                Ok(Proved { invitation, taken_back })
            }
            Err(failed) => {
                told(desktop, live, &invitation, failed);
                Err(fail(control, failed.0).await)
            }
        };
    }
}

async fn next(control: &ControlChannel) -> Result<Said, Refusal> {
    let waited = tokio::time::timeout(STEP_LIMIT, control.pairing.next()).await;
    waited
        .map_err(|_| Refusal::new(RefusalCode::TimedOut, "the agent did not go on with the pairing exchange"))
}

/// Tells the agent, and makes a refusal of it.
async fn fail(control: &ControlChannel, code: PairFailure) -> Refusal {
    let message = Failed(code).message();
    control.say(&Control::PairFailed { code, message: message.to_owned() }).await;
    let refusal = match code {
        PairFailure::TooMany => RefusalCode::TooMany,
        _ => RefusalCode::Denied,
    };
    Refusal::new(refusal, message)
}

/// Tells the person that somebody came with an invitation and did not get through.
fn told(desktop: &Desktop, live: &Live, invitation: &InvitationId, failed: Failed) {
    desktop.events.tell(HostEvent::PairingFailed {
        session: live.id,
        agent: live.agent,
        invitation: invitation.to_string(),
        reason: failed.message().to_owned(),
    });
}

/// Asks the person about an agent that has proved its invitation, and writes the answer down. Any answer uses the
/// invitation up; no answer leaves it to this agent until it expires.
async fn ask(
    desktop: &Desktop,
    live: &Live,
    control: &ControlChannel,
    claimed: Option<AgentLabel>,
    invitation: &InvitationId,
) -> Result<Admitted, Refusal> {
    let agent = live.agent;
    let servers = desktop.servers().await.map_err(|error| super::entrance::unreadable(&error))?;
    let namesake = match claimed.clone() {
        Some(claimed) => {
            desktop.trust().run(move |trust| trust.record_with_label(&claimed).ok().flatten()).await
        }
        None => None,
    };
    let subject = Subject::Pairing {
        preset: servers.iter().map(|server| least_shared_grant(agent, server)).collect(),
        namesake: namesake.map(|record| record.fingerprint),
    };
    let label = claimed.unwrap_or_else(|| AgentLabel::of_fingerprint(&agent));
    let request = Request {
        agent,
        name: ClaimedName::new(label.as_str()),
        known: false,
        session: Some(live.id),
        offered: servers,
        subject,
    };
    let message =
        "the invitation is right; the desktop is asking its user whether to pair with this agent".to_owned();
    control.say(&Control::Pending { channel: None, message, seconds: desktop.approval_seconds() }).await;
    match desktop.ask(request).await {
        Verdict::Always(terms) => {
            let label = terms.label.unwrap_or(label);
            let admitted = keep(desktop, agent, label, Origin::Invitation, terms.grants).await;
            if admitted.is_ok() {
                use_up(desktop, invitation);
            }
            admitted
        }
        Verdict::Session(terms) => {
            let label = terms.label.unwrap_or(label);
            // Known from now on, with nothing lent after this session.
            let paired = keep(desktop, agent, label, Origin::Invitation, Vec::new()).await?;
            use_up(desktop, invitation);
            Ok(Admitted { grants: terms.grants, session_only: true, ..paired })
        }
        // The prompt does not offer it; an agent that is let in once is not paired.
        Verdict::Once => Err(refusal_of(Denial::Declined)),
        Verdict::Denied(denial) => {
            if matches!(denial, Denial::Declined | Denial::Ended | Denial::Blocked) {
                use_up(desktop, invitation);
            }
            if denial == Denial::Blocked {
                super::entrance::block(desktop, agent, Some(label)).await;
            }
            Err(refusal_of(denial))
        }
    }
}

fn random_nonce() -> PairNonce {
    let mut bytes = [0; 32];
    // A system without randomness can't have made the session.
    getrandom::fill(&mut bytes).expect("the operating system has random bytes");
    PairNonce::from_bytes(bytes)
}
