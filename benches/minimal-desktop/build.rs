//! What every Tauri app does here.

fn main() {
    tauri_build::build();
}
