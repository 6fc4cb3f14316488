//! The files of a run, as ar-exec left them or compressed: whoever reads them sees no difference.

use crate::content::{FILES, payload_bytes};
use crate::redact::Secrets;
use anyhow::{Context, Result};
use ar_core::Stamp;
use ar_core::config::{Config, LogContent};
use ar_core::paths::{create_private_file, run_dir};
use ar_core::state::{State, host};
use rusqlite::params;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use std::fs::{self, File};
use std::io::{self, BufReader, ErrorKind, Read, Write, stdout};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

const DAY_MS: i64 = 86_400_000;
/// A smaller file takes a block of the disk either way.
const LEAST_BYTES: u64 = 4096;
/// What runs are compressed after a store: so many, none of them bigger. The others wait for `ar log compress`.
const A_LITTLE: u32 = 2;
const A_LITTLE_BYTES: u64 = 4 * 1024 * 1024;
/// How many of the last failures are looked through for runs that were lost: as many as one crash of the machine may leave.
const LAST: u32 = 64;
/// Longer outputs would hold up the answer; they stay as they are.
const MOST_MASKED_BYTES: u64 = 8 * 1024 * 1024;
/// How many runs `ar log compress` asks for at a time.
const BATCH: u32 = 256;
/// The bytes of a compressed file that say how long it was.
const HEADER_BYTES: u64 = 18;
const LEVEL: i32 = 3;

/// Opens a file of a run. None where there is none.
pub fn find(dir: &Path, name: &str) -> Result<Option<Box<dyn Read>>> {
    let path = dir.join(name);
    match File::open(&path) {
        // The compressed file is there before the plain one goes, so this order misses neither.
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        opened => {
            let file = opened.with_context(|| format!("cannot open '{}'", path.display()))?;
            return Ok(Some(Box::new(file)));
        }
    }
    let path = compressed(&path);
    let cannot = || format!("cannot open '{}'", path.display());
    match File::open(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        opened => {
            let file = opened.with_context(cannot)?;
            Ok(Some(Box::new(zstd::Decoder::new(file).with_context(cannot)?)))
        }
    }
}

/// Opens a file of a run that must be there.
pub fn open(dir: &Path, name: &str) -> Result<Box<dyn Read>> {
    find(dir, name)?
        .ok_or_else(|| io::Error::from(Errno::NOENT))
        .with_context(|| format!("cannot open '{}'", dir.join(name).display()))
}

/// Copies all of a file from a byte on.
pub fn copy_from(mut file: Box<dyn Read>, skipped: u64, to: &mut impl Write) -> io::Result<()> {
    io::copy(&mut file.by_ref().take(skipped), &mut io::sink())?;
    io::copy(&mut file, to).map(|_| ())
}

/// How long a file of a run is for whoever reads it. None where there is none.
pub fn length(dir: &Path, name: &str) -> Option<u64> {
    let path = dir.join(name);
    if let Ok(plain) = fs::metadata(&path) {
        return Some(plain.len());
    }
    let mut header = Vec::new();
    File::open(compressed(&path)).ok()?.take(HEADER_BYTES).read_to_end(&mut header).ok()?;
    zstd::zstd_safe::get_frame_content_size(&header).ok()?
}

/// Takes secrets out of what the child wrote besides its answer, and tells whether there were any. An answer that is a link
/// to the output keeps them.
pub fn mask(dir: &Path, secrets: &Secrets) -> Result<bool> {
    let mut found = false;
    for name in ["stdout", "stderr"] {
        let path = dir.join(name);
        let cannot = || format!("cannot keep secrets out of '{}'", path.display());
        let length = fs::metadata(&path).map_or(0, |file| file.len());
        if length == 0 || length > MOST_MASKED_BYTES {
            continue;
        }
        let bytes = fs::read(&path).with_context(cannot)?;
        let text = String::from_utf8_lossy(&bytes);
        if secrets.find(&text).is_empty() {
            continue;
        }
        let clean = path.with_extension("clean");
        create_private_file(&clean)?
            .write_all(secrets.redact(&text).as_bytes())
            .and_then(|()| fs::rename(&clean, &path))
            .inspect_err(|_| forget(&clean))
            .with_context(cannot)?;
        found = true;
    }
    Ok(found)
}

/// Does for a few of the last runs that were lost what nobody did because their call was killed: takes secrets out of their
/// files, or removes them where nothing is kept, and notes how much they take.
pub fn look_after_lost(
    state: &mut State,
    state_file: &Path,
    content: LogContent,
    secrets: &Secrets,
) -> Result<()> {
    let sql = format!(
        "SELECT id FROM (SELECT id, status, host, payload_bytes FROM run \
           WHERE status <> 'picked' AND coalesce(verdict, '') <> 'ok' ORDER BY picked_at DESC LIMIT {LAST}) \
         WHERE status = 'lost' AND payload_bytes IS NULL AND host = $1 LIMIT {A_LITTLE}"
    );
    let lost: Vec<String> = state
        .db()
        .prepare(&sql)?
        .query_map([host()], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()
        .context("cannot read which runs were lost")?;
    for run in lost {
        let dir = run_dir(state_file, &run);
        let Ok(_lock) = claim(&dir) else { continue };
        if content == LogContent::None {
            remove_dir(&dir)?;
        } else {
            mask(&dir, secrets)?;
        }
        note_bytes_of_lost(state, &dir, &run)?;
    }
    Ok(())
}

fn note_bytes_of_lost(state: &mut State, dir: &Path, run: &str) -> Result<()> {
    let bytes = i64::try_from(payload_bytes(dir)?).ok();
    state.write(|db| {
        let sql = "UPDATE run SET payload_bytes = $1 WHERE id = $2 AND status = 'lost'";
        db.execute(sql, params![bytes, run])?;
        Ok(())
    })
}

/// Takes secrets out of the files of all runs that were lost and that no store came by, and gives those that had any.
pub fn mask_all_lost(state: &mut State, state_file: &Path, secrets: &Secrets) -> Result<Vec<String>> {
    let lost: Vec<String> = state
        .db()
        .prepare(
            "SELECT id FROM run WHERE status = 'lost' AND payload_bytes IS NULL AND host = $1 ORDER BY id",
        )?
        .query_map([host()], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()
        .context("cannot read which runs were lost")?;
    let mut masked = Vec::new();
    for run in lost {
        let dir = run_dir(state_file, &run);
        let Ok(_lock) = claim(&dir) else { continue };
        if mask(&dir, secrets)? {
            masked.push(run.clone());
        }
        note_bytes_of_lost(state, &dir, &run)?;
    }
    Ok(masked)
}

/// Keeps others out of a run's directory, as ar-exec does; where there is no lock nobody is in. An error where somebody is.
fn claim(dir: &Path) -> io::Result<Option<File>> {
    let Ok(lock) = File::open(dir.join("lock")) else { return Ok(None) };
    flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
    Ok(Some(lock))
}

/// Removes a directory with all that is in it, if it is there.
pub fn remove_dir(dir: &Path) -> Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove '{}'", dir.display()))
        }
        _ => Ok(()),
    }
}

/// Compresses the files of the oldest few runs that are older than the configuration says.
pub fn compress_a_little(state: &mut State, state_file: &Path, config: &Config, now: Stamp) -> Result<()> {
    let days = i64::from(config.log_compress_days.unwrap_or(1));
    if days == 0 {
        return Ok(());
    }
    let before = Stamp(now.0.saturating_sub(days.saturating_mul(DAY_MS)));
    for run in plain(state, before, A_LITTLE_BYTES, A_LITTLE)? {
        compress_run(state, state_file, &run)?;
    }
    Ok(())
}

/// `ar log compress`: all that are older.
pub fn compress(state_file: &Path, before: Stamp) -> Result<()> {
    let mut state = State::open(state_file)?;
    let (mut runs, mut was, mut is) = (0, 0, 0);
    let mut passed_over = Vec::new();
    loop {
        let mut batch = plain(&state, before, u64::MAX, BATCH)?;
        batch.retain(|run| !passed_over.contains(run));
        if batch.is_empty() {
            break;
        }
        for run in batch {
            let dir = run_dir(state_file, &run);
            let size = payload_bytes(&dir)?;
            if compress_run(&mut state, state_file, &run)? {
                (runs, was, is) = (runs + 1, was + size, is + payload_bytes(&dir)?);
            } else {
                passed_over.push(run);
            }
        }
    }
    writeln!(stdout().lock(), "compressed the files of {runs} runs from {was} to {is} bytes")?;
    state.close()
}

/// The oldest runs of this machine whose files are as ar-exec left them.
fn plain(state: &State, before: Stamp, most_bytes: u64, most: u32) -> Result<Vec<String>> {
    // The numbers that stand in the statement are those of the index run_plain.
    let sql = format!(
        "SELECT id FROM run WHERE files IS NULL AND payload_bytes >= 4096 AND status <> 'picked' AND ended_at < $1 \
           AND payload_bytes <= $2 AND host = $3 ORDER BY ended_at LIMIT {most}"
    );
    let most_bytes = i64::try_from(most_bytes).unwrap_or(i64::MAX);
    let mut select = state.db().prepare(&sql)?;
    let runs = select.query_map(params![before.0, most_bytes, host()], |row| row.get(0))?;
    runs.collect::<rusqlite::Result<_>>().context("cannot read which files to compress")
}

/// Compresses the files of a run and notes it. False where somebody is at work in its directory.
fn compress_run(state: &mut State, state_file: &Path, run: &str) -> Result<bool> {
    let dir = run_dir(state_file, run);
    // ar-exec may be about to replay the run.
    let Ok(_lock) = claim(&dir) else { return Ok(false) };
    compress_files(&dir)?;
    let bytes = i64::try_from(payload_bytes(&dir)?).ok();
    state.write(|db| {
        db.execute("UPDATE run SET files = 'zstd', payload_bytes = $1 WHERE id = $2", params![bytes, run])?;
        Ok(())
    })?;
    Ok(true)
}

fn compress_files(dir: &Path) -> Result<()> {
    // An answer that is a hard link to the output stays one.
    let mut done: Vec<(u64, PathBuf)> = Vec::new();
    for name in FILES {
        let path = dir.join(name);
        let cannot = || format!("cannot compress '{}'", path.display());
        let file = match File::open(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            opened => opened.with_context(cannot)?,
        };
        let plain = file.metadata().with_context(cannot)?;
        if plain.len() < LEAST_BYTES {
            continue;
        }
        let unfinished = path.with_added_extension("zst.part");
        if let Some((_, first)) = done.iter().find(|(inode, _)| *inode == plain.ino()) {
            remove(&unfinished).and_then(|()| fs::hard_link(first, &unfinished)).with_context(cannot)?;
        } else if !shrinks(file, plain.len(), &unfinished)
            .inspect_err(|_| forget(&unfinished))
            .with_context(cannot)?
        {
            remove(&unfinished).with_context(cannot)?;
            continue;
        }
        let compressed = compressed(&path);
        fs::rename(&unfinished, &compressed).and_then(|()| fs::remove_file(&path)).with_context(cannot)?;
        done.push((plain.ino(), compressed));
    }
    Ok(())
}

/// Writes a compressed copy that survives a loss of power. False where it is hardly smaller.
fn shrinks(file: File, length: u64, to: &Path) -> Result<bool> {
    let to = create_private_file(to)?;
    let mut encoder = zstd::Encoder::new(&to, LEVEL)?;
    encoder.set_pledged_src_size(Some(length))?;
    encoder.include_checksum(true)?;
    io::copy(&mut BufReader::new(file).take(length), &mut encoder)?;
    encoder.finish()?;
    to.sync_all()?;
    Ok(to.metadata()?.len() < length / 10 * 9)
}

/// Removes what could not be written to its end, so that it takes no room of a full disk. That error is told either way.
fn forget(path: &Path) {
    let _ = remove(path);
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn compressed(path: &Path) -> PathBuf {
    path.with_added_extension("zst")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(dir: &Path, name: &str) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        find(dir, name).unwrap()?.read_to_end(&mut bytes).unwrap();
        Some(bytes)
    }

    #[test]
    fn what_is_compressed_reads_as_before_and_takes_less_room() {
        let dir = tempfile::tempdir().unwrap();
        let text = "the same words again and again\n".repeat(1000).into_bytes();
        fs::write(dir.path().join("stdout"), &text).unwrap();
        fs::hard_link(dir.path().join("stdout"), dir.path().join("answer")).unwrap();
        fs::write(dir.path().join("stderr"), "short").unwrap();
        // What a killed one left.
        fs::write(dir.path().join("answer.zst.part"), "half").unwrap();
        for _ in 0..2 {
            compress_files(dir.path()).unwrap();
            assert_eq!(read(dir.path(), "stdout").as_ref(), Some(&text));
            assert_eq!(read(dir.path(), "answer").as_ref(), Some(&text));
            assert_eq!(read(dir.path(), "stderr").unwrap(), b"short");
            assert_eq!(read(dir.path(), "prompt"), None);
            assert_eq!(length(dir.path(), "answer"), Some(text.len() as u64));
            assert_eq!(length(dir.path(), "prompt"), None);
            assert!(payload_bytes(dir.path()).unwrap() < 500);
        }
        let mut names: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["answer.zst", "stderr", "stdout.zst"]);
    }

    #[test]
    fn what_does_not_get_smaller_stays() {
        let dir = tempfile::tempdir().unwrap();
        let mut state = 1_u32;
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_be_bytes()[0]
        })
        .take(10_000)
        .collect();
        fs::write(dir.path().join("answer"), &noise).unwrap();
        compress_files(dir.path()).unwrap();
        assert_eq!(fs::read(dir.path().join("answer")).unwrap(), noise);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_damaged_file_is_an_error_and_no_other_text() {
        let dir = tempfile::tempdir().unwrap();
        let text = "the same words again and again\n".repeat(1000);
        fs::write(dir.path().join("answer"), text).unwrap();
        compress_files(dir.path()).unwrap();
        let path = dir.path().join("answer.zst");
        let mut bytes = fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0xff;
        fs::write(&path, bytes).unwrap();
        let mut read = Vec::new();
        assert!(find(dir.path(), "answer").unwrap().unwrap().read_to_end(&mut read).is_err());
    }
}
