//! As much HTTP as agents need: one request a connection.

use super::{Event, Plan};
use serde_json::Value;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;

/// Longer requests are cut; agents send some hundred KB at most.
const MAX_BODY_BYTES: u64 = 16 * 1024 * 1024;

/// A request.
#[derive(Debug)]
pub struct Request {
    path: String,
    accepts_events: bool,
    body: Vec<u8>,
}

impl Request {
    /// Reads one; None where the client says nothing.
    pub fn read(stream: &mut TcpStream) -> io::Result<Option<Self>> {
        let mut input = BufReader::new(stream.try_clone()?).take(MAX_BODY_BYTES);
        let mut line = String::new();
        input.read_line(&mut line)?;
        let Some(path) = line.split(' ').nth(1).map(str::to_owned) else { return Ok(None) };
        let mut request = Self { path, accepts_events: false, body: Vec::new() };
        let (mut length, mut is_chunked) = (0, false);
        loop {
            line.clear();
            input.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            let value = value.trim();
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.parse().map_err(io::Error::other)?,
                "transfer-encoding" => is_chunked = value == "chunked",
                "accept" => request.accepts_events = value.contains("text/event-stream"),
                // The client waits for this before it sends the body.
                "expect" => stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?,
                _ => {}
            }
        }
        if is_chunked {
            read_chunks(&mut input, &mut request.body)?;
        } else {
            input.take(length).read_to_end(&mut request.body)?;
        }
        Ok(Some(request))
    }

    /// The plan in the path, and the rest of the path without its query.
    pub fn plan(&self) -> (Plan, &str) {
        let path = self.path.split('?').next().unwrap_or_default();
        let (first, rest) = path.trim_start_matches('/').split_once('/').unwrap_or((path, ""));
        (Plan::named(first).unwrap_or(Plan::Ok), rest)
    }

    /// The body as it came.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// Whether the answer is to come in events.
    pub fn wants_stream(&self) -> bool {
        // A body that is compressed cannot be asked.
        self.path.contains(":streamGenerateContent")
            || self.accepts_events
            || self.json().is_some_and(|body| body["stream"] == true)
    }

    /// The model that is asked for.
    pub fn model(&self) -> String {
        let body = self.json();
        body.and_then(|body| body["model"].as_str().map(str::to_owned)).unwrap_or_else(|| "mock".to_owned())
    }

    fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }
}

fn read_chunks(input: &mut impl BufRead, body: &mut Vec<u8>) -> io::Result<()> {
    loop {
        let mut line = String::new();
        input.read_line(&mut line)?;
        let size = line.split(';').next().unwrap_or_default().trim();
        let size = u64::from_str_radix(size, 16).map_err(io::Error::other)?;
        input.by_ref().take(size).read_to_end(body)?;
        input.read_line(&mut String::new())?;
        if size == 0 {
            return Ok(());
        }
    }
}

/// A whole answer.
#[derive(Debug)]
pub struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Value,
    is_cut: bool,
}

impl Reply {
    /// An answer without further headers.
    pub fn new(status: u16, body: Value) -> Self {
        Self { status, headers: Vec::new(), body, is_cut: false }
    }

    /// Adds a header.
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Lets the connection end in the middle of the body.
    pub fn cut(self) -> Self {
        Self { is_cut: true, ..self }
    }

    /// Writes it.
    pub fn write(self, output: &mut impl Write) -> io::Result<()> {
        let body = self.body.to_string();
        let headers: Vec<String> =
            self.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let headers = headers.concat();
        let (status, length) = (self.status, body.len());
        let body = if self.is_cut { body.get(..length / 2).unwrap_or_default() } else { &body };
        write!(
            output,
            "HTTP/1.1 {status} Mock\r\nconnection: close\r\ncontent-type: application/json\r\n\
             content-length: {length}\r\n{headers}\r\n{body}"
        )
    }
}

/// Writes a stream of events, of which some dialects mark the end. A cut one ends in the middle of its encoding.
pub fn write_events(
    output: &mut impl Write,
    events: &[Event],
    is_marked: bool,
    is_cut: bool,
) -> io::Result<()> {
    output.write_all(
        b"HTTP/1.1 200 Mock\r\nconnection: close\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n",
    )?;
    for (name, content) in events {
        let name = name.map(|name| format!("event: {name}\n")).unwrap_or_default();
        write_chunk(output, &format!("{name}data: {content}\n\n"))?;
    }
    if is_cut {
        return Ok(());
    }
    if is_marked {
        write_chunk(output, "data: [DONE]\n\n")?;
    }
    output.write_all(b"0\r\n\r\n")
}

fn write_chunk(output: &mut impl Write, text: &str) -> io::Result<()> {
    write!(output, "{:x}\r\n{text}\r\n", text.len())?;
    output.flush()
}
