//! The Model Context Protocol over WebRTC data channels.

pub mod signaling;
