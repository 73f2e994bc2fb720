//! Sessions that begin at a rendezvous, and knocks that lead to none.

use std::time::Duration;

use gatelodge_wire::DeclineCode;
use mcp_webrtc::signaling::rendezvous::{RendezvousAgent, RendezvousError, RendezvousOptions};
use mcp_webrtc::{Identity, Session};
use tokio::time::timeout;

use crate::desks::{PATIENCE, config, desktop, options, server};

#[tokio::test]
async fn a_session_by_way_of_a_rendezvous() {
    let (_server, url) = server(config()).await;
    let (desk, agent) = (Identity::generate().unwrap(), Identity::generate().unwrap());
    let mut registered = desktop(&desk, &url).await;
    let offering = {
        let (desk, agent) = (desk.clone(), agent.fingerprint());
        tokio::spawn(async move {
            let knock = registered.next_knock().await;
            assert_eq!(knock.from(), agent);
            assert_eq!(knock.invitation().unwrap().to_string(), "0123456789abcdef");
            let session = Session::builder(&desk).expect(agent).offer(knock.answer()).await.unwrap();
            let channel = session.next_channel().await.unwrap();
            channel.send("{\"jsonrpc\":\"2.0\",\"method\":\"here\"}").await.unwrap();
            // Nothing but the data channel is needed any more.
            drop(registered);
            session.closed().await
        })
    };
    let at_rendezvous = RendezvousAgent::connect(&agent, &url, options()).await.unwrap();
    let invitation = "0123456789abcdef".parse().unwrap();
    let link = at_rendezvous.knock(desk.fingerprint(), Some(invitation)).await.unwrap();
    drop(at_rendezvous);
    let session = Session::builder(&agent).expect(desk.fingerprint()).answer(link).await.unwrap();
    assert_eq!(session.peer().fingerprint, desk.fingerprint());
    let mut channel = session.next_channel().await.unwrap();
    let message = timeout(PATIENCE, channel.recv()).await.unwrap().unwrap();
    assert_eq!(&message[..], b"{\"jsonrpc\":\"2.0\",\"method\":\"here\"}");
    session.close().await;
    timeout(PATIENCE, offering).await.unwrap().unwrap();
}

#[tokio::test]
async fn an_agent_hears_why_there_is_no_session() {
    let (_server, url) = server(config()).await;
    let (desk, agent) = (Identity::generate().unwrap(), Identity::generate().unwrap());
    let connected = RendezvousAgent::connect(&agent, &url, options()).await.unwrap();
    let absent = connected.knock(desk.fingerprint(), None).await.unwrap_err();
    assert!(matches!(absent, RendezvousError::NotThere), "{absent}");

    let mut registered = desktop(&desk, &url).await;
    let declining = async { registered.next_knock().await.decline(DeclineCode::NotKnown).await };
    let (declined, ()) = tokio::join!(connected.knock(desk.fingerprint(), None), declining);
    let declined = declined.unwrap_err();
    assert!(matches!(declined, RendezvousError::Declined { code: DeclineCode::NotKnown }), "{declined}");

    let leaving = async { drop(registered.next_knock().await) };
    let (left, ()) = tokio::join!(connected.knock(desk.fingerprint(), None), leaving);
    assert!(matches!(left.unwrap_err(), RendezvousError::Left));

    let hasty: RendezvousOptions = options().answer_limit(Duration::from_millis(100));
    let hasty = RendezvousAgent::connect(&agent, &url, hasty).await.unwrap();
    let unanswered = hasty.knock(desk.fingerprint(), None).await.unwrap_err();
    assert!(matches!(unanswered, RendezvousError::NoAnswer { .. }), "{unanswered}");
}
