//! What the tray, notifications and dialogs say: the `shell` part of the interface's catalogue, in the language of the
//! session.

use std::collections::HashMap;

use serde::Deserialize;

/// All languages, as the interface's build wrote them.
const CATALOGUES: &str = include_str!("../../ui/dist/shell-texts.json");

/// A text for a number: `#` stands for it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Counted {
    one: String,
    other: String,
}

impl Counted {
    pub(crate) fn of(&self, count: usize) -> String {
        let form = if count == 1 { &self.one } else { &self.other };
        form.replace('#', &count.to_string())
    }
}

/// A text with places such as `{name}`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub(crate) struct Template(String);

impl Template {
    /// Puts values in their places. What a value holds is never taken for a place.
    pub(crate) fn with(&self, values: &[(&str, &str)]) -> String {
        let mut text = String::new();
        let mut rest = self.0.as_str();
        while let Some((before, after)) = rest.split_once('{') {
            text.push_str(before);
            let known = after
                .split_once('}')
                .and_then(|(name, after)| Some((values.iter().find(|(known, _)| *known == name)?.1, after)));
            match known {
                Some((value, after)) => {
                    text.push_str(value);
                    rest = after;
                }
                None => {
                    text.push('{');
                    rest = after;
                }
            }
        }
        text + rest
    }
}

/// The catalogue of one language. Its members are those of `shell` in `ui/src/texts/en.ts`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Texts {
    pub(crate) status: Status,
    pub(crate) menu: Menu,
    pub(crate) asks: Asks,
    pub(crate) quit: Quit,
    pub(crate) notice: Notice,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Status {
    pub(crate) quiet: String,
    pub(crate) live: Counted,
    pub(crate) waiting: Counted,
    pub(crate) closed: String,
    pub(crate) trouble: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Menu {
    pub(crate) waiting: Template,
    pub(crate) end: Template,
    pub(crate) close_gate: String,
    pub(crate) until_opened: String,
    pub(crate) for_an_hour: String,
    pub(crate) until_restart: String,
    pub(crate) open_gate: String,
    pub(crate) open: String,
    pub(crate) settings: String,
    pub(crate) quit: String,
}

/// What somebody wants who waits.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asks {
    pub(crate) pairing: String,
    pub(crate) unknown_agent: String,
    pub(crate) session: Template,
    pub(crate) tool_call: Template,
    pub(crate) changed_tool: Template,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Quit {
    pub(crate) title: String,
    pub(crate) text: Counted,
    pub(crate) quit: String,
    pub(crate) stay: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Notice {
    pub(crate) asks: Template,
    pub(crate) unknown_asks: String,
    pub(crate) look: String,
    pub(crate) more: Counted,
    pub(crate) began: Template,
    pub(crate) lent: Template,
    pub(crate) ended: Template,
    pub(crate) tool_changed: String,
    pub(crate) tool_suspended: Template,
    pub(crate) trouble: String,
}

impl Texts {
    /// Returns the texts in the language of the session.
    pub(crate) fn of_session() -> Self {
        let tag = ["LC_ALL", "LC_MESSAGES", "LANG"]
            .into_iter()
            .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()));
        Self::of_language(tag.as_deref().unwrap_or_default())
    }

    /// Returns the texts in a language such as `de` or `de_DE.UTF-8`; in English where there are none.
    fn of_language(tag: &str) -> Self {
        // What is in the program was written by its own build, and a test reads it.
        let mut all: HashMap<String, Self> =
            serde_json::from_str(CATALOGUES).expect("the catalogue has these texts");
        let language: String = tag.chars().take_while(char::is_ascii_alphabetic).collect();
        all.remove(&language).or_else(|| all.remove("en")).expect("there are English texts")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_an_unknown_language_are_english() {
        assert_eq!(Texts::of_language("xx_XX.UTF-8"), Texts::of_language("en_GB.UTF-8"));
        assert_eq!(Texts::of_language("").menu.quit, "Quit");
    }

    #[test]
    fn values_are_not_read_as_places() {
        let template = Template("{name} calls {tool} {of} {".to_owned());
        assert_eq!(template.with(&[("name", "{tool}"), ("tool", "x")]), "{tool} calls x {of} {");
    }

    #[test]
    fn one_is_not_many() {
        let counted = Counted { one: "# session".to_owned(), other: "# sessions".to_owned() };
        assert_eq!(
            (counted.of(1), counted.of(0), counted.of(2)),
            ("1 session".to_owned(), "0 sessions".to_owned(), "2 sessions".to_owned())
        );
    }
}
