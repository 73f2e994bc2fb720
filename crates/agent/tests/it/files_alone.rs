//! `gatelodge files` on its own, as any MCP client starts it.

use std::process::Stdio;

use rmcp::ServiceExt;
use rmcp::model::CallToolRequestParams;
use serde_json::json;

use crate::desk::GATELODGE;
use crate::program::Program;

#[test]
fn a_client_reads_a_folder_and_the_end_of_its_input_ends_the_server() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("note.txt"), "remember").unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut command = tokio::process::Command::new(GATELODGE);
        command
            .args(["files", "--read-only"])
            .arg(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut server = command.kill_on_drop(true).spawn().unwrap();
        let transport = (server.stdout.take().unwrap(), server.stdin.take().unwrap());
        let client = ().serve(transport).await.unwrap();
        let tools: Vec<_> = client.list_all_tools().await.unwrap();
        assert!(tools.iter().any(|tool| tool.name == "read_text_file"));
        let call = async |tool: &'static str, arguments: serde_json::Value| {
            let arguments = arguments.as_object().unwrap().clone();
            client.call_tool(CallToolRequestParams::new(tool).with_arguments(arguments)).await
        };
        let path = folder.path().join("note.txt");
        let read = call("read_text_file", json!({"path": path})).await.unwrap();
        assert_eq!(read.content[0].as_text().unwrap().text, "remember");
        for (tool, arguments) in [
            ("write_file", json!({"path": path, "content": "forget"})),
            ("read_text_file", json!({"path": "/etc/passwd"})),
        ] {
            let refused = call(tool, arguments).await;
            assert!(refused.is_err() || refused.unwrap().is_error == Some(true), "{tool}");
        }
        client.cancel().await.unwrap();
        assert_eq!(server.wait().await.unwrap().code(), Some(0));
    });
    assert_eq!(std::fs::read_to_string(folder.path().join("note.txt")).unwrap(), "remember");
}

#[test]
fn no_input_and_no_folder_end_it_in_their_ways() {
    let folder = tempfile::tempdir().unwrap();
    let run = |path: &std::path::Path| {
        let mut command = std::process::Command::new(GATELODGE);
        command.arg("files").arg(path);
        Program::run(command)
    };
    let ended = run(folder.path());
    assert_eq!((ended.code, ended.out.as_str()), (Some(0), ""), "{ended:?}");
    let ended = run(&folder.path().join("missing"));
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.errors.contains("missing"), "{ended:?}");
}
