//! Finished stages on disk, so that an interrupted run goes on after the last of them.

use std::path::{Path, PathBuf};

use compress_core::{file, structured};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::run::RunError;

/// A folder of stage results. A file appears whole or not at all, so what is there is finished.
#[derive(Debug)]
pub(crate) struct Store {
    dir: PathBuf,
}

/// What becomes of the stages that a folder holds already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Earlier {
    /// Those of the same settings go; a folder with those of others is refused.
    Begin,
    /// Those of the same settings are taken; a folder with those of others is refused.
    Resume,
    /// They go, whatever they are of.
    Overwrite,
}

/// Says what the stages beside it are of.
const MARKER: &str = "settings.json";

impl Store {
    /// Opens the folder for a run with these settings. `others` are files elsewhere that such a run
    /// writes: where they exist and no settings say whose they are, they are treated as another's.
    pub(crate) fn open(
        dir: &Path,
        settings: &Value,
        earlier: Earlier,
        others: &[PathBuf],
    ) -> Result<Self, RunError> {
        let unwritable = |source| RunError::Unwritable {
            path: dir.to_owned(),
            source,
        };
        let held = held(dir)?;
        let is_ours = held.as_ref() == Some(settings);
        if !is_ours && earlier != Earlier::Overwrite {
            let reason = match &held {
                Some(held) => Some(difference(held, settings)),
                None if !stages_in(dir)?.is_empty() => {
                    Some(format!("no {MARKER} there says what its stages are of"))
                }
                None => others
                    .iter()
                    .find(|path| path.exists())
                    .map(|path| format!("{} is not from a run that was kept", path.display())),
            };
            if let Some(reason) = reason {
                return Err(refused(dir, earlier, reason));
            }
        }
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

    /// Whether any stage is finished.
    pub(crate) fn is_empty(&self) -> Result<bool, RunError> {
        Ok(stages_in(&self.dir)?.is_empty())
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

/// The settings that a folder's stages are of; none where nothing says so.
fn held(dir: &Path) -> Result<Option<Value>, RunError> {
    let path = dir.join(MARKER);
    match std::fs::read(&path) {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(RunError::Read { path, source }),
    }
}

fn refused(dir: &Path, earlier: Earlier, reason: String) -> RunError {
    let path = dir.to_owned();
    match earlier {
        Earlier::Resume => RunError::Resume { path, reason },
        _ => RunError::Occupied { path, reason },
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
        lines.push(format!("\n  {name}: {held} there, {wanted} here"));
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
            (Some(held), None) => lines.push(format!("\n  {inner}: {held} there, absent here")),
            (None, Some(wanted)) => lines.push(format!("\n  {inner}: absent there, {wanted} here")),
            (None, None) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn open(dir: &Path, settings: &str, earlier: Earlier) -> Result<Store, RunError> {
        Store::open(dir, &json!({"seed": settings}), earlier, &[])
    }

    #[test]
    fn a_stored_stage_is_found_again_only_with_resume() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("stages");
        let store = open(&path, "a", Earlier::Begin).unwrap();
        assert_eq!(store.load::<Vec<u32>>("x").unwrap(), None);
        assert!(store.is_empty().unwrap());
        store.save("x", &vec![1u32, 2]).unwrap();
        let store = open(&path, "a", Earlier::Resume).unwrap();
        assert_eq!(store.load::<Vec<u32>>("x").unwrap(), Some(vec![1, 2]));
        assert!(!store.is_empty().unwrap());
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
        let others = std::slice::from_ref(&thesis);
        let fresh = dir.path().join("stages");
        let error = Store::open(&fresh, &json!(1), Earlier::Begin, others).unwrap_err();
        assert!(error.to_string().contains("thesis.txt"), "{error}");
        assert!(!fresh.exists());
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
            assert!(error.contains("seed: \"1\" there, \"2\" here"), "{error}");
            assert!(words.iter().all(|word| error.contains(word)), "{error}");
            let destroys = error.contains("--overwrite");
            assert_eq!(destroys, earlier == Earlier::Begin, "{error}");
        }
        // What says whose the stages are has gone, but they have not.
        std::fs::remove_file(dir.path().join(MARKER)).unwrap();
        let error = open(dir.path(), "1", Earlier::Begin).unwrap_err();
        assert!(error.to_string().contains(MARKER), "{error}");
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
            "target.hidden: [70,32] there, [70,24] here",
            "target.rate.peak: 0.5 there, 0.25 here",
        ] {
            assert!(said.contains(part), "{said}");
        }
        assert!(!said.contains("bits") && !said.contains("floor"), "{said}");
        let said = difference(&json!({"a": 1}), &json!({"b": null}));
        assert!(said.contains("a: 1 there, absent here"), "{said}");
        assert!(said.contains("b: absent there, null here"), "{said}");
    }
}
