use super::*;
use crate::link::LinkKind;
use crate::secret::SecretName;
use crate::settings::in_force::InForce;

fn turn(url: &str) -> Settings {
    let server = IceServerSetting { url: url.into(), username: "me".into(), secret: "turn".into() };
    Settings { ice_servers: vec![server], ..Settings::default() }
}

fn stun(url: &str) -> Settings {
    let server = IceServerSetting { url: url.into(), ..IceServerSetting::default() };
    Settings { ice_servers: vec![server], ..Settings::default() }
}

#[test]
fn the_defaults_have_these_bytes() {
    let expected = concat!(
        r#"{"gate_at_start":"as-before","rendezvous":{"use":"none"},"ice_servers":[],"record_arguments":false,"#,
        r#""activity_days":90,"activity_bytes":67108864,"approval_timeout":60,"#,
        r#""notify":{"waiting":true,"session_began":true,"session_ended":false,"tool_changed":true},"#,
        r#""theme":"system","density":"comfortable"}"#,
    );
    assert_eq!(serde_json::to_string(&Settings::default()).unwrap(), expected);
    assert_eq!(serde_json::from_str::<Settings>(expected).unwrap(), Settings::default());
    assert_eq!(serde_json::from_str::<Settings>("{}").unwrap(), Settings::default());
}

#[test]
fn possible_values_are_taken() {
    let secrets: Vec<SecretName> = vec!["turn".parse().unwrap()];
    let url = RendezvousChoice::Url { url: "https://meet.example.org".to_owned() };
    for settings in [
        Settings::default(),
        Settings { rendezvous: url, ..Settings::default() },
        stun("stun:stun.example.org"),
        stun("stun:192.0.2.7:3478"),
        stun("stun:[2001:db8::7]:3478"),
        turn("turn:turn.example.org:3478?transport=udp"),
        turn("turns:turn.example.org"),
    ] {
        assert_eq!(settings.check(&secrets), Ok(()), "{settings:?}");
    }
}

#[test]
fn impossible_values_are_refused_with_a_sentence() {
    let secrets: Vec<SecretName> = vec!["other".parse().unwrap()];
    let url = |url: &str| RendezvousChoice::Url { url: url.to_owned() };
    let default = Settings::default;
    let nine = std::iter::repeat_n(stun("stun:a").ice_servers.remove(0), 9).collect();
    for (settings, part) in [
        (Settings { activity_days: 0, ..default() }, "1 to 3650 days"),
        (Settings { activity_bytes: 1000, ..default() }, "1 MiB to 4 GiB"),
        (Settings { approval_timeout: Duration::from_secs(4), ..default() }, "5 to 3600 seconds"),
        (Settings { rendezvous: url("meet.example.org"), ..default() }, "is no rendezvous"),
        (Settings { ice_servers: nine, ..default() }, "not 9"),
        (stun(""), "is no STUN or TURN server"),
        (stun("stuns:a"), "is no STUN or TURN server"),
        (stun("stun:a b"), "is no STUN or TURN server"),
        (stun("stun:a:0"), "is no STUN or TURN server"),
        (stun("stun:[::1"), "is no STUN or TURN server"),
        (stun("stun:a?transport=udp"), "is no STUN or TURN server"),
        (stun("turn:a"), "needs a user name"),
        (turn("stun:a"), "leave them empty"),
        (turn("turn:a"), "refers to the secret \"turn\""),
    ] {
        let error = settings.check(&secrets).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn one_rendezvous_is_one_link() {
    let url = RendezvousChoice::Url { url: "https://meet.example.org".to_owned() };
    let in_force = InForce::new(Settings { rendezvous: url, ..Settings::default() }, None);
    let link = in_force.link(&[]).unwrap();
    assert!(
        matches!(&link.kind, LinkKind::Rendezvous { url } if url.to_string() == "https://meet.example.org")
    );
    // Registered twice, this desktop would replace itself for ever.
    assert_eq!(in_force.link(std::slice::from_ref(&link)), None);
    in_force.put(Settings::default());
    assert_eq!(in_force.link(&[]), None);
}
