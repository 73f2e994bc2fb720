//! What gets through to nobody: guesses, replays, reflections, objects out of order, and invitations that do not count.

use gatelodge_host::manage::Request;
use gatelodge_host::{HostEvent, LinkPolicy};
use gatelodge_wire::{Control, Invitation, InvitationSecret, PairFailure, PairProof};

use mcp_webrtc::Identity;
use mcp_webrtc::signaling::TcpSignaling;

use super::peer::{Agent, Desk, builder, identity, nonce};

/// An invitation to the same desktop with a secret that nobody gave out, or with one of another id.
fn guessed(invitation: &Invitation) -> Invitation {
    let secret = InvitationSecret::from_bytes([7; 16]);
    Invitation::new(invitation.expires, invitation.desktop, secret, invitation.places().to_vec()).unwrap()
}

fn proof(number: u8) -> PairProof {
    format!("{number:02x}").repeat(32).parse().unwrap()
}

#[tokio::test]
async fn guesses_are_slow_and_do_not_burn_the_invitation() {
    let mut desk = Desk::new().await;
    let invitation = desk.invite(60).await;
    let mut guesser = Agent::come(&identity(), &desk.address).await.unwrap();
    for (guess, seconds) in [(1, 1), (2, 2)] {
        guesser.begin(&invitation).await.unwrap();
        let begun = std::time::Instant::now();
        assert_eq!(guesser.prove(proof(guess)).await, Err(PairFailure::WrongProof));
        assert!(begun.elapsed().as_secs() >= seconds, "answered after {:?}", begun.elapsed());
    }
    let reason = desk.event(|event| match event {
        HostEvent::PairingFailed { reason, .. } => Some(reason.clone()),
        _ => None,
    });
    assert!(reason.await.contains("the proof is wrong"));
    // The right one is not kept waiting, in the very same session.
    assert_eq!(guesser.pair(&invitation).await, Ok(()));
    guesser.leave().await;
    desk.host.shutdown().await;
}

#[tokio::test]
async fn a_guessed_invitation_is_none() {
    let desk = Desk::new().await;
    let invitation = desk.invite(60).await;
    let mut guesser = Agent::come(&identity(), &desk.address).await.unwrap();
    assert_eq!(guesser.begin(&guessed(&invitation)).await.unwrap_err(), PairFailure::Unknown);
    let refused = guesser.verdict().await.unwrap_err();
    assert!(refused.contains("no such invitation open"), "{refused}");
    assert_eq!(desk.invitations().await, 1);
    desk.ends_untouched().await;
}

#[tokio::test]
async fn a_recorded_exchange_is_worth_nothing() {
    let desk = Desk::new().await;
    let (invitation, agent) = (desk.invite(60).await, identity());
    // Recorded where it was said; with nobody asked, since the desktop's answer is not waited for.
    let begun = nonce();
    let mut first = Agent::come(&agent, &desk.address).await.unwrap();
    let own = agent.fingerprint();
    first.say(&Control::PairBegin { invitation: invitation.id(), nonce: begun }).await;
    let Some(Control::PairChallenge { nonce: challenge }) = first.next().await else {
        panic!("no challenge")
    };
    let pairing = gatelodge_wire::AgentPairing::begin(invitation.secret.clone(), own, begun);
    let (_, recorded) = pairing.prove(&invitation.desktop, &challenge);
    first.leave().await;
    // Replayed with the very certificate that it was made for, and with another one.
    for identity in [&agent, &identity()] {
        let mut later = Agent::come(identity, &desk.address).await.unwrap();
        later.say(&Control::PairBegin { invitation: invitation.id(), nonce: begun }).await;
        let Some(Control::PairChallenge { nonce }) = later.next().await else { panic!("no challenge") };
        assert_ne!(nonce, challenge);
        assert_eq!(later.prove(recorded).await, Err(PairFailure::WrongProof));
        later.leave().await;
    }
    assert_eq!(desk.invitations().await, 1);
    desk.ends_untouched().await;
}

#[tokio::test]
async fn what_the_desktop_said_is_no_proof_for_it() {
    let desk = Desk::new().await;
    let invitation = desk.invite(60).await;
    let mut reflecting = Agent::come(&identity(), &desk.address).await.unwrap();
    let (_, challenge) = reflecting.begin(&invitation).await.unwrap();
    let reflected = challenge.to_string().parse().unwrap();
    assert_eq!(reflecting.prove(reflected).await, Err(PairFailure::WrongProof));
    // The other way round: a second exchange with the desktop's nonce as one's own.
    reflecting.say(&Control::PairBegin { invitation: invitation.id(), nonce: challenge }).await;
    let Some(Control::PairChallenge { nonce }) = reflecting.next().await else { panic!("no challenge") };
    assert_ne!(nonce, challenge);
    reflecting.leave().await;
    desk.ends_untouched().await;
}

#[tokio::test]
async fn objects_out_of_order_end_the_session() {
    let desk = Desk::new().await;
    let invitation = desk.invite(60).await;
    for twice in [false, true] {
        let mut hasty = Agent::come(&identity(), &desk.address).await.unwrap();
        if twice {
            hasty.begin(&invitation).await.unwrap();
            assert_eq!(hasty.begin(&invitation).await.unwrap_err(), PairFailure::OutOfOrder);
        } else {
            assert_eq!(hasty.prove(proof(1)).await, Err(PairFailure::OutOfOrder));
        }
        assert!(hasty.verdict().await.is_err());
        hasty.session.closed().await;
    }
    desk.ends_untouched().await;
}

#[tokio::test]
async fn invitations_that_do_not_count_are_told_so() {
    // Strangers may ask here, so that every reason can be heard, and none of these is a question.
    let mut desk = Desk::with(LinkPolicy::AskUnknown).await;
    let (cancelled, short) = (desk.invite(60).await, desk.invite(1).await);
    desk.done(Request::CancelInvitation { invitation: cancelled.id().to_string() }).await;
    let expired = |event: &HostEvent| match event {
        HostEvent::InvitationEnded { reason, .. } => reason.contains("expired").then_some(()),
        _ => None,
    };
    desk.event(expired).await;
    for (invitation, code) in [(&cancelled, PairFailure::Cancelled), (&short, PairFailure::Expired)] {
        let mut late = Agent::come(&identity(), &desk.address).await.unwrap();
        assert_eq!(late.begin(invitation).await.unwrap_err(), code);
        late.session.closed().await;
    }
    desk.ends_untouched().await;
}

/// A stranger comes, and is turned away before a channel opens.
async fn turned_away(desk: &mut Desk, stranger: &Identity) {
    let address = desk.address.clone();
    let coming = async {
        let link = TcpSignaling::connect(address.as_str()).await.unwrap();
        // The stranger's own side may see a session, which then ends.
        if let Ok(session) = builder(stranger).answer(link).await {
            session.closed().await;
        }
    };
    let told = desk.event(|event| match event {
        HostEvent::Refused { reason, .. } => reason.contains("takes known agents only").then_some(()),
        _ => None,
    });
    tokio::join!(coming, told);
}

#[tokio::test]
async fn without_an_open_invitation_strangers_do_not_come_in() {
    let mut desk = Desk::new().await;
    let stranger = identity();
    turned_away(&mut desk, &stranger).await;
    // With one open they come as far as to say what they have, and no further.
    let invitation = desk.invite(60).await;
    let mut silent = Agent::come(&stranger, &desk.address).await.unwrap();
    let refused = silent.verdict().await.unwrap_err();
    assert!(refused.contains("does not let this agent in"), "{refused}");
    desk.done(Request::CancelInvitation { invitation: invitation.id().to_string() }).await;
    turned_away(&mut desk, &stranger).await;
    desk.ends_untouched().await;
}
