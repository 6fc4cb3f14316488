use super::*;
use std::io::{Read, Write};

/// Sends a request and gives the whole answer.
fn ask(mock: &Mock, plan: Plan, path: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(mock.address).unwrap();
    let head = format!("POST /{}/{path} HTTP/1.1\r\nContent-Length: {}\r\n\r\n", plan.name(), body.len());
    stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

const PATHS: [&str; 4] =
    ["v1/messages?beta=true", "v1/responses", "v1/chat/completions", "v1beta/models/m:generateContent"];

#[test]
fn every_dialect_answers_whole_and_in_events() {
    let mock = Mock::start().unwrap();
    for path in PATHS {
        let whole = ask(&mock, Plan::Ok, path, "{}");
        assert!(whole.starts_with("HTTP/1.1 200"), "{whole}");
        let answer = serde_json::to_string(ANSWER).unwrap();
        assert!(whole.contains(&answer), "{whole}");
        let path = path.replace(":generate", ":streamGenerate");
        let stream = ask(&mock, Plan::Ok, &path, "{\"stream\": true}");
        assert!(stream.contains("text/event-stream") && stream.ends_with("0\r\n\r\n"), "{stream}");
        let cut = ask(&mock, Plan::Cut, &path, "{\"stream\": true}");
        assert!(cut.len() < stream.len() && !cut.ends_with("0\r\n\r\n"), "{cut}");
    }
}

#[test]
fn a_model_that_drives_the_set_up_knows_its_turn() {
    let mock = Mock::start().unwrap();
    for path in PATHS {
        let last = ask(&mock, Plan::Setup, path, "{\"prompt\": \"This is turn 3 of 25.\"}");
        assert!(last.contains(&json!(SETUP[2]).to_string()), "{last}");
    }
    assert_eq!((turn(b"This is turn 9 of 25"), turn(b"")), (ANSWER, ANSWER));
}

#[test]
fn every_dialect_fails_as_planned() {
    let mock = Mock::start().unwrap();
    for path in PATHS {
        for plan in Plan::ALL {
            if !matches!(plan, Plan::Ok | Plan::Hang | Plan::Cut | Plan::Setup) {
                let answer = ask(&mock, plan, path, "{}");
                let status: u16 = answer.split(' ').nth(1).unwrap().parse().unwrap();
                assert!((400..600).contains(&status), "{path} {plan:?}: {answer}");
            }
        }
    }
}
