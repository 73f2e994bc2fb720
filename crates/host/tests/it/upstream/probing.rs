//! A probe lists what a server has, whichever era it speaks, and leaves nothing behind.

use gatelodge_host::upstream::{Era, ProbeError, StartError, Upstream, probe_upstream};
use serde_json::value::RawValue;

use super::{Lab, no_secrets, within};

/// A server that speaks one era per process, and notes each process in a file.
const SERVER: &str = r#"
import json, sys
era, note = sys.argv[1], sys.argv[2]
open(note, "a").write("process\n")

def answer(id, **rest):
    print(json.dumps({"jsonrpc": "2.0", "id": id, **rest}))

about = {"capabilities": {"tools": {}, "prompts": {}, "logging": {}}, "serverInfo": {"name": "s", "version": "1"}, "instructions": "Be kind."}
began = False
for line in sys.stdin:
    message = json.loads(line)
    method, id, params = message.get("method"), message.get("id"), message.get("params", {})
    if method is None:
        ponged = message == {"jsonrpc": "2.0", "id": "ping-1", "result": {}}
    if id is None or method is None:
        continue
    if not began:
        good = method == ("initialize" if era == "stateful" else "server/discover")
        if not good:
            if era == "exits":
                sys.exit(9)
            answer(id, error={"code": -32601, "message": "wrong \x1b[31mera"})
            era = "spoiled"
            continue
        began = True
        answer(id, result={**about, "protocolVersion": "2025-06-18"} if era == "stateful" else {**about, "supportedVersions": ["2026-07-28"], "resultType": "complete"})
        answer("ping-1", method="ping")
        continue
    if era != "stateful":
        assert params["_meta"]["io.modelcontextprotocol/protocolVersion"] == "2026-07-28"
    if method == "tools/list" and "cursor" not in params:
        answer(id, result={"tools": [{"name": "one", "x-odd": 1.0}], "nextCursor": "2"})
    elif method == "tools/list":
        answer(id, result={"tools": [{"name": "two"}]})
    elif method == "prompts/list":
        assert ponged
        answer(id, result={"prompts": []})
    else:
        answer(id, error={"code": -32601, "message": "no"})
"#;

fn texts(list: &[Box<RawValue>]) -> Vec<&str> {
    list.iter().map(|entry| entry.get()).collect()
}

async fn probe(lab: &Lab, era: &str) -> (Result<gatelodge_host::upstream::ServerReport, ProbeError>, usize) {
    let note = lab.path("note");
    let mut server = lab.python(SERVER);
    if let gatelodge_host::ServerKind::Stdio { args, .. } = &mut server.kind {
        args.extend([era.to_owned(), note.to_str().unwrap().to_owned()]);
    }
    let report = within(lab.launcher.probe(&server, &no_secrets)).await;
    (report, std::fs::read_to_string(note).unwrap().lines().count())
}

#[tokio::test]
async fn a_server_with_initialize_is_listed_as_it_is() {
    let lab = Lab::new();
    let (report, processes) = probe(&lab, "stateful").await;
    let report = report.unwrap();
    assert_eq!((report.era, &*report.protocol_version), (Era::Initialize, "2025-06-18"));
    assert_eq!(texts(&report.tools), [r#"{"name": "one", "x-odd": 1.0}"#, r#"{"name": "two"}"#]);
    assert_eq!(report.server_info.unwrap().get(), r#"{"name": "s", "version": "1"}"#);
    assert_eq!(report.instructions.as_deref(), Some("Be kind."));
    assert!(report.resources.is_none() && report.prompts.unwrap().is_empty());
    assert_eq!(processes, 1);
}

#[tokio::test]
async fn a_server_of_the_other_era_gets_a_fresh_process() {
    let lab = Lab::new();
    for (attempt, era) in ["stateless", "exits"].into_iter().enumerate() {
        let (report, processes) = probe(&lab, era).await;
        let report = report.unwrap();
        assert_eq!((report.era, &*report.protocol_version), (Era::Stateless, "2026-07-28"));
        assert_eq!(texts(&report.tools).len(), 2);
        assert_eq!(processes, 2 * (attempt + 1), "the one that refused is not asked again");
    }
}

#[tokio::test]
async fn a_server_that_speaks_neither_tells_why() {
    let lab = Lab::new();
    let server = lab.sh("echo 'needs an API key' >&2; exit 2");
    let error = within(lab.launcher.probe(&server, &no_secrets)).await.unwrap_err();
    assert_eq!(error.to_string(), "the server exited with code 2; it last said: needs an API key");
    let server = lab.sh(
        r#"while read line; do echo '{"jsonrpc":"2.0","id":1,"error":{"code":-5,"message":"out of\u001b[0m order"}}'; done"#,
    );
    let error = within(lab.launcher.probe(&server, &no_secrets)).await.unwrap_err();
    assert_eq!(error.to_string(), "the server answered initialize with the error -5: out of order");
    within(lab.launcher.shutdown()).await;
    assert_eq!(lab.launcher.running(), 0);
}

#[tokio::test]
async fn a_program_that_is_not_there_is_told_as_at_a_start() {
    let lab = Lab::new();
    let error =
        within(lab.launcher.probe(&super::definition("no-such-uvx", &[]), &no_secrets)).await.unwrap_err();
    assert!(matches!(error, ProbeError::Start(StartError::Program(_))), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn a_silent_server_is_given_up_in_time() {
    let mut kept = Vec::new();
    let start = tokio::time::Instant::now();
    let result = probe_upstream(|| {
        let (upstream, transport) = Upstream::in_process();
        kept.push(transport);
        async move { Ok(upstream) }
    })
    .await;
    assert!(matches!(result, Err(ProbeError::TimedOut)), "{result:?}");
    assert_eq!(start.elapsed().as_secs(), 20);
}
