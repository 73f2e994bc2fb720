use std::time::Duration;

use proptest::prelude::*;
use sha2::{Digest, Sha256};

use super::*;
use crate::store::{Store, StoreError};

fn call(at: i64, tool: &str) -> ActivityEntry {
    ActivityEntry {
        at: Timestamp::from_millis(at),
        session: Some(1),
        agent: Some(Fingerprint::from_bytes([3; 32])),
        server: Some("notes".parse().unwrap()),
        event: ActivityEvent::Call {
            method: "tools/call".into(),
            target: Some(tool.into()),
            request_bytes: 120,
            millis: 4,
            outcome: CallOutcome::Answered,
            arguments: Some("{\"path\":\"a\"}".into()),
        },
    }
}

fn filled(count: i64) -> Store {
    let store = Store::in_memory().unwrap();
    let entries: Vec<_> = (1..=count).map(|at| call(at, "read_file")).collect();
    store.append_activity(&entries).unwrap();
    store
}

fn sql(store: &Store, statement: &str) {
    store.connection().execute_batch(statement).unwrap();
}

fn entries_in(store: &Store) -> u64 {
    match store.verify_activity().unwrap() {
        ChainVerdict::Whole { entries, .. } => entries,
        verdict => panic!("{verdict:?}"),
    }
}

#[test]
fn every_kind_comes_back_as_it_was() {
    let events = vec![
        ActivityEvent::SessionBegun { link: "home".into() },
        ActivityEvent::SessionEnded { reason: "the agent left".into() },
        ActivityEvent::ApprovalAsked { subject: "write_file on notes".into() },
        ActivityEvent::ApprovalAnswered {
            subject: "write_file on notes".into(),
            answer: Answer::Denied,
            by: DecidedBy::Timeout,
        },
        call(1, "x").event,
        ActivityEvent::MoreRefused { calls: 3 },
        ActivityEvent::AgentChanged { change: AgentChange::Blocked },
        ActivityEvent::GrantsAltered,
        ActivityEvent::ServerCrashed { reason: "exit status 1".into() },
        ActivityEvent::Lost { entries: 3 },
    ];
    let store = Store::in_memory().unwrap();
    let entries: Vec<_> = events
        .into_iter()
        .map(|event| {
            let entry = ActivityEntry::now(event).session(7).agent(Fingerprint::from_bytes([1; 32]));
            entry.server("notes".parse().unwrap())
        })
        .collect();
    store.append_activity(&entries).unwrap();
    let mut rows = store.activity(&ActivityFilter::default(), None, 100).unwrap();
    rows.reverse();
    for (row, entry) in rows.iter().zip(&entries) {
        assert_eq!(row.entry, *entry);
        let of_kind = ActivityFilter { kind: Some(entry.event.kind().to_owned()), ..Default::default() };
        assert_eq!(store.activity(&of_kind, None, 100).unwrap(), std::slice::from_ref(row));
    }
    assert_eq!(rows.len(), entries.len());
}

#[test]
fn a_stored_row_is_what_it_always_was() {
    let store = filled(1);
    let (entry, hash): (String, [u8; 32]) = store
        .connection()
        .query_row("SELECT entry, hash FROM activity", [], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap();
    let expected = format!(
        "{{\"at\":1,\"session\":1,\"agent\":\"{}\",\"server\":\"notes\",\"kind\":\"call\",\"method\":\"tools/call\",\
         \"target\":\"read_file\",\"request_bytes\":120,\"millis\":4,\"outcome\":\"answered\",\
         \"arguments\":\"{{\\\"path\\\":\\\"a\\\"}}\"}}",
        Fingerprint::from_bytes([3; 32])
    );
    assert_eq!(entry, expected);
    let mut bytes = b"gatelodge-activity-v1\0".to_vec();
    bytes.extend([0; 32]);
    bytes.extend([0, 0, 0, 0, 0, 0, 0, 1]);
    bytes.extend(entry.as_bytes());
    assert_eq!(hash.as_slice(), Sha256::digest(&bytes).as_slice());
}

#[test]
fn a_change_behind_the_log_s_back_is_found_where_it_is() {
    for (edit, verdict) in [
        (
            "UPDATE activity SET entry = replace(entry, 'read_file', 'write_file') WHERE seq = 5",
            ChainVerdict::Changed { seq: 5 },
        ),
        ("UPDATE activity SET hash = zeroblob(32) WHERE seq = 7", ChainVerdict::Changed { seq: 7 }),
        ("DELETE FROM activity WHERE seq = 4", ChainVerdict::Missing { seq: 4 }),
        ("DELETE FROM activity WHERE seq < 3", ChainVerdict::Missing { seq: 1 }),
        (
            "DELETE FROM activity WHERE seq = 4; UPDATE activity SET seq = seq - 1 WHERE seq > 4",
            ChainVerdict::Changed { seq: 4 },
        ),
        ("UPDATE activity SET seq = 100 WHERE seq = 10", ChainVerdict::Missing { seq: 10 }),
        ("UPDATE activity_anchor SET hash = randomblob(32)", ChainVerdict::Changed { seq: 1 }),
        ("UPDATE activity_anchor SET seq = 3", ChainVerdict::Missing { seq: 1 }),
    ] {
        let store = filled(10);
        assert_eq!(entries_in(&store), 10);
        sql(&store, edit);
        assert_eq!(store.verify_activity().unwrap(), verdict, "{edit}");
    }
}

#[test]
fn pruning_by_age_and_by_size_leaves_a_whole_chain() {
    let store = filled(100);
    let all = u64::MAX;
    assert_eq!(store.prune_activity(Timestamp::from_millis(0), all).unwrap(), 0);
    assert_eq!(store.prune_activity(Timestamp::from_millis(31), all).unwrap(), 30);
    assert_eq!(entries_in(&store), 70);
    // The same again has nothing to do.
    assert_eq!(store.prune_activity(Timestamp::from_millis(31), all).unwrap(), 0);
    let size: u64 = store
        .connection()
        .query_row("SELECT sum(octet_length(entry) + 160) FROM activity", [], |row| row.get::<_, i64>(0))
        .unwrap()
        .try_into()
        .unwrap();
    assert_eq!(store.prune_activity(Timestamp::from_millis(0), size).unwrap(), 0);
    assert_eq!(store.prune_activity(Timestamp::from_millis(0), size - 1).unwrap(), 1);
    let head = store.activity_head().unwrap();
    assert_eq!(store.prune_activity(Timestamp::from_millis(0), 0).unwrap(), 69);
    assert_eq!(entries_in(&store), 0);
    // An empty log goes on where it was.
    assert_eq!(store.activity_head().unwrap(), head);
    store.append_activity(&[call(200, "x")]).unwrap();
    assert_eq!(store.activity_head().unwrap().seq, 101);
    assert_eq!(entries_in(&store), 1);
}

#[test]
fn pages_follow_each_other_without_gaps() {
    let store = filled(25);
    let mut seen = Vec::new();
    let mut before = None;
    loop {
        let page = store.activity(&ActivityFilter::default(), before, 10).unwrap();
        let Some(last) = page.last() else { break };
        before = Some(last.seq);
        seen.extend(page.iter().map(|row| row.seq));
    }
    assert_eq!(seen, (1..=25).rev().collect::<Vec<_>>());
    let some = ActivityFilter {
        from: Some(Timestamp::from_millis(3)),
        to: Some(Timestamp::from_millis(5)),
        agent: Some(Fingerprint::from_bytes([3; 32])),
        server: Some("notes".parse().unwrap()),
        kind: Some("call".to_owned()),
        tool: Some("read_file".to_owned()),
        outcome: Some(CallOutcome::Answered),
        ..ActivityFilter::default()
    };
    let rows = store.activity(&some, None, 10).unwrap();
    assert_eq!(rows.iter().map(|row| row.seq).collect::<Vec<_>>(), [4, 3]);
    let nobody = ActivityFilter { agent: Some(Fingerprint::from_bytes([4; 32])), ..Default::default() };
    assert_eq!(store.activity(&nobody, None, 10).unwrap(), []);
}

/// Which of these entries a text finds, by number.
fn found(store: &Store, text: &str, named: &[Fingerprint]) -> Vec<u64> {
    let filter = ActivityFilter { text: Some(text.to_owned()), named: named.to_vec(), ..Default::default() };
    let mut found: Vec<_> = store.activity(&filter, None, 100).unwrap().iter().map(|row| row.seq).collect();
    found.reverse();
    found
}

#[test]
fn a_text_finds_what_an_entry_says_and_nothing_about_its_form() {
    let store = Store::in_memory().unwrap();
    let reason = ActivityEvent::SessionEnded { reason: r#"50% of "C:\dir" was_read!"#.into() };
    let entries = [
        call(17, "read_file"),
        ActivityEntry::now(reason),
        ActivityEntry::now(ActivityEvent::GrantsAltered).agent(Fingerprint::from_bytes([9; 32])),
    ];
    store.append_activity(&entries).unwrap();
    assert_eq!(found(&store, "READ_FILE", &[]), [1]);
    assert_eq!(found(&store, "notes", &[]), [1]);
    assert_eq!(found(&store, r#""path":"a""#, &[]), [1]);
    // Neither names of members nor times, nor characters that mean something to SQL.
    for nothing in ["outcome", "target", "17", "read%file", "readXfile", "' OR 1=1 --"] {
        assert_eq!(found(&store, nothing, &[]), [0; 0], "{nothing}");
    }
    for reason in ["50% of", r#""C:\"#, r"\dir", "was_read!", "%", "!"] {
        assert_eq!(found(&store, reason, &[]), [2], "{reason}");
    }
    assert_eq!(found(&store, "grants-altered", &[]), [3]);
    assert_eq!(found(&store, "laptop", &[Fingerprint::from_bytes([9; 32])]), [3]);
    assert_eq!(found(&store, "", &[Fingerprint::from_bytes([9; 32])]), [1, 2, 3]);
}

#[test]
fn calls_are_counted_over_time() {
    let store = Store::in_memory().unwrap();
    let ended = |at, outcome| {
        let mut entry = call(at, "read_file");
        if let ActivityEvent::Call { outcome: ended, .. } = &mut entry.event {
            *ended = outcome;
        }
        entry
    };
    let other =
        ActivityEntry { at: Timestamp::from_millis(105), ..ActivityEntry::now(ActivityEvent::GrantsAltered) };
    let entries = [
        ended(99, CallOutcome::Answered),
        ended(100, CallOutcome::Answered),
        other,
        ended(109, CallOutcome::Denied),
        ended(110, CallOutcome::Failed),
        ended(119, CallOutcome::Interrupted),
        ended(139, CallOutcome::Answered),
        ended(140, CallOutcome::Answered),
    ];
    store.append_activity(&entries).unwrap();
    let at = |at| Some(Timestamp::from_millis(at));
    let filter = ActivityFilter { from: at(100), to: at(140), ..ActivityFilter::default() };
    let counts = |answered, failed, denied| CallCounts { answered, failed, denied };
    let expected = [counts(1, 0, 1), counts(0, 2, 0), counts(0, 0, 0), counts(1, 0, 0)];
    assert_eq!(store.count_activity(&filter, 4).unwrap(), expected);
    // The whole log, in one span and in more than there may be.
    assert_eq!(store.count_activity(&ActivityFilter::default(), 1).unwrap(), [counts(4, 2, 1)]);
    assert_eq!(store.count_activity(&ActivityFilter::default(), usize::MAX).unwrap().len(), 500);
    assert_eq!(
        Store::in_memory().unwrap().count_activity(&ActivityFilter::default(), 2).unwrap(),
        [counts(0, 0, 0); 2]
    );
}

#[test]
fn who_was_there_is_known_up_to_a_row() {
    let store = filled(3);
    let head = store.activity_head().unwrap();
    store.append_activity(&[call(9, "later")]).unwrap();
    let [(agent, visits)] = store.agents_in_activity(head).unwrap()[..] else { panic!() };
    assert_eq!(agent, Fingerprint::from_bytes([3; 32]));
    assert_eq!((visits.last_seen, visits.calls), (Timestamp::from_millis(3), 3));
}

#[test]
fn rows_have_these_bytes() {
    let row = ActivityRow { seq: 7, entry: call(5, "x").server("s".parse().unwrap()) };
    let text = serde_json::to_string(&row).unwrap();
    let agent = Fingerprint::from_bytes([3; 32]);
    let expected = format!(
        r#"{{"seq":7,"at":5,"session":1,"agent":"{agent}","server":"s","kind":"call","method":"tools/call","target":"x","#
    ) + r#""request_bytes":120,"millis":4,"outcome":"answered","arguments":"{\"path\":\"a\"}"}"#;
    assert_eq!(text, expected);
    assert_eq!(serde_json::from_str::<ActivityRow>(&text).unwrap(), row);
}

#[test]
fn an_export_can_be_checked_without_the_database() {
    let store = filled(2500);
    store.prune_activity(Timestamp::from_millis(11), u64::MAX).unwrap();
    let (mut rows, mut lines) = (Vec::new(), String::new());
    loop {
        let after = rows.last().copied().unwrap_or(0);
        let page = store.export_page(&ActivityFilter::default(), after).unwrap();
        if page.is_empty() {
            break;
        }
        for (row, line) in page {
            rows.push(row);
            lines += &line;
        }
    }
    assert_eq!(rows, (11..=2500).collect::<Vec<_>>());
    let mut previous: Option<String> = None;
    for line in lines.lines() {
        #[derive(Deserialize)]
        struct Line<'a> {
            seq: u64,
            previous: String,
            hash: String,
            #[serde(borrow)]
            entry: &'a serde_json::value::RawValue,
        }
        let line: Line<'_> = serde_json::from_str(line).unwrap();
        if let Some(previous) = previous {
            assert_eq!(previous, line.previous);
        }
        let bytes: Vec<u8> = (0..64)
            .step_by(2)
            .map(|at| u8::from_str_radix(&line.previous[at..at + 2], 16).unwrap())
            .collect();
        let hash = chain::link(bytes.as_slice().try_into().unwrap(), line.seq, line.entry.get());
        assert_eq!(hash.iter().map(|byte| format!("{byte:02x}")).collect::<String>(), line.hash);
        previous = Some(line.hash);
    }
}

#[test]
fn texts_are_cut_at_their_limit() {
    let long = "é".repeat(150);
    let text = BriefText::from(long.as_str());
    assert_eq!(text, BriefText::from(long));
    assert_eq!(text.to_string().len(), 199);
    assert!(text.to_string().ends_with("é..."));
    assert_eq!(BriefText::from("x".repeat(200)).to_string(), "x".repeat(200));
    let stored = serde_json::to_string(&"x".repeat(300)).unwrap();
    assert_eq!(serde_json::from_str::<BriefText>(&stored).unwrap().to_string().len(), 200);
}

#[tokio::test]
async fn what_was_recorded_before_a_flush_is_there_after_it() {
    let store = Store::in_memory().unwrap();
    let (activity, recorder) = Activity::start(store.clone(), false);
    for at in 0..2000 {
        activity.record(call(at, "read_file")).await;
    }
    activity.flush().await.unwrap();
    assert_eq!(entries_in(&store), 2000);
    // Arguments were not to be recorded.
    let has_arguments =
        |row: &ActivityRow| matches!(&row.entry.event, ActivityEvent::Call { arguments: Some(_), .. });
    assert!(!store.activity(&ActivityFilter::default(), None, 1000).unwrap().iter().any(has_arguments));
    activity.record_arguments(true);
    activity.record(call(1, "read_file")).await;
    recorder.shutdown().await;
    assert_eq!(entries_in(&store), 2001);
    assert!(has_arguments(&store.activity(&ActivityFilter::default(), None, 1).unwrap()[0]));
    activity.record(call(1, "after the end")).await;
    activity.flush().await.unwrap();
    assert_eq!(entries_in(&store), 2001);
}

#[tokio::test]
async fn entries_that_can_not_be_written_are_counted() {
    let store = Store::in_memory().unwrap();
    let (activity, recorder) = Activity::start(store.clone(), false);
    sql(&store, "CREATE TRIGGER full BEFORE INSERT ON activity BEGIN SELECT raise(ABORT, 'disk full'); END");
    for at in 0..3 {
        activity.record(call(at, "read_file")).await;
    }
    assert!(matches!(activity.flush().await, Err(StoreError::Database(_))));
    sql(&store, "DROP TRIGGER full");
    activity.record(call(4, "read_file")).await;
    activity.flush().await.unwrap();
    let rows = store.activity(&ActivityFilter::default(), None, 10).unwrap();
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[1].entry.event, ActivityEvent::Lost { entries: 3 });
    recorder.shutdown().await;
}

#[tokio::test]
async fn many_callers_at_once_make_one_whole_chain() {
    let store = Store::in_memory().unwrap();
    let (activity, recorder) = Activity::start(store.clone(), false);
    let callers: Vec<_> = (0..16)
        .map(|number| {
            let activity = activity.clone();
            tokio::spawn(async move {
                for at in 0..200 {
                    activity.record(call(at, &format!("tool {number}"))).await;
                }
            })
        })
        .collect();
    for caller in callers {
        tokio::time::timeout(Duration::from_secs(60), caller).await.unwrap().unwrap();
    }
    recorder.shutdown().await;
    assert_eq!(entries_in(&store), 3200);
}

proptest! {
    /// However the log grows and is pruned, it verifies, and every single changed byte of an entry is found.
    #[test]
    fn the_chain_holds(
        steps in prop::collection::vec((1..20_usize, 0..2000_u64, 0..40_i64), 1..8),
        flip in any::<prop::sample::Index>(),
    ) {
        let store = Store::in_memory().unwrap();
        for (at, (count, bytes, before)) in steps.into_iter().enumerate() {
            let at = i64::try_from(at).unwrap() * 10;
            store.append_activity(&vec![call(at, "x"); count]).unwrap();
            store.prune_activity(Timestamp::from_millis(before), bytes).unwrap();
            entries_in(&store);
        }
        store.append_activity(&[call(1, "x")]).unwrap();
        let newest = store.activity_head().unwrap().seq;
        let row = store.activity(&ActivityFilter::default(), None, 1).unwrap();
        let text = serde_json::to_string(&row[0].entry).unwrap();
        let mut bytes = text.into_bytes();
        let at = flip.index(bytes.len());
        bytes[at] = if bytes[at] == b'0' { b'1' } else { b'0' };
        let text = String::from_utf8(bytes).unwrap();
        let edited = store
            .connection()
            .execute("UPDATE activity SET entry = ?1 WHERE seq = ?2", (text, chain::stored(newest)));
        // What is no JSON any more is refused by the computed columns already.
        if edited.is_ok() {
            prop_assert_eq!(store.verify_activity().unwrap(), ChainVerdict::Changed { seq: newest });
        }
    }
}
