//! Finished stages on disk, so that an interrupted run goes on after the last of them.

use std::path::{Path, PathBuf};

use compress_core::{file, structured};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::run::error::RunError;

/// A folder of stage results. A file appears whole or not at all, so what is there is finished.
#[derive(Debug)]
pub(crate) struct Store {
    dir: PathBuf,
}

/// What becomes of the stages that a folder holds already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Earlier {
    /// Stages of the same settings are removed. Stages of other settings are an error.
    Begin,
    /// Stages of the same settings are used. Stages of other settings are an error.
    Resume,
    /// Stages of any settings are removed.
    Overwrite,
}

/// Says what the stages beside it are of.
const MARKER: &str = "settings.json";

impl Store {
    /// Opens the folder for a run with these settings. `foreign` is a file that the run would
    /// replace: where no settings say that a run has left it, it is somebody else's.
    pub(crate) fn open(
        dir: &Path,
        settings: &Value,
        earlier: Earlier,
        foreign: Option<&Path>,
    ) -> Result<Self, RunError> {
        let unwritable = |source| RunError::Unwritable {
            path: dir.to_owned(),
            source,
        };
        let path = dir.to_owned();
        let is_ours = match held(dir)? {
            Some(held) if held == *settings => true,
            _ if earlier == Earlier::Overwrite => false,
            Some(held) => {
                let reason = difference(&held, settings);
                return Err(match earlier {
                    Earlier::Resume => RunError::Resume { path, reason },
                    _ => RunError::Occupied { path, reason },
                });
            }
            None => {
                let stage = stages_in(dir)?.pop();
                if let Some(path) = stage.as_deref().or(foreign) {
                    let path = path.to_owned();
                    return Err(RunError::Foreign { path });
                }
                false
            }
        };
        std::fs::create_dir_all(dir).map_err(unwritable)?;
        if earlier != Earlier::Resume {
            for stage in stages_in(dir)? {
                std::fs::remove_file(stage).map_err(unwritable)?;
            }
        }
        if !is_ours {
            let text = format!("{settings:#}\n");
            file::write(&dir.join(MARKER), text.as_bytes())?;
        }
        Ok(Store {
            dir: dir.to_owned(),
        })
    }

    /// Where it is.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
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
        self.dir.join(file_name(name))
    }

    /// Notes that the test set is opened for these stages; returns how often it was, this time
    /// included. A note that cannot be written is left out.
    pub(crate) fn opened(&self) -> usize {
        let path = self.dir.join("openings.txt");
        let before = std::fs::read_to_string(&path).unwrap_or_default();
        let _ = std::fs::write(&path, format!("{before}the test set was opened\n"));
        before.lines().count() + 1
    }
}

/// The name of a stage's file.
pub(crate) fn file_name(stage: &str) -> String {
    let plain = stage.replace([' ', ',', ':', '(', ')'], "-");
    format!("{plain}.stage")
}

/// The settings of a folder's stages; none where there are no settings.
fn held(dir: &Path) -> Result<Option<Value>, RunError> {
    let path = dir.join(MARKER);
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(RunError::Read { path, source }),
    };
    match serde_json::from_slice(&bytes) {
        Ok(settings) => Ok(Some(settings)),
        Err(error) => Err(RunError::Damaged {
            path,
            reason: error.to_string(),
        }),
    }
}

/// The files of finished stages in `dir`, and no other: the folder may hold what is not ours.
pub(crate) fn stages_in(dir: &Path) -> Result<Vec<PathBuf>, RunError> {
    let read = |source| RunError::Read {
        path: dir.to_owned(),
        source,
    };
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(read(error)),
    };
    let mut stages = Vec::new();
    for entry in entries {
        let path = entry.map_err(read)?.path();
        if path.extension().is_some_and(|e| e == "stage") {
            stages.push(path);
        }
    }
    Ok(stages)
}

/// The settings that differ, each whole and in a line.
fn difference(held: &Value, wanted: &Value) -> String {
    let mut lines = Vec::new();
    differ("", held, wanted, &mut lines);
    format!("these settings differ:{}", lines.concat())
}

fn differ(name: &str, held: &Value, wanted: &Value, lines: &mut Vec<String>) {
    if held == wanted {
        return;
    }
    let (Value::Object(of_held), Value::Object(of_wanted)) = (held, wanted) else {
        lines.push(format!(
            "\n  {name}: {held} in the folder, {wanted} asked for"
        ));
        return;
    };
    let more = of_wanted.keys().filter(|key| !of_held.contains_key(*key));
    for key in of_held.keys().chain(more) {
        let inner = match name {
            "" => key.clone(),
            name => format!("{name}.{key}"),
        };
        let of = |settings: &serde_json::Map<String, Value>| settings.get(key).cloned();
        let (held, wanted) = (of(of_held), of(of_wanted));
        match (held, wanted) {
            (Some(held), Some(wanted)) => differ(&inner, &held, &wanted, lines),
            (Some(held), None) => {
                lines.push(format!("\n  {inner}: {held} in the folder, absent here"))
            }
            (None, Some(wanted)) => lines.push(format!(
                "\n  {inner}: absent in the folder, {wanted} asked for"
            )),
            (None, None) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn open(dir: &Path, settings: &str, earlier: Earlier) -> Result<Store, RunError> {
        Store::open(dir, &json!({"seed": settings}), earlier, None)
    }

    #[test]
    fn a_stored_stage_is_found_again_only_with_resume() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("stages");
        let store = open(&path, "a", Earlier::Begin).unwrap();
        assert_eq!(store.load::<Vec<u32>>("x").unwrap(), None);
        store.save("x", &vec![1u32, 2]).unwrap();
        let store = open(&path, "a", Earlier::Resume).unwrap();
        assert_eq!(store.load::<Vec<u32>>("x").unwrap(), Some(vec![1, 2]));
        let store = open(&path, "a", Earlier::Begin).unwrap();
        assert_eq!(store.load::<Vec<u32>>("x").unwrap(), None);
    }

    #[test]
    fn a_damaged_stage_is_named_with_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("kept");
        let store = open(&path, "a", Earlier::Resume).unwrap();
        store.save("x, seed 1", &vec![7u32; 9]).unwrap();
        let stage = path.join("x--seed-1.stage");
        let whole = std::fs::read(&stage).unwrap();
        for damaged in [&whole[..whole.len() - 1], &[&whole[..], &[0]].concat()] {
            std::fs::write(&stage, damaged).unwrap();
            let store = open(&path, "a", Earlier::Resume).unwrap();
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
        for earlier in [Earlier::Begin, Earlier::Resume, Earlier::Overwrite] {
            open(dir.path(), "a", earlier).unwrap();
            assert!(thesis.exists());
        }
        let fresh = dir.path().join("stages");
        for earlier in [Earlier::Begin, Earlier::Resume] {
            let error = Store::open(&fresh, &json!(1), earlier, Some(&thesis)).unwrap_err();
            assert!(error.to_string().contains("thesis.txt"), "{error}");
            assert!(!fresh.exists());
        }
    }

    #[test]
    fn stages_of_other_settings_go_only_when_told() {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path(), "1", Earlier::Begin).unwrap();
        store.save("x", &7u32).unwrap();
        for (earlier, words) in [
            (Earlier::Begin, &["--overwrite", "--out"][..]),
            (Earlier::Resume, &["--out"][..]),
        ] {
            let error = open(dir.path(), "2", earlier).unwrap_err().to_string();
            assert!(
                error.contains("seed: \"1\" in the folder, \"2\" asked for"),
                "{error}"
            );
            assert!(words.iter().all(|word| error.contains(word)), "{error}");
            let destroys = error.contains("--overwrite");
            assert_eq!(destroys, earlier == Earlier::Begin, "{error}");
        }
        // What says whose the stages are has gone, but they have not.
        std::fs::remove_file(dir.path().join(MARKER)).unwrap();
        let error = open(dir.path(), "1", Earlier::Begin).unwrap_err();
        assert!(error.to_string().contains("x.stage"), "{error}");
        // Nor is a marker replaced that cannot be read.
        std::fs::write(dir.path().join(MARKER), "{").unwrap();
        let error = open(dir.path(), "1", Earlier::Begin).unwrap_err();
        assert!(error.to_string().contains(MARKER), "{error}");
        std::fs::remove_file(dir.path().join(MARKER)).unwrap();
        assert_eq!(store.load::<u32>("x").unwrap(), Some(7));
        let store = open(dir.path(), "2", Earlier::Overwrite).unwrap();
        assert_eq!(store.load::<u32>("x").unwrap(), None);
    }

    #[test]
    fn settings_that_differ_are_said_whole_and_no_others() {
        let run = |hidden: [u32; 2], rate: Value| json!({"target": {"hidden": hidden, "rate": rate, "bits": 5}});
        let held = run([70, 32], json!({"peak": 0.5, "floor": 0.1}));
        let wanted = run([70, 24], json!({"peak": 0.25, "floor": 0.1}));
        let said = difference(&held, &wanted);
        for part in [
            "target.hidden: [70,32] in the folder, [70,24] asked for",
            "target.rate.peak: 0.5 in the folder, 0.25 asked for",
        ] {
            assert!(said.contains(part), "{said}");
        }
        assert!(!said.contains("bits") && !said.contains("floor"), "{said}");
        let said = difference(&json!({"a": 1}), &json!({"b": null}));
        assert!(said.contains("a: 1 in the folder, absent here"), "{said}");
        assert!(
            said.contains("b: absent in the folder, null asked for"),
            "{said}"
        );
    }
}
