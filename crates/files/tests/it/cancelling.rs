//! Long work ends when nobody waits for it any more.

use gatelodge_files::Access;
use serde_json::json;

use crate::client::{Client, Home};

/// A folder that takes very long to search: links can't make it endless, so hard links make it large.
fn large(home: &Home) {
    home.write("notes/large.txt", "x".repeat(15 << 20));
    for number in 0..3000 {
        std::fs::hard_link(home.path("notes/large.txt"), home.path(&format!("notes/sub/{number}"))).unwrap();
    }
}

#[tokio::test]
async fn a_cancelled_search_makes_room_for_others() {
    let home = Home::new();
    large(&home);
    let mut client = Client::initialized(&home.server(Access::ReadOnly)).await;
    // More than are worked on at once: if they went on, the last request would wait for a minute.
    let search = json!({ "name": "search_content", "arguments": { "path": ".", "pattern": "[a-w]y|z" } });
    for _ in 0..8 {
        let id = client.begin("tools/call", search.clone()).await;
        let cancelled = json!({ "requestId": id, "reason": "enough" });
        client
            .send(&json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": cancelled }))
            .await;
    }
    let asked = std::time::Instant::now();
    assert_eq!(client.text("read_text_file", json!({ "path": "a.txt" })).await, "in notes\n");
    assert!(asked.elapsed().as_secs() < 20, "it took {:?}", asked.elapsed());
    // And a connection that ends while it searches ends.
    client.begin("tools/call", search).await;
    client.end().await;
}
