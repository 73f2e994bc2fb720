//! The notification service, and what goes between it and the programs that notify.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use futures_util::StreamExt;
use zbus::message::Type;
use zbus::zvariant::OwnedValue;
use zbus::{Connection, MessageStream};

use crate::waiting::{block_on, eventually, spawn};

const SERVICE: &str = "org.freedesktop.Notifications";
const PATH: &str = "/org/freedesktop/Notifications";

/// The settings of the service: everything is shown, and stays until it is taken away.
pub(crate) const DUNSTRC: &str = "[global]
origin = bottom-left
idle_threshold = 0
[urgency_low]
timeout = 0
[urgency_normal]
timeout = 0
[urgency_critical]
timeout = 0
";

/// A notification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Notice {
    pub(crate) id: u32,
    pub(crate) title: String,
    pub(crate) body: String,
    /// The names of the actions that it offers.
    pub(crate) actions: Vec<String>,
    /// Whether it is on the screen still.
    pub(crate) shown: bool,
}

/// Listens to what is notified.
pub(crate) struct Notices {
    bus: Connection,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    /// Calls without their answer yet, by who called and the number of the call.
    asked: BTreeMap<(String, u32), (String, String, Vec<String>)>,
    notices: Vec<Notice>,
}

impl Notices {
    /// Listens on the bus at this address.
    pub(crate) fn watch(address: &str) -> Self {
        let seen: Arc<Mutex<Seen>> = Arc::default();
        let watching = Arc::clone(&seen);
        let bus = block_on(async {
            let monitor = crate::tray::connect(address).await;
            let messages = MessageStream::from(&monitor);
            let proxy = zbus::fdo::MonitoringProxy::new(&monitor).await.unwrap();
            proxy.become_monitor(&[], 0).await.unwrap();
            spawn(listen(messages, monitor, watching));
            crate::tray::connect(address).await
        });
        Self { bus, seen }
    }

    /// All notifications so far.
    pub(crate) fn all(&self) -> Vec<Notice> {
        self.seen.lock().unwrap().notices.clone()
    }

    /// Those that are on the screen.
    pub(crate) fn shown(&self) -> Vec<Notice> {
        self.all().into_iter().filter(|notice| notice.shown).collect()
    }

    /// Waits for a notification on the screen whose title or text has this in it.
    #[track_caller]
    pub(crate) fn says(&self, text: &str) -> Notice {
        let has = |notice: &Notice| notice.title.contains(text) || notice.body.contains(text);
        eventually(&format!("a notification {text:?}"), || self.shown().into_iter().find(has))
    }

    /// Waits until a notification has been taken off the screen.
    #[track_caller]
    pub(crate) fn is_withdrawn(&self, id: u32) {
        crate::waiting::until("the notification's end", || {
            self.all().iter().any(|notice| notice.id == id && !notice.shown)
        });
    }

    /// Clicks on the notification that was shown last, as dunst's own command does it.
    pub(crate) fn click_latest(&self) {
        block_on(async {
            let interface = Some("org.dunstproject.cmd0");
            self.bus
                .call_method(Some(SERVICE), PATH, interface, "NotificationAction", &(0u32,))
                .await
                .unwrap();
        });
    }

    /// Claims that a notification was clicked, which any program of the session can.
    pub(crate) fn forge(&self, id: u32, action: &str) {
        block_on(async {
            self.bus.emit_signal(None::<()>, PATH, SERVICE, "ActionInvoked", &(id, action)).await.unwrap();
        });
    }
}

/// What `Notify` is called with.
type Notified = (String, u32, String, String, String, Vec<String>, BTreeMap<String, OwnedValue>, i32);

async fn listen(mut messages: MessageStream, _monitor: Connection, seen: Arc<Mutex<Seen>>) {
    while let Some(Ok(message)) = messages.next().await {
        let header = message.header();
        let name =
            |name: Option<&zbus::names::UniqueName<'_>>| name.map(ToString::to_string).unwrap_or_default();
        let mut seen = seen.lock().unwrap();
        match (header.message_type(), header.member().map(|member| member.as_str())) {
            (Type::MethodCall, Some("Notify")) => {
                let Ok((_, _, _, title, body, actions, _, _)) = message.body().deserialize::<Notified>()
                else {
                    continue;
                };
                let call = (name(header.sender()), header.primary().serial_num().get());
                let actions = actions.into_iter().step_by(2).collect();
                seen.asked.insert(call, (title, body, actions));
            }
            (Type::MethodReturn, _) => {
                let to = header.destination().map(ToString::to_string).unwrap_or_default();
                let Some(serial) = header.reply_serial() else { continue };
                let Some((title, body, actions)) = seen.asked.remove(&(to, serial.get())) else { continue };
                let id = message.body().deserialize().unwrap();
                seen.notices.push(Notice { id, title, body, actions, shown: true });
            }
            (Type::Signal, Some("NotificationClosed")) => {
                let Ok((id, _)) = message.body().deserialize::<(u32, u32)>() else { continue };
                seen.notices
                    .iter_mut()
                    .filter(|notice| notice.id == id)
                    .for_each(|notice| notice.shown = false);
            }
            _ => {}
        }
    }
}
