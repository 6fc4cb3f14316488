//! A mock of the model providers' interfaces on the loopback, for command line agents that are real.
//!
//! It speaks four dialects, whole and streaming, and what it answers is chosen by the first part of the path: an agent
//! whose base address is [`Mock::url`] of [`Plan::Quota`] finds its quota used up.

mod anthropic;
mod gemini;
mod http;
mod openai;
mod plan;

pub use plan::Plan;

use http::{Reply, Request};
use serde_json::{Value, json};
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What the model says.
pub const ANSWER: &str = "Hello from the mock, ünïcode and \"quotes\" included.";
/// What a model that drives 'ar setup ai' says, turn by turn: once as it should, once as models like to.
pub const SETUP: [&str; 3] = [
    r#"{"actions": [{"action": "say", "text": "Hello from the mock."}, {"action": "run", "argv": ["llm", "--version"]}]}"#,
    "Sure! Here is the next step:\n\n```json\n{\"actions\": [\n  {\"action\": \"write\", \"path\": \"../../.bashrc\", \"content\": \"x\"},\n  \
     {\"action\": \"remember\", \"text\": \"the mock was here\"}\n]}\n```\n",
    r#"{"actions": [{"action": "done", "text": "Type: ar run \"hello\""}]}"#,
];
/// Tokens of every answer: read without those from the cache, read from the cache, written, and of these reasoning.
pub const TOKENS: Tokens = Tokens { input: 1000, cached: 200, output: 30, reasoning: 10 };

/// How long [`Plan::Hang`] holds a request.
const HANG: Duration = Duration::from_mins(10);
/// From the start of the mock to the end of the quota.
const QUOTA_RESETS_IN: Duration = Duration::from_hours(3);

/// Counts of tokens.
#[derive(Debug, Clone, Copy)]
pub struct Tokens {
    /// Read, without those from the cache.
    pub input: u64,
    /// Read from the cache.
    pub cached: u64,
    /// Written, reasoning included.
    pub output: u64,
    /// Reasoning.
    pub reasoning: u64,
}

/// A mock at work; it ends with the process.
#[derive(Debug)]
pub struct Mock {
    address: SocketAddr,
    resets_at: u64,
    requests: Arc<AtomicU64>,
}

impl Mock {
    /// Starts to listen on a free port of the loopback.
    pub fn start() -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_err(io::Error::other)?;
        let resets_at = (now + QUOTA_RESETS_IN).as_secs();
        let mock = Self { address: listener.local_addr()?, resets_at, requests: Arc::default() };
        let requests = Arc::clone(&mock.requests);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A client that hangs up is no trouble of ours.
                let requests = Arc::clone(&requests);
                thread::spawn(move || serve(stream, resets_at, &requests).ok());
            }
        });
        Ok(mock)
    }

    /// The base address under which everything goes as planned; dialects add `/v1` and the like themselves.
    pub fn url(&self, plan: Plan) -> String {
        format!("http://{}/{}", self.address, plan.name())
    }

    /// How many times a model was asked.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::SeqCst)
    }

    /// When the quota of [`Plan::Quota`] is full again, in seconds since 1970.
    pub fn resets_at(&self) -> u64 {
        self.resets_at
    }
}

/// The wire formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dialect {
    Anthropic,
    Responses,
    Chat,
    Gemini,
}

/// An event of a stream: its name, if the dialect has names, and its content.
type Event = (Option<&'static str>, Value);

impl Dialect {
    fn of(path: &str) -> Option<Self> {
        match path {
            _ if path.ends_with("/messages") => Some(Self::Anthropic),
            _ if path.ends_with("/responses") => Some(Self::Responses),
            _ if path.ends_with("/chat/completions") => Some(Self::Chat),
            _ if path.ends_with(":generateContent") => Some(Self::Gemini),
            _ if path.ends_with(":streamGenerateContent") => Some(Self::Gemini),
            _ => None,
        }
    }

    fn whole(self, model: &str, text: &str) -> Value {
        match self {
            Self::Anthropic => anthropic::message(model, text),
            Self::Responses => openai::response(model, text),
            Self::Chat => openai::completion(model, text),
            Self::Gemini => gemini::response(text),
        }
    }

    fn events(self, model: &str, text: &str) -> Vec<Event> {
        match self {
            Self::Anthropic => anthropic::events(model, text),
            Self::Responses => openai::response_events(model, text),
            Self::Chat => openai::completion_events(model, text),
            Self::Gemini => gemini::events(text),
        }
    }

    fn error(self, plan: Plan, resets_at: u64) -> Option<Reply> {
        match self {
            Self::Anthropic => anthropic::error(plan, resets_at),
            Self::Responses | Self::Chat => openai::error(plan, resets_at),
            Self::Gemini => gemini::error(plan),
        }
    }
}

fn serve(mut stream: TcpStream, resets_at: u64, requests: &AtomicU64) -> io::Result<()> {
    let Some(request) = Request::read(&mut stream)? else { return Ok(()) };
    let (plan, path) = request.plan();
    let Some(dialect) = Dialect::of(path) else { return beside(path).write(&mut stream) };
    requests.fetch_add(1, Ordering::SeqCst);
    if let Some(error) = dialect.error(plan, resets_at) {
        return error.write(&mut stream);
    }
    let text = if plan == Plan::Setup { turn(request.body()) } else { ANSWER };
    match plan {
        Plan::Hang => {
            thread::sleep(HANG);
            Ok(())
        }
        _ if request.wants_stream() => {
            let mut events = dialect.events(&request.model(), text);
            let is_cut = plan == Plan::Cut;
            if is_cut {
                events.truncate(events.len() / 2);
            }
            http::write_events(&mut stream, &events, dialect == Dialect::Chat, is_cut)
        }
        _ => {
            let reply = Reply::new(200, dialect.whole(&request.model(), text));
            if plan == Plan::Cut { reply.cut().write(&mut stream) } else { reply.write(&mut stream) }
        }
    }
}

/// What agents ask besides: lists of models and counts of tokens.
fn beside(path: &str) -> Reply {
    match path {
        _ if path.ends_with("/count_tokens") => Reply::new(200, json!({"input_tokens": TOKENS.input})),
        _ if path.ends_with(":countTokens") => Reply::new(200, json!({"totalTokens": TOKENS.input})),
        _ if path.ends_with("/models") => {
            Reply::new(200, json!({"object": "list", "data": [], "models": [], "has_more": false}))
        }
        _ => Reply::new(404, json!({"error": {"message": format!("the mock has no '{path}'")}})),
    }
}

/// What a model says at the turn of 'ar setup ai' that stands in the request, or at none.
fn turn(body: &[u8]) -> &'static str {
    const MARK: &[u8] = b"This is turn ";
    let at = body.windows(MARK.len()).rposition(|window| window == MARK);
    let digits = at.and_then(|at| body.get(at + MARK.len()..)).unwrap_or_default();
    let number = digits
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .fold(0, |number, byte| number * 10 + usize::from(byte - b'0'));
    number.checked_sub(1).and_then(|turn| SETUP.get(turn).copied()).unwrap_or(ANSWER)
}

/// An answer in pieces, as a stream has it.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive(' ')
}

#[cfg(test)]
mod tests;
