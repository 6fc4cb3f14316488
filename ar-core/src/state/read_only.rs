//! Opening a database that cannot be written: a backup, another user's history, a disk that was mounted read-only.

use super::{schema, wait_a_little};
use crate::exit::Failure;
use anyhow::Context;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use std::fmt::Write;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Whether opening failed only because the file, its directory or its file system cannot be written.
pub(super) fn is_why(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        if let Some(cause) = cause.downcast_ref::<std::io::Error>() {
            return matches!(cause.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem);
        }
        cause.downcast_ref::<rusqlite::Error>().and_then(rusqlite::Error::sqlite_error_code).is_some_and(
            |code| matches!(code, ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied),
        )
    })
}

/// Opens the database for reading alone. An older schema is refused, because it cannot be migrated.
pub(super) fn connect(path: &Path) -> anyhow::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut db = Connection::open_with_flags(path, flags)?;
    db.busy_handler(Some(wait_a_little))?;
    let (db, version) = match schema::version(&db) {
        // SQLite wants a write-ahead log even to read, and cannot make one here. Without one everything is in the file.
        Err(error) if is_why(&error) && !has_log(path) => {
            drop(db);
            let db = Connection::open_with_flags(immutable(path)?, flags | OpenFlags::SQLITE_OPEN_URI)?;
            let version = schema::version(&db)?;
            (db, version)
        }
        version => (db, version?),
    };
    if version != schema::CURRENT {
        let message = format!(
            "cannot use the state database '{}': it has the schema {version}, and cannot be written to change that to {}",
            path.display(),
            schema::CURRENT
        );
        return Err(Failure::trouble(message).hint("copy it to where it can be written").into());
    }
    Ok(db)
}

/// Whether something may be in the write-ahead log that is not in the database yet.
fn has_log(path: &Path) -> bool {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    match std::fs::metadata(log) {
        Ok(log) => log.len() > 0,
        Err(error) => error.kind() != ErrorKind::NotFound,
    }
}

/// The URI that tells SQLite to expect no writer, and so to need neither locks nor a log.
fn immutable(path: &Path) -> anyhow::Result<String> {
    let path = std::path::absolute(path)?;
    let mut uri = "file://".to_owned();
    for &byte in path.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            write!(uri, "%{byte:02X}").context("cannot write a URI")?;
        }
    }
    Ok(uri + "?immutable=1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_any_bytes_is_a_uri() {
        assert_eq!(immutable(Path::new("/a b/%?#.db")).unwrap(), "file:///a%20b/%25%3F%23.db?immutable=1");
    }
}
