//! `search_content`.

use gatelodge_files::Access;
use serde_json::json;

use crate::client::{Client, Home};

#[tokio::test]
async fn lines_are_found_with_what_is_around_them() {
    let home = Home::new();
    home.write("notes/code.rs", "fn one() {}\nlet a = 1.5;\nfn two() {}\nlet b = 175;\n");
    home.write("notes/binary", b"fn\0");
    let mut client = Client::initialized(&home.server(Access::ReadOnly)).await;
    let code = home.text("notes/code.rs");
    let text = client.text("search_content", json!({ "path": ".", "pattern": r"^fn \w+" })).await;
    assert_eq!(text, format!("{code}:1:fn one() {{}}\n{code}:3:fn two() {{}}"));
    let text =
        client.text("search_content", json!({ "path": "code.rs", "pattern": "1.5", "literal": true })).await;
    assert_eq!(text, format!("{code}:2:let a = 1.5;"));
    let arguments = json!({ "path": ".", "pattern": "TWO", "ignoreCase": true, "contextLines": 1 });
    let result = client.call("search_content", arguments).await;
    assert_eq!(
        result["structuredContent"]["matches"],
        json!([{ "path": code, "line": 3, "text": "fn two() {}", "before": ["let a = 1.5;"], "after": ["let b = 175;"] }])
    );
    assert_eq!(
        result["content"][0]["text"],
        format!("{code}-2-let a = 1.5;\n{code}:3:fn two() {{}}\n{code}-4-let b = 175;")
    );
    let text =
        client.text("search_content", json!({ "path": ".", "pattern": "in", "include": ["*.txt"] })).await;
    assert_eq!(text.lines().count(), 2, "{text}");
    let text = client
        .text("search_content", json!({ "path": ".", "pattern": "in", "excludePatterns": ["sub"] }))
        .await;
    assert_eq!(text, format!("{}:1:in notes", home.text("notes/a.txt")));
    assert_eq!(
        client.text("search_content", json!({ "path": ".", "pattern": "zebra" })).await,
        "No matches found"
    );
    assert!(
        client
            .failure("search_content", json!({ "path": ".", "pattern": "(" }))
            .await
            .contains("unclosed group")
    );
    let huge = json!({ "path": ".", "pattern": r"(\w{1000}){1000}" });
    assert!(client.failure("search_content", huge).await.contains("size limit"));
}

#[tokio::test]
async fn pages_of_matches_put_together_are_all_matches() {
    let home = Home::new();
    for file in 0..5 {
        home.write(&format!("notes/sub/{file}.log"), "match\nother\n".repeat(30));
    }
    let mut client = Client::initialized(&home.server(Access::ReadOnly)).await;
    let mut arguments = json!({ "path": ".", "pattern": "match", "limit": 35 });
    let mut found = Vec::new();
    loop {
        let result = client.call("search_content", arguments.clone()).await;
        let structured = &result["structuredContent"];
        let matches = structured["matches"].as_array().unwrap();
        found.extend(matches.iter().map(|found| (found["path"].clone(), found["line"].as_u64().unwrap())));
        match structured.get("nextCursor") {
            Some(cursor) => arguments["cursor"] = cursor.clone(),
            None => break,
        }
    }
    assert_eq!(found.len(), 150);
    let lines: Vec<u64> = found.iter().map(|(_, line)| *line).collect();
    let expected: Vec<u64> = (0..5).flat_map(|_| (0..30).map(|index| 2 * index + 1)).collect();
    assert_eq!(lines, expected);
}
