//! What a running desktop does unasked: it ends what was interrupted, keeps the activity log within its bounds, and looks
//! after the keychain.

use std::sync::Arc;
use std::time::Duration;

use gatelodge_wire::with_causes;

use crate::activity::ChainHead;
use crate::desktop::Desktop;
use crate::desktop_identity::ENTRY;
use crate::event::HostEvent;
use crate::keychain::KeychainState;
use crate::settings::Settings;
use crate::store::{Store, StoreError, off_worker};
use crate::time::Timestamp;
use crate::trust::TrustStore;

/// Often enough for bounds in days and megabytes.
const EVERY: Duration = Duration::from_secs(60 * 60);

const MILLIS_A_DAY: i64 = 24 * 60 * 60 * 1000;

/// Keeps house until the desktop shuts down.
pub(crate) async fn keep(desktop: Arc<Desktop>) {
    let keeping = async {
        loop {
            if let Err(error) = desktop.trust().run(TrustStore::sweep).await {
                tracing::warn!(error = with_causes(&error), "forgotten agents are still in the keychain");
            }
            let pruned = desktop.kept.store.run(|store| prune(store, &store.settings()?)).await;
            match pruned {
                Ok(0) => {}
                Ok(entries) => tracing::debug!(entries, "old activity was removed"),
                Err(error) => tracing::warn!(error = with_causes(&error), "old activity was not removed"),
            }
            tokio::time::sleep(EVERY).await;
        }
    };
    desktop.cancel.run_until_cancelled(keeping).await;
}

/// Adds to what is shown of agents what the activity log knew before this run.
pub(crate) async fn remember_agents(desktop: Arc<Desktop>, log: ChainHead) {
    match desktop.kept.store.run(move |store| store.agents_in_activity(log)).await {
        Ok(known) => desktop.events.seen().know_agents(known),
        Err(error) => tracing::warn!(error = with_causes(&error), "the log does not say who was here"),
    }
}

/// Reads the passwords of TURN servers from the keychain, for the sessions to come.
pub(crate) async fn read_passwords(desktop: Arc<Desktop>) {
    let reading = Arc::clone(&desktop);
    off_worker(move || reading.in_force.read_passwords(&reading.kept.secrets)).await;
}

/// How often it is looked whether the keychain is still there. One that fails a call is noticed at once.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// How often it is looked for one that is not: soon enough for somebody who has just unlocked it.
const LOOK_FOR_EVERY: Duration = Duration::from_secs(2);

/// Looks after the keychain until the desktop shuts down: tells when it is gone and when it is back, and does then what was
/// left undone.
pub(crate) async fn watch_keychain(desktop: Arc<Desktop>) {
    let watched = desktop.kept.watched.clone();
    let mut changes = watched.changes();
    let (mut usable, mut looked) = (true, false);
    let watching = async {
        read_passwords(Arc::clone(&desktop)).await;
        loop {
            let state = changes.borrow_and_update().clone();
            match (usable, state.is_open()) {
                (false, true) => {
                    if let Err(error) = desktop.trust().run(TrustStore::sweep).await {
                        tracing::debug!(
                            error = with_causes(&error),
                            "forgotten agents are still in the keychain"
                        );
                    }
                    read_passwords(Arc::clone(&desktop)).await;
                    desktop.events.tell(HostEvent::KeychainAvailable);
                }
                // Whoever's call has failed tells it.
                (true, false) if looked => {
                    let reason = state.reason().unwrap_or_default().to_owned();
                    desktop.events.tell(HostEvent::KeychainUnavailable { reason });
                }
                _ => {}
            }
            usable = state.is_open();
            let pause = if usable { LOOK_EVERY } else { LOOK_FOR_EVERY };
            tokio::select! {
                biased;
                // The sender is held here.
                _ = changes.changed() => {
                    looked = false;
                    continue;
                }
                () = watched.due() => {}
                () = tokio::time::sleep(pause) => {}
            }
            look(&desktop).await;
            looked = true;
        }
    };
    desktop.cancel.run_until_cancelled(watching).await;
}

/// Looks at the keychain without making it ask for anything. One that can't be looked at is open once a call has worked.
async fn look(desktop: &Desktop) {
    let state = KeychainState::look_at(desktop.kept.keychain()).await;
    desktop.kept.watched.set(state.unwrap_or(KeychainState::Open));
}

/// Uses the keychain, which may ask the person for its password, and says what came of it.
pub(crate) async fn retry_keychain(desktop: &Arc<Desktop>) -> KeychainState {
    let keychain = desktop.kept.keychain();
    // What fails is noted by the keychain itself.
    if off_worker(move || keychain.get(ENTRY)).await.is_ok() {
        look(desktop).await;
    }
    desktop.kept.watched.state()
}

/// Removes activity that is older, or takes more room, than the settings say. Returns how many entries are gone.
pub(crate) fn prune(store: &Store, settings: &Settings) -> Result<u64, StoreError> {
    let age = i64::from(settings.activity_days) * MILLIS_A_DAY;
    let before = Timestamp::from_millis(Timestamp::now().as_millis() - age);
    store.prune_activity(before, settings.activity_bytes)
}
