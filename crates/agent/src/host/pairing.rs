//! What may be typed in answer to a pairing prompt: who the agent is called, and what it is lent for how long.
//!
//! `y` pairs with what the prompt offers; with `s` in its place that is lent until the session ends. `y SERVER...` lends those servers only, `y nothing` none; `rw` lets files be
//! changed where the server allows it, `in FOLDER` narrows the file server to a folder, `for TIME` ends it all, and
//! `as NAME` names the agent.

use std::path::Path;
use std::time::Duration;

use gatelodge_host::approval::{Answer, Terms};
use gatelodge_host::trust::LabelError;
use gatelodge_host::{FolderAccess, Grant, SharedFolder, Timestamp, ToolRule};

/// What is shown of the answers that are possible.
pub(super) const ANSWERS: &str = "\
  y pairs and lends that, s until the session ends. Or: y SERVER... or y nothing (s SERVER...), then rw (files may be
  changed), in \"FOLDER\", for 8h, as NAME";

/// Turns a typed line into an answer; an error says what is wrong with it.
pub(super) fn answer(line: &str, preset: &[Grant], now: Timestamp) -> Result<Answer, String> {
    let words = words(line)?;
    let mut words = words.iter().map(String::as_str);
    match words.next().map(str::to_lowercase).as_deref() {
        None | Some("n" | "no" | "deny") => Ok(Answer::Deny),
        Some("b" | "block") => Ok(Answer::Block),
        Some("s" | "session") => terms(&mut words, preset, now).map(Answer::Session),
        Some("y" | "yes" | "a" | "always" | "pair") => terms(&mut words, preset, now).map(Answer::Always),
        Some(_) => Err("type y, s, n or b".to_owned()),
    }
}

fn terms<'a>(
    words: &mut impl Iterator<Item = &'a str>,
    preset: &[Grant],
    now: Timestamp,
) -> Result<Terms, String> {
    let (mut chosen, mut nothing): (Vec<Grant>, bool) = (Vec::new(), false);
    let (mut folders, mut writable, mut span, mut label) = (Vec::new(), false, None, None);
    let value = |word: Option<&'a str>, what: &str| word.ok_or_else(|| format!("say which {what}"));
    while let Some(word) = words.next() {
        match word {
            "nothing" => nothing = true,
            "rw" => writable = true,
            "in" => folders.push(value(words.next(), "folder")?),
            "for" => span = Some(super::manage::span(value(words.next(), "time")?)?),
            "as" => {
                let name = words.by_ref().collect::<Vec<_>>().join(" ");
                if name.is_empty() {
                    return Err("say what to call it".to_owned());
                }
                label = Some(name.parse().map_err(|error: LabelError| error.to_string())?);
            }
            server => {
                let server = server.trim_end_matches(',');
                let offered =
                    || preset.iter().map(|grant| grant.server.as_str()).collect::<Vec<_>>().join(", ");
                let grant = preset.iter().find(|grant| grant.server.as_str() == server);
                chosen.push(
                    grant
                        .ok_or_else(|| format!("there is no server {server:?}; there are: {}", offered()))?
                        .clone(),
                );
            }
        }
    }
    if nothing && !(chosen.is_empty() && folders.is_empty() && !writable) {
        return Err("either nothing or something".to_owned());
    }
    let mut grants = if chosen.is_empty() && !nothing { preset.to_vec() } else { chosen };
    if !folders.is_empty() {
        narrow(&mut grants, &folders)?;
    }
    for grant in &mut grants {
        for folder in grant.folders.iter_mut().flatten().filter(|_| writable) {
            // The server's own setting still counts.
            folder.access = FolderAccess::ReadWrite;
        }
        grant.expires = span.map(|span: Duration| now.after(span));
    }
    Ok(Terms { label, grants })
}

/// Leaves of the file servers' folders what was named: themselves, or what is below them.
fn narrow(grants: &mut Vec<Grant>, folders: &[&str]) -> Result<(), String> {
    let mut used = vec![false; folders.len()];
    grants.retain_mut(|grant| {
        let Some(held) = &mut grant.folders else { return true };
        let mut kept = Vec::new();
        for (name, used) in folders.iter().zip(&mut used) {
            let path = Path::new(name);
            let is_plain = path.components().all(|part| part != std::path::Component::ParentDir);
            if let Some(above) = held.iter().find(|folder| is_plain && path.starts_with(&folder.path)) {
                kept.push(SharedFolder { path: path.to_owned(), access: above.access });
                *used = true;
            }
        }
        *held = kept;
        !held.is_empty()
    });
    match folders.iter().zip(used).find(|(_, used)| !used) {
        Some((name, _)) => Err(format!("{name:?} is in none of the lent folders; give its whole path")),
        None => Ok(()),
    }
}

/// What an offer means, a line for each server.
pub(super) fn offer(preset: &[Grant]) -> String {
    if preset.is_empty() {
        return "\n    nothing; there is no server yet".to_owned();
    }
    let line = |grant: &Grant| {
        let rule = match grant.tools.default {
            ToolRule::Allow => "",
            ToolRule::Ask => ", asking for each call",
            ToolRule::Deny => ", no tools",
        };
        let folder = |folder: &SharedFolder| {
            let access =
                if folder.access == FolderAccess::ReadWrite { "to read and change" } else { "to read" };
            format!("{} {access}", folder.path.display())
        };
        let folders = grant.folders.iter().flatten().map(folder).collect::<Vec<_>>().join(", ");
        let folders = if folders.is_empty() { folders } else { format!(": {folders}") };
        format!("\n    {}{rule}{folders}", grant.server)
    };
    preset.iter().map(line).collect()
}

/// Splits a line at spaces; double quotes keep what is between them together.
fn words(line: &str) -> Result<Vec<String>, String> {
    let (mut words, mut word, mut quoted, mut begun) = (Vec::new(), String::new(), false, false);
    for character in line.chars() {
        match character {
            '"' => (quoted, begun) = (!quoted, true),
            space if space.is_whitespace() && !quoted => {
                if std::mem::take(&mut begun) {
                    words.push(std::mem::take(&mut word));
                }
            }
            other => {
                word.push(other);
                begun = true;
            }
        }
    }
    if begun {
        words.push(word);
    }
    if quoted { Err("a quotation mark is missing".to_owned()) } else { Ok(words) }
}

#[cfg(test)]
mod tests {
    use gatelodge_host::{Fingerprint, ServerDefinition, ServerKind, least_grant};

    use super::*;

    fn preset() -> Vec<Grant> {
        let agent = Fingerprint::of_certificate(b"agent");
        let server = |id: &str, kind| ServerDefinition {
            id: id.parse().unwrap(),
            name: id.to_owned(),
            kind,
            notes: String::new(),
        };
        let folders = vec![SharedFolder { path: "/home/me".into(), access: FolderAccess::ReadOnly }];
        let files = least_grant(agent, &server("files", ServerKind::Files { folders: folders.clone() }));
        let command =
            ServerKind::Stdio { command: "x".to_owned(), args: vec![], env: Default::default(), cwd: None };
        vec![Grant { folders: Some(folders), ..files }, least_grant(agent, &server("notes", command))]
    }

    fn terms(line: &str) -> Result<Terms, String> {
        match answer(line, &preset(), Timestamp::from_millis(0))? {
            Answer::Always(terms) => Ok(terms),
            other => Err(format!("{other:?}")),
        }
    }

    #[test]
    fn the_least_is_what_a_plain_yes_gives() {
        assert_eq!(terms("y").unwrap(), Terms { label: None, grants: preset() });
        assert_eq!(terms("yes nothing").unwrap().grants, []);
        assert_eq!(terms("y notes").unwrap().grants, preset()[1..]);
        assert_eq!(terms("Pair files, notes").unwrap().grants, preset());
    }

    #[test]
    fn more_has_to_be_typed() {
        let given = terms("y files rw in \"/home/me/a b\" for 2h as The build box").unwrap();
        assert_eq!(given.label, Some("The build box".parse().unwrap()));
        let [grant] = &given.grants[..] else { panic!("{given:?}") };
        assert_eq!(grant.expires, Some(Timestamp::from_millis(7_200_000)));
        let folder = SharedFolder { path: "/home/me/a b".into(), access: FolderAccess::ReadWrite };
        assert_eq!(grant.folders, Some(vec![folder]));
    }

    #[test]
    fn what_is_not_understood_is_no_answer() {
        for bad in [
            "maybe",
            "y other",
            "y for",
            "y for 3",
            "y in /etc",
            "y in /home/me/../you",
            "y as",
            "y nothing rw",
            "y \"files",
        ] {
            assert!(terms(bad).is_err(), "{bad}");
        }
        for (line, given) in
            [("", Answer::Deny), ("n", Answer::Deny), ("no", Answer::Deny), ("B", Answer::Block)]
        {
            assert_eq!(answer(line, &preset(), Timestamp::from_millis(0)), Ok(given), "{line}");
        }
    }

    #[test]
    fn an_offer_says_what_may_be_done() {
        assert_eq!(offer(&preset()), "\n    files: /home/me to read\n    notes, asking for each call");
    }
}
