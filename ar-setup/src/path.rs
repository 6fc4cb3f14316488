//! `ar setup path`: where things are.

use crate::cli::Place;
use ar_core::paths::run_dir;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

/// Prints the three places, or one of them.
pub fn run(
    dir: &Path,
    state: &Path,
    which: Option<Place>,
    json: bool,
    out: &mut impl Write,
) -> anyhow::Result<ExitCode> {
    let runs = run_dir(state, "");
    // Components drop the slash that joining an empty name leaves.
    let runs: std::path::PathBuf = runs.components().collect();
    let places =
        [(Place::Config, "config", dir), (Place::State, "state", state), (Place::Runs, "runs", &runs)];
    let wanted = places.iter().filter(|(place, _, _)| which.is_none_or(|which| which == *place));
    if json {
        let object: serde_json::Map<String, serde_json::Value> =
            wanted.map(|(_, name, path)| ((*name).to_owned(), path.display().to_string().into())).collect();
        writeln!(out, "{}", serde_json::Value::Object(object))?;
        return Ok(ExitCode::SUCCESS);
    }
    for (_, name, path) in wanted {
        match which {
            Some(_) => writeln!(out, "{}", path.display())?,
            None => writeln!(out, "{name:<8}{}", path.display())?,
        }
    }
    Ok(ExitCode::SUCCESS)
}
