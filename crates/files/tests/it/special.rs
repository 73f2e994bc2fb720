//! What is neither file nor directory, names that are no text, and folders that are replaced.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use gatelodge_files::Access;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use serde_json::json;

use crate::client::{Client, Home};

#[tokio::test]
async fn fifos_sockets_and_devices_are_refused_at_once() {
    let home = Home::new();
    mknodat(CWD, home.path("notes/fifo"), FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(home.path("notes/socket")).unwrap();
    let mut special = vec!["fifo", "socket"];
    // Only root may make devices, and not in every container: /dev/null's number.
    let device = rustix::fs::makedev(1, 3);
    if mknodat(CWD, home.path("notes/device"), FileType::CharacterDevice, Mode::from_raw_mode(0o600), device)
        .is_ok()
    {
        special.push("device");
    }
    home.link("fifo", "notes/link");
    special.push("link");
    let mut client = Client::initialized(&home.server(Access::ReadWrite)).await;
    for name in special {
        let edits = json!([{ "oldText": "a", "newText": "b" }]);
        for (tool, arguments) in [
            ("read_text_file", json!({ "path": name })),
            ("read_text_file", json!({ "path": name, "head": 1 })),
            ("read_text_file", json!({ "path": name, "tail": 1 })),
            ("read_media_file", json!({ "path": name })),
            ("read_file_range", json!({ "path": name })),
            ("edit_file", json!({ "path": name, "edits": edits })),
            ("write_file", json!({ "path": name, "content": "a" })),
        ] {
            let refusal = client.failure(tool, arguments).await;
            assert!(refusal.contains("only regular files and directories"), "{tool} {name}: {refusal}");
        }
    }
    let text = client.text("search_content", json!({ "path": ".", "pattern": "in" })).await;
    assert!(text.contains("a.txt:1:in notes"), "{text}");
    assert!(client.text("get_file_info", json!({ "path": "fifo" })).await.contains("isFile: false"));
}

#[tokio::test]
async fn names_that_are_no_text_are_shown_and_can_be_named_by_uri() {
    let home = Home::new();
    let name = OsStr::from_bytes(b"caf\xe9.txt");
    if std::fs::write(home.path("notes").join(name), "latin").is_err() {
        // Not every file system has such names.
        return;
    }
    let mut client = Client::initialized(&home.server(Access::ReadWrite)).await;
    assert!(client.text("list_directory", json!({ "path": "." })).await.contains("[FILE] caf\u{fffd}.txt"));
    assert!(client.text("directory_tree", json!({ "path": "." })).await.contains("caf\u{fffd}.txt"));
    assert!(
        client.failure("read_text_file", json!({ "path": "caf\u{fffd}.txt" })).await.contains("no such file")
    );
    let uri = format!("file://{}/caf%E9.txt", home.text("notes"));
    assert_eq!(client.text("read_text_file", json!({ "path": uri })).await, "latin");
    let answer = client.request("resources/read", json!({ "uri": uri })).await;
    assert_eq!(answer["result"]["contents"][0]["text"], "latin", "{answer}");
    let listed = client.request("resources/list", json!({})).await;
    assert!(listed.to_string().contains("caf%E9.txt"), "{listed}");
}

#[tokio::test]
async fn a_name_is_found_in_either_unicode_form_and_never_in_another_case() {
    let home = Home::new();
    std::fs::create_dir(home.path("notes/u\u{308}ber")).unwrap();
    home.write("notes/u\u{308}ber/e\u{301}.txt", "decomposed");
    let mut client = Client::initialized(&home.server(Access::ReadWrite)).await;
    let composed = "\u{fc}ber/\u{e9}.txt";
    assert_eq!(client.text("read_text_file", json!({ "path": composed })).await, "decomposed");
    client.text("write_file", json!({ "path": composed, "content": "written" })).await;
    assert_eq!(home.read("notes/u\u{308}ber/e\u{301}.txt"), "written");
    // With both there, each is itself, and a third form is neither.
    home.write("notes/u\u{308}ber/\u{e9}.txt", "composed");
    assert_eq!(client.text("read_text_file", json!({ "path": "u\u{308}ber/\u{e9}.txt" })).await, "composed");
    assert_eq!(client.text("read_text_file", json!({ "path": "u\u{308}ber/e\u{301}.txt" })).await, "written");
    if !home.path("notes/A.TXT").exists() {
        assert!(client.failure("read_text_file", json!({ "path": "A.TXT" })).await.contains("no such file"));
    }
}

#[tokio::test]
async fn a_folder_that_was_replaced_is_refused_until_it_is_back() {
    let home = Home::new();
    let mut client = Client::initialized(&home.server(Access::ReadWrite)).await;
    std::fs::rename(home.path("notes"), home.path("moved")).unwrap();
    let reads = json!({ "path": home.text("notes/a.txt") });
    assert!(client.failure("read_text_file", reads.clone()).await.contains("moved or replaced"));
    std::fs::create_dir(home.path("notes")).unwrap();
    home.write("notes/a.txt", "SECRET new folder");
    assert!(client.failure("read_text_file", reads.clone()).await.contains("moved or replaced"));
    let writes = json!({ "path": home.text("notes/a.txt"), "content": "ESCAPED" });
    assert!(client.failure("write_file", writes).await.contains("moved or replaced"));
    assert_eq!(home.read("notes/a.txt"), "SECRET new folder");
    assert_eq!(home.read("moved/a.txt"), "in notes\n");
    std::fs::remove_dir_all(home.path("notes")).unwrap();
    home.link("moved", "notes");
    // A symbolic link in its place leads to the same folder, which is what was granted.
    assert_eq!(client.text("read_text_file", reads.clone()).await, "in notes\n");
    std::fs::remove_file(home.path("notes")).unwrap();
    home.link("notes-secret", "notes");
    assert!(client.failure("read_text_file", reads).await.contains("moved or replaced"));
}
