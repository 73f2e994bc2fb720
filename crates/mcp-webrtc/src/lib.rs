//! The Model Context Protocol over WebRTC data channels.

mod channel;
mod engine;
mod flow;
mod identity;
mod path;
mod session;
pub mod signaling;
mod transport;

pub use channel::{Channel, ChannelEnd, ChannelReceiver, ChannelSender, SendError, Sent};
pub use engine::EngineError;
pub use gatelodge_wire::{Fingerprint, FragmentError, FragmentLimits};
pub use identity::{Identity, IdentityError};
pub use path::{CandidateKind, Path};
pub use session::{
    Admission, CloseReason, OpenError, Peer, Session, SessionBuilder, SessionError, SessionEvent,
    SessionEvents, Stage,
};
pub use transport::TransportError;
