//! The MCP Inspector's command line: one connection for each request, as people try servers out.

use gatelodge_tests::transparency::{Client, Normaliser, Server, Stage};
use tempfile::TempDir;

use super::{CLOCK, CLOCK_IN_BLOB, GIT_VARIABLES, is_transparent, repository};

async fn all_are_transparent(stage: &Stage, requests: &[(&str, &[Normaliser])]) {
    for (request, normalisers) in requests {
        is_transparent(stage, &Client::inspector(request), normalisers).await;
    }
}

#[tokio::test]
async fn server_everything_is_transparent() {
    let requests: [(&str, &[Normaliser]); 12] = [
        ("tools/list", &[]),
        ("tools/call --tool-name echo --tool-arg message=Grüße", &[]),
        ("tools/call --tool-name get-structured-content --tool-arg location=Chicago", &[]),
        ("tools/call --tool-name get-annotated-message --tool-arg messageType=error includeImage=true", &[]),
        ("tools/call --tool-name get-resource-links --tool-arg count=3", &[]),
        ("resources/list", &[]),
        ("resources/templates/list", &[]),
        ("resources/read --uri demo://resource/static/document/features.md", &[]),
        ("resources/read --uri demo://resource/dynamic/text/1", &[CLOCK]),
        ("resources/read --uri demo://resource/dynamic/blob/2", &[CLOCK_IN_BLOB]),
        ("prompts/list", &[]),
        ("prompts/get --prompt-name args-prompt --prompt-args city=Köln state=NRW", &[]),
    ];
    all_are_transparent(&Stage::new(Server::everything()), &requests).await;
}

#[tokio::test]
async fn server_git_is_transparent() {
    let folder = TempDir::new().unwrap();
    repository(folder.path());
    let server = GIT_VARIABLES
        .iter()
        .fold(Server::git(folder.path()), |server, (name, value)| server.with(name, value));
    let path = folder.path().display();
    let requests = [
        "tools/list".to_owned(),
        format!("tools/call --tool-name git_status --tool-arg repo_path={path}"),
        format!("tools/call --tool-name git_log --tool-arg repo_path={path}"),
        format!("tools/call --tool-name git_diff_unstaged --tool-arg repo_path={path}"),
        format!("tools/call --tool-name git_show --tool-arg repo_path={path} revision=HEAD"),
        format!("tools/call --tool-name git_show --tool-arg repo_path={path} revision=no-such-thing"),
        "tools/call --tool-name git_status --tool-arg repo_path=/".to_owned(),
    ];
    let stage = Stage::new(server);
    for request in requests {
        is_transparent(&stage, &Client::inspector(&request), &[]).await;
    }
}

#[tokio::test]
async fn the_built_in_file_server_is_transparent() {
    let folder = TempDir::new().unwrap();
    std::fs::create_dir(folder.path().join("inner")).unwrap();
    std::fs::write(folder.path().join("notes.txt"), "Zeile eins\nÄ line\r\nlast").unwrap();
    std::fs::write(folder.path().join("inner/bytes.bin"), [0, 159, 146, 150]).unwrap();
    let path = std::fs::canonicalize(folder.path()).unwrap();
    let path = path.display();
    let requests = [
        "tools/list".to_owned(),
        "tools/call --tool-name list_allowed_directories".to_owned(),
        format!("tools/call --tool-name read_text_file --tool-arg path={path}/notes.txt"),
        format!("tools/call --tool-name read_media_file --tool-arg path={path}/inner/bytes.bin"),
        format!("tools/call --tool-name directory_tree --tool-arg path={path}"),
        format!("tools/call --tool-name search_files --tool-arg path={path} pattern=**/*.txt"),
        "tools/call --tool-name read_text_file --tool-arg path=/etc/passwd".to_owned(),
        "resources/list".to_owned(),
        "resources/templates/list".to_owned(),
    ];
    let stage = Stage::new(Server::built_in(folder.path()));
    for request in requests {
        is_transparent(&stage, &Client::inspector(&request), &[]).await;
    }
}
