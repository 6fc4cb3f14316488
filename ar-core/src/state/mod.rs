//! The state database: opening it, its schema, and write transactions.
//!
//! Each tool keeps its own statements in one module of its own; what is here is what all of them must agree on. The SQL
//! keeps to what PostgreSQL also takes, because many hosts will share one state later.

mod place;
mod read_only;
mod rescue;
mod schema;
mod turn;

pub use place::{NETWORK_VARIABLE, network};

use crate::clock::Stamp;
use crate::exit::Failure;
use crate::paths::create_private_dir;
use anyhow::Context;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior};
use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread::sleep;
use std::time::{Duration, Instant};
use turn::Turn;

/// How long a statement waits for other processes before the database counts as locked.
const PATIENCE: Duration = Duration::from_secs(30);
/// A write-ahead log above this size in bytes is moved into the database by whoever closes it: the next process reads all of
/// it again.
const WAL_LIMIT: u64 = 256 * 1024;
/// The same for one who had to wait for others, because all of them would wait for the disk then.
const WAL_LIMIT_OF_A_CROWD: u64 = 16 * WAL_LIMIT;

/// An open state database of the current schema.
#[derive(Debug)]
pub struct State {
    db: Connection,
    path: PathBuf,
    has_waited: bool,
}

impl State {
    /// Opens the database, creating or migrating it where needed.
    ///
    /// A file that is no database, one of another program, one with a newer schema and one on a network file system are
    /// refused and left as they are. Before an older one is migrated, it is copied beside itself.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        create_file(path)
            .map_err(|error| if read_only::is_why(&error) { unwritable(&error) } else { error })?;
        place::refuse_network(path)?;
        let db = connect(path).map_err(|error| explain(path, error))?;
        Ok(Self { db, path: path.to_owned(), has_waited: false })
    }

    /// Opens the database for who only reads: like [`State::open`], but one that cannot be written will do.
    pub fn open_to_read(path: &Path) -> anyhow::Result<Self> {
        let writable =
            create_file(path).and_then(|()| place::refuse_network(path)).and_then(|()| connect(path));
        let db = match writable {
            Err(error) if read_only::is_why(&error) && path.is_file() => {
                place::refuse_network(path)?;
                read_only::connect(path)
            }
            opened => opened,
        };
        let db = db.map_err(|error| explain(path, error))?;
        Ok(Self { db, path: path.to_owned(), has_waited: false })
    }

    /// Makes a damaged database anew from what can be read of it, and gives the path of a copy of the damaged one.
    ///
    /// Where nothing can be read, it is an error, and nothing is changed.
    pub fn rescue(path: &Path) -> anyhow::Result<PathBuf> {
        place::refuse_network(path)?;
        rescue::rescue(path).map_err(|error| explain(path, error))
    }

    /// The connection, for statements that only read.
    pub fn db(&self) -> &Connection {
        &self.db
    }

    /// Runs `work` in one transaction that holds the write lock from its start, so that what it reads stays true until
    /// it has written. An error rolls back.
    pub fn write<T>(&mut self, work: impl FnOnce(&Transaction) -> anyhow::Result<T>) -> anyhow::Result<T> {
        let path = self.path.clone();
        let turn = Turn::take(&path);
        self.has_waited |= turn.has_waited;
        let explained = |error: rusqlite::Error| explain(&path, error.into());
        let transaction =
            self.db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(explained)?;
        let done = work(&transaction).map_err(|error| explain(&path, error))?;
        transaction.commit().map_err(explained)?;
        Ok(done)
    }

    /// Writes a private copy of the database, as it is at one moment, while others use it.
    pub fn copy_to(&self, to: &Path) -> anyhow::Result<()> {
        schema::vacuum_into(&self.db, to)
    }

    /// Moves the write-ahead log into the database and empties it, unless somebody is in the way: what was removed is in it
    /// no more, and on a full disk there is room again.
    pub fn empty_log(&mut self) -> anyhow::Result<()> {
        Ok(empty_the_log(&mut self.db)?)
    }

    /// Closes the database, and empties its write-ahead log where that has grown and nobody is in the way.
    pub fn close(self) -> anyhow::Result<()> {
        let mut wal = self.path.clone().into_os_string();
        wal.push("-wal");
        let limit = if self.has_waited { WAL_LIMIT_OF_A_CROWD } else { WAL_LIMIT };
        let is_writable = !self.db.is_readonly(rusqlite::MAIN_DB)?;
        if is_writable && std::fs::metadata(wal).is_ok_and(|wal| wal.len() > limit) {
            self.db.busy_timeout(Duration::ZERO).and_then(|()| checkpoint(&self.db)).or_else(unless_busy)?;
        }
        self.db.close().map_err(|(_, error)| explain(&self.path, error.into()))
    }
}

/// The scopes of health that bear on a provider: its account, the model within the account, itself.
pub fn scopes(model: &str, provider: &str) -> [String; 3] {
    ["account".to_owned(), format!("model:{model}"), format!("provider:{model}/{provider}")]
}

/// Notes with a run that the cooldown which its failure began is over, or goes on as that of another run.
pub fn end_cooldown(db: &Connection, run: &str, now: Stamp) -> rusqlite::Result<()> {
    let sql = "UPDATE run SET cooled_until = $1 WHERE id = $2 AND cooled_until > $1";
    db.execute(sql, rusqlite::params![now.0, run]).map(|_| ())
}

/// The name of this host, as a run's row keeps it.
pub fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

fn create_file(path: &Path) -> anyhow::Result<()> {
    let create = || OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path);
    let cannot = || format!("cannot open the state database '{}'", path.display());
    match create() {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            if let Some(dir) = path.parent() {
                create_private_dir(dir)?;
            }
            create().with_context(cannot)?;
        }
        created => {
            created.with_context(cannot)?;
        }
    }
    Ok(())
}

fn connect(path: &Path) -> anyhow::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut db = Connection::open_with_flags(path, flags)?;
    db.busy_handler(Some(wait_a_little))?;
    // The default close moves the log into the database with four fsyncs, in every short process.
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    let version = schema::version(&db)?;
    if version != schema::CURRENT {
        schema::migrate(&mut db, path)?;
        if version > 0 {
            empty_the_log(&mut db)?;
        }
    }
    // In WAL mode the first loses nothing to a killed process; only power loss may undo the last transactions. The second
    // overwrites what is deleted, which would stay readable in the file. The third is for macOS, where fsync(2) leaves
    // data in the disk's own cache, in any order; it is ignored elsewhere.
    db.execute_batch(
        "PRAGMA synchronous = NORMAL; PRAGMA secure_delete = ON; PRAGMA checkpoint_fullfsync = ON",
    )?;
    Ok(db)
}

fn checkpoint(db: &Connection) -> rusqlite::Result<()> {
    db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
}

/// A migration writes much of the database into the log, and who only reads does not come by [`State::close`].
fn empty_the_log(db: &mut Connection) -> rusqlite::Result<()> {
    db.busy_timeout(Duration::ZERO)?;
    checkpoint(db).or_else(unless_busy)?;
    db.busy_handler(Some(wait_a_little))
}

fn unless_busy(error: rusqlite::Error) -> rusqlite::Result<()> {
    if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) { Ok(()) } else { Err(error) }
}

/// The busy handler: short waits that differ from process to process. SQLite's own back off to 100 ms each, which costs
/// the last of 64 simultaneous processes half a second.
fn wait_a_little(tries: i32) -> bool {
    static SINCE: Mutex<Option<Instant>> = Mutex::new(None);
    let Ok(mut since) = SINCE.lock() else { return false };
    if tries == 0 || since.is_none() {
        *since = Some(Instant::now());
    }
    let waited = since.map_or(PATIENCE, |since| since.elapsed());
    drop(since);
    if waited >= PATIENCE {
        return false;
    }
    // A cheap spread is enough: no two processes share pid and try.
    let spread =
        u64::from(std::process::id().wrapping_add(tries.unsigned_abs()).wrapping_mul(2_654_435_761) >> 20);
    let most = 1000 * u64::from(tries.unsigned_abs().clamp(1, 12));
    sleep(Duration::from_micros(200 + spread % most));
    true
}

/// The way out where the database's file cannot be written.
const HOW_TO_WRITE: &str =
    "check the permissions of the file and of its directory, or name another with --state";

const FULL: &str = "the disk is full";

/// Whether an error is that of a full disk, worded already or not.
pub fn is_full(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| match cause.downcast_ref::<rusqlite::Error>() {
        Some(cause) => cause.sqlite_error_code() == Some(ErrorCode::DiskFull),
        None => cause.downcast_ref::<Failure>().is_some_and(|failure| failure.message.ends_with(FULL)),
    })
}

/// Adds the way out to an error of [`create_file`].
fn unwritable(error: &anyhow::Error) -> anyhow::Error {
    Failure::trouble(format!("{error:#}")).hint(HOW_TO_WRITE).into()
}

/// Words an error of SQLite for people, with the way out. Other errors stay as they are.
pub fn explain(path: &Path, error: anyhow::Error) -> anyhow::Error {
    let Some(cause) = error.chain().find_map(|cause| cause.downcast_ref::<rusqlite::Error>()) else {
        return error;
    };
    let (what, hint) = match cause.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => {
            ("it is damaged or not a database", "move it away and a new one is made; nothing was changed")
        }
        Some(ErrorCode::DatabaseCorrupt) => (
            "it is damaged",
            "'ar log check --repair' makes it anew from what can be read; if it cannot, move the file away",
        ),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            ("another process has kept it locked for 30 seconds", "fuser(1) tells which process has it open")
        }
        Some(ErrorCode::DiskFull) => (FULL, "free some space; nothing was changed"),
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen) => ("it cannot be written", HOW_TO_WRITE),
        _ => return error.context(format!("cannot use the state database '{}'", path.display())),
    };
    Failure::trouble(format!("cannot use the state database '{}': {what}", path.display())).hint(hint).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every schema that was ever out there.
    const FROZEN: &[(i64, &str)] = &[(1, include_str!("../../../tests/fixtures/state-v1.sql"))];

    fn scratch() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep/state.db");
        (dir, path)
    }

    #[test]
    fn a_new_database_is_private_and_opens_again() {
        use std::os::unix::fs::PermissionsExt;
        let (_dir, path) = scratch();
        State::open(&path).unwrap().close().unwrap();
        State::open(&path).unwrap().close().unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(path.parent().unwrap().metadata().unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn garbage_a_future_schema_and_another_programs_database_are_refused_untouched() {
        let (_dir, path) = scratch();
        create_private_dir(path.parent().unwrap()).unwrap();
        std::fs::write(&path, "garbage ".repeat(1000)).unwrap();
        let error = State::open(&path).unwrap_err().to_string();
        assert!(error.contains("not a database"), "{error}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "garbage ".repeat(1000));

        std::fs::remove_file(&path).unwrap();
        Connection::open(&path).unwrap().execute_batch("PRAGMA user_version = 99").unwrap();
        let error = State::open(&path).unwrap_err().to_string();
        assert!(error.contains("schema 99"), "{error}");

        std::fs::remove_file(&path).unwrap();
        Connection::open(&path).unwrap().execute_batch("CREATE TABLE theirs (x)").unwrap();
        let error = State::open(&path).unwrap_err().to_string();
        assert!(error.contains("another program"), "{error}");
    }

    #[test]
    fn a_database_of_every_released_schema_is_copied_and_migrated() {
        for (version, frozen) in FROZEN {
            let (_dir, path) = scratch();
            create_private_dir(path.parent().unwrap()).unwrap();
            Connection::open(&path).unwrap().execute_batch(frozen).unwrap();
            let state = State::open(&path).unwrap();
            assert_eq!(path.with_file_name("state.db-wal").metadata().unwrap().len(), 0);
            let ask = |sql: &str| state.db().query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
            assert_eq!(ask("PRAGMA user_version"), i64::try_from(schema::CURRENT).unwrap());
            assert_eq!(ask("SELECT count(*) FROM run"), 3);
            assert_eq!(ask("SELECT count(*) FROM content_words WHERE content_words MATCH 'answer'"), 1);
            assert_eq!(ask("SELECT retry_at FROM health"), 1_763_629_321_000);
            // What was summed up before is still subtracted as it was added.
            state.db().execute("DELETE FROM run WHERE status = 'done'", []).unwrap();
            assert_eq!(
                ask("SELECT sum(abs(runs) + abs(cost_micros) + abs(payload_bytes) + abs(priced)) FROM tally"),
                0
            );
            let copy = path.with_file_name(format!("state.db.schema-{version}"));
            let copy = Connection::open(copy).unwrap();
            let copied: i64 = copy.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
            assert_eq!(copied, *version);
        }
    }

    #[test]
    fn many_may_create_it_at_once() {
        let (_dir, path) = scratch();
        std::thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| State::open(&path).unwrap().close().unwrap());
            }
        });
    }

    #[test]
    fn sums_follow_every_change_of_a_run() {
        let (_dir, path) = scratch();
        let state = State::open(&path).unwrap();
        let run = "INSERT INTO run (id, call_id, attempt, status, picked_at) VALUES ('A', 'A', 2, 'picked', 86400001)";
        let lost = "UPDATE run SET status = 'lost'";
        let done = "UPDATE run SET status = 'done', verdict = 'ok', cost_micros = 7, provider = 'p'";
        let again = "UPDATE run SET cost_micros = 5";
        for (sql, sums) in [
            (run, vec![]),
            (lost, vec!["1//lost 1 1 0"]),
            (done, vec!["1/p/ok 1 1 7"]),
            (again, vec!["1/p/ok 1 1 5"]),
            ("DELETE FROM run", vec![]),
        ] {
            state.db().execute_batch(sql).unwrap();
            let select = "SELECT day || '/' || provider || '/' || outcome || ' ' || runs || ' ' || hops || ' ' || cost_micros \
                          FROM tally WHERE runs <> 0";
            let mut select = state.db().prepare(select).unwrap();
            let rows = select.query_map([], |row| row.get::<_, String>(0)).unwrap();
            assert_eq!(rows.collect::<Result<Vec<_>, _>>().unwrap(), sums, "{sql}");
        }
    }
}
