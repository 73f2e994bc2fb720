//! The pages in the app's windows, read and driven through WebKit's WebDriver.

use std::cell::RefCell;
use std::net::TcpListener;
use std::process::Command;

use fantoccini::elements::{Element, ElementRef};
use fantoccini::error::CmdError;
use fantoccini::wd::WindowHandle;
use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};

use crate::waiting::{block_on, eventually, spawn, until};

/// How WebDriver marks an element in the result of a script (W3C WebDriver, section 12.2).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// Finds what a person would click on, by what it is called.
const FIND: &str = "
    const [name] = arguments;
    const calm = text => (text ?? '').replace(/\\s+/g, ' ').trim();
    const seen = element => element.getClientRects().length > 0 && getComputedStyle(element).visibility !== 'hidden'
        && !element.closest('[inert]');
    const names = element => [element.getAttribute('aria-label'), element.textContent, element.labels?.[0]?.textContent]
        .map(calm);
    const all = 'button, a, summary, [role=button], [role=tab], [role=switch], label, input, select, textarea';
    const there = [...document.querySelectorAll(all)].filter(element => seen(element) && !element.disabled);
    const found = there.filter(element => names(element).includes(name));
    return found.at(0) ?? null;
";

/// A page of the app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Page {
    Main,
    Prompt,
}

impl Page {
    fn of(url: &str) -> Self {
        if url.contains("/prompt.html") { Self::Prompt } else { Self::Main }
    }
}

/// A WebDriver that has started the app.
pub(crate) struct Driver {
    client: Client,
    /// The page that is driven at the moment.
    current: RefCell<Option<(Page, WindowHandle)>>,
}

/// A free port for a WebDriver: it takes no socket and tells no port.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// The WebDriver's command.
pub(crate) fn configure(command: &mut Command, port: u16) {
    command.args(["--host=127.0.0.1", &format!("--port={port}")]).env("TAURI_WEBVIEW_AUTOMATION", "true");
}

impl Driver {
    /// Has the WebDriver at this port start the program.
    #[track_caller]
    pub(crate) fn start(port: u16, program: &str, arguments: &[&str]) -> Self {
        let client = Self::connect(port, program, arguments);
        let client = block_on(async { tokio::time::timeout(crate::waiting::LIMIT, client).await });
        let client = client.expect("the app does not start in time").expect("the app can be driven");
        Self { client, current: RefCell::new(None) }
    }

    /// Has the WebDriver at this port start the program, and gives up when `meanwhile` is over.
    pub(crate) fn try_start(
        port: u16,
        program: &str,
        arguments: &[&str],
        meanwhile: impl FnOnce(),
    ) -> Option<Self> {
        let (sender, receiver) = std::sync::mpsc::channel();
        let client = Self::connect(port, program, arguments);
        spawn(async move {
            // Nobody listens any more once it is over.
            let _ = sender.send(client.await);
        });
        meanwhile();
        let client = receiver.try_recv().ok()?.ok()?;
        Some(Self { client, current: RefCell::new(None) })
    }

    fn connect(
        port: u16,
        program: &str,
        arguments: &[&str],
    ) -> impl Future<Output = Result<Client, fantoccini::error::NewSessionError>> + Send + 'static {
        until("the WebDriver", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
        let options = json!({"webkitgtk:browserOptions": {"binary": program, "args": arguments}});
        let Value::Object(options) = options else { unreachable!() };
        let mut builder = ClientBuilder::new(HttpConnector::new());
        builder.capabilities(options);
        async move { builder.connect(&format!("http://127.0.0.1:{port}")).await }
    }

    /// The page in a window, as soon as somebody looks at it.
    pub(crate) fn view(&self, page: Page) -> View<'_> {
        View { driver: self, page }
    }

    /// Directs what follows to a page. `None` if it is not there.
    fn direct(&self, page: Page) -> Option<()> {
        if self.current.borrow().as_ref().is_some_and(|(current, _)| *current == page) {
            return Some(());
        }
        block_on(async {
            for handle in self.client.windows().await.ok()? {
                if self.client.switch_to_window(handle.clone()).await.is_err() {
                    continue;
                }
                let Ok(url) = self.client.current_url().await else { continue };
                if Page::of(url.as_str()) == page {
                    *self.current.borrow_mut() = Some((page, handle));
                    return Some(());
                }
            }
            None
        })
    }

    fn forget(&self) {
        *self.current.borrow_mut() = None;
    }
}

/// A page, which may be gone by the next look.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    driver: &'a Driver,
    pub(crate) page: Page,
}

impl View<'_> {
    /// Runs a script on the page. `None` if there is no such page.
    pub(crate) fn run(&self, script: &str, arguments: &[Value]) -> Option<Value> {
        self.driver.direct(self.page)?;
        match block_on(self.driver.client.execute(script, arguments.to_vec())) {
            Ok(value) => Some(value),
            Err(error) => self.gone(&error),
        }
    }

    /// Runs a script that calls its last argument back with its result.
    #[track_caller]
    pub(crate) fn run_async(&self, script: &str, arguments: &[Value]) -> Value {
        eventually("the page", || {
            self.driver.direct(self.page)?;
            match block_on(self.driver.client.execute_async(script, arguments.to_vec())) {
                Ok(value) => Some(value),
                Err(error) => self.gone(&error),
            }
        })
    }

    /// A page that is gone is nothing to report; anything else is.
    #[track_caller]
    fn gone<T>(&self, error: &CmdError) -> Option<T> {
        self.driver.forget();
        assert!(
            error.is_no_such_window() || error.is_stale_element_reference() || error.is_no_such_element(),
            "{:?}: {error}",
            self.page
        );
        None
    }

    /// What a person can read on the page; nothing if it is not there.
    pub(crate) fn text(&self) -> String {
        let text = self.run("return document.body?.innerText ?? ''", &[]);
        text.and_then(|text| Some(text.as_str()?.to_owned())).unwrap_or_default()
    }

    /// Waits until a text can be read on the page.
    #[track_caller]
    pub(crate) fn says(&self, text: &str) {
        let mut last = String::new();
        let said = crate::waiting::sought(crate::waiting::LIMIT, || {
            last = self.text();
            last.contains(text).then_some(())
        });
        assert!(said.is_some(), "{:?} does not say {text:?} but {last:?}", self.page);
    }

    /// Waits until a text cannot be read any more.
    #[track_caller]
    pub(crate) fn says_no_more(&self, text: &str) {
        until(&format!("{text:?} has to vanish"), || !self.text().contains(text));
    }

    /// The element that has this name, if it is there and can be used.
    pub(crate) fn find(&self, name: &str) -> Option<Element> {
        let found = self.run(FIND, &[json!(name)])?;
        let id = found[ELEMENT].as_str()?.to_owned();
        Some(Element::from_element_id(self.driver.client.clone(), ElementRef::from(id)))
    }

    /// Waits for the element that has this name.
    #[track_caller]
    pub(crate) fn element(&self, name: &str) -> Element {
        let found = crate::waiting::sought(crate::waiting::LIMIT, || self.find(name));
        found.unwrap_or_else(|| panic!("{:?} has no {name:?} to use; it says {:?}", self.page, self.text()))
    }

    /// Clicks what has this name, through the WebDriver: other windows may cover it.
    #[track_caller]
    pub(crate) fn press(&self, name: &str) {
        eventually(&format!("a click on {name:?}"), || {
            let element = self.element(name);
            // It may be replaced or moved between the two.
            block_on(element.click()).ok()
        });
    }

    /// Clicks the entry of a list that begins with what it is called.
    #[track_caller]
    pub(crate) fn press_entry(&self, name: &str) {
        let find = FIND.replace(
            "element => names(element).includes(name)",
            "element => element.matches('main a') && names(element)[1].startsWith(name)",
        );
        self.press_found(name, &find);
    }

    /// Clicks the last of what has this name: in a dialog over what else has it.
    #[track_caller]
    pub(crate) fn press_last(&self, name: &str) {
        let find = FIND.replace("found.at(0)", "found.at(-1)");
        self.press_found(name, &find);
    }

    #[track_caller]
    fn press_found(&self, name: &str, find: &str) {
        eventually(&format!("a click on {name:?}"), || {
            let found = self.run(find, &[json!(name)])?;
            let id = found[ELEMENT].as_str()?.to_owned();
            let element = Element::from_element_id(self.driver.client.clone(), ElementRef::from(id));
            block_on(element.click()).ok()
        });
    }

    /// The middle of what has this name, usable or not, in pixels from the page's corner; in view.
    pub(crate) fn middle(&self, name: &str) -> Option<(i32, i32)> {
        let find = FIND.replace(" && !element.disabled", "");
        let script = format!(
            "const element = (function () {{ {find} }}).apply(null, arguments);
             if (!element) return null;
             element.scrollIntoView({{ block: 'nearest' }});
             const box = element.getBoundingClientRect();
             return [Math.round(box.left + box.width / 2), Math.round(box.top + box.height / 2)];"
        );
        let place = self.run(&script, &[json!(name)])?;
        let number = |index: usize| i32::try_from(place[index].as_i64()?).ok();
        Some((number(0)?, number(1)?))
    }

    /// Calls a command of the app from the page's own scripts, as an intruder in the page would.
    #[track_caller]
    pub(crate) fn invoke(&self, command: &str, arguments: Value) -> Result<Value, Value> {
        let script = "const done = arguments[arguments.length - 1];
            window.__TAURI_INTERNALS__.invoke(arguments[0], arguments[1])
                .then(value => done({ ok: value ?? null }), error => done({ error }));";
        let mut outcome = self.run_async(script, &[json!(command), arguments]);
        match outcome.get_mut("error") {
            Some(error) => Err(error.take()),
            None => Ok(outcome["ok"].take()),
        }
    }
}
