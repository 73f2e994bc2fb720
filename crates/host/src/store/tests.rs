use std::path::Path;

use rusqlite::Connection;

use super::*;
use crate::link::{LinkDefinition, LinkKind, LinkPolicy};
use crate::server::{FolderAccess, ServerDefinition, ServerKind, SharedFolder};
use crate::settings::{GateAtStart, IceServerSetting, RendezvousChoice, Settings, Theme};

fn server(id: &str) -> ServerDefinition {
    ServerDefinition {
        id: id.parse().unwrap(),
        name: format!("The {id}"),
        kind: ServerKind::Files {
            folders: vec![SharedFolder { path: "/home/p/notes".into(), access: FolderAccess::ReadWrite }],
        },
        notes: String::new(),
    }
}

fn link(id: &str) -> LinkDefinition {
    LinkDefinition {
        id: id.parse().unwrap(),
        name: id.to_owned(),
        kind: LinkKind::Tcp { bind: "127.0.0.1:0".parse().unwrap() },
        server: Some("notes".parse().unwrap()),
        enabled: true,
        prompt: LinkPolicy::AskUnknown,
    }
}

/// A database as the version with this many migrations left it.
fn older(path: &Path, version: usize) -> Connection {
    let connection = Connection::open(path).unwrap();
    for step in &schema::MIGRATIONS[..version] {
        connection.execute_batch(step).unwrap();
    }
    connection.pragma_update(None, "user_version", i64::try_from(version).unwrap()).unwrap();
    connection.pragma_update(None, "application_id", schema::APPLICATION_ID).unwrap();
    connection
}

#[test]
fn what_is_kept_is_there_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state");
    let settings = Settings {
        record_arguments: true,
        activity_days: 7,
        activity_bytes: 1 << 40,
        approval_timeout: Duration::from_secs(5),
        gate_at_start: GateAtStart::Closed,
        rendezvous: RendezvousChoice::Embedded,
        ice_servers: vec![IceServerSetting { url: "stun:192.0.2.7".to_owned(), ..Default::default() }],
        theme: Theme::Dark,
        ..Settings::default()
    };
    {
        let store = Store::open(&path).unwrap();
        assert_eq!(store.settings().unwrap(), Settings::default());
        store.put_server(&server("notes")).unwrap();
        store.put_server(&server("code")).unwrap();
        store.put_server(&ServerDefinition { name: "Mine".to_owned(), ..server("notes") }).unwrap();
        store.put_link(&link("home")).unwrap();
        store.put_settings(&settings).unwrap();
    }
    let store = Store::open(&path).unwrap();
    let names: Vec<String> = store.servers().unwrap().into_iter().map(|server| server.name).collect();
    assert_eq!(names, ["The code", "Mine"]);
    assert_eq!(store.server(&"code".parse().unwrap()).unwrap(), Some(server("code")));
    assert_eq!(store.links().unwrap(), [link("home")]);
    assert_eq!(store.settings().unwrap(), settings);
    assert!(store.remove_server(&"code".parse().unwrap()).unwrap());
    assert!(!store.remove_server(&"code".parse().unwrap()).unwrap());
    assert_eq!(store.server(&"code".parse().unwrap()).unwrap(), None);
    assert!(store.remove_link(&"home".parse().unwrap()).unwrap());
    assert_eq!(store.link(&"home".parse().unwrap()).unwrap(), None);
}

#[cfg(unix)]
#[test]
fn the_directory_is_the_owner_s_alone() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a/b");
    let mode = || std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    drop(Store::open(&path).unwrap());
    assert_eq!(mode(), 0o700);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    drop(Store::open(&path).unwrap());
    assert_eq!(mode(), 0o700);
}

#[test]
fn a_second_instance_is_refused_and_told_who_is_there() {
    let directory = tempfile::tempdir().unwrap();
    let first = Store::open(directory.path()).unwrap();
    let error = Store::open(directory.path()).unwrap_err();
    assert!(error.to_string().contains(&format!("(process {})", std::process::id())), "{error}");
    let clone = first.clone();
    drop(first);
    assert!(matches!(Store::open(directory.path()), Err(StoreError::InUse { .. })));
    drop(clone);
    Store::open(directory.path()).unwrap();
}

#[test]
fn every_earlier_form_is_brought_to_the_present_one() {
    for version in 0..=schema::MIGRATIONS.len() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(FILE);
        if version > 0 {
            let connection = older(&path, version);
            let definition = serde_json::to_string(&server("notes")).unwrap();
            connection.execute("INSERT INTO servers VALUES ('notes', ?1)", [definition]).unwrap();
        }
        let store = Store::open(directory.path()).unwrap();
        let expected = if version > 0 { vec![server("notes")] } else { vec![] };
        assert_eq!(store.servers().unwrap(), expected, "from {version}");
        assert_eq!(schema_of(&store.connection()), schema_of(&Store::in_memory().unwrap().connection()));
        assert_eq!(store.activity_head().unwrap().seq, 0);
    }
}

fn schema_of(connection: &Connection) -> Vec<String> {
    let mut statement =
        connection.prepare("SELECT coalesce(sql, name) FROM sqlite_schema ORDER BY name").unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}

#[test]
fn what_must_not_be_touched_stays_as_it_is() {
    let newer = |path: &Path| {
        let version = i64::try_from(schema::MIGRATIONS.len()).unwrap() + 1;
        older(path, 2).pragma_update(None, "user_version", version).unwrap();
    };
    let foreign = |path: &Path| {
        Connection::open(path).unwrap().execute_batch("CREATE TABLE recipes (name TEXT)").unwrap();
    };
    let text = |path: &Path| std::fs::write(path, "no database at all, but a long enough text").unwrap();
    let torn = |path: &Path| {
        let connection = older(path, 2);
        let definition = serde_json::to_string(&server("notes")).unwrap();
        connection.execute("INSERT INTO servers VALUES ('notes', ?1)", [definition]).unwrap();
        drop(connection);
        let mut bytes = std::fs::read(path).unwrap();
        // The pages behind the schema's hold the tables.
        bytes[4096 * 2..].fill(0x5a);
        std::fs::write(path, bytes).unwrap();
    };
    type Make<'a> = &'a dyn Fn(&Path);
    let cases: [(&str, Make<'_>, &str); 4] = [
        ("newer", &newer, "written by a newer gatelodge"),
        ("foreign", &foreign, "another program's database"),
        ("text", &text, "is damaged"),
        ("torn", &torn, "is damaged"),
    ];
    for (case, make, sentence) in cases {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(FILE);
        make(&path);
        let before = std::fs::read(&path).unwrap();
        let error = Store::open(directory.path()).unwrap_err();
        assert!(error.to_string().contains(sentence), "{case}: {error}");
        assert_eq!(std::fs::read(&path).unwrap(), before, "{case}");
        // The refusal does not leave the directory locked.
        assert!(!matches!(Store::open(directory.path()), Err(StoreError::InUse { .. })));
    }
}

#[test]
fn a_row_that_can_not_be_read_is_named() {
    let store = Store::in_memory().unwrap();
    store.connection().execute("INSERT INTO servers VALUES ('notes', '{}')", []).unwrap();
    let error = store.servers().unwrap_err();
    assert!(error.to_string().starts_with("the stored server notes can't be read"), "{error}");
}

#[tokio::test]
async fn the_store_is_used_off_the_workers() {
    let store = Store::in_memory().unwrap();
    let worker = std::thread::current().id();
    let (elsewhere, servers) =
        store.run(move |store| (std::thread::current().id() != worker, store.servers())).await;
    assert!(elsewhere);
    assert_eq!(servers.unwrap(), []);
}
