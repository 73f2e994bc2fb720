//! What an agent gets that has an invitation.

use gatelodge_host::LinkPolicy;
use gatelodge_host::approval::{Answer, Subject};
use gatelodge_host::manage::{Reply, Request};
use gatelodge_wire::PairFailure;

use super::peer::{Agent, Desk, identity};

#[tokio::test]
async fn an_approved_agent_is_known_from_then_on() {
    let desk = Desk::new().await;
    let (invitation, agent) = (desk.invite(60).await, identity());
    let expected = desk.host.approvals().expected();
    let mut pairing = Agent::come(&agent, &desk.address).await.unwrap();
    pairing.pair(&invitation).await.unwrap();
    let prompt = desk.prompt().await;
    assert_eq!(*expected.borrow(), 1, "who shows prompts could make ready");
    assert_eq!(prompt.request.agent, agent.fingerprint());
    assert!(matches!(prompt.request.subject, Subject::Pairing { namesake: None, .. }));
    desk.approve().await;
    assert_eq!(pairing.verdict().await, Ok(()));
    pairing.leave().await;
    assert_eq!((desk.agents().await, desk.invitations().await), (1, 0));
    // It comes back unasked, while no invitation is open.
    let mut again = Agent::come(&agent, &desk.address).await.unwrap();
    assert_eq!(again.verdict().await, Ok(()));
    assert_eq!(*expected.borrow(), 1, "nobody is asked about who is known");
    // One that has forgotten the desktop gets the desktop's proof without a question.
    assert_eq!(again.begin(&invitation).await.unwrap_err(), PairFailure::Used);
    again.pair(&desk.invite(60).await).await.unwrap();
    again.leave().await;
    desk.host.shutdown().await;
}

#[tokio::test]
async fn an_invited_agent_is_asked_about_as_such_also_where_strangers_may_ask() {
    let desk = Desk::with(LinkPolicy::AskUnknown).await;
    let (invitation, agent) = (desk.invite(60).await, identity());
    let mut pairing = Agent::come(&agent, &desk.address).await.unwrap();
    pairing.pair(&invitation).await.unwrap();
    assert!(matches!(desk.prompt().await.request.subject, Subject::Pairing { .. }));
    desk.answer(Answer::Deny).await;
    assert_eq!(pairing.verdict().await, Err("the desktop's user said no".to_owned()));
    assert_eq!((desk.agents().await, desk.invitations().await), (0, 0));
    desk.host.shutdown().await;
}

#[tokio::test]
async fn nobody_answering_leaves_the_invitation_to_the_agent_that_has_proved_it() {
    let desk = Desk::new().await;
    let (invitation, agent, other) = (desk.invite(60).await, identity(), identity());
    let mut pairing = Agent::come(&agent, &desk.address).await.unwrap();
    pairing.pair(&invitation).await.unwrap();
    desk.prompt().await;
    // The network of the agent is gone before anybody answers.
    pairing.leave().await;
    let mut gone = desk.host.approvals().prompts();
    gone.wait_for(Option::is_none).await.unwrap();
    let mut thief = Agent::come(&other, &desk.address).await.unwrap();
    assert_eq!(thief.begin(&invitation).await.unwrap_err(), PairFailure::Used);
    let mut again = Agent::come(&agent, &desk.address).await.unwrap();
    again.pair(&invitation).await.unwrap();
    desk.approve().await;
    assert_eq!(again.verdict().await, Ok(()));
    match desk.host.perform(Request::Agents).await {
        Reply::Agents { agents } => assert_eq!(agents[0].fingerprint, agent.fingerprint().to_string()),
        other => panic!("{other:?}"),
    }
    desk.host.shutdown().await;
}

#[tokio::test]
async fn taking_an_invitation_back_withdraws_the_question() {
    let desk = Desk::new().await;
    let (invitation, agent) = (desk.invite(60).await, identity());
    let mut pairing = Agent::come(&agent, &desk.address).await.unwrap();
    pairing.pair(&invitation).await.unwrap();
    desk.prompt().await;
    desk.done(Request::CancelInvitation { invitation: invitation.id().to_string() }).await;
    let refused = pairing.verdict().await.unwrap_err();
    assert!(refused.contains("was cancelled"), "{refused}");
    desk.host.approvals().prompts().wait_for(Option::is_none).await.unwrap();
    assert_eq!(desk.agents().await, 0);
    desk.host.shutdown().await;
}
