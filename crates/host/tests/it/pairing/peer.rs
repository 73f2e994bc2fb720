//! A desktop in this process, and agents that are made of the library and the wire format alone.

use std::time::Duration;

use gatelodge_host::approval::{Answer, Prompt, Terms};
use gatelodge_host::manage::{Reply, Request};
use gatelodge_host::upstream::guard::GuardCommand;
use gatelodge_host::{
    Fingerprint, Host, HostConfig, HostEvent, HostEvents, LinkDefinition, LinkKind, LinkPolicy,
};
use gatelodge_wire::{
    AgentPairing, AgentProved, CONTROL_LABEL, Control, Invitation, PairFailure, PairNonce, PairProof,
};
use mcp_webrtc::signaling::TcpSignaling;
use mcp_webrtc::{Admission, Channel, Identity, Session, SessionBuilder, SessionError};
use tokio::time::timeout;

/// No step takes this long unless something hangs.
pub(super) const LIMIT: Duration = Duration::from_secs(40);

/// A desktop that keeps nothing, with a link for known agents only.
pub(super) struct Desk {
    pub(super) host: Host,
    events: HostEvents,
    pub(super) address: String,
}

impl Desk {
    pub(super) async fn new() -> Self {
        Self::with(LinkPolicy::PairedOnly).await
    }

    pub(super) async fn with(prompt: LinkPolicy) -> Self {
        let mut config = HostConfig::new(None, GuardCommand::current_exe().unwrap());
        let kind = LinkKind::Tcp { bind: ([127, 0, 0, 1], 0).into() };
        let (id, name) = ("home".parse().unwrap(), "home".to_owned());
        config.transient.links = vec![LinkDefinition { id, name, kind, server: None, enabled: true, prompt }];
        let (host, mut events) = Host::start(config).await.unwrap();
        let address = loop {
            if let Some(HostEvent::LinkUp { address, .. }) = events.recv().await {
                break address.strip_prefix("tcp://").unwrap().to_owned();
            }
        };
        Self { host, events, address }
    }

    pub(super) async fn invite(&self, seconds: u64) -> Invitation {
        match self.host.perform(Request::Invite { seconds: Some(seconds), places: Vec::new() }).await {
            Reply::Invited { text, .. } => text.0.parse().unwrap(),
            other => panic!("{other:?}"),
        }
    }

    pub(super) async fn done(&self, request: Request) {
        let reply = self.host.perform(request).await;
        assert_eq!(reply, Reply::Done);
    }

    pub(super) async fn agents(&self) -> usize {
        match self.host.perform(Request::Agents).await {
            Reply::Agents { agents } => agents.len(),
            other => panic!("{other:?}"),
        }
    }

    pub(super) async fn invitations(&self) -> usize {
        match self.host.perform(Request::Invitations).await {
            Reply::Invitations { invitations } => invitations.len(),
            other => panic!("{other:?}"),
        }
    }

    /// Waits for a prompt.
    pub(super) async fn prompt(&self) -> Prompt {
        let mut prompts = self.host.approvals().prompts();
        let prompt = timeout(LIMIT, prompts.wait_for(Option::is_some)).await.unwrap().unwrap().clone();
        prompt.unwrap()
    }

    /// Answers the visible prompt as soon as answers count.
    pub(super) async fn answer(&self, answer: Answer) {
        let prompt = self.prompt().await;
        let approvals = self.host.approvals();
        approvals.drawn(prompt.id, prompt.nonce);
        approvals.focused(prompt.id, true);
        let answering = async {
            while approvals.answer(prompt.nonce, answer.clone()).is_err() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        timeout(LIMIT, answering).await.unwrap();
    }

    pub(super) async fn approve(&self) {
        self.answer(Answer::Always(Terms::default())).await;
    }

    /// Waits for an event.
    pub(super) async fn event<T>(&mut self, wanted: impl Fn(&HostEvent) -> Option<T>) -> T {
        let waiting = async {
            loop {
                let event = self.events.recv().await.unwrap();
                if let Some(found) = wanted(&event) {
                    return found;
                }
            }
        };
        timeout(LIMIT, waiting).await.unwrap()
    }

    /// Nothing was asked and nothing was written down; then the desktop ends.
    pub(super) async fn ends_untouched(self) {
        assert_eq!(*self.host.approvals().prompts().borrow(), None);
        assert_eq!(self.agents().await, 0);
        let activity = self
            .host
            .perform(Request::Activity { limit: 1000, before: None, filter: Default::default() })
            .await;
        assert!(!format!("{activity:?}").contains("approval_asked"), "{activity:?}");
        self.host.shutdown().await;
    }
}

/// An agent's session with its control channel.
pub(super) struct Agent {
    pub(super) session: Session,
    control: Channel,
    own: Fingerprint,
}

pub(super) fn builder(identity: &Identity) -> SessionBuilder {
    Session::builder(identity).admit(|_| async { Admission::Admit })
}

impl Agent {
    /// Comes by the desktop's link.
    pub(super) async fn come(identity: &Identity, address: &str) -> Result<Self, SessionError> {
        let signaling = TcpSignaling::connect(address).await?;
        let session = builder(identity).answer(signaling).await?;
        Ok(Self::over(session, identity).await)
    }

    /// Opens the control channel and says hello.
    pub(super) async fn over(session: Session, identity: &Identity) -> Self {
        let control = session.open_channel(CONTROL_LABEL).await.unwrap();
        let agent = Self { session, control, own: identity.fingerprint() };
        let (name, software) = ("agent".to_owned(), String::new());
        agent
            .say(&Control::Hello { version: 1, name, software, persistent: true, resume: 0, resuming: false })
            .await;
        agent
    }

    pub(super) async fn say(&self, object: &Control) {
        // A desktop that has ended the session does not hear it; what it said before is what counts.
        let _ = self.control.send(object.to_json()).await;
    }

    /// The next object but the desktop's hello; `None` at the end.
    pub(super) async fn next(&mut self) -> Option<Control> {
        loop {
            let message = timeout(LIMIT, self.control.recv()).await.unwrap()?;
            match Control::parse(&message).unwrap() {
                Control::Hello { .. } => {}
                object => return Some(object),
            }
        }
    }

    /// Begins; returns the state and the nonce of the challenge, or why there is none.
    pub(super) async fn begin(
        &mut self,
        invitation: &Invitation,
    ) -> Result<(AgentPairing, PairNonce), PairFailure> {
        let nonce = nonce();
        let pairing = AgentPairing::begin(invitation.secret.clone(), self.own, nonce);
        self.say(&Control::PairBegin { invitation: invitation.id(), nonce }).await;
        match self.next().await {
            Some(Control::PairChallenge { nonce }) => Ok((pairing, nonce)),
            Some(Control::PairFailed { code, .. }) => Err(code),
            other => panic!("{other:?}"),
        }
    }

    /// Goes on with what is perhaps a proof; returns the desktop's.
    pub(super) async fn prove(&mut self, proof: PairProof) -> Result<PairProof, PairFailure> {
        self.say(&Control::PairProof { proof }).await;
        match self.next().await {
            Some(Control::PairAccepted { proof }) => Ok(proof),
            Some(Control::PairFailed { code, .. }) => Err(code),
            other => panic!("{other:?}"),
        }
    }

    /// Goes through the whole exchange.
    pub(super) async fn pair(&mut self, invitation: &Invitation) -> Result<(), PairFailure> {
        let (pairing, challenge) = self.begin(invitation).await?;
        let (proved, proof): (AgentProved, _) = pairing.prove(&self.session.peer().fingerprint, &challenge);
        let accepted = self.prove(proof).await?;
        proved.confirm(&accepted).unwrap();
        Ok(())
    }

    /// Waits until the agent is let in, or hears why not.
    pub(super) async fn verdict(&mut self) -> Result<(), String> {
        self.lent().await.map(|_| ())
    }

    /// Waits until the agent is let in, or hears why not; returns the servers that it is lent.
    pub(super) async fn lent(&mut self) -> Result<Vec<String>, String> {
        loop {
            match self.next().await {
                Some(Control::Servers { servers }) => {
                    return Ok(servers.into_iter().map(|server| server.id).collect());
                }
                Some(Control::Refused { message, .. }) => return Err(message),
                Some(_) => {}
                None => return Err("closed".to_owned()),
            }
        }
    }

    /// Leaves, and waits until nothing is left.
    pub(super) async fn leave(self) {
        self.session.close().await;
    }
}

pub(super) fn nonce() -> PairNonce {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).unwrap();
    PairNonce::from_bytes(bytes)
}

pub(super) fn identity() -> Identity {
    Identity::generate().unwrap()
}
