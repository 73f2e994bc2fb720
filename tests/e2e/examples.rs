//! The library's examples as they stand, with each other and each with what the Python package's README shows.

use gatelodge_tests::{Aiortc, Foreign};

/// Starts the example server and gives it with its address.
async fn example_server() -> (Foreign, String) {
    let mut server = Foreign::own(env!("CARGO_BIN_EXE_example-server"), &["127.0.0.1:0"]);
    let listening = server.says("listening on ").await;
    let address = listening.split(' ').next().unwrap().to_owned();
    (server, address)
}

#[tokio::test]
async fn they_work_with_each_other() {
    let (mut server, address) = example_server().await;
    let mut client = Foreign::own(env!("CARGO_BIN_EXE_example-client"), &[&address]);
    let seen_by_client = client.says("connected to ").await;
    assert_eq!(client.says("greet: ").await, "Greets the caller");
    assert!(client.says("{").await.contains("Hello from the other side!"));
    assert!(!seen_by_client.is_empty());
    server.says("connected to ").await;
    client.ends().await;
    server.ends().await;
}

async fn the_server_works_with_the_readme_client(aiortc: Aiortc) {
    let (mut server, address) = example_server().await;
    let (host, port) = address.split_once(':').unwrap();
    let mut client = Foreign::python("readme_client.py", aiortc, &[host, port]);
    assert!(client.says("[Tool(name='greet'").await.contains("description='Greets the caller'"));
    client.ends().await;
    server.says("connected to ").await;
    server.ends().await;
}

async fn the_client_works_with_the_readme_server(aiortc: Aiortc) {
    let mut server = Foreign::python("readme_server.py", aiortc, &["127.0.0.1", "0"]);
    let port = server.step("listening").await["port"].to_string();
    let mut client = Foreign::own(env!("CARGO_BIN_EXE_example-client"), &[&format!("127.0.0.1:{port}")]);
    assert_eq!(client.says("greet: ").await, "Greets the caller");
    client.ends().await;
    server.ends().await;
}

#[tokio::test]
async fn the_server_works_with_the_readme_client_on_aiortc_1_14() {
    the_server_works_with_the_readme_client(Aiortc::V1_14).await;
}

#[tokio::test]
async fn the_server_works_with_the_readme_client_on_aiortc_1_16() {
    the_server_works_with_the_readme_client(Aiortc::V1_16).await;
}

#[tokio::test]
async fn the_client_works_with_the_readme_server_on_aiortc_1_14() {
    the_client_works_with_the_readme_server(Aiortc::V1_14).await;
}

#[tokio::test]
async fn the_client_works_with_the_readme_server_on_aiortc_1_16() {
    the_client_works_with_the_readme_server(Aiortc::V1_16).await;
}
