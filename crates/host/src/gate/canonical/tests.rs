use super::*;

#[test]
fn the_rfcs_example_is_printed_as_there() {
    let json = r#"{
      "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
      "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
      "literals": [null, true, false]
    }"#;
    assert_eq!(
        canonical(json).unwrap(),
        r#"{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\u000f\nA'B\"\\\\\"/"}"#
    );
}

#[test]
fn names_are_sorted_by_utf_16_units() {
    let json = r#"{"\u20ac":"Euro Sign","\r":"Carriage Return","\ufb33":"Hebrew Letter Dalet With Dagesh","1":"One","\ud83d\ude00":"Emoji: Grinning Face","\u0080":"Control","\u00f6":"Latin Small Letter O With Diaeresis"}"#;
    let values: Vec<_> = ["Carriage", "One", "Control", "Latin", "Euro", "Emoji", "Hebrew"].into();
    let text = canonical(json).unwrap();
    let places: Vec<_> = values.iter().map(|value| text.find(value).unwrap()).collect();
    assert!(places.is_sorted(), "{text}");
}

#[test]
fn numbers_are_those_of_the_rfcs_appendix() {
    for (bits, text) in [
        (0x0000_0000_0000_0000u64, "0"),
        (0x8000_0000_0000_0000, "0"),
        (0x0000_0000_0000_0001, "5e-324"),
        (0x8000_0000_0000_0001, "-5e-324"),
        (0x7fef_ffff_ffff_ffff, "1.7976931348623157e+308"),
        (0xffef_ffff_ffff_ffff, "-1.7976931348623157e+308"),
        (0x4340_0000_0000_0000, "9007199254740992"),
        (0xc340_0000_0000_0000, "-9007199254740992"),
        (0x4430_0000_0000_0000, "295147905179352830000"),
        (0x44b5_2d02_c7e1_4af5, "9.999999999999997e+22"),
        (0x44b5_2d02_c7e1_4af6, "1e+23"),
        (0x44b5_2d02_c7e1_4af7, "1.0000000000000001e+23"),
        (0x444b_1ae4_d6e2_ef4e, "999999999999999700000"),
        (0x444b_1ae4_d6e2_ef4f, "999999999999999900000"),
        (0x444b_1ae4_d6e2_ef50, "1e+21"),
        (0x3eb0_c6f7_a0b5_ed8c, "9.999999999999997e-7"),
        (0x3eb0_c6f7_a0b5_ed8d, "0.000001"),
        (0x41b3_de43_5555_5553, "333333333.3333332"),
        (0x41b3_de43_5555_5554, "333333333.33333325"),
        (0x41b3_de43_5555_5555, "333333333.3333333"),
        (0x41b3_de43_5555_5556, "333333333.3333334"),
        (0x41b3_de43_5555_5557, "333333333.33333343"),
        (0xbecb_f647_612f_3696, "-0.0000033333333333333333"),
        (0x4314_3ff3_c1cb_0959, "1424953923781206.2"),
    ] {
        let number = f64::from_bits(bits);
        // Rust's own form has every digit that is needed.
        assert_eq!(canonical(&format!("{number:e}")).unwrap(), text, "{bits:x}");
    }
    assert_eq!(canonical("[1,1.0,10e-1,-0,9007199254740993]").unwrap(), "[1,1,1,0,9007199254740992]");
}

#[test]
fn what_has_two_meanings_has_no_canonical_form() {
    for json in [
        r#"{"a":1,"a":1}"#,
        r#"{"a":1,"\u0061":2}"#,
        r#"{"x":[{"a":1,"b":2,"a":3}]}"#,
        r#""\ud800""#,
        "1e400",
        "{",
        "",
        "1 2",
    ] {
        assert!(canonical(json).is_err(), "{json}");
    }
}

/// A tool with every field of the specification, and one that nobody knows.
const TOOL: &str = r#"{"name":"read","title":"Read","description":"Reads a file","icons":[{"src":"a.png","sizes":["48x48"]}],
    "inputSchema":{"type":"object","properties":{"path":{"type":"string","maxLength":4096},"deep":{"type":["a",null,true]}},
    "required":["path"],"additionalProperties":false},"outputSchema":{"type":"object"},
    "annotations":{"title":"T","readOnlyHint":true,"destructiveHint":false,"idempotentHint":true,"openWorldHint":false},
    "execution":{"taskSupport":"optional"},"_meta":{"x.org/a":1.5},"unknown":[]}"#;

#[test]
fn each_single_change_is_another_pin() {
    use serde_json::Value;

    /// Calls `each` with the value changed in one place, for every place.
    fn mutate(value: &Value, each: &mut dyn FnMut(Value)) {
        match value {
            Value::Object(members) => {
                for (name, member) in members {
                    let mut without = members.clone();
                    without.remove(name);
                    each(without.clone().into());
                    without.insert(format!("{name}x"), member.clone());
                    each(without.into());
                    mutate(member, &mut |changed| {
                        let mut with = members.clone();
                        with.insert(name.clone(), changed);
                        each(with.into());
                    });
                }
                let mut more = members.clone();
                more.insert("added".to_owned(), Value::Null);
                each(more.into());
            }
            Value::Array(elements) => {
                for (index, element) in elements.iter().enumerate() {
                    mutate(element, &mut |changed| {
                        let mut with = elements.clone();
                        with[index] = changed;
                        each(with.into());
                    });
                }
                let mut more = elements.clone();
                more.push(Value::Null);
                each(more.into());
            }
            Value::String(text) => {
                each(format!("{text} ").into());
                each(format!("{text}\u{200b}").into());
                each(Value::Null);
            }
            Value::Bool(value) => each((!value).into()),
            Value::Number(number) => each((number.as_f64().unwrap() + 1.0).into()),
            Value::Null => each(0.into()),
        }
    }

    let pin = pin_of(TOOL).unwrap();
    let mut count = 0;
    mutate(&serde_json::from_str(TOOL).unwrap(), &mut |changed| {
        assert_ne!(pin_of(&changed.to_string()).unwrap(), pin, "{changed}");
        count += 1;
    });
    assert!(count > 100, "{count} changes");
    // Another order and other white space is the same tool.
    let value: Value = serde_json::from_str(TOOL).unwrap();
    assert_eq!(pin_of(&serde_json::to_string_pretty(&value).unwrap()).unwrap(), pin);
}
