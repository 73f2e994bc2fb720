//! The `gatelodge` command.

fn main() {}
