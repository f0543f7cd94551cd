//! Finished stages on disk, so that an interrupted run goes on after the last of them.

use std::path::{Path, PathBuf};

use compress_core::{file, structured};
use serde::{Serialize, de::DeserializeOwned};

use crate::run::RunError;

/// A folder of stage results. A file appears whole or not at all, so what is there is finished.
pub(crate) struct Store {
    dir: PathBuf,
}

impl Store {
    /// Opens the folder for a run with these settings. Without `resume`, earlier results go.
    pub(crate) fn open(dir: &Path, settings: &str, resume: bool) -> Result<Self, RunError> {
        let unwritable = |source| RunError::Unwritable {
            path: dir.to_owned(),
            source,
        };
        let marker = dir.join("settings.txt");
        if resume {
            match std::fs::read_to_string(&marker) {
                Ok(found) if found == settings => {}
                Ok(found) => {
                    return Err(RunError::Resume {
                        path: dir.to_owned(),
                        reason: difference(&found, settings),
                    });
                }
                // An interrupted run may not have come so far: nothing to go on from.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(source) => {
                    return Err(RunError::Read {
                        path: marker,
                        source,
                    });
                }
            }
        }
        std::fs::create_dir_all(dir).map_err(unwritable)?;
        if !resume {
            remove_stages(dir).map_err(unwritable)?;
        }
        file::write(&marker, settings.as_bytes())?;
        Ok(Store {
            dir: dir.to_owned(),
        })
    }

    /// The result of stage `name`, where it is finished.
    pub(crate) fn load<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, RunError> {
        let path = self.path(name);
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(RunError::Read { path, source }),
        };
        match structured::from_bytes(&bytes) {
            Ok((value, used)) if used == bytes.len() => Ok(Some(value)),
            Ok((_, used)) => Err(RunError::Damaged {
                path,
                reason: format!("it has bytes after byte {used}"),
            }),
            Err(error) => Err(RunError::Damaged {
                path,
                reason: error.to_string(),
            }),
        }
    }

    /// Whether all these stages are finished.
    pub(crate) fn holds_all(&self, names: &[String]) -> bool {
        names.iter().all(|name| self.holds(name))
    }

    /// Whether stage `name` is finished.
    pub(crate) fn holds(&self, name: &str) -> bool {
        self.path(name).exists()
    }

    /// Stores the result of stage `name`.
    pub(crate) fn save<T: Serialize>(&self, name: &str, value: &T) -> Result<(), RunError> {
        let path = self.path(name);
        let bytes = structured::to_bytes(value)?;
        Ok(file::write(&path, &bytes)?)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(format!(
            "{}.stage",
            name.replace([' ', ',', ':', '(', ')'], "-")
        ))
    }
}

/// Removes the files that a store makes, and no other: the folder may hold what is not ours.
fn remove_stages(dir: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "stage")
        {
            std::fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// What tells a run that is held from the one that is wanted: the settings that differ, or all
/// where one has more of them.
fn difference(held: &str, wanted: &str) -> String {
    let said = |held: &str, wanted: &str| {
        format!("it holds a run with\n  {held}\nand not with\n  {wanted}")
    };
    let (of_held, of_wanted) = (settings_in(held), settings_in(wanted));
    if of_held.len() != of_wanted.len() {
        return said(held, wanted);
    }
    let both = of_held.into_iter().zip(of_wanted);
    let (held, wanted): (Vec<_>, Vec<_>) = both.filter(|(held, wanted)| held != wanted).unzip();
    said(&held.join(", "), &wanted.join(", "))
}

/// The settings in a text, each `name: value`; what has no name belongs to the one before it, as
/// the later numbers of a list do.
fn settings_in(text: &str) -> Vec<String> {
    let mut settings: Vec<String> = Vec::new();
    for piece in text.split(", ") {
        match settings.last_mut() {
            Some(last) if !piece.contains(": ") => last.extend([", ", piece]),
            _ => settings.push(piece.to_owned()),
        }
    }
    settings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_stage_is_found_again_only_with_resume() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("stages");
        let store = Store::open(&path, "a", false).unwrap();
        assert_eq!(store.load::<Vec<u32>>("x").unwrap(), None);
        store.save("x", &vec![1u32, 2]).unwrap();
        let store = Store::open(&path, "a", true).unwrap();
        assert_eq!(store.load::<Vec<u32>>("x").unwrap(), Some(vec![1, 2]));
        let store = Store::open(&path, "a", false).unwrap();
        assert_eq!(store.load::<Vec<u32>>("x").unwrap(), None);
    }

    #[test]
    fn a_damaged_stage_is_named_with_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("kept");
        let store = Store::open(&path, "a", true).unwrap();
        store.save("x, seed 1", &vec![7u32; 9]).unwrap();
        let stage = path.join("x--seed-1.stage");
        let whole = std::fs::read(&stage).unwrap();
        for damaged in [&whole[..whole.len() - 1], &[&whole[..], &[0]].concat()] {
            std::fs::write(&stage, damaged).unwrap();
            let store = Store::open(&path, "a", true).unwrap();
            let said = store.load::<Vec<u32>>("x, seed 1").unwrap_err().to_string();
            for part in ["x--seed-1.stage", "remove it"] {
                assert!(said.contains(part), "{said}");
            }
        }
    }

    #[test]
    fn files_of_others_stay() {
        let dir = tempfile::tempdir().unwrap();
        let thesis = dir.path().join("thesis.txt");
        std::fs::write(&thesis, "years of work").unwrap();
        Store::open(dir.path(), "a", false).unwrap();
        assert!(thesis.exists());
    }

    #[test]
    fn only_settings_that_differ_are_said() {
        let run = |hidden: &str, penalty: &str| {
            format!(
                "record full seed 1: Target {{ hidden: {hidden}, penalty: {penalty}, bits: 5 }}"
            )
        };
        let held = run("[70, 32]", "2e-5");
        let said = difference(&held, &run("[70, 24]", "2e-5"));
        for part in ["hidden: [70, 32]\n", "hidden: [70, 24]"] {
            assert!(said.contains(part) && !said.contains("penalty"), "{said}");
        }
        assert!(said.ends_with("hidden: [70, 24]"), "{said}");
        let said = difference(&held, &run("[70, 32]", "3e-5"));
        for part in ["with\n  penalty: 2e-5\n", "with\n  penalty: 3e-5"] {
            assert!(said.contains(part), "{said}");
        }
        let more = run("[70, 32], weights: 1450", "2e-5");
        let said = difference(&held, &more);
        assert!(said.contains(&held) && said.contains(&more), "{said}");
    }

    #[test]
    fn another_runs_stages_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("stages");
        Store::open(&path, "seed 1", false).unwrap();
        let error = Store::open(&path, "seed 2", true)
            .err()
            .unwrap()
            .to_string();
        assert!(
            error.contains("seed 1") && error.contains("--resume"),
            "{error}"
        );
    }
}
