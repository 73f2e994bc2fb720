use super::*;

struct Book {
    invitations: Invitations,
    start: Instant,
    made: u8,
}

impl Book {
    fn new() -> Self {
        Self { invitations: Invitations::default(), start: Instant::now(), made: 0 }
    }

    fn at(&self, seconds: u64) -> Moment {
        let since = Duration::from_secs(seconds);
        Moment { at: Timestamp::from_millis(1_000_000).after(since), instant: self.start + since }
    }

    fn open(&mut self, seconds: u64) -> Result<InvitationId, InviteError> {
        self.made += 1;
        let secret = InvitationSecret::from_bytes([self.made; 16]);
        let (place, time) = ("tcp://a:1".parse().unwrap(), DEFAULT_INVITATION_TIME);
        let made = self.invitations.open(self.at(seconds), agent(0), time, vec![place], secret);
        made.map(|(invitation, _)| invitation.id())
    }

    fn secret(&self, seconds: u64, id: &InvitationId, by: u8) -> Result<(), PairFailure> {
        self.invitations.secret(self.at(seconds), id, &agent(by)).map(drop).map_err(|failed| failed.0)
    }

    fn take(&self, seconds: u64, id: &InvitationId, by: u8) -> Result<CancellationToken, PairFailure> {
        self.invitations.take(self.at(seconds), id, &agent(by)).map_err(|failed| failed.0)
    }
}

fn agent(number: u8) -> Fingerprint {
    Fingerprint::from_bytes([number; 32])
}

#[test]
fn an_invitation_counts_for_its_time() {
    let mut book = Book::new();
    let id = book.open(0).unwrap();
    assert_eq!(book.secret(599, &id, 1), Ok(()));
    assert_eq!(book.secret(600, &id, 1), Err(PairFailure::Expired));
    assert!(!book.invitations.any_open(book.at(600)));
    // By either clock: one that is set back does not prolong it, one that is set forward ends it.
    let id = book.open(700).unwrap();
    let set_back = Moment { at: book.at(0).at, ..book.at(1300) };
    assert!(!book.invitations.is_open(set_back, &id));
    let id = book.open(1400).unwrap();
    let set_forward = Moment { at: book.at(9000).at, ..book.at(1401) };
    assert!(!book.invitations.is_open(set_forward, &id));
}

#[test]
fn an_invitation_is_good_for_one_agent() {
    let mut book = Book::new();
    let (id, other) = (book.open(0).unwrap(), book.open(0).unwrap());
    book.take(1, &id, 1).unwrap();
    assert_eq!(book.secret(1, &id, 2), Err(PairFailure::Used));
    assert!(matches!(book.take(1, &id, 2), Err(PairFailure::Used)));
    // The same agent may come again until it has its answer.
    assert_eq!(book.secret(2, &id, 1), Ok(()));
    assert!(book.invitations.end(&id, PairFailure::Used));
    assert_eq!(book.secret(3, &id, 1), Err(PairFailure::Used));
    assert_eq!(book.secret(3, &other, 2), Ok(()));
    assert_eq!(book.secret(3, &InvitationId::from_bytes([9; 8]), 2), Err(PairFailure::Unknown));
}

#[test]
fn a_cancelled_invitation_ends_what_goes_on_with_it() {
    let mut book = Book::new();
    let id = book.open(0).unwrap();
    let taken_back = book.take(1, &id, 1).unwrap();
    let named = book.invitations.named(&id.to_string()[..6]).unwrap();
    assert!(book.invitations.end(&named, PairFailure::Cancelled));
    assert!(taken_back.is_cancelled());
    assert_eq!(book.secret(1, &id, 1), Err(PairFailure::Cancelled));
    assert!(book.invitations.named(&id.to_string()).is_err());
    // Expiry is no reason to end a question that was asked in time.
    let id = book.open(2).unwrap();
    let taken_back = book.take(3, &id, 1).unwrap();
    assert!(book.invitations.list(book.at(3))[0].taken_by.is_some());
    assert!(book.invitations.list(book.at(700)).is_empty());
    assert!(!taken_back.is_cancelled());
}

#[test]
fn invitations_are_few() {
    let mut book = Book::new();
    for _ in 0..MAX_OPEN {
        book.open(0).unwrap();
    }
    assert!(matches!(book.open(1), Err(InviteError::TooMany)));
    assert!(book.open(601).is_ok());
    let secret = || InvitationSecret::from_bytes([0; 16]);
    let none = book.invitations.open(book.at(0), agent(0), DEFAULT_INVITATION_TIME, Vec::new(), secret());
    assert!(matches!(none, Err(InviteError::NoPlace)));
    for seconds in [0, 86_401] {
        let place = vec!["tcp://a:1".parse().unwrap()];
        let made = book.invitations.open(book.at(0), agent(0), Duration::from_secs(seconds), place, secret());
        assert!(matches!(made, Err(InviteError::Time)));
    }
}

#[test]
fn guesses_become_slow_and_few() {
    let mut book = Book::new();
    let id = book.open(0).unwrap();
    let waits: Vec<_> = (0..10).map(|_| book.invitations.wrong_proof(&id, &agent(1))).collect();
    let seconds: Vec<_> = waits.iter().map(|(wait, _)| wait.as_secs()).collect();
    assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 64, 64, 64, 64]);
    assert_eq!(waits.iter().filter(|(_, last)| *last).count(), 1);
    assert!(waits[9].1);
    assert_eq!(book.secret(1, &id, 1), Err(PairFailure::TooMany));
    // Another certificate is no new beginning for the guesses, and the invited agent is not kept waiting.
    assert_eq!(book.invitations.wrong_proof(&id, &agent(2)), (Duration::from_secs(64), false));
    assert_eq!(book.secret(1, &id, 3), Ok(()));
    // An agent is slow with every invitation.
    let other = book.open(1).unwrap();
    assert_eq!(book.invitations.wrong_proof(&other, &agent(2)).0, Duration::from_secs(2));
    assert_eq!(book.secret(1, &other, 1), Err(PairFailure::TooMany));
}

#[test]
fn nothing_shows_a_secret() {
    let mut book = Book::new();
    book.open(0).unwrap();
    let shown = format!("{:?}", book.invitations);
    assert!(!shown.contains("1, 1, 1"), "{shown}");
}
