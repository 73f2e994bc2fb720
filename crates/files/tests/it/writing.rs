//! Writing, editing, moving.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use gatelodge_files::Access;
use serde_json::json;

use crate::client::{Client, Home, names};

fn set_mode(path: &std::path::Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[tokio::test]
async fn a_file_is_replaced_at_once_and_keeps_its_permissions() {
    let home = Home::new();
    set_mode(&home.path("notes/a.txt"), 0o751);
    let before = std::fs::metadata(home.path("notes/a.txt")).unwrap();
    let reader = std::fs::File::open(home.path("notes/a.txt")).unwrap();
    let mut client = Client::initialized(&home.server(Access::ReadWrite)).await;
    client.text("write_file", json!({ "path": "a.txt", "content": "new" })).await;
    let after = std::fs::metadata(home.path("notes/a.txt")).unwrap();
    assert_eq!(after.mode(), before.mode());
    assert_ne!(after.ino(), before.ino());
    // Who has the old one open reads the old one to its end.
    assert_eq!(std::io::read_to_string(reader).unwrap(), "in notes\n");
    client
        .text("edit_file", json!({ "path": "a.txt", "edits": [{ "oldText": "new", "newText": "newer" }] }))
        .await;
    assert_eq!(std::fs::metadata(home.path("notes/a.txt")).unwrap().mode(), before.mode());
    assert_eq!(home.read("notes/a.txt"), "newer");
    assert_eq!(names(&home.path("notes")), ["a.txt", "sub"], "no temporary file is left");
    let refusal = client.failure("write_file", json!({ "path": "missing/new.txt", "content": "" })).await;
    assert_eq!(
        refusal,
        "the parent directory of missing/new.txt does not exist; make it with create_directory"
    );
    assert!(
        client
            .failure("write_file", json!({ "path": "sub", "content": "" }))
            .await
            .contains("is a directory")
    );
    assert!(
        client
            .failure("write_file", json!({ "path": ".", "content": "" }))
            .await
            .contains("shared folder itself")
    );
}

#[tokio::test]
async fn an_edit_can_be_tried_and_keeps_line_ends() {
    let home = Home::new();
    home.write("notes/dos.txt", "one\r\ntwo\r\nthree\r\n");
    let mut client = Client::initialized(&home.server(Access::ReadWrite)).await;
    let edits = json!([{ "oldText": "one\ntwo", "newText": "1\n2" }]);
    let tried = client.text("edit_file", json!({ "path": "dos.txt", "edits": edits, "dryRun": true })).await;
    assert_eq!(home.read("notes/dos.txt"), "one\r\ntwo\r\nthree\r\n");
    let done = client.text("edit_file", json!({ "path": "dos.txt", "edits": edits })).await;
    assert_eq!(tried, done);
    assert!(done.contains("-one\n-two\n+1\n+2\n three\n"), "{done}");
    assert_eq!(home.read("notes/dos.txt"), "1\r\n2\r\nthree\r\n");
    home.write("notes/binary", b"\xff\xfe");
    let refusal = client.failure("edit_file", json!({ "path": "binary", "edits": edits })).await;
    assert_eq!(refusal, "binary is not UTF-8 text and can't be edited as text");
}

#[tokio::test]
async fn moving_replaces_nothing() {
    let home = Home::new();
    home.link("a.txt", "notes/link");
    let mut client = Client::initialized(&home.server(Access::ReadWrite)).await;
    for occupied in ["sub/b.txt", "sub", "link"] {
        let refusal =
            client.failure("move_file", json!({ "source": "a.txt", "destination": occupied })).await;
        assert_eq!(refusal, format!("Destination already exists: {occupied}"));
    }
    client.text("move_file", json!({ "source": "link", "destination": "sub/moved-link" })).await;
    assert!(home.path("notes/sub/moved-link").is_symlink());
    client.text("move_file", json!({ "source": "sub", "destination": "renamed" })).await;
    assert_eq!(home.read("notes/renamed/b.txt"), "in sub\n");
    client.failure("move_file", json!({ "source": "renamed", "destination": "renamed/inside" })).await;
    client.failure("move_file", json!({ "source": ".", "destination": "renamed/all" })).await;
    client.failure("move_file", json!({ "source": "missing", "destination": "b" })).await;
    client.text("create_directory", json!({ "path": "x/y/z" })).await;
    client.text("create_directory", json!({ "path": "x/y/z" })).await;
    assert!(home.path("notes/x/y/z").is_dir());
    client.failure("create_directory", json!({ "path": "a.txt/b" })).await;
}
