//! A client that can misbehave.

use futures_util::{SinkExt, StreamExt};
use gatelodge_wire::{
    ClientMessage, Nonce, REGISTRATION_DOMAIN, RendezvousErrorCode, RendezvousRole, RendezvousUrl,
    ServerMessage, registration_content,
};
use mcp_webrtc::Identity;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::desks::PATIENCE;

pub(crate) struct Raw {
    pub(crate) socket: WebSocketStream<TcpStream>,
    pub(crate) nonce: Nonce,
}

impl Raw {
    /// Connects and reads the challenge.
    pub(crate) async fn connect(url: &RendezvousUrl) -> Self {
        Self::connect_with(url, &[]).await.unwrap()
    }

    /// Connects with more headers; an error is the HTTP status.
    pub(crate) async fn connect_with(
        url: &RendezvousUrl,
        headers: &[(&'static str, &str)],
    ) -> Result<Self, u16> {
        let stream = TcpStream::connect((url.host(), url.port())).await.unwrap();
        let mut request = url.websocket().into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, HeaderValue::from_str(value).unwrap());
        }
        let socket = match client_async(request, stream).await {
            Ok((socket, _)) => socket,
            Err(tokio_tungstenite::tungstenite::Error::Http(response)) => {
                return Err(response.status().as_u16());
            }
            Err(error) => panic!("{error}"),
        };
        let mut raw = Self { socket, nonce: Nonce([0; 32]) };
        let Some(ServerMessage::Challenge { version: 1, nonce }) = raw.hear().await else {
            panic!("a challenge comes first")
        };
        raw.nonce = nonce;
        Ok(raw)
    }

    /// A registration with a good proof.
    pub(crate) fn proof(&self, identity: &Identity, role: RendezvousRole, authority: &str) -> ClientMessage {
        let content = registration_content(role, authority, &self.nonce, &identity.fingerprint());
        ClientMessage::Register {
            role,
            authority: authority.to_owned(),
            certificate: identity.certificate_der().to_vec(),
            signature: identity.sign(REGISTRATION_DOMAIN, &content).unwrap(),
        }
    }

    /// Connects and registers.
    pub(crate) async fn register(url: &RendezvousUrl, identity: &Identity, role: RendezvousRole) -> Self {
        let mut raw = Self::connect(url).await;
        let proof = raw.proof(identity, role, &url.authority());
        raw.say(&proof).await;
        assert!(matches!(raw.hear().await, Some(ServerMessage::Registered { .. })));
        raw
    }

    pub(crate) async fn say(&mut self, message: &ClientMessage) {
        self.say_text(message.to_json()).await;
    }

    pub(crate) async fn say_text(&mut self, text: String) {
        self.socket.send(Message::text(text)).await.unwrap();
    }

    /// Returns the next message; nothing once the connection is closed.
    pub(crate) async fn hear(&mut self) -> Option<ServerMessage> {
        loop {
            match timeout(PATIENCE, self.socket.next()).await.unwrap() {
                Some(Ok(Message::Text(text))) => return Some(ServerMessage::parse(text.as_bytes()).unwrap()),
                Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
                Some(Ok(_)) => {}
            }
        }
    }

    /// Waits for the last word.
    pub(crate) async fn last_word(mut self) -> RendezvousErrorCode {
        let mut last = None;
        while let Some(message) = self.hear().await {
            last = Some(message);
        }
        match last {
            Some(ServerMessage::Error { code, .. }) => code,
            other => panic!("the last word should be an error: {other:?}"),
        }
    }
}
