//! What `tools/call` does: arguments to paths to answers. [`crate::server`] calls it on a thread that may block.

use std::cell::Cell;
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::PathBuf;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as CURSOR;
use rmcp::model::{CallToolResult, ContentBlock, JsonObject, ResourceContents};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::browse::SortBy;
use crate::edit::Edit;
use crate::failure::Failure;
use crate::folder::Folders;
use crate::grep::{Position, Query};
use crate::listings::Listings;
use crate::place::Place;
use crate::write::Replaced;
use crate::{browse, edit, grep, read, uri, write};

/// Bytes of one range: the answer holds them twice.
const RANGE_LIMIT: u64 = 8 << 20;
const RANGE_DEFAULT: u64 = 1 << 20;
const LINES_DEFAULT: u64 = 1000;

/// Entries of one page; the default is about what a model reads at once.
const PAGE_LIMIT: usize = 10_000;
const PAGE_DEFAULT: usize = 1000;
const MATCHES_LIMIT: usize = 2000;
const MATCHES_DEFAULT: usize = 200;
const CONTEXT_LIMIT: usize = 20;

/// Files of one `read_multiple_files`; together they have the limit of one file.
const FILES_LIMIT: usize = 1000;

#[derive(Deserialize)]
struct ReadArguments {
    path: String,
    tail: Option<f64>,
    head: Option<f64>,
}

#[derive(Deserialize)]
struct PathArguments {
    path: String,
}

#[derive(Deserialize)]
struct PathsArguments {
    paths: Vec<String>,
}

#[derive(Deserialize)]
struct WriteArguments {
    path: String,
    content: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct EditArguments {
    path: String,
    edits: Vec<Edit>,
    #[serde(default)]
    dry_run: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SizesArguments {
    path: String,
    #[serde(default)]
    sort_by: SortBy,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TreeArguments {
    path: String,
    #[serde(default)]
    exclude_patterns: Vec<String>,
}

#[derive(Deserialize)]
struct MoveArguments {
    source: String,
    destination: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SearchArguments {
    path: String,
    pattern: String,
    #[serde(default)]
    exclude_patterns: Vec<String>,
}

#[derive(Deserialize, Default, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Encoding {
    #[default]
    Text,
    Base64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RangeArguments {
    path: String,
    offset: Option<u64>,
    length: Option<u64>,
    first_line: Option<u64>,
    lines: Option<u64>,
    #[serde(default)]
    encoding: Encoding,
}

#[derive(Deserialize)]
struct PageArguments {
    path: String,
    limit: Option<usize>,
    cursor: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ContentArguments {
    path: String,
    pattern: String,
    #[serde(default)]
    literal: bool,
    #[serde(default)]
    ignore_case: bool,
    #[serde(default)]
    include: Vec<String>,
    #[serde(default)]
    exclude_patterns: Vec<String>,
    #[serde(default)]
    context_lines: usize,
    limit: Option<usize>,
    cursor: Option<String>,
}

/// What came of a call.
pub(crate) struct Called {
    pub(crate) result: CallToolResult,
    /// What the call leaves to be cleared up once it is answered.
    pub(crate) leftover: Option<Replaced>,
}

/// Calls a tool. A failure is a result too: the model is to read it.
pub(crate) fn call(
    folders: &Folders,
    listings: &Arc<Listings>,
    name: &str,
    arguments: JsonObject,
    cancel: &CancellationToken,
) -> Called {
    let call = Call { folders, listings, name, cancel, leftover: Cell::default() };
    let result = call
        .answer(arguments)
        .unwrap_or_else(|failure| CallToolResult::error(vec![ContentBlock::text(failure.to_string())]));
    Called { result, leftover: call.leftover.into_inner() }
}

struct Call<'a> {
    folders: &'a Folders,
    listings: &'a Arc<Listings>,
    name: &'a str,
    cancel: &'a CancellationToken,
    leftover: Cell<Option<Replaced>>,
}

impl<'a> Call<'a> {
    fn answer(&self, arguments: JsonObject) -> Result<CallToolResult, Failure> {
        let text = match self.name {
            "read_file" | "read_text_file" => self.read(self.parse(arguments)?)?,
            "read_media_file" => return self.media(&self.parse(arguments)?),
            "read_multiple_files" => self.read_several(&self.parse(arguments)?)?,
            "write_file" => {
                let WriteArguments { path, content } = self.parse(arguments)?;
                self.leftover.set(write::file(&self.locate(&path)?, content.as_bytes())?);
                format!("Successfully wrote to {path}")
            }
            "edit_file" => {
                let EditArguments { path, edits, dry_run } = self.parse(arguments)?;
                let (difference, replaced) = edit::edit(&self.locate(&path)?, &edits, dry_run)?;
                self.leftover.set(replaced);
                difference
            }
            "create_directory" => {
                let PathArguments { path } = self.parse(arguments)?;
                write::directory(&self.locate(&path)?)?;
                format!("Successfully created directory {path}")
            }
            "list_directory" => {
                let PathArguments { path } = self.parse(arguments)?;
                browse::list(&self.locate(&path)?, self.listings)?
            }
            "list_directory_with_sizes" => {
                let SizesArguments { path, sort_by } = self.parse(arguments)?;
                browse::list_with_sizes(&self.locate(&path)?, self.folders, sort_by, self.cancel)?
            }
            "directory_tree" => {
                let TreeArguments { path, exclude_patterns } = self.parse(arguments)?;
                browse::tree(&self.locate(&path)?, &exclude_patterns, self.cancel)?
            }
            "move_file" => {
                let MoveArguments { source, destination } = self.parse(arguments)?;
                write::rename(&self.locate(&source)?, &self.locate(&destination)?)?;
                format!("Successfully moved {source} to {destination}")
            }
            "search_files" => {
                let SearchArguments { path, pattern, exclude_patterns } = self.parse(arguments)?;
                let place = self.locate(&path)?;
                browse::search(&place, self.folders, &pattern, &exclude_patterns, self.cancel)?
            }
            "get_file_info" => {
                let PathArguments { path } = self.parse(arguments)?;
                browse::info(&self.locate(&path)?)?
            }
            "list_allowed_directories" => format!("Allowed directories:\n{}", self.folders.names("\n")),
            "read_file_range" => return self.range(&self.parse(arguments)?),
            "list_directory_page" => return self.page(&self.parse(arguments)?),
            "search_content" => return self.search_content(&self.parse(arguments)?),
            name => {
                return Err(Failure::Request(format!(
                    "there is no tool {name}; tools/list names those there are"
                )));
            }
        };
        let structured = json_object([("content", Value::String(text.clone()))]);
        Ok(answer(vec![ContentBlock::text(text)], structured))
    }

    fn parse<T: DeserializeOwned>(&self, arguments: JsonObject) -> Result<T, Failure> {
        serde_json::from_value(Value::Object(arguments)).map_err(|error| self.invalid(error.to_string()))
    }

    fn invalid(&self, problem: String) -> Failure {
        Failure::Arguments { tool: self.name.to_owned(), problem }
    }

    fn locate(&self, path: &str) -> Result<Place<'a>, Failure> {
        self.folders.locate(path)
    }

    fn read(&self, arguments: ReadArguments) -> Result<String, Failure> {
        let place = self.locate(&arguments.path)?;
        // Zero lines means all of them, as it does in the reference server.
        let count = |lines: Option<f64>| match lines {
            None | Some(0.0) => Ok(None),
            // The cast saturates, and more lines than a file has are all of them.
            Some(lines) if lines > 0.0 => Ok(Some(lines.ceil() as u64)),
            Some(lines) => Err(self.invalid(format!("{lines} is no number of lines"))),
        };
        match (count(arguments.head)?, count(arguments.tail)?) {
            (Some(_), Some(_)) => Err(Failure::Request(
                "Cannot specify both head and tail parameters simultaneously".to_owned(),
            )),
            (Some(lines), None) => read::head(&place, lines),
            (None, Some(lines)) => read::tail(&place, lines),
            (None, None) => read::whole(&place).map(read::text),
        }
    }

    fn read_several(&self, arguments: &PathsArguments) -> Result<String, Failure> {
        if arguments.paths.is_empty() {
            return Err(self.invalid("At least one file path must be provided".to_owned()));
        }
        if arguments.paths.len() > FILES_LIMIT {
            return Err(Failure::TooMany {
                what: "the number of paths".to_owned(),
                limit: FILES_LIMIT as u64,
                unit: "files",
                instead: "ask for fewer at a time",
            });
        }
        let mut text = String::new();
        for (index, path) in arguments.paths.iter().enumerate() {
            if self.cancel.is_cancelled() {
                return Err(Failure::Cancelled);
            }
            if index > 0 {
                text.push_str("\n---\n");
            }
            match self.locate(path).and_then(|place| read::whole(&place)).map(read::text) {
                Ok(content) => text.extend([path, ":\n", &content, "\n"]),
                Err(failure) => text.extend([path, ": Error - ", &failure.to_string()]),
            }
            let size = text.len() as u64;
            if size > read::READ_LIMIT {
                let what = "the files together".to_owned();
                return Err(Failure::TooLarge {
                    what,
                    size,
                    limit: read::READ_LIMIT,
                    instead: "ask for fewer at a time",
                });
            }
        }
        Ok(text)
    }

    fn media(&self, arguments: &PathArguments) -> Result<CallToolResult, Failure> {
        let place = self.locate(&arguments.path)?;
        let data = read::base64(&read::whole(&place)?);
        let path = place.canonical().absolute();
        let media_type = read::media_type(&path);
        let kind = media_type.split('/').next().unwrap_or("");
        let (block, structured) = if kind == "image" || kind == "audio" {
            let structured = json!({ "type": kind, "data": data, "mimeType": media_type });
            let block = if kind == "image" { ContentBlock::image } else { ContentBlock::audio };
            (block(data, media_type.to_owned()), structured)
        } else {
            let uri = uri::from_path(&path);
            let resource = json!({ "uri": uri, "mimeType": media_type, "blob": data });
            let contents = ResourceContents::blob(data, uri).with_mime_type(media_type);
            (ContentBlock::resource(contents), json!({ "type": "resource", "resource": resource }))
        };
        Ok(answer(vec![block], json_object([("content", Value::Array(vec![structured]))])))
    }

    fn range(&self, arguments: &RangeArguments) -> Result<CallToolResult, Failure> {
        let place = self.locate(&arguments.path)?;
        let by_lines = arguments.first_line.is_some() || arguments.lines.is_some();
        if by_lines && (arguments.offset.is_some() || arguments.length.is_some()) {
            return Err(self.invalid("give offset and length, or firstLine and lines".to_owned()));
        }
        let is_text = arguments.encoding == Encoding::Text;
        let length = arguments.length.unwrap_or(RANGE_DEFAULT);
        if length > RANGE_LIMIT {
            let what = "the range".to_owned();
            return Err(Failure::TooLarge {
                what,
                size: length,
                limit: RANGE_LIMIT,
                instead: "ask for a shorter one",
            });
        }
        let range = if by_lines {
            let (first, count) =
                (arguments.first_line.unwrap_or(1), arguments.lines.unwrap_or(LINES_DEFAULT));
            read::lines(&place, first.max(1), count)?
        } else {
            read::bytes(&place, arguments.offset.unwrap_or(0), length, is_text)?
        };
        let end = range.offset + range.bytes.len() as u64;
        let mut structured = json_object([("size", range.size.into())]);
        if end < range.size && !range.bytes.is_empty() {
            match range.first_line {
                Some(first) => {
                    let lines = memchr::memchr_iter(b'\n', &range.bytes).count() as u64;
                    structured.insert("nextLine".to_owned(), (first + lines).into());
                }
                None => {
                    structured.insert("nextOffset".to_owned(), end.into());
                }
            }
        }
        let (block, content) = if is_text {
            let text = read::text(range.bytes);
            (ContentBlock::text(text.clone()), text)
        } else {
            let data = read::base64(&range.bytes);
            let path = place.canonical().absolute();
            let contents = ResourceContents::blob(data.clone(), uri::from_path(&path));
            (ContentBlock::resource(contents.with_mime_type(read::media_type(&path))), data)
        };
        structured.insert("content".to_owned(), content.into());
        Ok(answer(vec![block], structured))
    }

    fn page(&self, arguments: &PageArguments) -> Result<CallToolResult, Failure> {
        let place = self.locate(&arguments.path)?;
        let limit = self.limit(arguments.limit, PAGE_DEFAULT, PAGE_LIMIT)?;
        let after = arguments.cursor.as_deref().map(|cursor| self.cursor(cursor)).transpose()?;
        let page = browse::page(&place, self.listings, after.as_deref(), limit)?;
        let mut structured = json_object([("content", page.text.clone().into())]);
        if let Some(last) = page.last {
            structured.insert("nextCursor".to_owned(), CURSOR.encode(last).into());
        }
        Ok(answer(with_next(page.text, &structured), structured))
    }

    fn search_content(&self, arguments: &ContentArguments) -> Result<CallToolResult, Failure> {
        let place = self.locate(&arguments.path)?;
        let after = match &arguments.cursor {
            Some(cursor) => Some(self.position(cursor)?),
            None => None,
        };
        if arguments.context_lines > CONTEXT_LIMIT {
            return Err(self.invalid(format!("contextLines is at most {CONTEXT_LIMIT}")));
        }
        let query = Query {
            pattern: &arguments.pattern,
            literal: arguments.literal,
            ignore_case: arguments.ignore_case,
            include: &arguments.include,
            exclude: &arguments.exclude_patterns,
            context: arguments.context_lines,
            limit: self.limit(arguments.limit, MATCHES_DEFAULT, MATCHES_LIMIT)?,
            after,
        };
        let found = grep::search(&place, &query, self.cancel)?;
        let text = found.text();
        let matches = serde_json::to_value(&found.matches).expect("strings and numbers are JSON");
        let mut structured = json_object([("content", text.clone().into()), ("matches", matches)]);
        if let Some(Position { path, line }) = found.last {
            let cursor = [line.to_string().as_bytes(), b":", path.as_os_str().as_bytes()].concat();
            structured.insert("nextCursor".to_owned(), CURSOR.encode(cursor).into());
        }
        Ok(answer(with_next(text, &structured), structured))
    }

    fn limit(&self, asked: Option<usize>, default: usize, limit: usize) -> Result<usize, Failure> {
        match asked.unwrap_or(default) {
            0 => Err(self.invalid("limit is at least 1".to_owned())),
            asked if asked > limit => {
                Err(self.invalid(format!("limit is at most {limit}; ask for pages with cursor")))
            }
            asked => Ok(asked),
        }
    }

    fn cursor(&self, cursor: &str) -> Result<Vec<u8>, Failure> {
        CURSOR.decode(cursor).map_err(|_| self.invalid("cursor is none that this server gave".to_owned()))
    }

    fn position(&self, cursor: &str) -> Result<Position, Failure> {
        let bytes = self.cursor(cursor)?;
        let parsed = memchr::memchr(b':', &bytes).and_then(|colon| {
            let line = std::str::from_utf8(&bytes[..colon]).ok()?.parse().ok()?;
            Some(Position { line, path: PathBuf::from(OsString::from_vec(bytes[colon + 1..].to_vec())) })
        });
        // The cursor comes from the client: one that names something else must not lead there.
        parsed
            .filter(|position| {
                crate::folder::lexical(&position.path) == position.path && position.path.is_relative()
            })
            .ok_or_else(|| self.invalid("cursor is none that this server gave".to_owned()))
    }
}

/// Returns the text, and where it goes on for models that don't see the structured content.
fn with_next(text: String, structured: &JsonObject) -> Vec<ContentBlock> {
    let mut blocks = vec![ContentBlock::text(text)];
    if let Some(cursor) = structured.get("nextCursor").and_then(Value::as_str) {
        blocks.push(ContentBlock::text(format!("There is more; go on with cursor {cursor}")));
    }
    blocks
}

fn json_object<const N: usize>(members: [(&str, Value); N]) -> JsonObject {
    members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn answer(content: Vec<ContentBlock>, structured: JsonObject) -> CallToolResult {
    let mut result = CallToolResult::success(content);
    result.structured_content = Some(Value::Object(structured));
    result.is_error = None;
    result
}
