use super::*;

/// What an implementation in another language made of the written specification.
const VECTORS: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/pairing.json"));

#[derive(Deserialize)]
struct Vector {
    secret: String,
    invitation: InvitationId,
    desktop: String,
    agent: String,
    desktop_nonce: PairNonce,
    agent_nonce: PairNonce,
    transcript: String,
    key: String,
    agent_proof: PairProof,
    desktop_proof: PairProof,
}

#[test]
fn the_exchange_has_these_bytes() {
    for vector in serde_json::from_str::<Vec<Vector>>(VECTORS).unwrap() {
        let secret = u128::from_str_radix(&vector.secret, 16).unwrap().to_be_bytes();
        let secret = InvitationSecret::from_bytes(secret);
        assert_eq!(secret.id(), vector.invitation);
        let (desktop, agent) = (vector.desktop.parse().unwrap(), vector.agent.parse().unwrap());
        let transcript =
            transcript(&desktop, &agent, &vector.desktop_nonce, &vector.agent_nonce, &vector.invitation);
        assert_eq!(to_hex(&transcript), vector.transcript);
        assert_eq!(to_hex(&key(&secret, &transcript)), vector.key);

        let asking = AgentPairing::begin(secret.clone(), agent, vector.agent_nonce);
        let answering =
            DesktopPairing::challenge(&secret, &desktop, &agent, &vector.agent_nonce, &vector.desktop_nonce);
        let (asked, proof) = asking.prove(&desktop, &vector.desktop_nonce);
        assert_eq!(proof, vector.agent_proof);
        let accepted = answering.check(&proof).unwrap();
        assert_eq!(accepted, vector.desktop_proof);
        assert_eq!(asked.confirm(&accepted), Ok(()));
    }
}

/// What each side sees of one exchange.
struct Exchange {
    agents_secret: u8,
    desktops_secret: u8,
    /// The desktop that the agent sees, and the one that there is.
    desktops: [u8; 2],
    /// The agent that the desktop sees, and the one that there is.
    agents: [u8; 2],
}

impl Exchange {
    fn honest() -> Self {
        Self { agents_secret: 1, desktops_secret: 1, desktops: [2, 2], agents: [3, 3] }
    }

    fn sides(&self) -> (AgentPairing, DesktopPairing) {
        let fingerprint = |number: u8| Fingerprint::from_bytes([number; 32]);
        let secret = |number: u8| InvitationSecret::from_bytes([number; 16]);
        let nonce = PairNonce::from_bytes([4; 32]);
        let agent = AgentPairing::begin(secret(self.agents_secret), fingerprint(self.agents[1]), nonce);
        let desktop = DesktopPairing::challenge(
            &secret(self.desktops_secret),
            &fingerprint(self.desktops[1]),
            &fingerprint(self.agents[0]),
            &nonce,
            &PairNonce::from_bytes([5; 32]),
        );
        (agent, desktop)
    }

    /// Runs it with everything passed on; says whether the desktop and the agent are content.
    fn run(&self) -> (bool, bool) {
        let (agent, desktop) = self.sides();
        let seen = Fingerprint::from_bytes([self.desktops[0]; 32]);
        let (agent, proof) = agent.prove(&seen, &PairNonce::from_bytes([5; 32]));
        let accepted = desktop.check(&proof);
        // An agent that gets no answer gets its own proof back from whoever is in between.
        (accepted.is_ok(), agent.confirm(&accepted.unwrap_or(proof)).is_ok())
    }
}

#[test]
fn nobody_in_between_and_nobody_without_the_secret_gets_through() {
    assert_eq!(Exchange::honest().run(), (true, true));
    for broken in [
        Exchange { agents_secret: 9, ..Exchange::honest() },
        Exchange { desktops: [9, 2], ..Exchange::honest() },
        Exchange { agents: [9, 3], ..Exchange::honest() },
        Exchange { desktops: [9, 2], agents: [9, 3], ..Exchange::honest() },
    ] {
        assert_eq!(broken.run(), (false, false));
    }
}

#[test]
fn a_proof_is_good_in_one_exchange_and_one_direction() {
    let (agent, desktop) = Exchange::honest().sides();
    let fingerprint = Fingerprint::from_bytes([2; 32]);
    let (agent, proof) = agent.prove(&fingerprint, &PairNonce::from_bytes([5; 32]));
    let accepted = desktop.check(&proof).unwrap();
    // The desktop's own proof, sent back to it.
    let (_, again) = Exchange::honest().sides();
    assert_eq!(again.check(&accepted), Err(WrongProof));
    // A recorded proof, against other nonces of either side.
    let secret = InvitationSecret::from_bytes([1; 16]);
    let seen = Fingerprint::from_bytes([3; 32]);
    for (begun, challenge) in [([4; 32], [6; 32]), ([6; 32], [5; 32])] {
        let (begun, challenge) = (PairNonce::from_bytes(begun), PairNonce::from_bytes(challenge));
        let later = DesktopPairing::challenge(&secret, &fingerprint, &seen, &begun, &challenge);
        assert_eq!(later.check(&proof), Err(WrongProof));
    }
    // The agent's own proof, sent back to it.
    assert_eq!(agent.confirm(&proof), Err(WrongProof));
}

#[test]
fn proofs_and_nonces_are_read_strictly() {
    let text = "0123456789abcdef".repeat(4);
    assert_eq!(text.parse::<PairNonce>().unwrap().to_string(), text);
    for bad in ["", &text[1..], &text.to_uppercase(), &format!("{text}0"), &text.replace('a', "g")] {
        assert_eq!(bad.parse::<PairProof>(), Err(PairBytesError), "{bad:?}");
    }
    assert_eq!(format!("{:?}", PairNonce::from_bytes([0xab; 32])), "PairNonce(abab..)");
}
