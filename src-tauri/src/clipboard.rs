//! The clipboard, with secrets that do not stay on it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::failure::Failure;

/// The clipboard. On X11 and Wayland its content is served by whoever put it there, so the handle is kept.
#[derive(Default, Clone)]
pub(crate) struct Clipboard(Arc<Mutex<Option<arboard::Clipboard>>>);

impl Clipboard {
    /// Puts text onto the clipboard. With `seconds` it is marked as a secret for clipboard histories that heed that, and
    /// taken off after that time if it is still there.
    pub(crate) async fn copy(&self, text: String, seconds: Option<u32>) -> Result<(), Failure> {
        let clipboard = self.clone();
        let copied = text.clone();
        let copying = tauri::async_runtime::spawn_blocking(move || clipboard.set(&copied, seconds.is_some()));
        copying
            .await
            .map_err(|error| Failure::other(error.to_string()))?
            .map_err(|error| Failure::other(format!("the text was not copied: {error}")))?;
        if let Some(seconds) = seconds {
            let clipboard = self.clone();
            tauri::async_runtime::spawn(async move {
                tokio::time::sleep(Duration::from_secs(seconds.into())).await;
                let taking_off = tauri::async_runtime::spawn_blocking(move || clipboard.take_off(&text));
                if let Ok(Err(error)) = taking_off.await {
                    tracing::warn!(%error, "a secret may still be on the clipboard");
                }
            });
        }
        Ok(())
    }

    fn set(&self, text: &str, secret: bool) -> Result<(), arboard::Error> {
        self.with(|clipboard| {
            let set = clipboard.set();
            #[cfg(all(unix, not(target_os = "macos")))]
            let set = match secret {
                true => arboard::SetExtLinux::exclude_from_history(set),
                false => set,
            };
            #[cfg(target_os = "macos")]
            let set = match secret {
                true => arboard::SetExtApple::exclude_from_history(set),
                false => set,
            };
            #[cfg(windows)]
            let set = match secret {
                true => arboard::SetExtWindows::exclude_from_history(
                    arboard::SetExtWindows::exclude_from_cloud(set),
                ),
                false => set,
            };
            set.text(text)
        })
    }

    fn take_off(&self, text: &str) -> Result<(), arboard::Error> {
        self.with(|clipboard| match clipboard.get_text() {
            Ok(there) if there == text => clipboard.clear(),
            // Something else is there by now, or nothing.
            Ok(_) | Err(arboard::Error::ContentNotAvailable) => Ok(()),
            Err(error) => Err(error),
        })
    }

    fn with<T>(
        &self,
        act: impl FnOnce(&mut arboard::Clipboard) -> Result<T, arboard::Error>,
    ) -> Result<T, arboard::Error> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let clipboard = match held.as_mut() {
            Some(clipboard) => clipboard,
            None => held.insert(arboard::Clipboard::new()?),
        };
        act(clipboard)
    }
}

impl std::fmt::Debug for Clipboard {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Clipboard(..)")
    }
}
