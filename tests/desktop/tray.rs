//! The panel: it has the tray in which icons appear, and shows and clicks their menus.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use zbus::message::Header;
use zbus::object_server::SignalEmitter;
use zbus::proxy::CacheProperties;
use zbus::zvariant::{OwnedValue, Structure, Value};
use zbus::{Connection, Proxy, interface};

use crate::waiting::{block_on, eventually, until};

const ITEM: &str = "org.kde.StatusNotifierItem";
const MENU: &str = "com.canonical.dbusmenu";

/// A panel on the session's bus.
pub(crate) struct Tray {
    bus: Connection,
    items: Arc<Mutex<Vec<(String, String)>>>,
}

/// An entry of a menu.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    id: i32,
    pub(crate) text: String,
    pub(crate) enabled: bool,
    pub(crate) below: Vec<Entry>,
}

impl Entry {
    fn find(&self, text: &str) -> Option<&Self> {
        if self.text == text && self.below.is_empty() {
            Some(self)
        } else {
            self.below.iter().find_map(|entry| entry.find(text))
        }
    }
}

/// A picture: width, height, and four bytes a pixel.
#[derive(PartialEq, Eq)]
pub(crate) struct Picture(u32, u32, Vec<u8>);

impl Picture {
    pub(crate) fn of(png: &[u8]) -> Option<Self> {
        let mut reader = png::Decoder::new(std::io::Cursor::new(png)).read_info().ok()?;
        let mut bytes = vec![0; reader.output_buffer_size()?];
        let frame = reader.next_frame(&mut bytes).ok()?;
        Some(Self(frame.width, frame.height, bytes))
    }
}

/// Connects to a bus.
pub(crate) async fn connect(address: &str) -> Connection {
    zbus::connection::Builder::address(address).unwrap().build().await.unwrap()
}

/// An object that is asked each time: these change without telling in a way that a cache would hear of.
async fn proxy(
    bus: &Connection,
    name: String,
    path: String,
    interface: &'static str,
) -> Option<Proxy<'static>> {
    let proxy: zbus::proxy::Builder<'static, Proxy<'static>> = zbus::proxy::Builder::new(bus);
    let proxy = proxy.destination(name).ok()?.path(path).ok()?.interface(interface).ok()?;
    proxy.cache_properties(CacheProperties::No).build().await.ok()
}

impl Tray {
    /// Puts a panel onto the bus.
    pub(crate) fn start(address: &str) -> Self {
        let items: Arc<Mutex<Vec<(String, String)>>> = Arc::default();
        let watcher = Watcher(Arc::clone(&items));
        let bus = block_on(async {
            let bus = zbus::connection::Builder::address(address).unwrap();
            let bus = bus.serve_at("/StatusNotifierWatcher", watcher).unwrap();
            bus.name("org.kde.StatusNotifierWatcher").unwrap().build().await.unwrap()
        });
        Self { bus, items }
    }

    /// The one icon whose program is there still, as its bus name and path.
    fn item(&self) -> Option<(String, String)> {
        let items = self.items.lock().unwrap().clone();
        block_on(async {
            let bus = zbus::fdo::DBusProxy::new(&self.bus).await.unwrap();
            for (name, path) in items.into_iter().rev() {
                let known = zbus::names::BusName::try_from(name.clone()).unwrap();
                if bus.name_has_owner(known).await.unwrap() {
                    return Some((name, path));
                }
            }
            None
        })
    }

    /// Whether a program has this name on the bus.
    pub(crate) fn is_on_bus(&self, name: &str) -> bool {
        block_on(async {
            let bus = zbus::fdo::DBusProxy::new(&self.bus).await.unwrap();
            bus.name_has_owner(zbus::names::BusName::try_from(name).unwrap()).await.unwrap()
        })
    }

    /// Whether there is an icon.
    pub(crate) fn has_icon(&self) -> bool {
        self.item().is_some()
    }

    /// The process that the icon is of.
    #[track_caller]
    pub(crate) fn process(&self) -> u32 {
        let (name, _) = eventually("a tray icon", || self.item());
        block_on(async {
            let bus = zbus::fdo::DBusProxy::new(&self.bus).await.unwrap();
            let name = zbus::names::BusName::try_from(name).unwrap();
            bus.get_connection_unix_process_id(name).await.unwrap()
        })
    }

    /// The picture that the icon shows.
    pub(crate) fn picture(&self) -> Option<Picture> {
        let (name, path) = self.item()?;
        let file = block_on(async {
            let item = proxy(&self.bus, name, path, ITEM).await?;
            let property = async |name| item.get_property::<String>(name).await.ok();
            let (folder, icon) = (property("IconThemePath").await?, property("IconName").await?);
            Some(if icon.starts_with('/') { icon } else { format!("{folder}/{icon}.png") })
        })?;
        Picture::of(&std::fs::read(file).ok()?)
    }

    /// The menu as it is now.
    pub(crate) fn menu(&self) -> Option<Entry> {
        block_on(async {
            let menu = self.menu_of_item().await?;
            let nothing: Vec<String> = Vec::new();
            // It is made anew at times, and not there for a moment.
            let layout: (u32, Layout) = menu.call("GetLayout", &(0i32, -1i32, nothing)).await.ok()?;
            let (id, properties, below) = layout.1;
            let below = below.iter().filter_map(|entry| read(entry)).collect();
            let property = |name: &str| properties.get(name).and_then(|value| value.try_clone().ok());
            Some(entry(id, property("label"), property("enabled"), below))
        })
    }

    async fn menu_of_item(&self) -> Option<Proxy<'static>> {
        let items = self.items.lock().unwrap().clone();
        let (name, path) = items.last()?.clone();
        let item = proxy(&self.bus, name.clone(), path, ITEM).await?;
        let path: zbus::zvariant::OwnedObjectPath = item.get_property("Menu").await.ok()?;
        proxy(&self.bus, name, path.to_string(), MENU).await
    }

    /// Waits until the menu says something, in an entry of its own.
    #[track_caller]
    pub(crate) fn says(&self, text: &str) {
        until(&format!("{text:?} in the tray's menu"), || self.texts().iter().any(|entry| entry == text));
    }

    /// The texts of the menu's entries.
    pub(crate) fn texts(&self) -> Vec<String> {
        fn add(entry: &Entry, texts: &mut Vec<String>) {
            texts.push(entry.text.clone());
            entry.below.iter().for_each(|entry| add(entry, texts));
        }
        let mut texts = Vec::new();
        if let Some(menu) = self.menu() {
            menu.below.iter().for_each(|entry| add(entry, &mut texts));
        }
        texts
    }

    /// Clicks an entry of the menu.
    #[track_caller]
    pub(crate) fn click(&self, text: &str) {
        let entry = eventually(&format!("{text:?} in the tray's menu"), || self.menu()?.find(text).cloned());
        assert!(entry.enabled, "{text:?} cannot be clicked");
        self.send_click(entry.id);
    }

    /// Claims that the entry with this number was clicked, which any program of the session can.
    pub(crate) fn send_click(&self, id: i32) {
        block_on(async {
            let menu = self.menu_of_item().await.unwrap();
            // An entry that is not there is an error.
            let _ = menu.call_method("Event", &(id, "clicked", Value::from(0i32), 0u32)).await;
        });
    }
}

/// An entry of a menu with those below it.
type Layout = (i32, HashMap<String, OwnedValue>, Vec<OwnedValue>);

/// Reads an entry with those below it.
fn read(value: &Value<'_>) -> Option<Entry> {
    let structure: &Structure<'_> = value.downcast_ref().ok()?;
    let [Value::I32(id), Value::Dict(properties), Value::Array(below)] = structure.fields() else {
        return None;
    };
    let property = |name: &str| properties.get::<_, OwnedValue>(&name).ok().flatten();
    let below = below.iter().filter_map(|entry| match entry {
        Value::Value(entry) => read(entry),
        entry => read(entry),
    });
    Some(entry(*id, property("label"), property("enabled"), below.collect()))
}

fn entry(id: i32, label: Option<OwnedValue>, enabled: Option<OwnedValue>, below: Vec<Entry>) -> Entry {
    let text = label.and_then(|label| String::try_from(label).ok()).unwrap_or_default();
    // Underlines mark keys, and are doubled where they are meant.
    let text = text.replace("__", "\0").replace('_', "").replace('\0', "_");
    Entry {
        id,
        text,
        enabled: enabled.and_then(|enabled| bool::try_from(enabled).ok()).unwrap_or(true),
        below,
    }
}

/// Where icons announce themselves.
struct Watcher(Arc<Mutex<Vec<(String, String)>>>);

#[interface(name = "org.kde.StatusNotifierWatcher")]
impl Watcher {
    async fn register_status_notifier_item(
        &mut self,
        service: String,
        #[zbus(header)] header: Header<'_>,
        #[zbus(signal_emitter)] emitter: SignalEmitter<'_>,
    ) {
        // Some libraries give a path, others a name.
        let item = match (service.starts_with('/'), header.sender()) {
            (true, Some(sender)) => (sender.to_string(), service),
            _ => (service, "/StatusNotifierItem".to_owned()),
        };
        self.0.lock().unwrap().push(item);
        let _ = self.registered_status_notifier_items_changed(&emitter).await;
    }

    async fn register_status_notifier_host(&self, _service: String) {}

    #[zbus(property)]
    async fn registered_status_notifier_items(&self) -> Vec<String> {
        self.0.lock().unwrap().iter().map(|(name, path)| format!("{name}{path}")).collect()
    }

    #[zbus(property)]
    async fn is_status_notifier_host_registered(&self) -> bool {
        true
    }

    #[zbus(property)]
    async fn protocol_version(&self) -> i32 {
        0
    }
}
