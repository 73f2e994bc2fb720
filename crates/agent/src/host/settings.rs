//! `gatelodge host settings`: one value at a time, by its name in what `settings --json` shows.

use std::fmt::Write;

use clap::Subcommand;
use gatelodge_host::Settings;
use gatelodge_host::manage::Request;
use serde_json::{Map, Value};

use crate::failure::{Exit, Failure};

#[derive(Debug, Subcommand)]
pub(crate) enum Change {
    /// Change one setting; it counts at once
    Set {
        /// Its name, as `gatelodge host settings` shows it, such as activity_days or notify.waiting
        key: String,
        /// Its value. rendezvous: none, embedded or a URL; ice_servers: a JSON list
        value: String,
    },
}

impl Change {
    /// Makes the request that changes what is set now.
    pub(super) fn request(self, now: &Settings) -> Result<Request, Failure> {
        let Self::Set { key, value } = self;
        let settings = changed(now, &key, &value).map_err(|message| Failure::new(Exit::Usage, message))?;
        Ok(Request::PutSettings { settings })
    }
}

/// Shows settings, one a line, as `set` takes them.
pub(super) fn show(out: &mut String, settings: &Settings) -> std::fmt::Result {
    for (key, value) in flat(settings) {
        match value {
            Value::String(text) => writeln!(out, "{key} {text}")?,
            value => writeln!(out, "{key} {value}")?,
        }
    }
    Ok(())
}

/// The settings by the names that the command line has for them.
fn flat(settings: &Settings) -> Vec<(String, Value)> {
    let mut all = Vec::new();
    for (key, value) in members(settings) {
        match value {
            Value::Object(parts) if key == "rendezvous" => {
                let shown = parts.get("url").or(parts.get("use")).cloned().unwrap_or_default();
                all.push((key, shown));
            }
            Value::Object(parts) => {
                all.extend(parts.into_iter().map(|(part, value)| (format!("{key}.{part}"), value)));
            }
            value => all.push((key, value)),
        }
    }
    all
}

fn members(settings: &Settings) -> Map<String, Value> {
    match serde_json::to_value(settings) {
        Ok(Value::Object(members)) => members,
        // Settings are an object, and nothing in them can fail.
        _ => Map::new(),
    }
}

fn changed(now: &Settings, key: &str, text: &str) -> Result<Settings, String> {
    let known = flat(now);
    let Some((_, before)) = known.iter().find(|(name, _)| name == key) else {
        let names: Vec<_> = known.iter().map(|(name, _)| name.as_str()).collect();
        return Err(format!("there is no setting {key:?}; there are {}", names.join(", ")));
    };
    let value = match (key, before) {
        ("rendezvous", _) => match text {
            "none" | "embedded" => serde_json::json!({ "use": text }),
            url => serde_json::json!({ "use": "url", "url": url }),
        },
        (_, Value::String(_)) => Value::from(text),
        _ => serde_json::from_str(text).map_err(|_| wrong(key, before))?,
    };
    let mut all = members(now);
    let place = match key.split_once('.') {
        Some((whole, part)) => all.get_mut(whole).and_then(|whole| whole.get_mut(part)),
        None => all.get_mut(key),
    };
    *place.ok_or_else(|| format!("there is no setting {key:?}"))? = value;
    serde_json::from_value(Value::Object(all)).map_err(|error| format!("{}: {error}", wrong(key, before)))
}

fn wrong(key: &str, before: &Value) -> String {
    let kind = match before {
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a whole number",
        Value::Array(_) => {
            r#"a JSON list such as [{"url":"turn:HOST:3478","username":"me","secret":"NAME"}]"#
        }
        _ => "one of its values",
    };
    format!("{key} is {kind}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_back_as_they_are_shown() {
        let settings = Settings::default();
        let mut shown = String::new();
        show(&mut shown, &settings).unwrap();
        assert!(
            shown.contains("gate_at_start as-before\n") && shown.contains("notify.waiting true\n"),
            "{shown}"
        );
        for line in shown.lines() {
            let (key, value) = line.split_once(' ').unwrap();
            assert_eq!(changed(&settings, key, value).unwrap(), settings, "{line}");
        }
    }

    #[test]
    fn one_setting_is_changed() {
        let now = Settings::default();
        assert_eq!(
            changed(&now, "activity_days", "7").unwrap(),
            Settings { activity_days: 7, ..now.clone() }
        );
        assert!(!changed(&now, "notify.waiting", "false").unwrap().notify.waiting);
        let url = changed(&now, "rendezvous", "https://meet.example.org").unwrap();
        assert_eq!(serde_json::to_value(&url).unwrap()["rendezvous"]["use"], "url");
        let list = r#"[{"url":"turn:t.example.org","username":"me","secret":"turn"}]"#;
        assert_eq!(changed(&now, "ice_servers", list).unwrap().ice_servers[0].secret, "turn");
        for (key, value) in [
            ("days", "7"),
            ("activity_days", "many"),
            ("activity_days", "-1"),
            ("notify.waiting", "maybe"),
            ("gate_at_start", "ajar"),
            ("notify", "true"),
            ("ice_servers", "stun:a"),
        ] {
            assert!(changed(&now, key, value).is_err(), "{key} {value}");
        }
    }
}
