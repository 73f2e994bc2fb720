//! The end of a link that does as the messages ask. [`crate::dialing`] is the other one.

use std::time::Duration;

use anyhow::bail;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use crate::link::{Link, Sender};
use crate::machine;
use crate::scenario::kind;

/// Echoes above this size are sent beside the reading, so that a message behind a large one is answered.
const LARGE: usize = 64 * 1024;

/// What the answering end tells about itself.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Statistics {
    /// Bytes of messages that were to be counted, since the last query.
    pub(crate) bytes: u64,
    /// Seconds of CPU time.
    pub(crate) cpu: f64,
    /// Resident memory in kB.
    pub(crate) rss: f64,
}

/// Answers until the link ends.
pub(crate) async fn answer<L: Link>(link: &mut L) -> anyhow::Result<()> {
    let sender = link.sender();
    let mut counted = 0;
    let mut pieces = Vec::new();
    let mut echoes = JoinSet::new();
    while let Some(message) = link.recv().await {
        match message.first() {
            Some(&kind::ECHO) if message.len() <= LARGE => sender.send(message).await?,
            Some(&kind::ECHO) => {
                echoes.spawn(send_all(sender.clone(), vec![message]));
            }
            Some(&kind::COUNT) => counted += message.len() as u64,
            Some(&kind::PIECE) => {
                let last = message.get(1) == Some(&kind::LAST);
                pieces.push(message);
                if last {
                    echoes.spawn(send_all(sender.clone(), std::mem::take(&mut pieces)));
                }
            }
            Some(&kind::QUERY) => {
                let statistics = Statistics {
                    bytes: std::mem::take(&mut counted),
                    cpu: machine::cpu_seconds(),
                    rss: machine::resident_kb(),
                };
                let mut answer = vec![kind::STATISTICS];
                serde_json::to_writer(&mut answer, &statistics)?;
                sender.send(answer.into()).await?;
            }
            Some(&kind::PAUSE) => {
                let millis: u64 = std::str::from_utf8(&message[1..])?.parse()?;
                tokio::time::sleep(Duration::from_millis(millis)).await;
            }
            _ => bail!("a message of an unknown kind"),
        }
        while let Some(echoed) = echoes.try_join_next() {
            echoed??;
        }
    }
    Ok(())
}

async fn send_all(sender: impl Sender, messages: Vec<Bytes>) -> anyhow::Result<()> {
    for message in messages {
        sender.send(message).await?;
    }
    Ok(())
}
