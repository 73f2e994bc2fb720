//! What a running desktop does unasked: it ends what was interrupted, and keeps the activity log within its bounds.

use std::sync::Arc;
use std::time::Duration;

use gatelodge_wire::with_causes;

use crate::desktop::Desktop;
use crate::store::{Settings, Store, StoreError};
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

/// Removes activity that is older, or takes more room, than the settings say. Returns how many entries are gone.
pub(crate) fn prune(store: &Store, settings: &Settings) -> Result<u64, StoreError> {
    let age = i64::from(settings.activity_days) * MILLIS_A_DAY;
    let before = Timestamp::from_millis(Timestamp::now().as_millis() - age);
    store.prune_activity(before, settings.activity_bytes)
}
