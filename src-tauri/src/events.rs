//! What happens on the host, told to the main window at a rate that a page can take.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use gatelodge_host::{HostEvent, HostEvents};
use tauri::ipc::Channel;
use tauri::{AppHandle, Manager};
use tokio::task::AbortHandle;

use crate::desk::Desk;

/// A page is told at most [`MOST`] events in this time; of the rest it is told how many there were.
const SPAN: Duration = Duration::from_millis(250);
const MOST: u32 = 200;

/// The stream to the main window. There is one, since there is one such window.
#[derive(Debug)]
pub(crate) struct EventStreams {
    app: AppHandle,
    running: Mutex<Option<AbortHandle>>,
}

impl EventStreams {
    pub(crate) fn new(app: AppHandle) -> Self {
        Self { app, running: Mutex::default() }
    }

    /// Tells this channel from now on, and no other one any more.
    pub(crate) fn stream(&self, channel: Channel<HostEvent>) {
        let app = self.app.clone();
        let task = tauri::async_runtime::spawn(async move {
            while let Some(host) = app.state::<Desk>().when_up().await {
                if forward(host.events(), &channel).await.is_err() {
                    return;
                }
            }
        });
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(before) = running.replace(task.inner().abort_handle()) {
            before.abort();
        }
    }

    /// Stops telling; the window is gone.
    pub(crate) fn stop(&self) {
        if let Some(running) = self.running.lock().unwrap_or_else(PoisonError::into_inner).take() {
            running.abort();
        }
    }
}

/// Tells a channel until the host ends (`Ok`) or the channel does (`Err`).
async fn forward(mut events: HostEvents, channel: &Channel<HostEvent>) -> Result<(), tauri::Error> {
    // What was before this moment is not told: the page looks at everything now.
    channel.send(HostEvent::Changed)?;
    loop {
        let span = tokio::time::sleep(SPAN);
        tokio::pin!(span);
        let (mut told, mut left_out) = (0, 0);
        loop {
            tokio::select! {
                biased;
                event = events.recv() => match event {
                    Some(HostEvent::Missed { events }) => left_out += events,
                    Some(event) if told < MOST => {
                        told += 1;
                        channel.send(event)?;
                    }
                    Some(_) => left_out += 1,
                    None => return Ok(()),
                },
                () = &mut span, if told > 0 || left_out > 0 => break,
            }
        }
        if left_out > 0 {
            channel.send(HostEvent::Missed { events: left_out })?;
        }
    }
}
