//! Change notifications, in both eras.

use gatelodge_files::Access;
use serde_json::json;

use crate::client::{Client, Home};

#[tokio::test]
async fn a_subscribed_file_is_told_of_until_it_is_unsubscribed() {
    let home = Home::new();
    let mut client = Client::initialized(&home.server(Access::ReadWrite)).await;
    let uri = format!("file://{}/a.txt", home.text("notes"));
    let other = format!("file://{}/sub/b.txt", home.text("notes"));
    for uri in [&uri, &other] {
        let answer = client.request("resources/subscribe", json!({ "uri": uri })).await;
        assert_eq!(answer["result"], json!({}), "{answer}");
    }
    // Subscribing is answered before the watch is there, so the first change is repeated until it is seen.
    let mut size = 0;
    let updated = loop {
        size += 1;
        home.write("notes/a.txt", "x".repeat(size));
        let wait = client.notification("notifications/resources/updated");
        if let Ok(updated) = tokio::time::timeout(std::time::Duration::from_millis(500), wait).await {
            break updated;
        }
    };
    assert_eq!(updated["params"]["uri"], uri.as_str());
    client.request("resources/unsubscribe", json!({ "uri": uri })).await;
    // What was under way may still come before the first news of the other file, and nothing after them.
    for round in 0..2 {
        home.write("notes/a.txt", format!("no longer told {round}"));
        client.text("write_file", json!({ "path": "sub/b.txt", "content": format!("told {round}") })).await;
        loop {
            let updated = client.notification("notifications/resources/updated").await;
            if updated["params"]["uri"] == other.as_str() {
                break;
            }
            assert_eq!(round, 0, "{updated}");
        }
    }
}

#[tokio::test]
async fn who_has_seen_the_list_is_told_when_it_changes() {
    let home = Home::new();
    let mut client = Client::initialized(&home.server(Access::ReadWrite)).await;
    client.request("resources/list", json!({})).await;
    let mut number = 0;
    loop {
        number += 1;
        home.write(&format!("notes/sub/{number}"), "");
        let wait = client.notification("notifications/resources/list_changed");
        if tokio::time::timeout(std::time::Duration::from_millis(500), wait).await.is_ok() {
            break;
        }
    }
}

#[tokio::test]
async fn a_listening_client_is_told_what_it_asked_for() {
    let home = Home::new();
    let mut client = Client::stateless(&home.server(Access::ReadWrite));
    let uri = format!("file://{}/a.txt", home.text("notes"));
    let outside = format!("file://{}", home.text("outside.txt"));
    let wanted =
        json!({ "notifications": { "resourcesListChanged": true, "resourceSubscriptions": [uri, outside] } });
    let id = client.begin("subscriptions/listen", wanted).await;
    let acknowledged = client.notification("notifications/subscriptions/acknowledged").await;
    assert_eq!(
        acknowledged["params"]["notifications"],
        json!({ "resourcesListChanged": true, "resourceSubscriptions": [uri] }),
        "{acknowledged}"
    );
    let mut size = 0;
    loop {
        size += 1;
        home.write("notes/a.txt", "x".repeat(size));
        let wait = client.notification("notifications/resources/updated");
        if let Ok(updated) = tokio::time::timeout(std::time::Duration::from_millis(500), wait).await {
            assert_eq!(updated["params"]["uri"], uri.as_str());
            assert_eq!(updated["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"], id, "{updated}");
            break;
        }
    }
    home.write("notes/new.txt", "");
    client.notification("notifications/resources/list_changed").await;
    client
        .send(
            &json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": id } }),
        )
        .await;
    assert_eq!(client.text("read_text_file", json!({ "path": "sub/b.txt" })).await, "in sub\n");
    client.end().await;
}
