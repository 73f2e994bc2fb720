use proptest::prelude::*;

use super::*;

/// What an implementation in another language made of the written specification.
const VECTORS: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/invitation.json"));

#[derive(Deserialize)]
struct Vector {
    expires: u32,
    desktop: String,
    secret: String,
    places: Vec<PlaceUrl>,
    id: String,
    bytes: String,
    text: String,
    link: String,
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn invitation(places: &[&str]) -> Invitation {
    let places = places.iter().map(|place| place.parse().unwrap()).collect();
    let secret = InvitationSecret::from_bytes(*b"sixteen bytes!!!");
    Invitation::new(1_800_000_000, Fingerprint::of_certificate(b"desktop"), secret, places).unwrap()
}

fn groups(places: &[&str]) -> Vec<String> {
    let text = InvitationText::of(&invitation(places)).groups();
    text.split_whitespace().map(str::to_owned).collect()
}

fn faults(text: &str) -> Vec<GroupFault> {
    match text.parse::<Invitation>() {
        Err(InvitationError::Text(TextFault::Groups(faults))) => faults,
        other => panic!("{text}: {other:?}"),
    }
}

/// The numbers of all groups that a text's faults name.
fn located(text: &str) -> Vec<usize> {
    faults(text).iter().flat_map(GroupFault::groups).collect()
}

const PLACES: [&str; 2] = ["https://rendezvous.example.org", "tcp://192.0.2.7:7420"];

#[test]
fn invitations_have_these_bytes() {
    for vector in serde_json::from_str::<Vec<Vector>>(VECTORS).unwrap() {
        let secret = u128::from_str_radix(&vector.secret, 16).unwrap().to_be_bytes();
        let secret = InvitationSecret::from_bytes(secret);
        let made =
            Invitation::new(vector.expires, vector.desktop.parse().unwrap(), secret, vector.places).unwrap();
        assert_eq!(made.id().to_string(), vector.id);
        assert_eq!(hex(&made.to_bytes()), vector.bytes);
        let text = InvitationText::of(&made);
        assert_eq!(text.groups(), vector.text);
        assert_eq!(text.link(), vector.link);
        for written in [vector.text, vector.link, text.for_qr()] {
            assert_eq!(written.parse::<Invitation>().unwrap(), made, "{written}");
        }
    }
}

#[test]
fn a_usual_invitation_is_short() {
    assert_eq!(groups(&["tcp://192.0.2.7:7420"]).len(), 15);
    assert_eq!(InvitationText::of(&invitation(&["tcp://192.0.2.7:7420"])).link().len(), 17 + 120);
}

#[test]
fn reading_forgives_what_people_do() {
    let made = invitation(&PLACES);
    let text = InvitationText::of(&made);
    let digits = text.link()[INVITATION_LINK.len()..].to_owned();
    let alike = digits.replace('0', "o").replace('1', "L");
    let hyphens: String = digits
        .chars()
        .enumerate()
        .flat_map(|(at, c)| [(at % 4 == 3).then_some('-'), Some(c)])
        .flatten()
        .collect();
    for written in [
        digits.to_lowercase(),
        alike,
        hyphens,
        format!("\r\n  {}\t\n", text.groups().replace('\n', "\r\n\r\n").replace(' ', "   ")),
        format!(" {}\n", text.link().to_uppercase()),
        digits.replace('1', "i"),
    ] {
        assert_eq!(written.parse::<Invitation>().unwrap(), made, "{written}");
    }
}

#[test]
fn groups_that_are_swapped_missing_or_additional_are_located() {
    let groups = groups(&PLACES);
    let last = groups.len();
    for at in 1..=last {
        let mut missing = groups.clone();
        missing.remove(at - 1);
        match at == last {
            true => {
                let read = missing.join(" ").parse::<Invitation>();
                assert_eq!(read.unwrap_err(), TextFault::Incomplete { groups: last - 1 }.into());
            }
            // With nothing after it, a group that is the wrong one looks like one that is mistyped.
            false if at + 1 == last => assert_eq!(located(&missing.join(" ")), [at]),
            false => assert_eq!(faults(&missing.join(" ")), [GroupFault::Missing { group: at, count: 1 }]),
        }
        let mut additional = groups.clone();
        additional.insert(at, groups[at - 1].clone());
        assert_eq!(
            faults(&additional.join(" ")),
            [GroupFault::Additional { group: at + 1, count: 1 }],
            "{at}"
        );
        for other in at + 1..=last {
            let mut swapped = groups.clone();
            swapped.swap(at - 1, other - 1);
            assert_eq!(
                faults(&swapped.join(" ")),
                [GroupFault::Swapped { first: at, second: other }],
                "{at} {other}"
            );
        }
    }
    let mut line_missing = groups.clone();
    line_missing.drain(5..10);
    assert_eq!(faults(&line_missing.join(" ")), [GroupFault::Missing { group: 6, count: 5 }]);
    let surplus = format!("{} {}", groups.join(" "), {
        // A group that its number makes right, after the end.
        let long = self::groups(&["tcp://192.0.2.7:7420", PLACES[0], PLACES[1], "ws://[2001:db8::1]:80"]);
        long[last].clone()
    });
    assert_eq!(surplus.parse::<Invitation>().unwrap_err(), TextFault::Surplus { groups: last }.into());
}

#[test]
fn a_group_with_too_few_or_too_many_characters_is_located() {
    let groups = groups(&PLACES);
    for at in 1..=groups.len() {
        let mut short = groups.clone();
        short[at - 1].remove(3);
        assert_eq!(faults(&short.join(" ")), [GroupFault::Length { group: at, characters: 7 }]);
        let mut long = groups.clone();
        long[at - 1].push('7');
        assert_eq!(faults(&long.join("\n")), [GroupFault::Length { group: at, characters: 9 }]);
        let mut strange = groups.clone();
        strange[at - 1].replace_range(2..3, "!");
        assert_eq!(faults(&strange.join(" ")), [GroupFault::Character { group: at, character: '!' }]);
    }
    assert_eq!(
        TextFault::Groups(faults(&groups.join(" ").replacen(&groups[2], "AAAAAAAA", 1))).to_string(),
        "group 3 is wrong: a character is mistyped, or two have changed places"
    );
}

#[test]
fn errors_that_cancel_out_in_their_group_are_found_by_the_total_check() {
    let mut groups = groups(&PLACES);
    // Twice the element 1 of weight x, and once x squared times it: 1*x*x + 1*x^2 = 0.
    let change = |character: u8, by: usize| {
        let alphabet = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
        alphabet[alphabet.iter().position(|&known| known == character).unwrap() ^ by]
    };
    let mut group = groups[4].clone().into_bytes();
    group[5] = change(group[5], 1);
    group[6] = change(group[6], 2);
    groups[4] = String::from_utf8(group).unwrap();
    assert_eq!(groups.join(" ").parse::<Invitation>().unwrap_err(), TextFault::Total.into());
}

#[test]
fn what_is_no_invitation_says_so() {
    assert_eq!("".parse::<Invitation>().unwrap_err(), TextFault::Empty.into());
    assert_eq!(" - \n".parse::<Invitation>().unwrap_err(), TextFault::Empty.into());
    assert_eq!("A".repeat(5000).parse::<Invitation>().unwrap_err(), TextFault::Long.into());
    assert!(!faults("hello, world").is_empty());
    assert!(matches!(Invitation::from_bytes(&[0x21; 80]), Err(InvitationError::Version(2))));
    assert!(matches!(Invitation::from_bytes(&[]), Err(InvitationError::Short)));
    let none = [&[0x10; 1][..], &[0; 52]].concat();
    assert!(matches!(Invitation::from_bytes(&none), Err(InvitationError::Places(0))));
    let secret = InvitationSecret::from_bytes([0; 16]);
    let many = vec!["tcp://a:1".parse().unwrap(); 5];
    let made = Invitation::new(0, Fingerprint::from_bytes([0; 32]), secret, many);
    assert_eq!(made.unwrap_err(), InvitationError::Places(5));
}

#[test]
fn a_secret_is_not_printed() {
    let made = invitation(&PLACES);
    let shown = format!("{made:?} {:?} {:?}", made.secret, InvitationText::of(&made));
    for part in [hex(b"sixteen"), "sixteen".to_owned(), InvitationText::of(&made).groups()[70..78].to_owned()]
    {
        assert!(!shown.contains(&part), "{shown}");
    }
    assert!(!shown.contains("115, 105"), "{shown}");
}

#[test]
fn places_are_checked() {
    for good in [
        "tcp://192.0.2.7:7420",
        "tcp://[2001:db8::7]:1",
        "tcp://desk.local:65535",
        "ws://a",
        "wss://a:1/path?query",
        "https://rendezvous.example.org",
        "http://[::1]",
        "http://127.0.0.1:080",
    ] {
        let place: PlaceUrl = good.parse().unwrap();
        let mut bytes = Vec::new();
        place.write(&mut bytes);
        assert_eq!(PlaceUrl::read(&bytes).unwrap(), (place, &[][..]), "{good}");
    }
    for (bad, error) in [
        ("", PlaceUrlError::Scheme),
        ("ftp://a", PlaceUrlError::Scheme),
        ("TCP://a:1", PlaceUrlError::Scheme),
        ("tcp://a", PlaceUrlError::Port),
        ("tcp://a:0", PlaceUrlError::Port),
        ("tcp://a:+1", PlaceUrlError::Port),
        ("tcp://a:65536", PlaceUrlError::Port),
        ("tcp://a:1/", PlaceUrlError::Path),
        ("tcp://:1", PlaceUrlError::Host),
        ("tcp://::1:1", PlaceUrlError::Host),
        ("ws:///path", PlaceUrlError::Host),
        ("https://user:password@host", PlaceUrlError::Host),
        ("ws://a b", PlaceUrlError::Character),
        ("ws://ä", PlaceUrlError::Character),
        ("ws://a\n", PlaceUrlError::Character),
    ] {
        assert_eq!(bad.parse::<PlaceUrl>(), Err(error), "{bad:?}");
    }
    assert_eq!(format!("ws://{}", "a".repeat(196)).parse::<PlaceUrl>(), Err(PlaceUrlError::Long(201)));
}

fn any_place() -> impl Strategy<Value = PlaceUrl> {
    let host = prop_oneof![
        "[a-z]{1,20}(\\.[a-z]{1,10}){0,3}",
        any::<[u8; 4]>().prop_map(|ip| std::net::Ipv4Addr::from(ip).to_string()),
        any::<[u8; 16]>().prop_map(|ip| format!("[{}]", std::net::Ipv6Addr::from(ip)))
    ];
    (0..5usize, host, 1..=u16::MAX).prop_map(|(scheme, host, port)| {
        let scheme = ["tcp", "ws", "wss", "http", "https"][scheme];
        format!("{scheme}://{host}:{port}").parse().unwrap()
    })
}

fn any_invitation() -> impl Strategy<Value = Invitation> {
    let places = prop::collection::vec(any_place(), 1..=MAX_PLACES);
    (any::<u32>(), any::<[u8; 32]>(), any::<[u8; 16]>(), places).prop_map(
        |(expires, desktop, secret, places)| {
            let secret = InvitationSecret::from_bytes(secret);
            Invitation::new(expires, Fingerprint::from_bytes(desktop), secret, places).unwrap()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn invitations_are_read_as_they_were_written(made in any_invitation()) {
        let text = InvitationText::of(&made);
        prop_assert_eq!(&text.groups().parse::<Invitation>().unwrap(), &made);
        prop_assert_eq!(&text.link().parse::<Invitation>().unwrap(), &made);
    }

    #[test]
    fn every_wrong_character_is_located(made in any_invitation(), other in "[0-9A-Z!?]") {
        let text = InvitationText::of(&made).groups();
        let other = other.chars().next().unwrap();
        for (at, character) in text.char_indices().filter(|(_, character)| !character.is_whitespace()) {
            let read_as = |c: char| match c { 'O' => '0', 'I' | 'L' => '1', c => c };
            if character == read_as(other) {
                continue;
            }
            let mut wrong = text.clone();
            wrong.replace_range(at..=at, &other.to_string());
            prop_assert_eq!(located(&wrong), [at / 9 + 1], "{} at {}", other, at);
        }
    }

    #[test]
    fn every_two_neighbours_that_changed_places_are_located(made in any_invitation()) {
        let digits: Vec<char> = InvitationText::of(&made).groups().split_whitespace().collect::<String>().chars().collect();
        for at in 1..digits.len() {
            if digits[at - 1] == digits[at] {
                continue;
            }
            let mut wrong = digits.clone();
            wrong.swap(at - 1, at);
            let wrong: Vec<String> = wrong.chunks(8).map(String::from_iter).collect();
            let groups = located(&wrong.join(" "));
            prop_assert!(groups.contains(&((at - 1) / 8 + 1)), "{} of {:?}", at, groups);
            prop_assert!(groups.iter().all(|group| (at / 8..=at / 8 + 16).contains(group)), "{} of {:?}", at, groups);
        }
    }

    #[test]
    fn no_text_breaks_the_reader(text in ".{0,300}", bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = text.parse::<Invitation>();
        if let Ok((read, rest)) = Invitation::from_bytes(&bytes) {
            prop_assert!(read.to_bytes().len() <= bytes.len() - rest.len());
        }
    }
}
