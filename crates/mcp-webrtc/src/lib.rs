//! The Model Context Protocol over WebRTC data channels.
//!
//! An MCP server and its client talk peer to peer: encrypted end to end, through NATs, with no public address and no
//! relay that could read along. The wire format is that of the [`mcp-webrtc`](https://pypi.org/project/mcp-webrtc/)
//! package on PyPI, so either side may be that package, a browser page, or anything else that sends JSON-RPC messages
//! as text over a data channel. Beyond it this library gives a peer a stable identity, asks before it lets one in,
//! carries messages of any size, and holds a fast sender back for a slow receiver.
//!
//! # A server
//!
//! ```no_run
//! use mcp_webrtc::signaling::TcpSignalingListener;
//! use mcp_webrtc::{Admission, Identity, Session};
//! use rmcp::ServiceExt;
//! # #[derive(Clone)] struct Greeter;
//! # impl rmcp::ServerHandler for Greeter {}
//!
//! # async fn serve() -> Result<(), Box<dyn std::error::Error>> {
//! let identity = Identity::load_or_create("identity.pem")?;
//! let listener = TcpSignalingListener::bind("127.0.0.1:8000").await?;
//! let session = Session::builder(&identity)
//!     .admit(|peer| async move {
//!         println!("{} wants in", peer.fingerprint);
//!         Admission::Admit
//!     })
//!     .offer(listener.accept().await?)
//!     .await?;
//! if let Some(channel) = session.next_channel().await {
//!     Greeter.serve(channel).await?.waiting().await?;
//! }
//! # Ok(()) }
//! ```
//!
//! # A client
//!
//! ```no_run
//! use mcp_webrtc::signaling::TcpSignaling;
//! use mcp_webrtc::{Identity, Session};
//! use rmcp::ServiceExt;
//!
//! # async fn connect() -> Result<(), Box<dyn std::error::Error>> {
//! let signaling = TcpSignaling::connect("127.0.0.1:8000").await?;
//! let session = Session::builder(&Identity::generate()?).answer(signaling).await?;
//! let channel = session.next_channel().await.ok_or("the session ended")?;
//! let client = ().serve(channel).await?;
//! println!("{:?}", client.list_all_tools().await?);
//! # Ok(()) }
//! ```
//!
//! # The parts
//!
//! - An [`Identity`] is a key with its certificate; its [`Fingerprint`] is the peer's name.
//! - A link of [`signaling`] brings two session descriptions across: TCP, WebSocket, a [rendezvous](signaling::rendezvous)
//!   that both sides reach by outgoing connections, copy and paste, memory, or your own
//!   [`Signaling`](signaling::Signaling). It need not be trusted.
//! - [`Session::builder`] sets up a [`Session`] over it. The peer's certificate is taken from the DTLS handshake, and
//!   the [`admit`](SessionBuilder::admit) hook decides about it before a byte of a message is read.
//! - A [`Channel`] carries whole messages. `serve(channel)` makes it an rmcp transport for a server or a client;
//!   [`Channel::send`] and [`Channel::recv`] hand the messages over as the bytes that they are, for a proxy that must
//!   not retype them. A session may have several channels.
//! - [`diagnosis`] finds out why a session does not come about.
//!
//! # Limits
//!
//! A plain peer takes messages up to the `a=max-message-size` of its description (65,536 bytes if it names none, RFC 8841
//! section 6), and never gets a larger one. A peer that announces `a=x-mcp-fragments` takes up to what it says there;
//! this library puts together 64 MiB unless told otherwise. Setting up a session takes at most 30 s for the
//! descriptions, 15 s for the connection and 120 s for the admission; each has its option.
//!
//! # Runtime
//!
//! Sessions run as Tokio tasks where they are set up. A current-thread runtime gives the shortest round trips, since
//! nothing crosses a thread between the socket and your code; to use more cores, run several of them.

mod channel;
pub mod diagnosis;
mod engine;
mod flow;
mod identity;
mod path;
mod resumable;
mod session;
pub mod signaling;
mod transport;

pub use channel::{Channel, ChannelEnd, ChannelReceiver, ChannelSender, SendError, Sent};
pub use engine::EngineError;
pub use gatelodge_wire::{Fingerprint, FragmentError, FragmentLimits, SdpError};
pub use identity::{Identity, IdentityError};
pub use path::{CandidateKind, Path, PathKind};
pub use resumable::{Acknowledgements, ResumableChannel, ResumableReceiver, Source};
pub use session::{
    Admission, CloseReason, Measurement, Measurements, NoPath, Offered, OpenError, Peer, Session,
    SessionBuilder, SessionError, SessionEvent, SessionEvents, Stage,
};
pub use transport::TransportError;
