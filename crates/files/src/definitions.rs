//! What `tools/list` says. The first fourteen tools have the names, titles, schemas and annotations of the reference
//! `server-filesystem`, so that prompts and habits carry over; the others are this server's own.

use std::sync::{Arc, LazyLock};

use rmcp::model::{JsonObject, Tool, ToolAnnotations};
use serde_json::{Value, json};

/// What a tool does to files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    Reads,
    Writes { destructive: bool, idempotent: bool },
}

/// A tool and what it does.
pub(crate) struct Definition {
    pub(crate) effect: Effect,
    pub(crate) tool: Tool,
}

/// The tools in the order in which they are listed. Every server of the process shares their schemas, which are most of what
/// a server needs.
pub(crate) static ALL: LazyLock<Vec<Definition>> = LazyLock::new(all);

fn all() -> Vec<Definition> {
    use Effect::{Reads, Writes};
    let overwrites = Writes { destructive: true, idempotent: true };
    let changes = Writes { destructive: true, idempotent: false };
    let adds = Writes { destructive: false, idempotent: true };
    let text = json!({ "type": "string" });
    let path = || json!({ "path": text });
    let lines = || {
        json!({
            "path": text,
            "tail": { "type": "number", "description": "If provided, returns only the last N lines of the file" },
            "head": { "type": "number", "description": "If provided, returns only the first N lines of the file" },
        })
    };
    let patterns = || json!({ "type": "array", "items": text, "default": [] });
    let content = || object(json!({ "content": text }), &["content"], true);
    let tool = |name, title, description, properties, required: &[_], effect| {
        define(name, title, description, object(properties, required, false), content(), effect)
    };
    let mut tools = vec![
        tool(
            "read_file",
            "Read File (Deprecated)",
            "Returns a whole file as text. DEPRECATED: use read_text_file, which does the same.",
            lines(),
            &["path"],
            Reads,
        ),
        tool(
            "read_text_file",
            "Read Text File",
            "Returns a file as text, whatever its extension; bytes that are not UTF-8 become replacement characters. \
             `head` asks for its first N lines only, `tail` for its last N; not both. Large files are read in parts \
             with read_file_range. Works in the allowed directories only.",
            lines(),
            &["path"],
            Reads,
        ),
        define(
            "read_media_file",
            "Read Media File",
            "Returns a file as base64 with its media type: images and audio as such, everything else as an embedded \
             resource. Works in the allowed directories only.",
            object(path(), &["path"], false),
            media(),
            Reads,
        ),
        tool(
            "read_multiple_files",
            "Read Multiple Files",
            "Returns several files as text in one answer, each under its path. A file that can't be read has its error \
             in its place and does not stop the others. Works in the allowed directories only.",
            json!({ "paths": {
                "type": "array",
                "items": text,
                "minItems": 1,
                "description": "Array of file paths to read. Each path must be a string pointing to a valid file within \
                                allowed directories.",
            } }),
            &["paths"],
            Reads,
        ),
        tool(
            "write_file",
            "Write File",
            "Writes a text file: makes it, or replaces all that was in it, at once and without asking. The directory has \
             to exist. Works in the allowed directories only.",
            json!({ "path": text, "content": text }),
            &["path", "content"],
            overwrites,
        ),
        tool(
            "edit_file",
            "Edit File",
            "Replaces pieces of a text file, one after the other, each by its first exact match or else by lines that \
             differ in their white space only. Returns a git-style diff; with `dryRun` it changes nothing. Works in the \
             allowed directories only.",
            json!({
                "path": text,
                "edits": { "type": "array", "items": {
                    "type": "object",
                    "properties": {
                        "oldText": { "type": "string", "description": "Text to search for - must match exactly" },
                        "newText": { "type": "string", "description": "Text to replace with" },
                    },
                    "required": ["oldText", "newText"],
                } },
                "dryRun": {
                    "type": "boolean",
                    "default": false,
                    "description": "Preview changes using git-style diff format",
                },
            }),
            &["path", "edits"],
            changes,
        ),
        tool(
            "create_directory",
            "Create Directory",
            "Makes a directory, with those above it that are missing. One that exists already is fine. Works in the \
             allowed directories only.",
            path(),
            &["path"],
            adds,
        ),
        tool(
            "list_directory",
            "List Directory",
            "Lists what is in a directory, a line each, marked [DIR] or [FILE]. Very large directories are listed in \
             pages with list_directory_page. Works in the allowed directories only.",
            path(),
            &["path"],
            Reads,
        ),
        tool(
            "list_directory_with_sizes",
            "List Directory with Sizes",
            "Lists what is in a directory with the files' sizes and their sum, marked [DIR] or [FILE], sorted by name or \
             by size. Works in the allowed directories only.",
            json!({ "path": text, "sortBy": {
                "type": "string",
                "enum": ["name", "size"],
                "default": "name",
                "description": "Sort entries by name or size",
            } }),
            &["path"],
            Reads,
        ),
        tool(
            "directory_tree",
            "Directory Tree",
            "Returns a directory with everything beneath it as JSON: each entry has `name` and `type` (file or \
             directory), directories have `children`. `excludePatterns` leaves entries out. Works in the allowed \
             directories only.",
            json!({ "path": text, "excludePatterns": patterns() }),
            &["path"],
            Reads,
        ),
        tool(
            "move_file",
            "Move File",
            "Moves or renames a file or a directory. Fails where something is at the destination already. Both paths \
             have to be in the allowed directories.",
            json!({ "source": text, "destination": text }),
            &["source", "destination"],
            changes,
        ),
        tool(
            "search_files",
            "Search Files",
            "Finds files and directories by a glob pattern on their path from the directory that is searched: '*.ext' \
             finds in that directory itself, '**/*.ext' in all beneath it too. Returns full paths, a line each. What is \
             in files is searched by search_content. Works in the allowed directories only.",
            json!({ "path": text, "pattern": text, "excludePatterns": patterns() }),
            &["path", "pattern"],
            Reads,
        ),
        tool(
            "get_file_info",
            "Get File Info",
            "Returns what is known of a file or directory without reading it: size, times, permissions and kind. Works in \
             the allowed directories only.",
            path(),
            &["path"],
            Reads,
        ),
        tool(
            "list_allowed_directories",
            "List Allowed Directories",
            "Lists the directories that this server serves, with all beneath them; ask before using paths.",
            json!({}),
            &[],
            Reads,
        ),
    ];
    tools.extend(own(&text));
    tools
}

/// The tools that the reference server does not have.
fn own(text: &Value) -> [Definition; 3] {
    use Effect::Reads;
    let count = |description: &str| json!({ "type": "integer", "minimum": 1, "description": description });
    let cursor = json!({ "type": "string", "description": "`nextCursor` of the page before" });
    let strings = json!({ "type": "array", "items": text, "default": [] });
    [
        define(
            "read_file_range",
            "Read File Range",
            "Reads a part of a file: `length` bytes from `offset` on, or `lines` lines from `firstLine` on. \
             `nextOffset` or `nextLine` of the answer is where to go on; without it the file has ended. Binary files are \
             read with `encoding` \"base64\". Works in the allowed directories only.",
            object(
                json!({
                    "path": text,
                    "offset": { "type": "integer", "minimum": 0, "description": "First byte; 0 by default" },
                    "length": count("Bytes at most; 1 MiB by default, 8 MiB at most"),
                    "firstLine": count("First line, counted from 1; reads lines in place of bytes"),
                    "lines": count("Lines at most; 1000 by default"),
                    "encoding": { "type": "string", "enum": ["text", "base64"], "default": "text" },
                }),
                &["path"],
                false,
            ),
            object(
                json!({
                    "content": { "type": "string", "description": "The text, or the bytes as base64" },
                    "size": { "type": "integer", "description": "Bytes of the whole file" },
                    "nextOffset": { "type": "integer" },
                    "nextLine": { "type": "integer" },
                }),
                &["content", "size"],
                true,
            ),
            Reads,
        ),
        define(
            "list_directory_page",
            "List Directory Page",
            "Lists a directory in pages, for directories with very many entries: a line each, marked [DIR] or [FILE]. \
             Works in the allowed directories only.",
            object(
                json!({
                    "path": text,
                    "limit": count("Entries on a page; 1000 by default, 10000 at most"),
                    "cursor": cursor,
                }),
                &["path"],
                false,
            ),
            object(json!({ "content": text, "nextCursor": text }), &["content"], true),
            Reads,
        ),
        define(
            "search_content",
            "Search Content",
            "Finds lines in text files by a regular expression, or by a literal text with `literal`. Searches one file, \
             or all beneath a directory; `include` and `excludePatterns` are globs. Returns path:line:text, and as many \
             lines around as `contextLines` says. Binary files are passed over. Works in the allowed directories only.",
            object(
                json!({
                    "path": text,
                    "pattern": { "type": "string", "description": "A regular expression without look-around and back references" },
                    "literal": { "type": "boolean", "default": false },
                    "ignoreCase": { "type": "boolean", "default": false },
                    "include": strings,
                    "excludePatterns": strings,
                    "contextLines": {
                        "type": "integer", "minimum": 0, "maximum": 20, "default": 0,
                        "description": "Lines shown before and after each match",
                    },
                    "limit": count("Matches on a page; 200 by default, 2000 at most"),
                    "cursor": cursor,
                }),
                &["path", "pattern"],
                false,
            ),
            object(
                json!({
                    "content": text,
                    "matches": { "type": "array", "items": {
                        "type": "object",
                        "properties": {
                            "path": text,
                            "line": { "type": "integer" },
                            "text": text,
                            "before": { "type": "array", "items": text },
                            "after": { "type": "array", "items": text },
                        },
                        "required": ["path", "line", "text"],
                        "additionalProperties": false,
                    } },
                    "nextCursor": text,
                }),
                &["content", "matches"],
                true,
            ),
            Reads,
        ),
    ]
}

fn define(
    name: &'static str,
    title: &str,
    description: &'static str,
    input: JsonObject,
    output: JsonObject,
    effect: Effect,
) -> Definition {
    let annotations = ToolAnnotations::default().read_only(effect == Effect::Reads).open_world(false);
    let annotations = match effect {
        Effect::Reads => annotations,
        Effect::Writes { destructive, idempotent } => {
            annotations.destructive(destructive).idempotent(idempotent)
        }
    };
    let tool = Tool::new(name, description, input)
        .with_title(title)
        .with_raw_output_schema(Arc::new(output))
        .with_annotations(annotations);
    Definition { effect, tool }
}

/// Returns the schema of an object. What a tool takes may have further members, what it returns has none.
fn object(properties: Value, required: &[&str], closed: bool) -> JsonObject {
    let mut schema = JsonObject::new();
    schema.insert("$schema".to_owned(), "http://json-schema.org/draft-07/schema#".into());
    schema.insert("type".to_owned(), "object".into());
    schema.insert("properties".to_owned(), properties);
    if !required.is_empty() {
        schema.insert("required".to_owned(), required.into());
    }
    if closed {
        schema.insert("additionalProperties".to_owned(), false.into());
    }
    schema
}

fn media() -> JsonObject {
    let text = json!({ "type": "string" });
    let block = json!({
        "type": "object",
        "properties": { "type": { "type": "string", "enum": ["image", "audio"] }, "data": text, "mimeType": text },
        "required": ["type", "data", "mimeType"],
        "additionalProperties": false,
    });
    let resource = json!({
        "type": "object",
        "properties": {
            "type": { "type": "string", "const": "resource" },
            "resource": {
                "type": "object",
                "properties": { "uri": text, "mimeType": text, "blob": text },
                "required": ["uri", "blob"],
                "additionalProperties": false,
            },
        },
        "required": ["type", "resource"],
        "additionalProperties": false,
    });
    let content = json!({ "type": "array", "items": { "anyOf": [block, resource] } });
    object(json!({ "content": content }), &["content"], true)
}
