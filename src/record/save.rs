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
    fill(&mut writer).map_err(|error| match error {
        // The caller writes to a stream and cannot know its name.
        RecordError::Stream(source) => failed(source),
        other => other,
    })?;
    let file = writer.into_inner().map_err(|error| failed(error.into_error()))?;
    file.sync_all().map_err(failed)?;
    fs::rename(beside, path).map_err(failed)?;
    if let Some(directory) = path.parent().and_then(|parent| File::open(parent).ok()) {
        // Some file systems cannot do this for a directory; the file itself is safe.
        let _ = directory.sync_all();
    }
    Ok(())
}
