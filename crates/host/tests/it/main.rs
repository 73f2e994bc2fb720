//! The desktop's core, with real processes.

#![expect(clippy::unwrap_used, reason = "in a test, an error that nobody expects is a failure")]

mod upstream;
