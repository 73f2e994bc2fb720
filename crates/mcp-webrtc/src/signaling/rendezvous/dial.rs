//! The way to a rendezvous: connection, TLS, WebSocket, and the registration.

use std::io;
use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use gatelodge_wire::{
    ClientMessage, IceServer, MAX_RENDEZVOUS_BYTES, REGISTRATION_DOMAIN, RENDEZVOUS_VERSION, RendezvousRole,
    RendezvousUrl, ServerMessage, registration_content,
};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::error::Error as WsError;
use tokio_tungstenite::tungstenite::protocol::{Message, WebSocketConfig};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::{RendezvousError, RendezvousOptions};
use crate::identity::Identity;
use crate::signaling::SignalingError;
use crate::signaling::socket::{self, Connected};

/// Buffers of the WebSocket, in bytes: messages are small, and few.
const SOCKET_BUFFER: usize = 4096;

/// A stream with or without TLS.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

pub(super) type Socket = WebSocketStream<Box<dyn Stream>>;

/// A registration that is good.
pub(super) struct Registered {
    pub(super) socket: Socket,
    /// Whether the rendezvous is on this machine.
    pub(super) is_local: bool,
    /// This side's address, as the rendezvous sees it.
    pub(super) address: String,
    pub(super) ice_servers: Vec<IceServer>,
}

/// Connects and registers.
pub(super) async fn register(
    identity: &Identity,
    url: &RendezvousUrl,
    role: RendezvousRole,
    options: &RendezvousOptions,
) -> Result<Registered, RendezvousError> {
    let limit = options.limits.connect_timeout;
    let late = |action| move |_| RendezvousError::TimedOut { action, limit };
    let (mut socket, is_local) =
        timeout(limit, open(url, options)).await.map_err(late("accept a connection"))??;
    let registering = prove(&mut socket, identity, url, role);
    let (address, ice_servers) = timeout(limit, registering).await.map_err(late("register this side"))??;
    Ok(Registered { socket, is_local, address, ice_servers })
}

async fn open(url: &RendezvousUrl, options: &RendezvousOptions) -> Result<(Socket, bool), RendezvousError> {
    let unreachable = |source| RendezvousError::Unreachable { url: url.clone(), source: Box::new(source) };
    let not_one = |error| RendezvousError::NotARendezvous {
        url: url.clone(),
        source: Box::new(SignalingError::NotWebSocket(error)),
    };
    let connected = socket::connect((url.host(), url.port()), &options.limits).await.map_err(unreachable)?;
    let Connected { stream, is_local, .. } = connected;
    let stream: Box<dyn Stream> = match url.is_tls() {
        false => Box::new(stream),
        true => {
            let failed = |source| RendezvousError::Tls { url: url.clone(), source };
            let name = ServerName::try_from(url.host().to_owned())
                .map_err(|error| failed(io::Error::other(error)))?;
            let connector = TlsConnector::from(tls(options)?);
            Box::new(connector.connect(name, stream).await.map_err(failed)?)
        }
    };
    let request = url.websocket().into_client_request().map_err(|error| not_one(error.into()))?;
    let config = WebSocketConfig::default()
        .read_buffer_size(SOCKET_BUFFER)
        .write_buffer_size(0)
        .max_write_buffer_size(4 * MAX_RENDEZVOUS_BYTES)
        .max_message_size(Some(MAX_RENDEZVOUS_BYTES))
        .max_frame_size(Some(MAX_RENDEZVOUS_BYTES));
    match client_async_with_config(request, stream, Some(config)).await {
        Ok((socket, _)) => Ok((socket, is_local)),
        Err(WsError::Http(response)) => match response.status().as_u16() {
            status @ (429 | 503) => Err(RendezvousError::Full { url: url.clone(), status }),
            status => {
                let source = Box::new(SignalingError::Refused { status });
                Err(RendezvousError::NotARendezvous { url: url.clone(), source })
            }
        },
        Err(WsError::Io(error)) => Err(unreachable(SignalingError::io("open a WebSocket", error))),
        Err(error) => Err(not_one(error.into())),
    }
}

/// Makes the TLS configuration. It is not kept: a connection is made once in a while, and files may change meanwhile.
fn tls(options: &RendezvousOptions) -> Result<Arc<ClientConfig>, RendezvousError> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    for path in &options.ca_files {
        let wrong = |source| RendezvousError::CaFile { path: path.clone(), source };
        let certificates = CertificateDer::pem_file_iter(path)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| wrong(error.into()))?;
        if certificates.is_empty() {
            return Err(wrong("there is no CERTIFICATE block in it".into()));
        }
        for certificate in certificates {
            roots.add(certificate).map_err(|error| wrong(error.into()))?;
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider has the cipher suites of both versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// Answers the challenge. Returns this side's address, and the recommended servers.
async fn prove(
    socket: &mut Socket,
    identity: &Identity,
    url: &RendezvousUrl,
    role: RendezvousRole,
) -> Result<(String, Vec<IceServer>), RendezvousError> {
    let nonce = match next(socket).await? {
        ServerMessage::Challenge { version: RENDEZVOUS_VERSION, nonce } => nonce,
        ServerMessage::Challenge { version: theirs, .. } => return Err(RendezvousError::Version { theirs }),
        _ => return Err(RendezvousError::BadMessage(None)),
    };
    let authority = url.authority();
    let content = registration_content(role, &authority, &nonce, &identity.fingerprint());
    let signature = identity.sign(REGISTRATION_DOMAIN, &content).map_err(RendezvousError::Sign)?;
    let certificate = identity.certificate_der().to_vec();
    let register = ClientMessage::Register { role, authority, certificate, signature };
    socket.send(Message::text(register.to_json())).await.map_err(|_| RendezvousError::Lost)?;
    match next(socket).await? {
        ServerMessage::Registered { fingerprint, address, ice_servers }
            if fingerprint == identity.fingerprint() =>
        {
            Ok((address, ice_servers))
        }
        _ => Err(RendezvousError::BadMessage(None)),
    }
}

/// Reads the next message of a kind that is known; an error that it tells of is one here.
async fn next(socket: &mut Socket) -> Result<ServerMessage, RendezvousError> {
    loop {
        match socket.next().await {
            Some(Ok(Message::Text(text))) => match ServerMessage::parse(text.as_bytes()) {
                Ok(ServerMessage::Unknown) => {}
                Ok(ServerMessage::Error { code, message, .. }) => {
                    return Err(RendezvousError::Refused { code, message });
                }
                Ok(message) => return Ok(message),
                Err(error) => return Err(RendezvousError::BadMessage(Some(error))),
            },
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            Some(Ok(Message::Binary(_) | Message::Frame(_))) => {
                return Err(RendezvousError::BadMessage(None));
            }
            Some(Ok(Message::Close(_)) | Err(_)) | None => return Err(RendezvousError::Lost),
        }
    }
}
