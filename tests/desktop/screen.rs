//! The screen: an X server without hardware, its windows, and the hands of whoever sits in front of it.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use x11rb::connection::Connection;
use x11rb::protocol::Event;
use x11rb::protocol::xproto::{
    AtomEnum, ClientMessageEvent, ConnectionExt as _, CreateWindowAux, EventMask, ImageFormat, Window,
    WindowClass,
};
use x11rb::protocol::xtest::ConnectionExt as _;
use x11rb::rust_connection::RustConnection;
use x11rb::wrapper::ConnectionExt as _;

use crate::desktop_session::Owned;
use crate::waiting::{eventually, until};

/// Large enough for both windows of the app side by side, in pixels.
const SIZE: (u16, u16) = (1640, 1000);

/// The key symbols (X11's `keysymdef.h`) of the keys that type nothing.
pub(crate) const CONTROL: u32 = 0xffe3;
pub(crate) const ENTER: u32 = 0xff0d;
pub(crate) const ESCAPE: u32 = 0xff1b;
pub(crate) const SHIFT: u32 = 0xffe1;

const LEFT_BUTTON: u8 = 1;

/// How many equal looks in a row make a calm screen. A cursor blinks slower than they take.
const CALM: usize = 8;

// The events of the XTEST extension have the numbers of the core protocol's.
const KEY_PRESS: u8 = 2;
const KEY_RELEASE: u8 = 3;
const BUTTON_PRESS: u8 = 4;
const BUTTON_RELEASE: u8 = 5;
const MOTION: u8 = 6;

/// A screen that somebody sits in front of.
pub(crate) struct Screen {
    pub(crate) display: String,
    connection: RustConnection,
    root: Window,
    _server: Owned,
}

/// A window of a program, as the window manager lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) id: Window,
    pub(crate) title: String,
}

impl Screen {
    pub(crate) fn start() -> Self {
        let mut command = owned("Xvfb");
        // The number of the display comes on standard output once it can be used: there is no race for one.
        command.args(["-displayfd", "1", "-nolisten", "tcp", "-noreset", "-screen", "0"]);
        command.arg(format!("{}x{}x24", SIZE.0, SIZE.1));
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut server = Owned(command.spawn().expect("Xvfb has to be installed (Debian: xvfb)"));
        let mut number = String::new();
        BufReader::new(server.0.stdout.take().unwrap()).read_line(&mut number).unwrap();
        let display = format!(":{}", number.trim());
        let (connection, screen) = x11rb::connect(Some(&display)).unwrap();
        let root = connection.setup().roots[screen].root;
        Self { display, connection, root, _server: server }
    }

    fn atom(&self, name: &str) -> u32 {
        self.connection.intern_atom(false, name.as_bytes()).unwrap().reply().unwrap().atom
    }

    fn numbers(&self, window: Window, property: &str) -> Vec<u32> {
        let property = self.atom(property);
        let reply =
            self.connection.get_property(false, window, property, AtomEnum::ANY, 0, 1024).unwrap().reply();
        // A window may be gone by now.
        reply.ok().and_then(|reply| Some(reply.value32()?.collect())).unwrap_or_default()
    }

    /// Waits until the window manager manages this screen.
    pub(crate) fn is_managed(&self) {
        until("a window manager", || !self.numbers(self.root, "_NET_SUPPORTING_WM_CHECK").is_empty());
    }

    /// The windows of programs that are on the screen.
    pub(crate) fn windows(&self) -> Vec<Shown> {
        let title = |id| {
            let name = self.atom("_NET_WM_NAME");
            let reply =
                self.connection.get_property(false, id, name, AtomEnum::ANY, 0, 1024).unwrap().reply();
            reply.map(|reply| String::from_utf8_lossy(&reply.value).into_owned())
        };
        let ids = self.numbers(self.root, "_NET_CLIENT_LIST");
        ids.into_iter().filter_map(|id| Some(Shown { id, title: title(id).ok()? })).collect()
    }

    /// The window with this title, if it is there.
    pub(crate) fn find(&self, title: &str) -> Option<Window> {
        self.windows().into_iter().find(|window| window.title == title).map(|window| window.id)
    }

    /// Waits for the window with this title.
    #[track_caller]
    pub(crate) fn window(&self, title: &str) -> Window {
        eventually(&format!("the window {title:?}"), || self.find(title))
    }

    /// Waits until there is no window with this title any more.
    #[track_caller]
    pub(crate) fn is_closed(&self, title: &str) {
        until(&format!("the end of the window {title:?}"), || self.find(title).is_none());
    }

    /// The window that has the keyboard, as the window manager says.
    pub(crate) fn active(&self) -> Option<Window> {
        self.numbers(self.root, "_NET_ACTIVE_WINDOW").first().copied().filter(|&window| window != 0)
    }

    /// Brings a window to the front, as a panel does it when its entry is clicked.
    #[track_caller]
    pub(crate) fn activate(&self, window: Window) {
        // 2: on behalf of the user (EWMH, source indication).
        self.ask_manager(window, "_NET_ACTIVE_WINDOW", [2, x11rb::CURRENT_TIME, 0, 0, 0]);
        until("the window in front", || self.active() == Some(window));
    }

    /// Closes a window by the button in its frame.
    pub(crate) fn close(&self, window: Window) {
        self.ask_manager(window, "_NET_CLOSE_WINDOW", [x11rb::CURRENT_TIME, 2, 0, 0, 0]);
    }

    /// Moves a window, and makes it so large.
    pub(crate) fn place(&self, window: Window, x: u32, y: u32, width: u32, height: u32) {
        // All four are given, by a user; the position is that of the frame (EWMH, _NET_MOVERESIZE_WINDOW).
        self.ask_manager(window, "_NET_MOVERESIZE_WINDOW", [(0b1111 << 8) | (2 << 12), x, y, width, height]);
    }

    fn ask_manager(&self, window: Window, what: &str, data: [u32; 5]) {
        let message = ClientMessageEvent::new(32, window, self.atom(what), data);
        let to = EventMask::SUBSTRUCTURE_REDIRECT | EventMask::SUBSTRUCTURE_NOTIFY;
        self.connection.send_event(false, self.root, to, message).unwrap();
        self.connection.sync().unwrap();
    }

    /// Where the content of a window is and how large it is: x, y, width, height.
    pub(crate) fn place_of(&self, window: Window) -> Option<(i32, i32, u32, u32)> {
        let at = self.connection.translate_coordinates(window, self.root, 0, 0).unwrap().reply().ok()?;
        let size = self.connection.get_geometry(window).unwrap().reply().ok()?;
        Some((at.dst_x.into(), at.dst_y.into(), size.width.into(), size.height.into()))
    }

    fn fake(&self, kind: u8, detail: u8, x: i16, y: i16) {
        self.connection.xtest_fake_input(kind, detail, x11rb::CURRENT_TIME, self.root, x, y, 0).unwrap();
        self.connection.sync().unwrap();
    }

    /// Moves the pointer to a place on the screen.
    pub(crate) fn point(&self, x: i32, y: i32) {
        self.fake(MOTION, 0, x.try_into().unwrap(), y.try_into().unwrap());
    }

    /// Presses the left button, and keeps it down.
    pub(crate) fn hold_button(&self) {
        self.fake(BUTTON_PRESS, LEFT_BUTTON, 0, 0);
    }

    pub(crate) fn release_button(&self) {
        self.fake(BUTTON_RELEASE, LEFT_BUTTON, 0, 0);
    }

    /// Clicks at a place on the screen.
    pub(crate) fn click(&self, x: i32, y: i32) {
        self.point(x, y);
        self.hold_button();
        self.release_button();
    }

    /// Presses a key, and keeps it down.
    pub(crate) fn hold_key(&self, symbol: u32) {
        self.fake(KEY_PRESS, self.key(symbol).0, 0, 0);
    }

    pub(crate) fn release_key(&self, symbol: u32) {
        self.fake(KEY_RELEASE, self.key(symbol).0, 0, 0);
    }

    /// Presses a key and lets it go.
    pub(crate) fn press(&self, symbol: u32) {
        self.hold_key(symbol);
        self.release_key(symbol);
    }

    /// Types a text of ASCII characters.
    pub(crate) fn type_text(&self, text: &str) {
        for character in text.chars() {
            let (key, shifted) = self.key(character.into());
            let (shift, _) = self.key(SHIFT);
            if shifted {
                self.fake(KEY_PRESS, shift, 0, 0);
            }
            self.fake(KEY_PRESS, key, 0, 0);
            self.fake(KEY_RELEASE, key, 0, 0);
            if shifted {
                self.fake(KEY_RELEASE, shift, 0, 0);
            }
        }
    }

    /// The key that has a symbol, and whether it takes the shift key as well.
    fn key(&self, symbol: u32) -> (u8, bool) {
        let setup = self.connection.setup();
        let (first, last) = (setup.min_keycode, setup.max_keycode);
        let mapping = self.connection.get_keyboard_mapping(first, last - first + 1).unwrap().reply().unwrap();
        let keys = mapping.keysyms.chunks(mapping.keysyms_per_keycode.into());
        let found = keys.enumerate().find_map(|(key, symbols)| {
            let column = symbols.iter().take(2).position(|&there| there == symbol)?;
            Some((first + u8::try_from(key).unwrap(), column == 1))
        });
        found.unwrap_or_else(|| panic!("the keyboard has no key for {symbol:#x}"))
    }

    /// Waits until nothing moves on the screen any more.
    #[track_caller]
    pub(crate) fn is_calm(&self) {
        let (mut last, mut same) = (Vec::new(), 0);
        until("a screen on which nothing moves", || {
            let now = self.pixels().unwrap_or_default();
            same = if now == last { same + 1 } else { 0 };
            last = now;
            same >= CALM
        });
    }

    fn pixels(&self) -> Option<Vec<u8>> {
        let image = self.connection.get_image(ImageFormat::Z_PIXMAP, self.root, 0, 0, SIZE.0, SIZE.1, !0);
        Some(image.ok()?.reply().ok()?.data)
    }

    /// Writes a picture of the screen.
    pub(crate) fn picture(&self, file: &Path) {
        let Some(pixels) = self.pixels() else { return };
        let bytes: Vec<u8> = pixels.chunks(4).flat_map(|pixel| [pixel[2], pixel[1], pixel[0]]).collect();
        let file = std::io::BufWriter::new(std::fs::File::create(file).unwrap());
        let mut png = png::Encoder::new(file, SIZE.0.into(), SIZE.1.into());
        png.set_color(png::ColorType::Rgb);
        png.write_header().unwrap().write_image_data(&bytes).unwrap();
    }
}

/// A command whose process is killed with the test that starts it, whatever way that one ends.
pub(crate) fn owned(program: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--", program]);
    command
}

/// A window in which somebody writes something.
pub(crate) struct Notepad {
    connection: RustConnection,
    pub(crate) window: Window,
    written: String,
}

impl Notepad {
    /// Opens the window, and waits until it has the keyboard.
    pub(crate) fn open(screen: &Screen) -> Self {
        let (connection, number) = x11rb::connect(Some(&screen.display)).unwrap();
        let root = &connection.setup().roots[number];
        let window = connection.generate_id().unwrap();
        let look = CreateWindowAux::new()
            .background_pixel(root.white_pixel)
            .event_mask(EventMask::KEY_PRESS | EventMask::BUTTON_PRESS);
        let (depth, visual) = (root.root_depth, root.root_visual);
        connection
            .create_window(
                depth,
                window,
                root.root,
                20,
                20,
                400,
                300,
                0,
                WindowClass::INPUT_OUTPUT,
                visual,
                &look,
            )
            .unwrap();
        let name = screen.atom("_NET_WM_NAME");
        let text = screen.atom("UTF8_STRING");
        connection
            .change_property8(x11rb::protocol::xproto::PropMode::REPLACE, window, name, text, b"Notepad")
            .unwrap();
        connection.map_window(window).unwrap();
        connection.sync().unwrap();
        let pad = Self { connection, window, written: String::new() };
        screen.window("Notepad");
        screen.activate(window);
        pad
    }

    /// What has been written so far. Keys that type nothing are `?`.
    pub(crate) fn written(&mut self) -> &str {
        while let Some(event) = self.connection.poll_for_event().unwrap() {
            let Event::KeyPress(press) = event else { continue };
            let mapping = self.connection.get_keyboard_mapping(press.detail, 1).unwrap().reply().unwrap();
            let character = u8::try_from(mapping.keysyms[0]).ok().filter(|byte| byte.is_ascii_graphic());
            self.written.push(character.map_or('?', char::from));
        }
        &self.written
    }
}
