//! No path leads out of the shared folders, whatever tool it is given to.

use gatelodge_files::Access;
use serde_json::{Value, json};

use crate::client::{Client, Home, names};

/// Every tool that takes a path, with the path in each place that takes one.
fn uses(path: &str, inside: &str) -> Vec<(&'static str, Value)> {
    let edits = json!([{ "oldText": "SECRET", "newText": "ESCAPED" }]);
    vec![
        ("read_file", json!({ "path": path })),
        ("read_text_file", json!({ "path": path })),
        ("read_text_file", json!({ "path": path, "head": 1 })),
        ("read_text_file", json!({ "path": path, "tail": 2 })),
        ("read_media_file", json!({ "path": path })),
        ("read_file_range", json!({ "path": path })),
        ("read_file_range", json!({ "path": path, "lines": 1 })),
        ("list_directory", json!({ "path": path })),
        ("list_directory_with_sizes", json!({ "path": path })),
        ("list_directory_page", json!({ "path": path })),
        ("directory_tree", json!({ "path": path })),
        ("search_files", json!({ "path": path, "pattern": "**" })),
        ("search_content", json!({ "path": path, "pattern": "SECRET" })),
        ("get_file_info", json!({ "path": path })),
        ("edit_file", json!({ "path": path, "edits": edits })),
        ("edit_file", json!({ "path": path, "edits": edits, "dryRun": true })),
        ("write_file", json!({ "path": path, "content": "ESCAPED" })),
        ("write_file", json!({ "path": format!("{path}/new"), "content": "ESCAPED" })),
        ("create_directory", json!({ "path": format!("{path}/new") })),
        ("move_file", json!({ "source": path, "destination": format!("{inside}/moved") })),
        ("move_file", json!({ "source": format!("{inside}/a.txt"), "destination": format!("{path}/moved") })),
    ]
}

/// Tries all tools with a path that must lead nowhere, and looks that nothing happened and nothing was told.
async fn assert_refused(home: &Home, client: &mut Client, path: &str) {
    let inside = home.text("notes");
    for (tool, arguments) in uses(path, &inside) {
        let answer = client.failure(tool, arguments.clone()).await;
        assert!(!answer.contains("SECRET"), "{tool} {arguments}: {answer}");
    }
    let text =
        client.text("read_multiple_files", json!({ "paths": [path, format!("{inside}/a.txt")] })).await;
    assert!(
        text.contains("Error - ") && text.contains("in notes") && !text.contains("SECRET"),
        "{path}: {text}"
    );
    assert_eq!(home.read("outside.txt"), "SECRET outside\n", "{path}");
    assert_eq!(names(&home.path("notes-secret")), ["c.txt"], "{path}");
    assert_eq!(home.read("notes-secret/c.txt"), "SECRET sibling\n", "{path}");
    assert_eq!(home.read("notes/a.txt"), "in notes\n", "{path}");
}

#[tokio::test]
async fn paths_that_say_so_do_not_lead_out() {
    let home = Home::new();
    let mut client = Client::initialized(&home.server(Access::ReadWrite)).await;
    let notes = home.text("notes");
    let long = format!("{notes}/{}", "x".repeat(4096));
    for path in [
        "/etc/passwd",
        "/",
        "/proc/self/root",
        "/proc/self/cwd",
        "/dev/stdin",
        "..",
        "../outside.txt",
        "sub/../../outside.txt",
        "/../../../../../../etc/passwd",
        "~/..",
        "file:///etc/passwd",
        "file://elsewhere/etc/passwd",
        "C:\\Windows",
        "a\0b",
        &format!("{notes}\0/../outside.txt"),
        &format!("{notes}/../outside.txt"),
        &format!("{notes}/../notes-secret/c.txt"),
        &format!("{notes}-secret/c.txt"),
        &format!("{notes}/./sub/.././../outside.txt"),
        &format!("file://{notes}/%2e%2e/outside.txt"),
        &home.text("notes-secret"),
        &home.text(""),
        &notes.to_uppercase(),
        &long,
    ] {
        // A path that isn't there is refused as well, but only as missing: relative ones are looked up in the folder.
        assert_refused(&home, &mut client, path).await;
    }
}

#[tokio::test]
async fn a_name_may_be_as_long_as_the_system_takes_and_no_longer() {
    let home = Home::new();
    let mut client = Client::initialized(&home.server(Access::ReadWrite)).await;
    let longest = "n".repeat(255);
    client.text("write_file", json!({ "path": longest, "content": "1" })).await;
    client.text("write_file", json!({ "path": longest, "content": "2" })).await;
    assert_eq!(client.text("read_text_file", json!({ "path": longest })).await, "2");
    client.failure("write_file", json!({ "path": "n".repeat(256), "content": "" })).await;
    let refusal = client.failure("read_text_file", json!({ "path": "n".repeat(5000) })).await;
    assert_eq!(refusal, "the path has 5000 bytes and the limit is 4096; use a shorter one");
}

#[tokio::test]
async fn symbolic_links_do_not_lead_out() {
    let home = Home::new();
    let (outside, secret) = (home.text("outside.txt"), home.text("notes-secret"));
    home.link("../outside.txt", "notes/leaf");
    home.link(&outside, "notes/absolute");
    home.link("../notes-secret", "notes/middle");
    home.link(&secret, "notes/absolute-middle");
    home.link("leaf", "notes/chain");
    home.link("chain", "notes/longer-chain");
    home.link("sub/../../outside.txt", "notes/winding");
    home.link("/proc/self/root/etc/passwd", "notes/proc");
    home.link("/proc/self/root", "notes/root");
    home.link("/proc/self/fd", "notes/descriptors");
    home.link("/", "notes/slash");
    home.link("..", "notes/up");
    home.link("../missing", "notes/dangling");
    home.link("loop", "notes/loop");
    home.link("/nowhere/at/all", "notes/dangling-absolute");
    let mut client = Client::initialized(&home.server(Access::ReadWrite)).await;
    let notes = home.text("notes");
    for name in [
        "leaf",
        "absolute",
        "chain",
        "longer-chain",
        "winding",
        "proc",
        "dangling",
        "loop",
        "dangling-absolute",
        "middle/c.txt",
        "absolute-middle/c.txt",
        "root/etc/passwd",
        "slash/etc/passwd",
        "up/outside.txt",
        "descriptors/0",
        "middle",
        "absolute-middle",
        "root",
        "slash",
        "up",
        "descriptors",
    ] {
        let path = format!("{notes}/{name}");
        for (tool, arguments) in uses(&path, &notes) {
            // Moving a link moves the link and not what it leads to, and so is no escape.
            if tool == "move_file" && arguments["source"] == path.as_str() && !name.contains('/') {
                continue;
            }
            let answer = client.failure(tool, arguments.clone()).await;
            assert!(!answer.contains("SECRET"), "{tool} {arguments}: {answer}");
        }
        assert_eq!(home.read("outside.txt"), "SECRET outside\n", "{name}");
        assert_eq!(names(&home.path("notes-secret")), ["c.txt"], "{name}");
        assert_eq!(home.read("notes-secret/c.txt"), "SECRET sibling\n", "{name}");
        assert!(!home.path("missing").exists(), "{name}");
    }
    // Walks name links that lead nowhere else, and follow none.
    for (tool, arguments) in [
        ("search_files", json!({ "path": notes, "pattern": "**" })),
        ("search_content", json!({ "path": notes, "pattern": "SECRET|root:" })),
        ("directory_tree", json!({ "path": notes })),
        ("list_directory_with_sizes", json!({ "path": notes })),
    ] {
        let text = client.text(tool, arguments).await;
        assert!(
            !text.contains("SECRET") && !text.contains("c.txt") && !text.contains("root:"),
            "{tool}: {text}"
        );
        assert!(!text.contains("notes-secret"), "{tool}: {text}");
    }
}

#[tokio::test]
async fn symbolic_links_in_and_between_shared_folders_are_followed() {
    let home = Home::new();
    std::fs::create_dir(home.path("pictures")).unwrap();
    home.write("pictures/p.txt", "a picture\n");
    home.link("sub/b.txt", "notes/relative");
    home.link(home.path("notes/sub/b.txt"), "notes/absolute");
    home.link(home.path("notes/sub"), "notes/directory");
    home.link(home.path("pictures"), "notes/pictures");
    home.link("../pictures/p.txt", "notes/picture");
    let folders = [("notes", Access::ReadWrite), ("pictures", Access::ReadOnly)];
    let mut client = Client::initialized(&home.serving(&folders)).await;
    let notes = home.text("notes");
    for (name, text) in [
        ("relative", "in sub\n"),
        ("absolute", "in sub\n"),
        ("directory/b.txt", "in sub\n"),
        ("pictures/p.txt", "a picture\n"),
        ("picture", "a picture\n"),
    ] {
        let path = format!("{notes}/{name}");
        assert_eq!(client.text("read_text_file", json!({ "path": path })).await, text, "{name}");
    }
    client.text("write_file", json!({ "path": format!("{notes}/absolute"), "content": "new\n" })).await;
    assert_eq!(home.read("notes/sub/b.txt"), "new\n");
    assert!(home.path("notes/absolute").is_symlink());
    // What a link leads to has the access of the folder that it is in.
    for name in ["pictures/p.txt", "picture", "pictures/new.txt"] {
        let arguments = json!({ "path": format!("{notes}/{name}"), "content": "ESCAPED" });
        let refusal = client.failure("write_file", arguments).await;
        assert!(refusal.contains("read-only"), "{refusal}");
    }
    assert_eq!(home.read("pictures/p.txt"), "a picture\n");
}

#[tokio::test]
async fn a_hard_link_is_a_file_of_the_folder_and_writing_leaves_the_other_name_alone() {
    let home = Home::new();
    std::fs::hard_link(home.path("outside.txt"), home.path("notes/hard")).unwrap();
    let mut client = Client::initialized(&home.server(Access::ReadWrite)).await;
    assert_eq!(client.text("read_text_file", json!({ "path": "hard" })).await, "SECRET outside\n");
    client.text("write_file", json!({ "path": "hard", "content": "new" })).await;
    let edits = json!([{ "oldText": "new", "newText": "newer" }]);
    client.text("edit_file", json!({ "path": "hard", "edits": edits })).await;
    assert_eq!(home.read("notes/hard"), "newer");
    assert_eq!(home.read("outside.txt"), "SECRET outside\n");
}

#[tokio::test]
async fn cursors_and_uris_do_not_lead_out() {
    use base64::Engine as _;
    let home = Home::new();
    let mut client = Client::initialized(&home.server(Access::ReadWrite)).await;
    let notes = home.text("notes");
    for path in ["1:../outside.txt", "1:/etc/passwd", "1:sub/../../outside.txt"] {
        let cursor = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(path);
        let arguments = json!({ "path": notes, "pattern": "SECRET", "cursor": cursor });
        assert!(client.failure("search_content", arguments).await.contains("cursor"));
        let answer = client.request("resources/list", json!({ "cursor": cursor })).await;
        assert!(answer["error"]["message"].as_str().unwrap().contains("cursor"), "{answer}");
    }
    for uri in
        ["file:///etc/passwd", &format!("file://{notes}/%2e%2e/outside.txt"), "/etc/passwd", "http://a/"]
    {
        for method in ["resources/read", "resources/subscribe"] {
            let answer = client.request(method, json!({ "uri": uri })).await;
            assert!(answer["error"]["message"].is_string(), "{method} {uri}: {answer}");
        }
    }
}
