use std::time::Duration;

use super::*;
use crate::approval::{ClaimedName, Subject};

fn request(agent: u8) -> Request {
    Request {
        agent: vec![format!("{agent:02X}"); 32].join(":").parse().unwrap(),
        name: ClaimedName::new("x"),
        known: true,
        session: None,
        offered: Vec::new(),
        subject: Subject::Session { server: "notes".parse().unwrap() },
    }
}

async fn visible(prompts: &mut watch::Receiver<Option<Prompt>>) -> Prompt {
    prompts.wait_for(Option::is_some).await.expect("the broker is there").clone().expect("a prompt")
}

#[tokio::test(start_paused = true)]
async fn a_person_answers() {
    let broker = Broker::new(QueueConfig::default());
    let mut prompts = broker.prompts();
    let asking = tokio::spawn({
        let broker = broker.clone();
        async move { broker.ask(request(1)).await }
    });
    let prompt = visible(&mut prompts).await;
    broker.drawn(prompt.id, prompt.nonce);
    broker.focused(prompt.id, true);
    assert_eq!(broker.answer(prompt.nonce, Answer::Once), Err(AnswerError::TooEarly));
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(broker.answer(prompt.nonce, Answer::Once), Ok(()));
    assert_eq!(asking.await.unwrap(), Verdict::Once);
    assert_eq!(*prompts.borrow(), None);
}

#[tokio::test(start_paused = true)]
async fn nobody_answers() {
    let broker = Broker::new(QueueConfig::default());
    let start = tokio::time::Instant::now();
    let (first, second) = tokio::join!(broker.ask(request(1)), async {
        let verdict = broker.ask(request(2)).await;
        (verdict, start.elapsed())
    });
    assert_eq!(first, Verdict::Denied(Denial::TimedOut));
    // The second one was visible for its own minute.
    assert_eq!(second.0, Verdict::Denied(Denial::TimedOut));
    assert!((Duration::from_secs(119)..=Duration::from_secs(121)).contains(&second.1), "{:?}", second.1);
}

#[tokio::test(start_paused = true)]
async fn who_stops_asking_takes_the_prompt_along() {
    let broker = Broker::new(QueueConfig::default());
    let mut prompts = broker.prompts();
    let asking = tokio::spawn({
        let broker = broker.clone();
        async move { broker.ask(request(1)).await }
    });
    let prompt = visible(&mut prompts).await;
    asking.abort();
    prompts.wait_for(Option::is_none).await.unwrap();
    tokio::time::advance(Duration::from_secs(2)).await;
    assert_eq!(broker.answer(prompt.nonce, Answer::Once), Err(AnswerError::Gone));
}

#[tokio::test(start_paused = true)]
async fn nonces_differ() {
    let nonces: std::collections::HashSet<_> = (0..100).map(|_| random_nonce()).collect();
    assert_eq!(nonces.len(), 100);
}
