//! One run of an experiment: what the command line asks for, where it writes, what it may read.

pub(crate) mod error;
mod finish;
mod stages;

use std::cell::{OnceCell, RefCell};
use std::path::{Path, PathBuf};
use std::time::Instant;

use compress_core::isa::Isa;
use compress_core::train::Samples;
use compress_nn::data::ImageSet;
use serde::Serialize;
use serde_json::{Value, json};

use crate::data::{Dataset, Shape, Split, sha256};
use crate::interrupt::{self, Folders};
use crate::progress::Progress;
use crate::store::{self, Earlier, Store};
pub(crate) use error::RunError;
pub(crate) use finish::Prediction;

/// How large a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Profile {
    /// All of the data.
    Full,
    /// A subset and small networks, for tests.
    Quick,
}

impl Profile {
    /// What belongs to it of these two.
    pub(crate) fn pick<T>(self, full: T, quick: T) -> T {
        match self {
            Profile::Full => full,
            Profile::Quick => quick,
        }
    }

    /// Its name in reports.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Profile::Full => "full",
            Profile::Quick => "quick",
        }
    }
}

/// The flags that every experiment takes.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Common {
    /// A small network on a subset of the data: seconds instead of minutes
    #[arg(long)]
    pub(crate) quick: bool,
    /// Every random number follows from it [default: 1]
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// Worker threads; the result is the same for any number [default: all cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
    /// Where everything goes [default: target/experiments/NAME, with what differs from the defaults]
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Go on after the last finished stage of an interrupted run
    #[arg(long, conflicts_with = "overwrite")]
    pub(crate) resume: bool,
    /// Replace what a run with other settings has left in the folder
    #[arg(long)]
    pub(crate) overwrite: bool,
    /// Leave the test set unread: for choosing settings
    #[arg(long)]
    pub(crate) validation_only: bool,
    /// A folder with the four IDX files of another data set [default: the MNIST that ships]
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
}

impl Common {
    /// How large the run is to be.
    pub(crate) fn profile(&self) -> Profile {
        match self.quick {
            true => Profile::Quick,
            false => Profile::Full,
        }
    }
}

/// The data that a run was given: the training images are read, the test images are not.
pub(crate) struct Input {
    data: Dataset,
    training: Split,
}

impl Input {
    /// Reads the training images.
    pub(crate) fn read(common: &Common) -> Result<Self, RunError> {
        let data = Dataset::new(common.data.clone());
        let training = data.training()?;
        Ok(Input { data, training })
    }

    /// What the images are like.
    pub(crate) fn shape(&self) -> Shape {
        self.training.shape()
    }
}

/// What an experiment makes of its flags.
pub(crate) struct Spec {
    /// The experiment's name.
    pub(crate) name: &'static str,
    /// The seed, where none is given.
    pub(crate) seed: u64,
    /// All that it is set to: stages of a run with other settings are not taken up.
    pub(crate) settings: Value,
    /// Its own flags as they were given, each with a space before it.
    pub(crate) flags: String,
    /// The folder of the report within the run's; the run's own where there is none.
    pub(crate) folder: Option<String>,
    /// Whether it writes or removes a file of this name, beside those of every report.
    pub(crate) writes: fn(&str) -> bool,
    /// Whether it never opens the test set.
    pub(crate) shut: bool,
    /// The flag that says which part of the work to do, with a space before it: then what is
    /// finished is always taken up.
    pub(crate) part: Option<String>,
}

/// A run, as the command line asks for it.
pub(crate) struct Run {
    /// The experiment's name.
    pub(crate) experiment: &'static str,
    /// Full or quick.
    pub(crate) profile: Profile,
    /// All random numbers follow from it.
    pub(crate) seed: u64,
    /// Finished stages.
    pub(crate) store: Store,
    /// What the terminal shows.
    pub(crate) progress: Progress,
    command: String,
    /// All that stages depend on, as their store holds it.
    settings: Value,
    shut: bool,
    data: Dataset,
    training: Split,
    test: OnceCell<Split>,
    /// The folder of the stores that other runs use too.
    root: PathBuf,
    /// The report and what belongs to it.
    out: PathBuf,
    kept: Folders,
    started: Instant,
    times: RefCell<Vec<StageTime>>,
}

/// How long a stage took; goes to `timing.json` alone.
#[derive(Serialize)]
struct StageTime {
    stage: String,
    seconds: f64,
    resumed: bool,
}

/// What every run writes beside its stages.
const REPORTS: [&str; 4] = ["report.html", "report.md", REPORT_JSON, "timing.json"];
const REPORT_JSON: &str = "report.json";

impl Run {
    /// Opens the folders: what cannot work is an error before any work is done.
    pub(crate) fn begin(common: &Common, input: Input, spec: Spec) -> Result<Self, RunError> {
        let isa = Isa::active()?;
        if let Some(threads) = common.threads {
            rayon::ThreadPoolBuilder::new()
                .num_threads(threads.into())
                .build_global()?;
        }
        let progress = Progress::new();
        let (profile, seed) = (common.profile(), common.seed.unwrap_or(spec.seed));
        let Input { data, training } = input;
        let root = match &common.out {
            Some(out) => out.clone(),
            None => default_folder(&spec, profile, seed, common.data.is_some(), &training.name),
        };
        let out = match &spec.folder {
            Some(folder) => root.join(folder),
            None => root.clone(),
        };
        let command = command(common, &spec, seed);
        progress.line(format_args!(
            "{} ({}), {}, seed {seed}, {} threads, {}; to {}",
            spec.name,
            profile.name(),
            training.name,
            rayon::current_num_threads(),
            isa.name(),
            out.display()
        ));
        let settings = json!({
            "experiment": spec.name,
            "profile": profile.name(),
            "seed": seed,
            "training data": training.hashes,
            "settings": spec.settings,
        });
        let earlier = match (common.resume || spec.part.is_some(), common.overwrite) {
            (_, true) => Earlier::Overwrite,
            (true, _) => Earlier::Resume,
            (false, false) => Earlier::Begin,
        };
        std::fs::create_dir_all(&out).map_err(|source| RunError::Unwritable {
            path: out.clone(),
            source,
        })?;
        let shut = spec.shut || common.validation_only;
        if shut && earlier != Earlier::Overwrite {
            check_shut(&out.join(REPORT_JSON))?;
        }
        let foreign = replaced(&out, spec.writes)?;
        let stages = out.join("stages");
        let finished = store::stages_in(&stages)?.len();
        let store = Store::open(&stages, &settings, earlier, foreign.as_deref())?;
        let stages = stages.display();
        match (earlier, finished) {
            (Earlier::Resume, 0) if spec.part.is_none() => progress.line(format_args!(
                "nothing to resume: {stages} has no finished stage; beginning with the first"
            )),
            (Earlier::Begin, 1..) => progress.line(format_args!(
                "beginning anew: {finished} finished stages in {stages} are removed (--resume uses them)"
            )),
            _ => {}
        }
        let kept = Folders::default();
        interrupt::explain(
            progress.clone(),
            Folders::clone(&kept),
            again(common, &command, spec.part.as_deref()),
        )?;
        let run = Run {
            experiment: spec.name,
            profile,
            seed,
            store,
            progress,
            command,
            settings,
            shut,
            data,
            training,
            test: OnceCell::new(),
            root,
            out,
            kept,
            started: Instant::now(),
            times: RefCell::default(),
        };
        run.remember(&run.store);
        Ok(run)
    }

    /// What the images are like.
    pub(crate) fn shape(&self) -> Shape {
        self.training.shape()
    }

    /// All that stages depend on, as their store holds it.
    pub(crate) fn settings(&self) -> &Value {
        &self.settings
    }

    /// Where the report goes.
    pub(crate) fn folder(&self) -> &Path {
        &self.out
    }

    /// The training images, split as experiments of many runs do: in full all but the last 5,000 and
    /// these; quick, 5,000 and 500 of them.
    pub(crate) fn split_images(&self) -> Result<(ImageSet, ImageSet), RunError> {
        match self.profile {
            Profile::Full => self.training_images(None, 5_000),
            Profile::Quick => self.training_images(Some(5_500), 500),
        }
    }

    /// The data set's name.
    pub(crate) fn data(&self) -> String {
        self.training.name.clone()
    }

    /// Whether the data are MNIST, of which there are published figures.
    pub(crate) fn is_mnist(&self) -> bool {
        self.training.is_mnist()
    }

    /// The training images, split: all but the last `validation` of the first `limit` (all of
    /// them where `None`), and those last ones. Of a small set a sixth is for validation.
    pub(crate) fn training_images(
        &self,
        limit: Option<usize>,
        validation: usize,
    ) -> Result<(ImageSet, ImageSet), RunError> {
        let all = &self.training.images;
        let count = limit.unwrap_or(all.len()).min(all.len());
        let validation = validation.min(count / 6);
        if validation == 0 {
            return Err(RunError::TooFew {
                name: self.training.name.clone(),
                found: count,
            });
        }
        let split = count - validation;
        Ok((all.subset(0..split)?, all.subset(split..count)?))
    }

    /// The test images, the first `limit` of them; `None` where the test set stays shut.
    pub(crate) fn test_images(&self, limit: Option<usize>) -> Result<Option<ImageSet>, RunError> {
        if self.shut {
            return Ok(None);
        }
        let test = self.data.test()?;
        let (found, expected) = (test.shape(), self.shape());
        let same_size = (found.height, found.width) == (expected.height, expected.width);
        if !same_size || found.classes > expected.classes {
            return Err(RunError::OtherTest {
                name: test.name.clone(),
                found,
                expected,
            });
        }
        let test = self.test.get_or_init(|| test);
        let count = limit.unwrap_or(usize::MAX).min(test.images.len());
        Ok(Some(test.images.subset(0..count)?))
    }

    /// The settings of a report, behind what it was measured on.
    pub(crate) fn described(&self, settings: Vec<(String, String)>) -> Vec<(String, String)> {
        let mut rows = vec![("data set".to_owned(), self.training.describe())];
        if let Some(test) = self.test.get().filter(|_| !self.training.is_mnist()) {
            rows.push(("its test set".to_owned(), test.describe()));
        }
        rows.extend(settings);
        rows
    }

    /// A store whose stages other runs of this profile and seed use too. `settings` are those that
    /// its stages depend on. Other settings have other folders, and nothing is removed.
    pub(crate) fn kept(&self, name: &str, settings: Value) -> Result<Store, RunError> {
        let (profile, seed) = (self.profile.name(), self.seed);
        let settings = json!({
            "experiment": self.experiment,
            "kept": name,
            "profile": profile,
            "seed": seed,
            "training data": self.training.hashes,
            "settings": settings,
        });
        let hash = sha256(settings.to_string().as_bytes());
        let folder = format!("{name}-{profile}-seed{seed}-{}", &hash[..8]);
        let store = Store::open(&self.root.join(folder), &settings, Earlier::Resume, None)?;
        self.remember(&store);
        Ok(store)
    }

    /// An interruption names the folder of this store.
    fn remember(&self, store: &Store) {
        let mut kept = self.kept.lock().unwrap_or_else(|error| error.into_inner());
        kept.push(store.dir().to_owned());
    }

    /// Removes files of earlier runs from the folder of the report, by their names.
    pub(crate) fn remove(&self, stale: impl Fn(&str) -> bool) -> Result<(), RunError> {
        let unwritable = |source| RunError::Unwritable {
            path: self.out.clone(),
            source,
        };
        for entry in std::fs::read_dir(&self.out).map_err(unwritable)? {
            let entry = entry.map_err(unwritable)?;
            if entry.file_name().to_str().is_some_and(&stale) {
                std::fs::remove_file(entry.path()).map_err(unwritable)?;
            }
        }
        Ok(())
    }

    /// The command that gives the same report.
    pub(crate) fn command(&self) -> String {
        self.command.clone()
    }
}

/// Fails where a report has test errors: a run that leaves the test set shut must not replace it.
fn check_shut(report: &Path) -> Result<(), RunError> {
    let held = std::fs::read(report).ok();
    let held = held.and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
    if held.as_ref().is_some_and(has_test_errors) {
        return Err(RunError::Opened {
            path: report.to_owned(),
        });
    }
    Ok(())
}

/// Whether there are test errors anywhere in a report.
fn has_test_errors(report: &Value) -> bool {
    match report {
        Value::Array(values) => values.iter().any(has_test_errors),
        Value::Object(fields) => fields.iter().any(|(name, value)| {
            (name == "test_errors" && value.is_number()) || has_test_errors(value)
        }),
        _ => false,
    }
}

/// A file in `out` that a run would replace or remove.
fn replaced(out: &Path, writes: fn(&str) -> bool) -> Result<Option<PathBuf>, RunError> {
    let read = |source| RunError::Read {
        path: out.to_owned(),
        source,
    };
    for entry in std::fs::read_dir(out).map_err(read)? {
        let entry = entry.map_err(read)?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if REPORTS.contains(&&*name) || writes(&name) {
            return Ok(Some(entry.path()));
        }
    }
    Ok(None)
}

/// Settings as JSON, numbers as they are written in the code: an f32 of 0.1 is 0.1.
///
/// # Errors
/// Where they are no JSON, as a map with keys that are not text.
pub(crate) fn as_json(settings: &impl Serialize) -> Result<Value, RunError> {
    Ok(serde_json::from_str(&serde_json::to_string(settings)?)?)
}

/// `target/experiments/NAME`, with what is not the default behind it: a run with other data, of
/// another seed or size has a folder of its own.
fn default_folder(
    spec: &Spec,
    profile: Profile,
    seed: u64,
    other_data: bool,
    data: &str,
) -> PathBuf {
    let mut name = spec.name.to_owned();
    if profile == Profile::Quick {
        name += "-quick";
    }
    // Where reports have folders of their own, those say of which seed and flags they are.
    if spec.folder.is_none() || spec.part.is_some() {
        if seed != spec.seed {
            name += &format!("-seed{seed}");
        }
        name += &spec.flags.replace(" --", "-").replace(' ', "");
    }
    if other_data {
        let plain = |c: char| if c.is_alphanumeric() { c } else { '-' };
        name += &format!("-{}", data.chars().map(plain).collect::<String>());
    }
    crate::workspace_root()
        .join("target/experiments")
        .join(name)
}

fn command(common: &Common, spec: &Spec, seed: u64) -> String {
    let quick = if common.quick { " --quick" } else { "" };
    let shut = match common.validation_only {
        true => " --validation-only",
        false => "",
    };
    let data = folder_flag("data", common.data.as_deref());
    let (name, flags) = (spec.name, &spec.flags);
    format!("cargo xtask experiment {name}{quick}{flags} --seed {seed}{shut}{data}")
}

/// The command that goes on where this one is interrupted.
fn again(common: &Common, command: &str, part: Option<&str>) -> String {
    let threads = common.threads.map(|n| format!(" --threads {n}"));
    let threads = threads.unwrap_or_default();
    let out = folder_flag("out", common.out.as_deref());
    let part = part.unwrap_or(" --resume");
    format!("{command}{threads}{out}{part}")
}

/// ` --NAME DIR` as a shell takes it.
pub(crate) fn folder_flag(name: &str, dir: Option<&Path>) -> String {
    let Some(dir) = dir else {
        return String::new();
    };
    let dir = dir.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+".contains(c);
    match dir.chars().all(plain) {
        true => format!(" --{name} {dir}"),
        false => format!(" --{name} '{}'", dir.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_in_commands_are_quoted_where_a_shell_would_split_them() {
        let flag = |dir: &str| folder_flag("out", Some(Path::new(dir)));
        assert_eq!(flag("a/b-1.c"), " --out a/b-1.c");
        assert_eq!(flag("a b"), " --out 'a b'");
        assert_eq!(flag("it's"), r" --out 'it'\''s'");
    }

    #[test]
    fn numbers_in_settings_are_those_of_the_code() {
        #[derive(Serialize)]
        struct Settings {
            rate: f32,
        }
        let json = as_json(&Settings { rate: 0.1 }).unwrap();
        assert_eq!(json.to_string(), r#"{"rate":0.1}"#);
    }
}
