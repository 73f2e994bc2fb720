//! What a call would change, for a person who decides about it: the difference to the file as it is.

use rmcp::model::JsonObject;
use serde_json::Value;

use crate::edit::{self, Edit};
use crate::failure::Failure;
use crate::folder::Folders;
use crate::place::Place;
use crate::read;

/// The largest text that is compared, on either side: more than a person reads, and soon done.
const COMPARED_LIMIT: u64 = 1 << 20;

/// Says what a call of a tool would change; `None` where it changes nothing, or its arguments say all.
pub(crate) fn preview(folders: &Folders, tool: &str, arguments: &JsonObject) -> Option<String> {
    let text = |name: &str| arguments.get(name).and_then(Value::as_str);
    let shown = match tool {
        "write_file" => write(&folders.locate(text("path")?).ok()?, text("content")?),
        "edit_file" => {
            let edits: Vec<Edit> = serde_json::from_value(arguments.get("edits")?.clone()).ok()?;
            change(&folders.locate(text("path")?).ok()?, &edits)
        }
        "move_file" => {
            let (from, to) =
                (folders.locate(text("source")?).ok()?, folders.locate(text("destination")?).ok()?);
            moving(&from, &to)
        }
        _ => return None,
    };
    Some(shown.unwrap_or_else(|failure| format!("As things are, this would fail: {failure}\n")))
}

fn write(place: &Place<'_>, content: &str) -> Result<String, Failure> {
    place.target(true)?;
    let metadata = match place.metadata() {
        Ok(metadata) => metadata,
        Err(Failure::NotFound { .. }) => {
            return Ok(format!("A new file of {} bytes.\n", content.len()));
        }
        Err(failure) => return Err(failure),
    };
    if metadata.len().max(content.len() as u64) > COMPARED_LIMIT {
        let (now, then) = (metadata.len(), content.len());
        return Ok(format!(
            "Replaces a file of {now} bytes by one of {then}; they are too large to compare.\n"
        ));
    }
    let now = read::whole(place)?;
    match std::str::from_utf8(&now) {
        Ok(now) if now == content => Ok("The file has this content already.\n".to_owned()),
        Ok(now) => Ok(edit::difference(&name(place), now, content)),
        Err(_) => Ok(format!(
            "Replaces a file of {} bytes that is not text by {} bytes.\n",
            now.len(),
            content.len()
        )),
    }
}

fn change(place: &Place<'_>, edits: &[Edit]) -> Result<String, Failure> {
    place.target(true)?;
    let size = place.metadata()?.len();
    if size > COMPARED_LIMIT {
        return Ok(format!("Changes a file of {size} bytes, which is too large to compare.\n"));
    }
    edit::proposed(place, edits)
}

fn moving(from: &Place<'_>, to: &Place<'_>) -> Result<String, Failure> {
    let source = from.target(false)?;
    let target = to.target(false)?;
    let metadata = source.parent.symlink_metadata(&source.name).map_err(|error| from.failure(error))?;
    if target.parent.symlink_metadata(&target.name).is_ok() {
        return Err(Failure::Exists { asked: to.asked.clone() });
    }
    let what = match (metadata.is_dir(), metadata.is_symlink()) {
        (true, _) => "a directory with everything in it".to_owned(),
        (_, true) => "a symbolic link".to_owned(),
        _ => format!("a file of {} bytes", metadata.len()),
    };
    Ok(format!("Moves {what}:\n- {}\n+ {}\n", name(from), name(to)))
}

fn name(place: &Place<'_>) -> String {
    place.absolute().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::folder::{Access, Folder};

    #[test]
    fn a_person_sees_what_a_call_would_change() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
        std::fs::write(path("a.txt"), "one\ntwo\n").unwrap();
        std::fs::write(path("b.bin"), [0xff, 0]).unwrap();
        let folders =
            Folders::open([Folder { path: folder.path().into(), access: Access::ReadWrite }]).unwrap();
        let shown = |tool: &str, arguments: Value| {
            preview(&folders, tool, arguments.as_object().unwrap()).unwrap_or_default()
        };
        let cases = [
            ("write_file", json!({ "path": path("a.txt"), "content": "one\n2\n" }), "-two\n+2\n"),
            ("write_file", json!({ "path": path("a.txt"), "content": "one\ntwo\n" }), "already"),
            ("write_file", json!({ "path": path("new"), "content": "x" }), "A new file of 1 bytes"),
            ("write_file", json!({ "path": path("b.bin"), "content": "x" }), "2 bytes that is not text by 1"),
            ("write_file", json!({ "path": path("no/a"), "content": "x" }), "would fail"),
            (
                "edit_file",
                json!({ "path": path("a.txt"), "edits": [{ "oldText": "one", "newText": "1" }] }),
                "-one\n+1\n",
            ),
            (
                "edit_file",
                json!({ "path": path("a.txt"), "edits": [{ "oldText": "?", "newText": "1" }] }),
                "would fail",
            ),
            ("move_file", json!({ "source": path("a.txt"), "destination": path("c") }), "a file of 8 bytes"),
            ("move_file", json!({ "source": path("a.txt"), "destination": path("b.bin") }), "would fail"),
        ];
        for (tool, arguments, expected) in cases {
            let text = shown(tool, arguments.clone());
            assert!(text.contains(expected), "{tool} {arguments}: {text}");
        }
        assert_eq!(shown("read_text_file", json!({ "path": path("a.txt") })), "");
        assert_eq!(shown("write_file", json!({ "path": "/etc/passwd", "content": "x" })), "");
        // Nothing was changed by looking.
        assert_eq!(std::fs::read_to_string(path("a.txt")).unwrap(), "one\ntwo\n");
        assert!(!folder.path().join("new").exists());
    }
}
