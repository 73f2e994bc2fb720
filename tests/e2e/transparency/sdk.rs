//! The stdio client of the Python SDK: everything that a connection can be used for, beyond single requests.

use gatelodge_tests::transparency::{Client, Normaliser, Server, Stage};
use tempfile::TempDir;

use super::{RANDOM_LOG, is_transparent, repository};

async fn everything_is_transparent(scenario: &'static str, normalisers: &[Normaliser]) {
    is_transparent(&Stage::new(Server::everything()), &Client::scenario(scenario), normalisers).await;
}

#[tokio::test]
async fn lists_are_transparent() {
    everything_is_transparent("lists", &[]).await;
}

#[tokio::test]
async fn lists_of_server_git_are_transparent() {
    let folder = TempDir::new().unwrap();
    repository(folder.path());
    is_transparent(&Stage::new(Server::git(folder.path())), &Client::scenario("lists"), &[]).await;
}

#[tokio::test]
async fn progress_is_transparent() {
    everything_is_transparent("progress", &[]).await;
}

#[tokio::test]
async fn cancellation_is_transparent() {
    everything_is_transparent("cancellation", &[]).await;
}

#[tokio::test]
async fn logging_is_transparent() {
    everything_is_transparent("logging", &[RANDOM_LOG]).await;
}

#[tokio::test]
async fn subscriptions_are_transparent() {
    everything_is_transparent("subscriptions", &[]).await;
}

#[tokio::test]
async fn completion_is_transparent() {
    everything_is_transparent("completion", &[]).await;
}

#[tokio::test]
async fn sampling_is_transparent() {
    everything_is_transparent("sampling", &[]).await;
}

#[tokio::test]
async fn elicitation_is_transparent() {
    everything_is_transparent("elicitation", &[]).await;
}

#[tokio::test]
async fn large_messages_are_transparent() {
    everything_is_transparent("large", &[]).await;
}

#[tokio::test]
async fn errors_are_transparent() {
    everything_is_transparent("errors", &[]).await;
}
