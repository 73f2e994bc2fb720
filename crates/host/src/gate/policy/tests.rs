use std::collections::BTreeMap;

use super::*;
use crate::grant::{EntryRule, ToolRules};

const NOW: Timestamp = Timestamp::from_millis(1_000_000);

fn grant() -> Grant {
    let rules = [("read", ToolRule::Allow), ("write", ToolRule::Ask), ("delete", ToolRule::Deny)];
    Grant {
        agent: ["AB"; 32].join(":").parse().unwrap(),
        server: "notes".parse().unwrap(),
        entry: EntryRule::Open,
        folders: None,
        tools: ToolRules {
            default: ToolRule::Ask,
            tools: rules.map(|(name, rule)| (name.to_owned(), rule)).into(),
        },
        sampling: false,
        elicitation: false,
        expires: None,
        pins: BTreeMap::new(),
    }
}

fn judge(grant: &Grant, from: Side, shape: Shape, method: &str, tool: Option<&str>) -> Decision {
    let judged = Judged { from, shape, method, tool, definition: Definition::Lent };
    decide(grant, &"notes".parse().unwrap(), &judged, NOW)
}

const ALLOW: Decision = Decision::Allow;
const ASK: Decision = Decision::Ask(QuestionKind::ToolCall);

const fn deny(reason: DenyReason) -> Decision {
    Decision::Deny(reason)
}

/// Requests of the agent: method, tool, decision.
const REQUESTS: &[(&str, Option<&str>, Decision)] = &[
    ("tools/call", Some("read"), ALLOW),
    ("tools/call", Some("write"), ASK),
    ("tools/call", Some("delete"), deny(DenyReason::ToolDenied)),
    ("tools/call", Some("other"), ASK),
    ("tools/call", Some("Read"), ASK),
    ("tools/call", Some("delete "), ASK),
    ("tools/call", Some(""), ASK),
    ("tools/call", None, deny(DenyReason::ToolUnknown)),
    // The task's tool decides; the call was asked about.
    ("tasks/get", Some("read"), ALLOW),
    ("tasks/get", Some("write"), ALLOW),
    ("tasks/get", Some("delete"), deny(DenyReason::ToolDenied)),
    ("tasks/get", None, deny(DenyReason::TaskUnknown)),
    ("tasks/result", Some("read"), ALLOW),
    ("tasks/result", Some("delete"), deny(DenyReason::ToolDenied)),
    ("tasks/result", None, deny(DenyReason::TaskUnknown)),
    ("tasks/cancel", Some("write"), ALLOW),
    ("tasks/cancel", None, deny(DenyReason::TaskUnknown)),
    ("tasks/update", Some("read"), ALLOW),
    ("tasks/update", None, deny(DenyReason::TaskUnknown)),
    ("tasks/list", None, ALLOW),
    // What the grant has no word about.
    ("initialize", None, ALLOW),
    ("server/discover", None, ALLOW),
    ("ping", None, ALLOW),
    ("tools/list", None, ALLOW),
    ("resources/list", None, ALLOW),
    ("resources/templates/list", None, ALLOW),
    ("resources/read", None, ALLOW),
    ("resources/subscribe", None, ALLOW),
    ("resources/unsubscribe", None, ALLOW),
    ("prompts/list", None, ALLOW),
    ("prompts/get", None, ALLOW),
    ("completion/complete", None, ALLOW),
    ("logging/setLevel", None, ALLOW),
    ("subscriptions/listen", None, ALLOW),
    ("skills/get", None, ALLOW),
    ("x.org/anything", None, ALLOW),
    ("rpc.discover", None, ALLOW),
    // Other names for a call.
    ("tools/execute", None, deny(DenyReason::MethodUnknown)),
    ("tools/call/now", None, deny(DenyReason::MethodUnknown)),
    ("tools//call", None, deny(DenyReason::MethodUnknown)),
    ("/tools/call", None, deny(DenyReason::MethodUnknown)),
    ("tools.call", None, deny(DenyReason::MethodUnknown)),
    ("Tool/call", None, deny(DenyReason::MethodUnknown)),
    ("tasks/run", None, deny(DenyReason::MethodUnknown)),
    ("tools", None, deny(DenyReason::MethodUnknown)),
    ("toolsets/list", None, ALLOW),
    ("Tools/Call", None, deny(DenyReason::MethodName)),
    ("INITIALIZE", None, deny(DenyReason::MethodName)),
    ("tools/call ", None, deny(DenyReason::MethodName)),
    ("tools/call\0", None, deny(DenyReason::MethodName)),
    ("tool\u{17f}/call", None, deny(DenyReason::MethodName)),
    ("", None, deny(DenyReason::MethodName)),
    // The other direction's.
    ("roots/list", None, deny(DenyReason::Direction)),
    ("sampling/createMessage", None, deny(DenyReason::Direction)),
    ("elicitation/create", None, deny(DenyReason::Direction)),
    ("notifications/initialized", None, deny(DenyReason::Shape)),
    ("notifications/cancelled", None, deny(DenyReason::Shape)),
];

/// Notifications of the agent.
const NOTIFICATIONS_OF_AGENT: &[(&str, Decision)] = &[
    ("notifications/initialized", ALLOW),
    ("notifications/cancelled", ALLOW),
    ("notifications/progress", ALLOW),
    ("notifications/x", ALLOW),
    ("notifications/roots/list_changed", deny(DenyReason::Roots)),
    ("notifications/Roots/list_changed", deny(DenyReason::MethodName)),
    ("tools/call", deny(DenyReason::Shape)),
    ("tasks/cancel", deny(DenyReason::Shape)),
    ("x/y", deny(DenyReason::Shape)),
];

/// Requests of the server: method, and the decision with neither sampling nor elicitation, with one, with the other.
const REQUESTS_OF_SERVER: &[(&str, [Decision; 3])] = &[
    ("ping", [ALLOW; 3]),
    ("sampling/createMessage", [deny(DenyReason::Sampling), ALLOW, deny(DenyReason::Sampling)]),
    ("elicitation/create", [deny(DenyReason::Elicitation), deny(DenyReason::Elicitation), ALLOW]),
    ("Sampling/createMessage", [deny(DenyReason::MethodName); 3]),
    ("elicitation/Create", [deny(DenyReason::MethodName); 3]),
    ("roots/list", [deny(DenyReason::Roots); 3]),
    ("tasks/get", [deny(DenyReason::Direction), ALLOW, ALLOW]),
    ("tasks/result", [deny(DenyReason::Direction), ALLOW, ALLOW]),
    ("tools/call", [deny(DenyReason::Direction); 3]),
    ("initialize", [deny(DenyReason::Direction); 3]),
    ("x.org/anything", [ALLOW; 3]),
    ("notifications/message", [deny(DenyReason::Shape); 3]),
];

#[test]
fn the_table_holds() {
    let plain = grant();
    for &(method, tool, decision) in REQUESTS {
        assert_eq!(judge(&plain, Side::Agent, Shape::Request, method, tool), decision, "{method:?} {tool:?}");
    }
    for &(method, decision) in NOTIFICATIONS_OF_AGENT {
        assert_eq!(judge(&plain, Side::Agent, Shape::Notification, method, None), decision, "{method:?}");
    }
    for (method, decisions) in REQUESTS_OF_SERVER {
        for ((sampling, elicitation), decision) in
            [(false, false), (true, false), (false, true)].iter().zip(decisions)
        {
            let grant = Grant { sampling: *sampling, elicitation: *elicitation, ..grant() };
            let decided = judge(&grant, Side::Server, Shape::Request, method, None);
            assert_eq!(decided, *decision, "{method:?} sampling {sampling} elicitation {elicitation}");
        }
    }
}

#[test]
fn the_definition_decides_where_the_rule_does_not_deny() {
    for (definition, allow, ask) in [
        (Definition::Lent, ALLOW, ASK),
        (Definition::Changed, deny(DenyReason::ToolChanged), deny(DenyReason::ToolChanged)),
        (Definition::Ambiguous, deny(DenyReason::ToolAmbiguous), deny(DenyReason::ToolAmbiguous)),
        (Definition::Missing, deny(DenyReason::ToolUnknown), deny(DenyReason::ToolUnknown)),
        (Definition::Unlisted, deny(DenyReason::ToolUnknown), deny(DenyReason::ToolUnknown)),
    ] {
        for (tool, decision) in [("read", allow), ("write", ask), ("delete", deny(DenyReason::ToolDenied))] {
            let judged = Judged {
                from: Side::Agent,
                shape: Shape::Request,
                method: "tools/call",
                tool: Some(tool),
                definition,
            };
            let decided = decide(&grant(), &"notes".parse().unwrap(), &judged, NOW);
            assert_eq!(decided, decision, "{tool} {definition:?}");
        }
    }
}

#[test]
fn the_default_rule_is_for_tools_without_one() {
    for (default, decision) in
        [(ToolRule::Allow, ALLOW), (ToolRule::Ask, ASK), (ToolRule::Deny, deny(DenyReason::ToolDenied))]
    {
        let mut grant = grant();
        grant.tools.default = default;
        assert_eq!(judge(&grant, Side::Agent, Shape::Request, "tools/call", Some("other")), decision);
        assert_eq!(judge(&grant, Side::Agent, Shape::Request, "tools/call", Some("read")), ALLOW);
    }
}

#[test]
fn an_expired_or_foreign_grant_allows_nothing() {
    for (expires, expired) in [(None, false), (Some(-1), true), (Some(0), true), (Some(1), false)] {
        let expires = expires.map(|millis| Timestamp::from_millis(NOW.as_millis() + millis));
        let grant = Grant { expires, ..grant() };
        for (from, shape, method) in [
            (Side::Agent, Shape::Request, "ping"),
            (Side::Agent, Shape::Request, "tools/list"),
            (Side::Agent, Shape::Notification, "notifications/initialized"),
            (Side::Server, Shape::Request, "ping"),
            (Side::Server, Shape::Notification, "notifications/message"),
        ] {
            let decision = if expired { deny(DenyReason::Expired) } else { ALLOW };
            assert_eq!(judge(&grant, from, shape, method, None), decision, "{expires:?} {method}");
        }
    }
    let judged = Judged {
        from: Side::Agent,
        shape: Shape::Request,
        method: "ping",
        tool: None,
        definition: Definition::Lent,
    };
    let decided = decide(&grant(), &"other".parse().unwrap(), &judged, NOW);
    assert_eq!(decided, deny(DenyReason::OtherServer));
}
