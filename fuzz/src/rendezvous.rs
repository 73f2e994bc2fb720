//! The messages of a rendezvous, in both directions.

use gatelodge_wire::{ClientMessage, RendezvousUrl, ServerMessage};

/// What is read is what would be written, bodies included; and the texts of errors stay short.
pub fn rendezvous(data: &[u8]) {
    match ClientMessage::parse(data) {
        Ok(ClientMessage::Unknown) => {}
        Ok(message) => {
            let again = ClientMessage::parse(message.to_json().as_bytes()).expect("a message is read again");
            assert_eq!(again, message);
        }
        Err(error) => assert!(error.to_string().len() < 200, "{error}"),
    }
    match ServerMessage::parse(data) {
        Ok(ServerMessage::Unknown) => {}
        Ok(message) => {
            let again = ServerMessage::parse(message.to_json().as_bytes()).expect("a message is read again");
            assert_eq!(again, message);
        }
        Err(error) => assert!(error.to_string().len() < 200, "{error}"),
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(url) = text.parse::<RendezvousUrl>() {
        assert_eq!(url.to_string().parse().as_ref(), Ok(&url));
        assert!(url.authority().ends_with(&format!(":{}", url.port())));
    }
}
