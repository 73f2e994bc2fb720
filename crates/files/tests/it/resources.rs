//! Files as resources.

use std::collections::BTreeSet;

use gatelodge_files::Access;
use serde_json::json;

use crate::client::{Client, Home};

#[tokio::test]
async fn all_files_are_listed_in_pages_and_each_can_be_read() {
    let home = Home::new();
    for directory in 0..12 {
        std::fs::create_dir(home.path(&format!("notes/{directory:02}"))).unwrap();
        for file in 0..100 {
            home.write(&format!("notes/{directory:02}/{file:02} ä#.txt"), "content");
        }
    }
    let server = home.serving(&[("notes", Access::ReadOnly), ("notes-secret", Access::ReadOnly)]);
    let mut client = Client::initialized(&server).await;
    let (mut uris, mut cursor, mut pages) = (Vec::new(), json!(null), 0);
    loop {
        let parameters = if cursor.is_null() { json!({}) } else { json!({ "cursor": cursor }) };
        let answer = client.request("resources/list", parameters).await;
        let resources = answer["result"]["resources"].as_array().unwrap();
        uris.extend(resources.iter().map(|resource| resource["uri"].as_str().unwrap().to_owned()));
        pages += 1;
        match answer["result"].get("nextCursor") {
            Some(next) => cursor = next.clone(),
            None => break,
        }
    }
    assert_eq!((uris.len(), pages), (1203, 3));
    assert_eq!(uris.iter().collect::<BTreeSet<_>>().len(), 1203);
    let uri = format!("file://{}/05/07%20%C3%A4%23.txt", home.text("notes"));
    assert!(uris.contains(&uri), "{uris:?}");
    let answer = client.request("resources/read", json!({ "uri": uri })).await;
    let expected = json!([{ "uri": uri, "mimeType": "text/plain", "text": "content" }]);
    assert_eq!(answer["result"]["contents"], expected, "{answer}");
}

#[tokio::test]
async fn binary_files_are_blobs_and_missing_ones_are_not_found() {
    let home = Home::new();
    home.write("notes/p.png", b"\x89PNG\xff");
    let mut client = Client::initialized(&home.server(Access::ReadOnly)).await;
    let uri = format!("file://{}/p.png", home.text("notes"));
    let answer = client.request("resources/read", json!({ "uri": uri })).await;
    let expected = json!([{ "uri": uri, "mimeType": "image/png", "blob": "iVBOR/8=" }]);
    assert_eq!(answer["result"]["contents"], expected, "{answer}");
    for (name, code) in [("missing", -32002), ("sub", -32002)] {
        let uri = format!("file://{}/{name}", home.text("notes"));
        let answer = client.request("resources/read", json!({ "uri": uri })).await;
        assert_eq!(answer["error"]["code"], code, "{answer}");
    }
    let answer = client.request("resources/templates/list", json!({})).await;
    let template = &answer["result"]["resourceTemplates"][0];
    assert_eq!(template["uriTemplate"], format!("file://{}/{{+path}}", home.text("notes")));
}
