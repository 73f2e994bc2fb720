use super::*;

const NOON: Timestamp = Timestamp::from_millis(1_700_000_000_000);

fn later(seconds: u64) -> Timestamp {
    NOON.after(Duration::from_secs(seconds))
}

#[test]
fn a_time_that_is_over_counts_at_once() {
    let closed = GateChange::Closed { seconds: Some(60) }.state(NOON);
    assert_eq!(closed, GateState::Closed { until: Some(later(60)) });
    assert!(closed.at(later(59)).is_closed());
    assert!(!closed.at(later(60)).is_closed());
    assert!(GateChange::Closed { seconds: None }.state(NOON).at(later(1 << 40)).is_closed());
}

#[test]
fn a_start_goes_by_the_setting() {
    let store = Store::in_memory().unwrap();
    let left = GateState::Closed { until: None };
    store.put_gate(left).unwrap();
    for (gate_at_start, expected) in
        [(GateAtStart::Open, GateState::Open), (GateAtStart::Closed, left), (GateAtStart::AsBefore, left)]
    {
        let settings = Settings { gate_at_start, ..Settings::default() };
        assert_eq!(at_start(&store, &settings).unwrap(), expected);
    }
    store.put_gate(GateState::Closed { until: Some(Timestamp::from_millis(1)) }).unwrap();
    assert_eq!(at_start(&store, &Settings::default()).unwrap(), GateState::Open);
}

#[test]
fn states_and_changes_have_these_bytes() {
    let json = |state: &GateState| serde_json::to_string(state).unwrap();
    assert_eq!(json(&GateState::Open), r#"{"gate":"open"}"#);
    assert_eq!(json(&GateState::Closed { until: None }), r#"{"gate":"closed","until":null}"#);
    assert_eq!(
        json(&GateState::Closed { until: Some(Timestamp::from_millis(7)) }),
        r#"{"gate":"closed","until":7}"#
    );
    for (text, change) in [
        (r#"{"gate":"open"}"#, GateChange::Open),
        (r#"{"gate":"closed","seconds":3600}"#, GateChange::Closed { seconds: Some(3600) }),
        (r#"{"gate":"closed","seconds":null}"#, GateChange::Closed { seconds: None }),
        (r#"{"gate":"closed_until_restart"}"#, GateChange::ClosedUntilRestart),
    ] {
        assert_eq!(serde_json::from_str::<GateChange>(text).unwrap(), change);
    }
}
