//! Drafts that go away when the tool is interrupted.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use compress_io::Draft;

use crate::failure::{Done, Failure};

/// The folders of drafts, also of those that are gone.
static DRAFTS: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// The exit code of a program that Ctrl-C ended.
const INTERRUPTED: i32 = 130;

/// Removes all drafts when the tool is interrupted or ended from outside.
pub(crate) fn watch() {
    let handler = || {
        let drafts = DRAFTS
            .lock()
            .map(|drafts| drafts.clone())
            .unwrap_or_default();
        for draft in drafts {
            // Best effort: it may be gone.
            let _ = std::fs::remove_dir_all(draft);
        }
        std::process::exit(INTERRUPTED);
    };
    // Where there can be no handler, drafts stay behind, and nothing else is different.
    let _ = ctrlc::set_handler(handler);
}

/// A draft of a file.
pub(crate) fn draft(target: &Path) -> Done<Draft> {
    let draft = Draft::new(target).map_err(Failure::Output)?;
    if let (Ok(mut drafts), Some(folder)) = (DRAFTS.lock(), draft.path().parent()) {
        drafts.push(folder.to_owned());
    }
    Ok(draft)
}
