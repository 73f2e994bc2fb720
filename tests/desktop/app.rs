//! The tray app on a desktop.

use gatelodge_tests::TrayApp;
use nix::unistd::Pid;

use crate::desk::{Desk, Group};
use crate::driver::{Driver, Page, View};
use crate::waiting::{eventually, until};

/// The titles of the two windows.
pub(crate) const MAIN: &str = "Gatelodge";
pub(crate) const PROMPT: &str = "Gatelodge asks";

/// The running app, in a build whose pages can be driven.
pub(crate) struct App<'a> {
    pub(crate) desk: &'a Desk,
    driver: Driver,
    process: Pid,
    _group: Group,
}

impl<'a> App<'a> {
    /// Starts the app, and waits until its window can be used and its icon is in the tray.
    #[track_caller]
    pub(crate) fn start(desk: &'a Desk) -> Self {
        Self::start_with(desk, &[])
    }

    #[track_caller]
    pub(crate) fn start_with(desk: &'a Desk, arguments: &[&str]) -> Self {
        let (port, group) = desk.driver();
        let program = TrayApp::get().automated.to_str().unwrap();
        let driver = Driver::start(port, program, arguments);
        let process = desk.tray.process();
        let app = Self { desk, driver, process: Pid::from_raw(process.try_into().unwrap()), _group: group };
        desk.screen.window(MAIN);
        app
    }

    /// The page in the main window.
    pub(crate) fn main(&self) -> View<'_> {
        self.driver.view(Page::Main)
    }

    /// The page in the prompt.
    pub(crate) fn prompt(&self) -> View<'_> {
        self.driver.view(Page::Prompt)
    }

    /// Clicks what has this name in a window, with the pointer on the screen.
    #[track_caller]
    pub(crate) fn click(&self, view: View<'_>, name: &str) {
        let title = title_of(view);
        // Things move while a page fills.
        let look = || view.find(name).and_then(|_| self.place_of(view, name));
        let mut last = None;
        let place = crate::waiting::sought(crate::waiting::LIMIT, || {
            let now = look();
            let settled = now.is_some() && now == last;
            last = now;
            now.filter(|_| settled)
        });
        let Some((x, y)) = place else {
            panic!("{title:?} has no {name:?} to click; it says {:?}", view.text())
        };
        self.desk.screen.click(x, y);
    }

    /// Where on the screen the thing with this name is, usable or not.
    pub(crate) fn place_of(&self, view: View<'_>, name: &str) -> Option<(i32, i32)> {
        let screen = &self.desk.screen;
        let (x, y, ..) = screen.place_of(screen.find(title_of(view))?)?;
        let (right, down) = view.middle(name)?;
        Some((x + right, y + down))
    }

    /// Waits for a prompt that says something, and looks at it: it has the focus then.
    #[track_caller]
    pub(crate) fn look_at_prompt(&self, text: &str) -> View<'_> {
        let prompt = self.prompt();
        prompt.says(text);
        self.focus_prompt();
        prompt
    }

    /// Clicks into the prompt, where there is nothing to click on.
    #[track_caller]
    pub(crate) fn focus_prompt(&self) {
        let screen = &self.desk.screen;
        let window = screen.window(PROMPT);
        let (x, y, width, _) = eventually("the prompt's place", || screen.place_of(window));
        until("the prompt's focus", || {
            // A window that has just come up does not take the focus yet.
            screen.click(x + i32::try_from(width).unwrap() / 2, y + 6);
            screen.active() == Some(window)
        });
    }

    /// Answers a prompt that says something, by the button with this name.
    #[track_caller]
    pub(crate) fn answer(&self, text: &str, button: &str) {
        let prompt = self.look_at_prompt(text);
        self.click(prompt, button);
    }

    /// Whether the app runs.
    pub(crate) fn runs(&self) -> bool {
        !has_ended(self.process)
    }

    /// Quits by the tray's menu, and waits until the app has ended.
    #[track_caller]
    pub(crate) fn quit(self) {
        self.desk.tray.click("Quit");
        until("the app's end", || !self.runs());
    }
}

fn title_of(view: View<'_>) -> &'static str {
    if view.page == Page::Main { MAIN } else { PROMPT }
}

/// Whether a process has ended, though its parent may not have asked yet how.
pub(crate) fn has_ended(process: Pid) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{process}/stat"));
    status.map_or(true, |status| status.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with('Z')))
}

impl Drop for App<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.desk.keep_picture();
            eprintln!("the app logged:\n{}", self.desk.log());
        }
    }
}
