//! Files that are there whole or not at all.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use super::RecordError;

/// Writes `path` through `fill`: into a file beside it first, which takes its place once it is on the disk.
///
/// # Errors
/// The file cannot be written; what `path` held before is still there.
pub fn save(
    path: &Path,
    fill: impl FnOnce(&mut dyn Write) -> Result<(), RecordError>,
) -> Result<(), RecordError> {
    if fs::metadata(path).is_ok_and(|there| !there.is_file()) {
        // A device or a pipe is written to; a file must not take its place.
        let mut out = File::create(path).map_err(|source| RecordError::write(path, source))?;
        return fill(&mut out).map_err(|error| error.at(path));
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let beside = path.with_file_name(format!(".{name}.part"));
    let saved = write_and_rename(path, &beside, fill);
    if saved.is_err() {
        // What is left of a failed attempt is of no use to anybody, and may fill a full disk.
        let _ = fs::remove_file(&beside);
    }
    saved
}

fn write_and_rename(
    path: &Path,
    beside: &Path,
    fill: impl FnOnce(&mut dyn Write) -> Result<(), RecordError>,
) -> Result<(), RecordError> {
    let failed = |source: io::Error| RecordError::write(path, source);
    let mut writer = BufWriter::new(File::create(beside).map_err(failed)?);
    fill(&mut writer).map_err(|error| error.at(path))?;
    let file = writer.into_inner().map_err(|error| failed(error.into_error()))?;
    file.sync_all().map_err(failed)?;
    fs::rename(beside, path).map_err(failed)?;
    if let Some(directory) = path.parent().and_then(|parent| File::open(parent).ok()) {
        // Some file systems cannot do this for a directory; the file itself is safe.
        let _ = directory.sync_all();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_save_leaves_what_was_there() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("run.json");
        fs::write(&path, "before").unwrap();
        let failed = save(&path, |out| {
            out.write_all(b"half of it")?;
            Err(io::Error::from(io::ErrorKind::StorageFull).into())
        });
        let message = failed.unwrap_err().to_string();
        assert!(message.contains("run.json") && message.contains("free some space"), "{message}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "before");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_device_is_written_to_and_not_replaced() {
        let full = Path::new("/dev/full");
        if !full.exists() {
            return;
        }
        assert!(save(full, |out| Ok(out.write_all(b"much")?)).is_err());
        assert!(!fs::metadata(full).unwrap().is_file());
    }
}
