//! Reading: lines, ranges, pages, binary content.

use gatelodge_files::Access;
use serde_json::json;

use crate::client::{Client, Home};

#[tokio::test]
async fn ranges_of_bytes_put_together_are_the_file() {
    let home = Home::new();
    let text = "aäöü€😀\n".repeat(500);
    home.write("notes/text", &text);
    let mut client = Client::initialized(&home.server(Access::ReadOnly)).await;
    let (mut read, mut offset) = (String::new(), 0);
    loop {
        let result =
            client.call("read_file_range", json!({ "path": "text", "offset": offset, "length": 37 })).await;
        let structured = &result["structuredContent"];
        assert_eq!(structured["size"], text.len());
        read.push_str(structured["content"].as_str().unwrap());
        match structured["nextOffset"].as_u64() {
            Some(next) => offset = next,
            None => break,
        }
    }
    assert_eq!(read, text);
    let result = client
        .call("read_file_range", json!({ "path": "text", "offset": 1, "length": 2, "encoding": "base64" }));
    let result = result.await;
    assert_eq!(result["structuredContent"]["content"], "w6Q=", "{result}");
    assert_eq!(result["content"][0]["resource"]["blob"], "w6Q=");
    let beyond = client.call("read_file_range", json!({ "path": "text", "offset": 1_000_000 })).await;
    assert_eq!(beyond["structuredContent"], json!({ "content": "", "size": text.len() }));
    let refusal = client.failure("read_file_range", json!({ "path": "text", "length": 9 << 20 })).await;
    assert_eq!(refusal, "the range would be 9437184 bytes and the limit is 8388608; ask for a shorter one");
}

#[tokio::test]
async fn ranges_of_lines_put_together_are_the_file() {
    let home = Home::new();
    let text: String = (1..=100_u32).map(|number| format!("line {number}\n")).collect();
    home.write("notes/text", text.trim_end());
    let mut client = Client::initialized(&home.server(Access::ReadOnly)).await;
    let (mut read, mut first) = (String::new(), 1);
    loop {
        let result =
            client.call("read_file_range", json!({ "path": "text", "firstLine": first, "lines": 7 })).await;
        let structured = &result["structuredContent"];
        assert!(structured["content"].as_str().unwrap().starts_with(&format!("line {first}")));
        read.push_str(structured["content"].as_str().unwrap());
        match structured["nextLine"].as_u64() {
            Some(next) => first = next,
            None => break,
        }
    }
    assert_eq!(read, text.trim_end());
    client.failure("read_file_range", json!({ "path": "text", "firstLine": 1, "offset": 1 })).await;
}

#[tokio::test]
async fn the_end_of_a_large_file_is_read_without_its_beginning() {
    let home = Home::new();
    let mut text = "x".repeat(99) + "\n";
    text = text.repeat(300_000);
    text.push_str("last but one\nlast");
    home.write("notes/log", &text);
    let mut client = Client::initialized(&home.server(Access::ReadOnly)).await;
    assert_eq!(
        client.text("read_text_file", json!({ "path": "log", "tail": 2 })).await,
        "last but one\nlast"
    );
    let head = client.text("read_text_file", json!({ "path": "log", "head": 1000 })).await;
    assert_eq!(head, text[..99_999]);
    assert!(
        client
            .failure("read_text_file", json!({ "path": "log", "tail": 200_000 }))
            .await
            .contains("the limit is")
    );
    let both = client.failure("read_text_file", json!({ "path": "log", "head": 1, "tail": 1 })).await;
    assert_eq!(both, "Cannot specify both head and tail parameters simultaneously");
}

#[tokio::test]
async fn pages_of_a_directory_put_together_are_the_directory() {
    let home = Home::new();
    for number in 0..250 {
        home.write(&format!("notes/sub/{number:03}"), "");
    }
    let mut client = Client::initialized(&home.server(Access::ReadOnly)).await;
    let whole = client.text("list_directory", json!({ "path": "sub" })).await;
    let (mut pages, mut cursor) = (Vec::new(), json!(null));
    loop {
        let result = client
            .call("list_directory_page", json!({ "path": "sub", "limit": 100, "cursor": cursor }))
            .await;
        let structured = &result["structuredContent"];
        pages.push(structured["content"].as_str().unwrap().to_owned());
        match structured.get("nextCursor") {
            Some(next) => cursor = next.clone(),
            None => break,
        }
    }
    assert_eq!(pages.len(), 3);
    assert_eq!(pages.join("\n"), whole);
    assert!(
        client
            .failure("list_directory_page", json!({ "path": "sub", "limit": 20_000 }))
            .await
            .contains("at most")
    );
}
