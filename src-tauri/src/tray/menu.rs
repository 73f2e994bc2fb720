//! What the tray shows, as a value: made from the live state, compared with what was shown, and then drawn.

use gatelodge_host::GateChange;
use gatelodge_host::approval::view::WaitingSummary;
use gatelodge_host::approval::{PromptId, SubjectKind};
use gatelodge_host::live::Live;

use super::in_trouble;
use crate::texts::Texts;

/// Entries of one kind beyond this many are not listed: menus on small screens do not scroll.
const MOST: usize = 12;

/// The longest name in a menu, in characters.
const NAME: usize = 40;

/// The tray icon's state, the most urgent first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Icon {
    Trouble,
    Waiting,
    Closed,
    Live,
    #[default]
    Quiet,
}

/// What the tray shows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Shown {
    pub(super) icon: Icon,
    pub(super) status: String,
    pub(super) entries: Vec<Entry>,
}

/// A line of the menu.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Entry {
    Said(String),
    Line,
    Act(String, Action),
    Below(String, Vec<Entry>),
}

/// What a line of the menu does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Action {
    /// Shows a prompt.
    Show(PromptId),
    /// Ends a session.
    End(u64),
    /// Closes the gate.
    Close(GateChange),
    /// Shows where the gate is opened.
    OpenGate,
    Open,
    Settings,
    Quit,
}

const FOR_AN_HOUR: u64 = 60 * 60;

impl Action {
    /// Returns the name by which a click comes back.
    pub(super) fn id(&self) -> String {
        match self {
            Self::Show(prompt) => format!("show:{}", prompt.number()),
            Self::End(session) => format!("end:{session}"),
            Self::Close(GateChange::Closed { seconds: Some(_), .. }) => "close:hour".to_owned(),
            Self::Close(GateChange::ClosedUntilRestart) => "close:restart".to_owned(),
            Self::Close(_) => "close".to_owned(),
            Self::OpenGate => "open-gate".to_owned(),
            Self::Open => "open".to_owned(),
            Self::Settings => "settings".to_owned(),
            Self::Quit => "quit".to_owned(),
        }
    }

    /// Reads what [`Action::id`] wrote.
    pub(super) fn of_id(id: &str) -> Option<Self> {
        if let Some(prompt) = id.strip_prefix("show:") {
            return prompt.parse().ok().map(PromptId::from_number).map(Self::Show);
        }
        if let Some(session) = id.strip_prefix("end:") {
            return session.parse().ok().map(Self::End);
        }
        Some(match id {
            "close" => Self::Close(GateChange::Closed { seconds: None }),
            "close:hour" => Self::Close(GateChange::Closed { seconds: Some(FOR_AN_HOUR) }),
            "close:restart" => Self::Close(GateChange::ClosedUntilRestart),
            "open-gate" => Self::OpenGate,
            "open" => Self::Open,
            "settings" => Self::Settings,
            "quit" => Self::Quit,
            _ => return None,
        })
    }
}

/// Returns what the tray shows of a state.
pub(super) fn of(live: &Live, texts: &Texts) -> Shown {
    let closed = live.gate.is_closed();
    let (icon, status) = if in_trouble(live) {
        (Icon::Trouble, texts.status.trouble.clone())
    } else if !live.waiting.is_empty() {
        (Icon::Waiting, texts.status.waiting.of(live.waiting.len()))
    } else if closed {
        (Icon::Closed, texts.status.closed.clone())
    } else if !live.sessions.is_empty() {
        (Icon::Live, texts.status.live.of(live.sessions.len()))
    } else {
        (Icon::Quiet, texts.status.quiet.clone())
    };
    let mut entries = vec![Entry::Said(status.clone()), Entry::Line];
    if !live.waiting.is_empty() {
        let line =
            |waiting: &WaitingSummary| Entry::Act(asked_in_menu(waiting, texts), Action::Show(waiting.id));
        entries.extend(live.waiting.iter().take(MOST).map(line));
        entries.push(Entry::Line);
    }
    if !live.sessions.is_empty() {
        for session in live.sessions.iter().take(MOST) {
            let name = if session.session.label.is_empty() { &session.words } else { &session.session.label };
            let text = in_menu(&texts.menu.end.with(&[("name", &plain(name))]));
            entries.push(Entry::Act(text, Action::End(session.session.id)));
        }
        entries.push(Entry::Line);
    }
    let menu = &texts.menu;
    entries.push(if closed {
        Entry::Act(menu.open_gate.clone(), Action::OpenGate)
    } else {
        let close = |text: &String, change| Entry::Act(text.clone(), Action::Close(change));
        Entry::Below(
            menu.close_gate.clone(),
            vec![
                close(&menu.until_opened, GateChange::Closed { seconds: None }),
                close(&menu.for_an_hour, GateChange::Closed { seconds: Some(FOR_AN_HOUR) }),
                close(&menu.until_restart, GateChange::ClosedUntilRestart),
            ],
        )
    });
    entries.extend([
        Entry::Line,
        Entry::Act(menu.open.clone(), Action::Open),
        Entry::Act(menu.settings.clone(), Action::Settings),
        Entry::Line,
        Entry::Act(menu.quit.clone(), Action::Quit),
    ]);
    Shown { icon, status, entries }
}

/// Says who waits for what, for a line of a menu.
fn asked_in_menu(waiting: &WaitingSummary, texts: &Texts) -> String {
    in_menu(&asked(waiting, texts))
}

/// Says who waits for what.
pub(crate) fn asked(waiting: &WaitingSummary, texts: &Texts) -> String {
    let server = plain(waiting.server.as_ref().map_or("", |server| server.as_str()));
    let tool = plain(waiting.tool.as_deref().unwrap_or_default());
    let asks = &texts.asks;
    let values: &[(&str, &str)] = &[("server", &server), ("tool", &tool)];
    let what = match waiting.subject {
        SubjectKind::Pairing => asks.pairing.clone(),
        SubjectKind::UnknownAgent => asks.unknown_agent.clone(),
        SubjectKind::Session => asks.session.with(values),
        SubjectKind::ToolCall => asks.tool_call.with(values),
        SubjectKind::ChangedTool => asks.changed_tool.with(values),
    };
    texts.menu.waiting.with(&[("name", &plain(&waiting.name)), ("what", &what)])
}

/// Makes a name of a peer short, and one line. The host has made what misleads visible already.
pub(crate) fn plain(name: &str) -> String {
    let shown = |character: char| if character.is_control() { ' ' } else { character };
    let mut text: String = name.chars().take(NAME).map(shown).collect();
    if name.chars().count() > NAME {
        text.push('…');
    }
    text
}

/// Doubles what menus turn into an underline below the next letter.
fn in_menu(text: &str) -> String {
    text.replace('&', "&&")
}

#[cfg(test)]
mod tests {
    use gatelodge_host::{KeychainState, Timestamp};

    use super::*;

    fn live() -> Live {
        Live::without_host(KeychainState::Open)
    }

    fn waiting(id: u64, name: &str) -> WaitingSummary {
        WaitingSummary {
            id: PromptId::from_number(id),
            subject: SubjectKind::ToolCall,
            agent: "AB".to_owned(),
            words: "six words".to_owned(),
            name: name.to_owned(),
            known: true,
            server: Some("notes".parse().unwrap()),
            tool: Some("write_file".to_owned()),
            expires: Timestamp::now(),
        }
    }

    fn actions(entries: &[Entry]) -> Vec<Action> {
        let mut found = Vec::new();
        for entry in entries {
            match entry {
                Entry::Act(_, action) => found.push(action.clone()),
                Entry::Below(_, entries) => found.extend(actions(entries)),
                Entry::Said(_) | Entry::Line => {}
            }
        }
        found
    }

    #[test]
    fn the_most_urgent_state_is_the_icon() {
        let texts = Texts::of_session();
        assert_eq!(of(&live(), &texts).icon, Icon::Quiet);
        let closed = Live { gate: gatelodge_host::GateState::Closed { until: None }, ..live() };
        assert_eq!(of(&closed, &texts).icon, Icon::Closed);
        let asked = Live { waiting: vec![waiting(1, "a")], ..closed };
        assert_eq!(of(&asked, &texts).icon, Icon::Waiting);
        let locked = Live { keychain: KeychainState::Locked { reason: "locked".to_owned() }, ..asked };
        assert_eq!(of(&locked, &texts).icon, Icon::Trouble);
    }

    #[test]
    fn nothing_in_the_menu_lets_anybody_in() {
        let texts = Texts::of_session();
        for gate in [gatelodge_host::GateState::Open, gatelodge_host::GateState::Closed { until: None }] {
            let shown = of(&Live { gate, waiting: vec![waiting(7, "a"), waiting(8, "b")], ..live() }, &texts);
            for action in actions(&shown.entries) {
                assert_eq!(Action::of_id(&action.id()), Some(action.clone()));
                match action {
                    // These open a window.
                    Action::Show(_) | Action::OpenGate | Action::Open | Action::Settings => {}
                    // These take something away.
                    Action::End(_) | Action::Quit => {}
                    Action::Close(change) => assert_ne!(change, GateChange::Open),
                }
            }
        }
    }

    #[test]
    fn no_click_opens_the_gate() {
        for id in ["open-gate", "close", "close:hour", "close:restart", "close:open", "gate:open"] {
            assert_ne!(Action::of_id(id), Some(Action::Close(GateChange::Open)));
        }
    }

    #[test]
    fn names_of_peers_stay_names() {
        let texts = Texts::of_session();
        let long = "x".repeat(200);
        let text = asked(&waiting(1, &long), &texts);
        assert!(text.chars().count() < 100, "{text}");
        let odd = waiting(1, "{tool} _&\n");
        assert!(asked(&odd, &texts).starts_with("{tool} _&  wants to call write_file"));
        assert!(asked_in_menu(&odd, &texts).starts_with("{tool} _&&  wants to call write_file"));
    }
}
