//! Carries messages over a session that ends with its connection.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use gatelodge_wire::{Control, LentServer, server_label};
use mcp_webrtc::{SendError, Sent};
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use super::calls::Calls;
use super::desktop::{Desktop, left_without_a_word};
use super::lines::{Input, Output};
use super::{LAST_ANSWERS, pass_on, refuse};
use crate::failure::{Exit, Failure};
use crate::terminal::say;

/// Carries messages both ways until one side has had enough.
pub(super) async fn carry(
    mut desktop: Desktop,
    server: &LentServer,
    input: &mut Input,
    output: &Arc<Mutex<Output>>,
    calls: &Calls,
    stop: impl Future<Output = ()>,
) -> Result<(), Failure> {
    let (sender, mut receiver) = desktop.open(&server_label(&server.id)).await?.split();
    say!("ready: {} ({})", server.id, server.name);
    let mut down = JoinSet::new();
    down.spawn({
        let (output, calls) = (Arc::clone(output), calls.clone());
        async move {
            while let Some(message) = receiver.recv().await {
                let ready = || receiver.recv().now_or_never().flatten();
                if pass_on(message, ready, &mut *output.lock().await, &calls).await.is_err() {
                    // Nobody reads the answers any more, so that there is nobody to tell.
                    return true;
                }
            }
            false
        }
    });
    let up = async {
        while let Some(message) = input.messages.recv().await {
            calls.asked(&message);
            match sender.send(message.clone()).await {
                Ok(Sent::Message) => {}
                Ok(_) => say!("an answer was too large for the desktop; it got an error instead"),
                Err(error @ (SendError::TooLarge { .. } | SendError::NotUtf8)) => {
                    refuse(&message, &error, output, calls).await;
                }
                Err(_) => std::future::pending().await,
            }
        }
        let _ = tokio::time::timeout(LAST_ANSWERS, calls.all_answered()).await;
    };
    let told = async {
        loop {
            match desktop.control.next().await {
                Ok(Some(Control::Pending { message, seconds, .. })) => say!("{message} (up to {seconds} s)"),
                Ok(Some(_)) => {}
                Ok(None) => return left_without_a_word(),
                Err(failure) => return failure,
            }
        }
    };
    let outcome = tokio::select! {
        biased;
        failure = told => Err(failure),
        client_gone = down.join_next() => Ok(matches!(client_gone, Some(Ok(true)))),
        () = up => Ok(true),
        () = stop => Ok(true),
    };
    match outcome? {
        true => {
            desktop.goodbye("the client has left").await;
            Ok(())
        }
        false => Err(why_the_channel_closed(&mut desktop).await),
    }
}

/// The reason comes on the control channel, perhaps a moment after the channel's end.
async fn why_the_channel_closed(desktop: &mut Desktop) -> Failure {
    let reason = async {
        loop {
            match desktop.control.next().await {
                Ok(Some(_)) => {}
                Ok(None) => return lost(),
                Err(failure) => return failure,
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(1), reason).await.unwrap_or_else(|_| lost())
}

fn lost() -> Failure {
    Failure::new(Exit::Lost, "the connection to the desktop was lost")
}
