//! The interface's generated types are those of the desktop.

use std::path::Path;

use gatelodge_host::typescript::declarations;

/// Set by `make types`, to write the file anew in place of comparing it.
const RENEW: &str = "GATELODGE_RENEW_TYPES";

#[test]
fn generated_types_are_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ui/src/platform/generated.ts");
    let now = declarations();
    if std::env::var_os(RENEW).is_some() {
        std::fs::write(&path, &now).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    // Not `assert_eq!`, which would print both files whole.
    assert!(kept == now, "{} is not what the Rust types are now; renew it with: make types", path.display());
}
