//! STUN and TURN messages (RFC 8489, RFC 8656), as far as a diagnosis asks servers by itself. Bytes in, bytes out.

use std::net::SocketAddr;

use rtc::stun::attributes::{
    ATTR_ERROR_CODE, ATTR_LIFETIME, ATTR_NONCE, ATTR_REALM, ATTR_REQUESTED_TRANSPORT, ATTR_USERNAME,
    ATTR_XOR_RELAYED_ADDRESS, ATTR_XORMAPPED_ADDRESS,
};
use rtc::stun::error_code::ErrorCodeAttribute;
use rtc::stun::integrity::MessageIntegrity;
use rtc::stun::message::{
    BINDING_REQUEST, CLASS_ERROR_RESPONSE, CLASS_REQUEST, Getter, METHOD_ALLOCATE, METHOD_REFRESH, Message,
    MessageType, Method, Setter, TransactionId,
};
use rtc::stun::textattrs::TextAttribute;
use rtc::stun::xoraddr::XorMappedAddress;
use webrtc::peer_connection::crypto;

use super::EngineError;

/// The protocol number of UDP, which is all that WebRTC has relayed.
const UDP: [u8; 4] = [17, 0, 0, 0];

/// A request that was made, and by what its answer is known.
pub(crate) struct StunRequest {
    id: TransactionId,
    pub(crate) bytes: Vec<u8>,
}

/// Who a request to a relay comes from.
pub(crate) struct TurnLogin {
    pub(crate) username: String,
    pub(crate) credential: String,
    pub(crate) realm: String,
    pub(crate) nonce: String,
}

/// What a server answers.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum StunAnswer {
    /// Where the request came from, as the server sees it; none in the answer to a refresh.
    Mapped(Option<SocketAddr>),
    /// The relay's address for this side.
    Relayed(SocketAddr),
    /// It refuses. A relay's first refusal says what a login is made with.
    Refused {
        /// The code of the answer.
        code: u16,
        /// Its name for itself.
        realm: Option<String>,
        /// What makes a login fresh.
        nonce: Option<String>,
    },
}

/// Asks where a packet comes from.
pub(crate) fn binding_request() -> Result<StunRequest, EngineError> {
    request(BINDING_REQUEST.method, &[], None)
}

/// Asks for an address at a relay. Without a login the relay refuses, and says what a login is made with.
pub(crate) fn allocate_request(login: Option<&TurnLogin>) -> Result<StunRequest, EngineError> {
    request(METHOD_ALLOCATE, &[(ATTR_REQUESTED_TRANSPORT, &UDP)], login)
}

/// Gives an address at a relay back.
pub(crate) fn release_request(login: &TurnLogin) -> Result<StunRequest, EngineError> {
    request(METHOD_REFRESH, &[(ATTR_LIFETIME, &[0; 4])], Some(login))
}

fn request(
    method: Method,
    attributes: &[(rtc::stun::attributes::AttrType, &[u8])],
    login: Option<&TurnLogin>,
) -> Result<StunRequest, EngineError> {
    let failed = EngineError::at("could not make a STUN request");
    build(method, attributes, login).map_err(failed)
}

fn build(
    method: Method,
    attributes: &[(rtc::stun::attributes::AttrType, &[u8])],
    login: Option<&TurnLogin>,
) -> Result<StunRequest, Box<dyn std::error::Error + Send + Sync>> {
    let mut message = Message::new();
    message.set_type(MessageType::new(method, CLASS_REQUEST));
    message.new_transaction_id()?;
    message.write_header();
    for (kind, value) in attributes {
        message.add(*kind, value);
    }
    if let Some(TurnLogin { username, credential, realm, nonce }) = login {
        for (kind, text) in [(ATTR_USERNAME, username), (ATTR_REALM, realm), (ATTR_NONCE, nonce)] {
            TextAttribute::new(kind, text.clone()).add_to(&mut message)?;
        }
        let provider = crypto::default_provider()?;
        let (username, realm, credential) = (username.clone(), realm.clone(), credential.clone());
        MessageIntegrity::new_long_term_integrity_with_provider(
            username,
            realm,
            credential,
            provider.crypto(),
        )?
        .add_to(&mut message)?;
    }
    Ok(StunRequest { id: message.transaction_id, bytes: message.raw })
}

impl StunRequest {
    /// Reads a datagram; `None` if it is no answer to this request.
    pub(crate) fn answer(&self, datagram: &[u8]) -> Option<StunAnswer> {
        let mut message = Message::new();
        message.unmarshal_binary(datagram).ok()?;
        if message.transaction_id != self.id || message.typ.class == CLASS_REQUEST {
            return None;
        }
        if message.typ.class == CLASS_ERROR_RESPONSE {
            let mut error = ErrorCodeAttribute::default();
            let code = match message.contains(ATTR_ERROR_CODE) && error.get_from(&message).is_ok() {
                true => error.code.0,
                false => 0,
            };
            let text =
                |kind| TextAttribute::get_from_as(&message, kind).ok().map(|attribute| attribute.to_string());
            return Some(StunAnswer::Refused { code, realm: text(ATTR_REALM), nonce: text(ATTR_NONCE) });
        }
        let address = |kind| {
            let mut address = XorMappedAddress::default();
            let read = message.contains(kind) && address.get_from_as(&message, kind).is_ok();
            read.then(|| SocketAddr::new(address.ip, address.port))
        };
        match address(ATTR_XOR_RELAYED_ADDRESS) {
            Some(relayed) => Some(StunAnswer::Relayed(relayed)),
            None => Some(StunAnswer::Mapped(address(ATTR_XORMAPPED_ADDRESS))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 5769, section 2.2: a response that maps 192.0.2.1:32853.
    const RESPONSE: [u8; 80] = [
        0x01, 0x01, 0x00, 0x3c, 0x21, 0x12, 0xa4, 0x42, 0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa,
        0x87, 0xdf, 0xae, 0x80, 0x22, 0x00, 0x0b, 0x74, 0x65, 0x73, 0x74, 0x20, 0x76, 0x65, 0x63, 0x74, 0x6f,
        0x72, 0x20, 0x00, 0x20, 0x00, 0x08, 0x00, 0x01, 0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43, 0x00, 0x08, 0x00,
        0x14, 0x2b, 0x91, 0xf5, 0x99, 0xfd, 0x9e, 0x90, 0xc3, 0x8c, 0x74, 0x89, 0xf9, 0x2a, 0xf9, 0xba, 0x53,
        0xf0, 0x6b, 0xe7, 0xd7, 0x80, 0x28, 0x00, 0x04, 0xc0, 0x7d, 0x4c, 0x96,
    ];

    #[test]
    fn the_rfcs_response_is_read_by_whom_it_is_for() {
        let mut request = binding_request().unwrap();
        assert_eq!(request.answer(&RESPONSE), None, "it is somebody else's");
        request.id = TransactionId(RESPONSE[8..20].try_into().unwrap());
        let mapped = "192.0.2.1:32853".parse().unwrap();
        assert_eq!(request.answer(&RESPONSE), Some(StunAnswer::Mapped(Some(mapped))));
        for end in 0..RESPONSE.len() {
            assert_eq!(request.answer(&RESPONSE[..end]), None, "cut at {end}");
        }
    }

    #[test]
    fn a_request_is_no_answer() {
        let request = allocate_request(None).unwrap();
        assert_eq!(request.answer(&request.bytes), None);
    }
}
