//! Rules of the tree that its files can show: who may depend on whom, and that what is generated is up to date.

#![expect(clippy::unwrap_used, reason = "in a test, an error that nobody expects is a failure")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use sha2::{Digest, Sha256};

/// The normal and build dependencies of each workspace member. What tests use is theirs.
fn dependencies() -> BTreeMap<String, Vec<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--no-deps", "--offline", "--manifest-path"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap().iter().map(|package| {
        let dependencies = package["dependencies"].as_array().unwrap();
        let names = dependencies.iter().filter(|dependency| dependency["kind"] != "dev");
        let names = names.map(|dependency| dependency["name"].as_str().unwrap().to_owned());
        (package["name"].as_str().unwrap().to_owned(), names.collect())
    });
    packages.collect()
}

fn members_that_name(dependencies: &BTreeMap<String, Vec<String>>, wanted: &[&str]) -> Vec<String> {
    let named = |names: &Vec<String>| names.iter().any(|name| wanted.contains(&name.as_str()));
    dependencies.iter().filter(|(_, names)| named(names)).map(|(member, _)| member.clone()).collect()
}

#[test]
fn only_the_transport_library_names_the_engine() {
    assert_eq!(members_that_name(&dependencies(), &["webrtc", "rtc"]), ["mcp-webrtc"]);
}

#[test]
fn only_the_tray_app_names_tauri() {
    let dependencies = dependencies();
    let names_tauri = |names: &Vec<String>| names.iter().any(|name| name.starts_with("tauri"));
    let members: Vec<_> =
        dependencies.iter().filter(|(_, names)| names_tauri(names)).map(|(member, _)| member).collect();
    assert_eq!(members, ["gatelodge-desktop"]);
}

#[test]
fn dependencies_point_one_way() {
    let dependencies = dependencies();
    let ours: Vec<&str> = dependencies.keys().map(String::as_str).collect();
    let own = |member: &str| -> Vec<&str> {
        let names = dependencies[member].iter().map(String::as_str);
        names.filter(|name| ours.contains(name)).collect()
    };
    assert_eq!(own("gatelodge-wire"), [] as [&str; 0]);
    assert_eq!(own("mcp-webrtc"), ["gatelodge-wire"]);
    assert_eq!(own("gatelodge-files"), [] as [&str; 0]);
    assert_eq!(own("gatelodge-rendezvous"), ["gatelodge-wire"]);
    assert_eq!(
        own("gatelodge-host"),
        ["gatelodge-files", "gatelodge-rendezvous", "gatelodge-wire", "mcp-webrtc"]
    );
    // The shell is thin: what it shows comes from the host, and nothing else of ours is needed.
    assert_eq!(own("gatelodge-desktop"), ["gatelodge-host", "gatelodge-wire"]);
    assert!(!own("gatelodge").contains(&"gatelodge-tests"));
}

#[test]
fn the_wire_crate_neither_waits_nor_reads() {
    let dependencies = dependencies();
    for absent in ["tokio", "async-trait", "futures-util", "socket2", "tracing"] {
        assert!(!dependencies["gatelodge-wire"].contains(&absent.to_owned()), "wire depends on {absent}");
    }
}

/// What `icons/render` noted: the sum of each source and of each rendered icon.
#[test]
fn the_icons_are_rendered_from_their_sources() {
    let icons = Path::new(env!("CARGO_MANIFEST_DIR")).join("../icons");
    let noted = std::fs::read_to_string(icons.join("rendered.sha256")).unwrap();
    let noted: BTreeMap<&str, &str> =
        noted.lines().map(|line| line.split_once("  ").unwrap()).map(|(sum, file)| (file, sum)).collect();
    for (file, sum) in &noted {
        let now = Sha256::digest(std::fs::read(icons.join(file)).unwrap());
        let now: String = now.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(&now, sum, "{file} is not what icons/render made or read; run it");
    }
    let mut there = BTreeSet::new();
    for folder in ["", "tray/"] {
        for entry in std::fs::read_dir(icons.join(folder)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            there.insert(format!("{folder}{name}"));
        }
    }
    for file in ["render", "rendered.sha256", "tray"] {
        assert!(there.remove(file), "icons/{file} is missing");
    }
    let noted: BTreeSet<String> = noted.into_keys().map(str::to_owned).collect();
    assert_eq!(there, noted, "icons/render does not know these, or made others");
}
