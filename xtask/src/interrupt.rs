//! Ctrl-C: says what of the run is kept and how to go on, then ends.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use crate::progress::Progress;
use crate::store;

/// Exit code of a program that was interrupted: 128 and the number of SIGINT, as shells have it.
const INTERRUPTED: i32 = 130;

/// The folders of finished stages, as a run comes to know them.
pub(crate) type Folders = Arc<Mutex<Vec<PathBuf>>>;

/// From now on, an interruption says how many stages are finished, where they are, and that the
/// run goes on with the command `again`.
///
/// # Errors
/// Where the system takes no handler.
pub(crate) fn explain(
    progress: Progress,
    folders: Folders,
    again: String,
) -> Result<(), ctrlc::Error> {
    ctrlc::set_handler(move || {
        let folders = folders.lock().unwrap_or_else(PoisonError::into_inner);
        progress.exit(format_args!("{}", said(&folders, &again)), INTERRUPTED);
    })
}

fn said(folders: &[PathBuf], again: &str) -> String {
    let kept: Vec<String> = folders
        .iter()
        .filter_map(|folder| {
            let count = store::stages_in(folder).map_or(0, |stages| stages.len());
            (count > 0).then(|| format!("\n  {count} in {}", folder.display()))
        })
        .collect();
    match kept.is_empty() {
        true => format!("interrupted before a stage was finished; to begin again:\n  {again}"),
        false => format!(
            "interrupted; finished stages are kept:{}\nto go on:\n  {again}",
            kept.concat()
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_said_with_how_to_go_on() {
        let dir = tempfile::tempdir().unwrap();
        let folders = ["stages", "teachers"].map(|name| dir.path().join(name));
        let nothing = said(&folders, "cargo xtask");
        assert!(nothing.contains("before a stage") && nothing.ends_with("cargo xtask"));
        std::fs::create_dir(&folders[1]).unwrap();
        for name in ["teacher-1.stage", "teacher-2.stage", "settings.json"] {
            std::fs::write(folders[1].join(name), "").unwrap();
        }
        let said = said(&folders, "cargo xtask");
        assert!(
            said.contains("2 in ") && said.contains("teachers"),
            "{said}"
        );
        assert!(
            !said.contains("0 in ") && said.ends_with("cargo xtask"),
            "{said}"
        );
    }
}
