//! The records to run, as they come.

use crate::cli::Cli;
use crate::serve;
use crate::signals::is_readable;
use anyhow::Context;
use ar_core::Record;
use ar_core::record;
use std::fs::File;
use std::io::{self, BufReader, IsTerminal};
use std::os::fd::AsFd;

/// One record of our own for a command, else those of a file or of standard input, which must hold one.
#[derive(Debug)]
pub struct Records {
    own: Option<Record>,
    input: Option<BufReader<File>>,
    seen: bool,
}

impl Records {
    /// Opens what the command line names.
    pub fn new(cli: &Cli) -> anyhow::Result<Self> {
        if !cli.command.is_empty() {
            return Ok(Self { own: Some(serve::fresh()?), input: None, seen: true });
        }
        let input = match &cli.record {
            Some(file) => {
                Some(File::open(file).with_context(|| format!("cannot open '{}'", file.display()))?)
            }
            // Nobody types records: a terminal means that the pipeline before us is missing.
            None if io::stdin().is_terminal() => None,
            // The standard library's own buffer could not be looked into.
            None => {
                let input = io::stdin().as_fd().try_clone_to_owned().context("cannot open standard input")?;
                Some(input.into())
            }
        };
        Ok(Self { own: None, input: input.map(BufReader::new), seen: false })
    }

    /// The next record, unless it would have to be waited for.
    pub fn at_hand(&mut self) -> Option<anyhow::Result<Record>> {
        let is_here = self.own.is_some()
            || self
                .input
                .as_ref()
                .is_none_or(|input| !input.buffer().is_empty() || is_readable(input.get_ref().as_fd()));
        if is_here { self.next() } else { None }
    }
}

impl Iterator for Records {
    type Item = anyhow::Result<Record>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(record) = self.own.take() {
            return Some(Ok(record));
        }
        let first = !std::mem::replace(&mut self.seen, true);
        match self.input.as_mut().and_then(|input| record::read(input).transpose()) {
            None if first => Some(Err(record::no_record().into())),
            next => next,
        }
    }
}
