//! `edit_file`: replacements in a text, tolerant of indentation, shown as a git-style difference.

use similar::{ChangeTag, TextDiff};
use std::fmt::Write as _;
use std::time::Duration;

use crate::browse::shown;
use crate::failure::Failure;
use crate::place::Place;
use crate::read;
use crate::write::{self, Replaced};

/// Unchanged lines around a change, as the reference server shows them.
const CONTEXT: usize = 4;

/// How long the smallest difference is looked for; then a larger one has to do.
const DIFFERENCE_LIMIT: Duration = Duration::from_secs(1);

/// A replacement.
#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Edit {
    old_text: String,
    new_text: String,
}

/// Replaces texts in a file one after the other, unless it is a dry run, and returns the difference, with what is left of
/// the file as it was.
///
/// A file whose line ends are all CR LF keeps them; both sides of an edit are compared by line feeds.
pub(crate) fn edit(
    place: &Place<'_>,
    edits: &[Edit],
    dry_run: bool,
) -> Result<(String, Option<Replaced>), Failure> {
    let target = place.target(true)?;
    let file = place.at(target.folder, target.path.clone());
    let Ok(original) = String::from_utf8(read::whole(&file)?) else {
        return Err(Failure::NotText { asked: place.asked.clone() });
    };
    let carriage_returns = original.matches("\r\n").count();
    let keeps_carriage_returns = carriage_returns > 0 && carriage_returns == original.matches('\n').count();
    let before = line_feeds(&original);
    let after = apply(&before, edits)?;
    let replaced = if dry_run {
        None
    } else {
        let restored = if keeps_carriage_returns { after.replace('\n', "\r\n") } else { after.clone() };
        write::replace(place, &target, restored.as_bytes())?
    };
    Ok((fenced(&difference(&shown(&file.canonical().absolute()), &before, &after)), replaced))
}

/// Returns the difference that the edits would make, changing nothing.
pub(crate) fn proposed(place: &Place<'_>, edits: &[Edit]) -> Result<String, Failure> {
    let Ok(original) = String::from_utf8(read::whole(place)?) else {
        return Err(Failure::NotText { asked: place.asked.clone() });
    };
    let before = line_feeds(&original);
    let after = apply(&before, edits)?;
    Ok(difference(&shown(&place.absolute()), &before, &after))
}

fn line_feeds(text: &str) -> String {
    text.replace("\r\n", "\n")
}

fn apply(text: &str, edits: &[Edit]) -> Result<String, Failure> {
    let mut text = text.to_owned();
    for edit in edits {
        let (old, new) = (line_feeds(&edit.old_text), line_feeds(&edit.new_text));
        text = if text.contains(&old) {
            text.replacen(&old, &new, 1)
        } else {
            by_lines(&text, &old, &new).ok_or_else(|| Failure::NoMatch { old_text: edit.old_text.clone() })?
        };
    }
    Ok(text)
}

/// Replaces the first lines that are the old ones but for white space at their ends. The new lines are indented as far
/// as the first one was, and further where they are further in than the old ones.
fn by_lines(text: &str, old: &str, new: &str) -> Option<String> {
    let old: Vec<&str> = old.split('\n').collect();
    let lines: Vec<&str> = text.split('\n').collect();
    let same = |window: &&[&str]| window.iter().zip(&old).all(|(line, old)| line.trim() == old.trim());
    let start = lines.windows(old.len()).position(|window| same(&window))?;
    let indent = indentation(lines[start]);
    let mut result: Vec<String> = lines[..start].iter().map(|&line| line.to_owned()).collect();
    for (index, line) in new.split('\n').enumerate() {
        let (was, is) = (old.get(index).map_or("", |old| indentation(old)), indentation(line));
        result.push(if index == 0 {
            format!("{indent}{}", line.trim_start())
        } else if !was.is_empty() && !is.is_empty() {
            let further = is.chars().count().saturating_sub(was.chars().count());
            format!("{indent}{:further$}{}", "", line.trim_start())
        } else {
            line.to_owned()
        });
    }
    result.extend(lines[start + old.len()..].iter().map(|&line| line.to_owned()));
    Some(result.join("\n"))
}

fn indentation(line: &str) -> &str {
    &line[..line.len() - line.trim_start().len()]
}

/// Writes the difference of two texts in the unified format.
pub(crate) fn difference(path: &str, before: &str, after: &str) -> String {
    let mut text = format!("Index: {path}\n{:=<67}\n--- {path}\toriginal\n+++ {path}\tmodified\n", "");
    let diff = TextDiff::configure().timeout(DIFFERENCE_LIMIT).diff_lines(before, after);
    for group in diff.grouped_ops(CONTEXT) {
        let (Some(first), Some(last)) = (group.first(), group.last()) else { continue };
        let range = |start: usize, end: usize| {
            let length = end - start;
            // Of an empty range the line before it is named.
            format!("{},{length}", if length == 0 { start } else { start + 1 })
        };
        let old = range(first.old_range().start, last.old_range().end);
        let new = range(first.new_range().start, last.new_range().end);
        writeln!(text, "@@ -{old} +{new} @@").expect("writing to a string can't fail");
        for change in group.iter().flat_map(|operation| diff.iter_changes(operation)) {
            text.push(match change.tag() {
                ChangeTag::Equal => ' ',
                ChangeTag::Delete => '-',
                ChangeTag::Insert => '+',
            });
            text.push_str(change.value());
            if change.missing_newline() {
                text.push_str("\n\\ No newline at end of file\n");
            }
        }
    }
    text
}

/// Puts a difference between fences that do not occur in it.
fn fenced(difference: &str) -> String {
    let mut fence = "```".to_owned();
    while difference.contains(&fence) {
        fence.push('`');
    }
    format!("{fence}diff\n{difference}{fence}\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edited(text: &str, old: &str, new: &str) -> Result<String, Failure> {
        apply(text, &[Edit { old_text: old.to_owned(), new_text: new.to_owned() }])
    }

    #[test]
    fn the_first_exact_match_is_replaced() {
        assert_eq!(edited("a b a\n", "a", "$1").unwrap(), "$1 b a\n");
        assert_eq!(
            edited("a\nc\n", "a\nb", "$1").unwrap_err().to_string(),
            "Could not find exact match for edit:\na\nb"
        );
    }

    #[test]
    fn lines_match_whatever_their_indentation_and_keep_it() {
        let text = "fn a() {\n        one();\n        two();\n}\n";
        let result = edited(text, "  one();\n  two();", "  one();\n    three();").unwrap();
        assert_eq!(result, "fn a() {\n        one();\n          three();\n}\n");
    }

    #[test]
    fn the_difference_names_its_lines() {
        let before = "1\n2\n3\n4\n5\n6\n7\n8\n9\n";
        let text = difference("/a", before, "1\n2\n3\n4\n5\nsix\n7\n8\n9");
        let expected = "Index: /a\n===================================================================\n\
            --- /a\toriginal\n+++ /a\tmodified\n@@ -2,8 +2,8 @@\n 2\n 3\n 4\n 5\n-6\n+six\n 7\n 8\n-9\n+9\n\\ No newline at end of file\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn fences_are_longer_than_those_in_the_text() {
        assert_eq!(fenced("````\n"), "`````diff\n````\n`````\n\n");
    }
}
