//! One run of an experiment: where it writes, what it may read, and what can go wrong.

use std::cell::RefCell;
use std::path::PathBuf;
use std::time::Instant;

use compress_core::file;
use compress_core::train::Samples;
use compress_nn::data::ImageSet;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::data;
use crate::experiments::{Experiment, Track};
use crate::progress::Progress;
use crate::queue::Queue;
use crate::report::{self, Report};
use crate::store::Store;

/// How large a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Profile {
    /// All of MNIST.
    Full,
    /// A subset and small networks, for tests.
    Quick,
}

impl Profile {
    /// Its name in reports.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Profile::Full => "full",
            Profile::Quick => "quick",
        }
    }
}

/// What the command line may set beside the profile; not every experiment has all of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    /// How many seeds, from the run's seed on.
    pub(crate) seeds: Option<u8>,
    /// Which track of the record.
    pub(crate) track: Option<Track>,
    /// Which of its targets.
    pub(crate) target_bytes: Option<usize>,
    /// Which of the levels of its track `density`, in percent of the weights; all where `None`.
    pub(crate) target_percent: Option<usize>,
    /// Whether it sweeps over several prices of a bit, which it does with a test set that stays shut.
    pub(crate) sweep: bool,
}

/// What can go wrong in an experiment.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    #[error("there is no experiment named {name:?}; the experiments are: {known}")]
    UnknownExperiment { name: String, known: String },
    #[error(
        "the experiment {name} takes no --seeds, --track, --target-bytes, --target-percent or --sweep"
    )]
    NoOptions { name: &'static str },
    #[error("the track {track} has no target of {bytes} bytes; its targets are: {known}")]
    NoTarget {
        track: &'static str,
        bytes: usize,
        known: String,
    },
    #[error("the track density has no level of {percent} %; its levels are: {known}")]
    NoLevel { percent: usize, known: String },
    #[error("the track {track} takes no {option}: leave it out, or take {takers}")]
    NotOfTrack {
        track: &'static str,
        option: &'static str,
        takers: String,
    },
    #[error("cannot write to {}; choose another folder with --out", path.display())]
    Unwritable {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("cannot read {}", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("cannot resume in {}: {reason}; run without --resume to start afresh", path.display())]
    Resume { path: PathBuf, reason: String },
    #[error("the finished stage {} is damaged: {reason}; remove it, and it is made again", path.display())]
    Damaged { path: PathBuf, reason: String },
    #[error("stage {stage:?} failed")]
    Stage {
        stage: String,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error(transparent)]
    Data(#[from] data::DataError),
    #[error(transparent)]
    Images(#[from] compress_nn::Error),
    #[error(transparent)]
    Core(#[from] compress_core::Error),
    #[error(transparent)]
    Report(#[from] report::ReportError),
}

impl RunError {
    /// The measurement at the end failed.
    pub(crate) fn measure(source: Box<dyn std::error::Error + Send + Sync>) -> Self {
        RunError::Stage {
            stage: "measurement".into(),
            source,
        }
    }
}

/// A run, as the command line asks for it.
pub(crate) struct Run {
    /// The experiment's name.
    pub(crate) experiment: &'static str,
    /// Full or quick.
    pub(crate) profile: Profile,
    /// All random numbers follow from it.
    pub(crate) seed: u64,
    /// What else the command line has set.
    pub(crate) options: Options,
    /// Whether the test set stays shut.
    pub(crate) validation_only: bool,
    /// Finished stages.
    pub(crate) store: Store,
    /// Bars on the terminal.
    pub(crate) progress: Progress,
    training: data::Mnist,
    data: PathBuf,
    out: PathBuf,
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

#[derive(Serialize)]
struct Timing<'a> {
    total_seconds: f64,
    threads: usize,
    isa: &'static str,
    stages: &'a [StageTime],
}

impl Run {
    /// Makes the folder `out` and sees that it can be written to.
    pub(crate) fn new(
        experiment: &Experiment,
        profile: Profile,
        seed: u64,
        options: Options,
        validation_only: bool,
        data: PathBuf,
        out: PathBuf,
        resume: bool,
    ) -> Result<Self, RunError> {
        let unwritable = |source| RunError::Unwritable {
            path: out.clone(),
            source,
        };
        std::fs::create_dir_all(&out).map_err(unwritable)?;
        tempfile::tempfile_in(&out).map_err(unwritable)?;
        // Before earlier stages go: a wrong folder of data must not cost them.
        let training = data::load(&data)?;
        let (name, details) = (experiment.name, (experiment.settings)(profile, &options)?);
        let settings = format!("{name} {} seed {seed}: {details}", profile.name());
        let store = Store::open(&out.join("stages"), &settings, resume)?;
        Ok(Run {
            experiment: name,
            profile,
            seed,
            options,
            validation_only,
            store,
            progress: Progress::new(),
            training,
            data,
            out,
            started: Instant::now(),
            times: RefCell::default(),
        })
    }

    /// The training images, split: all but the last `validation` of the first `limit` (all of
    /// them where `None`), and those last ones.
    pub(crate) fn training_images(
        &self,
        limit: Option<usize>,
        validation: usize,
    ) -> Result<(ImageSet, ImageSet), RunError> {
        let all = ImageSet::from_idx(&self.training.images, &self.training.labels)?;
        let count = limit.unwrap_or(all.len()).min(all.len());
        let split = count.saturating_sub(validation);
        Ok((all.subset(0..split)?, all.subset(split..count)?))
    }

    /// The test images, the first `limit` of them; `None` where the test set stays shut.
    pub(crate) fn test_images(&self, limit: Option<usize>) -> Result<Option<ImageSet>, RunError> {
        if self.validation_only || self.options.sweep {
            return Ok(None);
        }
        let files = data::load_test(&self.data)?;
        let all = ImageSet::from_idx(&files.images, &files.labels)?;
        let count = limit.unwrap_or(all.len()).min(all.len());
        Ok(Some(all.subset(0..count)?))
    }

    /// Takes the stage's result from the store, or runs it and stores the result.
    pub(crate) fn stage<T>(
        &self,
        name: &str,
        work: impl FnOnce() -> Result<T, Box<dyn std::error::Error + Send + Sync>>,
    ) -> Result<T, RunError>
    where
        T: Serialize + serde::de::DeserializeOwned,
    {
        self.stage_in(&self.store, name, work)
    }

    /// A store of what other runs of this profile and seed may take up, in a folder of theirs:
    /// of `settings` that are but a part of all. Other settings have other folders, and nothing is
    /// removed.
    pub(crate) fn kept(&self, name: &str, settings: &str) -> Result<Store, RunError> {
        let (profile, seed) = (self.profile.name(), self.seed);
        let key = format!(
            "{} {name} {profile} seed {seed}: {settings}",
            self.experiment
        );
        let hash = data::hexadecimal(&Sha256::digest(&key));
        let folder = format!("{name}-{profile}-seed{seed}-{}", &hash[..8]);
        Store::open(&self.out.join(folder), &key, true)
    }

    /// [`Run::stage`] in another store.
    pub(crate) fn stage_in<T>(
        &self,
        store: &Store,
        name: &str,
        work: impl FnOnce() -> Result<T, Box<dyn std::error::Error + Send + Sync>>,
    ) -> Result<T, RunError>
    where
        T: Serialize + serde::de::DeserializeOwned,
    {
        let started = Instant::now();
        let stored = store.load(name)?;
        let resumed = stored.is_some();
        let value = match stored {
            Some(value) => value,
            None => {
                let value = work().map_err(|source| RunError::Stage {
                    stage: name.to_owned(),
                    source,
                })?;
                store.save(name, &value)?;
                value
            }
        };
        self.done(name, resumed, started.elapsed().as_secs_f64());
        Ok(value)
    }

    /// Says that a stage is done, and remembers how long it took.
    fn done(&self, name: &str, resumed: bool, seconds: f64) {
        self.progress.finished(name, seconds, resumed);
        self.times.borrow_mut().push(StageTime {
            stage: name.to_owned(),
            seconds,
            resumed,
        });
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

    /// Whether all these stages are in the store.
    pub(crate) fn finished(&self, names: &[String]) -> bool {
        self.store.holds_all(names)
    }

    /// Stages that do not depend on one another: those that the store lacks run side by side,
    /// each on one thread, so that the bits of each are those of one thread whatever their
    /// number. `work` gets the number of a stage. What is finished is stored at once.
    pub(crate) fn stages<T>(
        &self,
        names: &[String],
        work: impl Fn(usize) -> Result<T, Box<dyn std::error::Error + Send + Sync>> + Sync,
    ) -> Result<Vec<T>, RunError>
    where
        T: Serialize + serde::de::DeserializeOwned + Send,
    {
        let stores = vec![&self.store; names.len()];
        self.stages_in_order(names, &stores, |_| None, work)
    }

    /// Stages whose results are in the store `kept`, and others that each go on from one of them,
    /// the one whose number `from` gives. No thread is idle while a stage could begin.
    pub(crate) fn stages_from<T>(
        &self,
        kept: &Store,
        names: &[Vec<String>; 2],
        from: impl Fn(usize) -> usize + Sync,
        first: impl Fn(usize) -> Result<T, Box<dyn std::error::Error + Send + Sync>> + Sync,
        second: impl Fn(usize, T) -> Result<T, Box<dyn std::error::Error + Send + Sync>> + Sync,
    ) -> Result<[Vec<T>; 2], RunError>
    where
        T: Serialize + serde::de::DeserializeOwned + Send,
    {
        let count = names[0].len();
        let second_at = |i: usize| i.checked_sub(count);
        let mut stores = vec![kept; count];
        stores.resize(count + names[1].len(), &self.store);
        let before = |i| second_at(i).map(&from);
        let mut firsts =
            self.stages_in_order(&names.concat(), &stores, before, |i| match second_at(i) {
                None => first(i),
                Some(i) => second(i, kept.load(&names[0][from(i)])?.ok_or("it has gone")?),
            })?;
        let seconds = firsts.split_off(count);
        Ok([firsts, seconds])
    }

    /// [`Run::stages`], each in its store, of which some begin only when the one `before` them is
    /// finished.
    fn stages_in_order<T>(
        &self,
        names: &[String],
        stores: &[&Store],
        before: impl Fn(usize) -> Option<usize> + Sync,
        work: impl Fn(usize) -> Result<T, Box<dyn std::error::Error + Send + Sync>> + Sync,
    ) -> Result<Vec<T>, RunError>
    where
        T: Serialize + serde::de::DeserializeOwned + Send,
    {
        let progress = &self.progress;
        let finished = |i: usize| stores[i].holds(&names[i]);
        let missing: Vec<usize> = (0..names.len()).filter(|&i| !finished(i)).collect();
        let workers = rayon::current_num_threads().min(missing.len());
        let queue = Queue::new(missing);
        let can_begin = |i: usize| before(i).is_none_or(finished);
        let run_one = |i: usize| -> Result<f64, RunError> {
            let started = Instant::now();
            let failed = |source| RunError::Stage {
                stage: names[i].clone(),
                source,
            };
            let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build();
            let pool = pool.map_err(|error| failed(error.into()))?;
            let value = pool.install(|| work(i)).map_err(failed)?;
            stores[i].save(&names[i], &value)?;
            let seconds = started.elapsed().as_secs_f64();
            progress.finished(&names[i], seconds, false);
            Ok(seconds)
        };
        let worker = || {
            let mut done = Vec::new();
            while let Some(stage) = queue.next(can_begin) {
                done.push((stage.number, run_one(stage.number)?));
                stage.succeed();
            }
            Ok::<_, RunError>(done)
        };
        let done = std::thread::scope(|scope| {
            let handles: Vec<_> = (0..workers).map(|_| scope.spawn(worker)).collect();
            let joined = handles.into_iter().map(|handle| match handle.join() {
                Ok(done) => done,
                Err(panic) => std::panic::resume_unwind(panic),
            });
            joined.collect::<Result<Vec<_>, RunError>>()
        })?;
        let mut seconds = vec![None; names.len()];
        for (i, taken) in done.into_iter().flatten() {
            seconds[i] = Some(taken);
        }
        let mut values = Vec::new();
        for ((name, store), seconds) in names.iter().zip(stores).zip(seconds) {
            // From the store, so that a resumed run and one that was not go on from the same.
            let stored = store.load(name)?;
            values.push(stored.ok_or_else(|| RunError::Resume {
                path: self.out.clone(),
                reason: format!("stage {name:?} has gone"),
            })?);
            match seconds {
                Some(seconds) => self.times.borrow_mut().push(StageTime {
                    stage: name.clone(),
                    seconds,
                    resumed: false,
                }),
                None => self.done(name, true, 0.0),
            }
        }
        Ok(values)
    }

    /// The command that gives the same report.
    pub(crate) fn command(&self) -> String {
        let quick = if self.profile == Profile::Quick {
            " --quick"
        } else {
            ""
        };
        let shut = if self.validation_only {
            " --validation-only"
        } else {
            ""
        };
        let Options {
            seeds,
            track,
            target_bytes,
            target_percent,
            sweep,
        } = self.options;
        let seeds = seeds.map_or_else(String::new, |n| format!(" --seeds {n}"));
        let track = track.map_or_else(String::new, |t| format!(" --track {}", t.name()));
        let bytes = target_bytes.map_or_else(String::new, |n| format!(" --target-bytes {n}"));
        let percent = target_percent.map_or_else(String::new, |n| format!(" --target-percent {n}"));
        let sweep = if sweep { " --sweep" } else { "" };
        format!(
            "cargo xtask experiment {}{quick}{track}{bytes}{percent}{sweep} --seed {}{seeds}{shut}",
            self.experiment, self.seed
        )
    }

    /// Writes the report, the model and the times, and says on the terminal where they are.
    pub(crate) fn finish(&self, report: &Report, model: &[u8]) -> Result<(), RunError> {
        self.finish_with(report, &[("model.cmp".into(), model)])
    }

    /// The same with any other files.
    pub(crate) fn finish_with(
        &self,
        report: &Report,
        files: &[(String, &[u8])],
    ) -> Result<(), RunError> {
        let (seconds, timing) = self.timing()?;
        let files = files.iter().map(|(name, bytes)| (name.as_str(), *bytes));
        let others: Vec<(&str, &[u8])> = files.chain([("timing.json", &timing[..])]).collect();
        report::write(report, &others, &self.out)?;
        print_stages(report);
        println!(
            "\n{seconds:.0} s; model hash {}\nreport: {}",
            &report.model_hash[..16],
            self.out.join("report.html").display()
        );
        Ok(())
    }

    /// Writes these files alone and the times, all or none, and says where the first is.
    pub(crate) fn finish_without_report(&self, files: &[(String, &[u8])]) -> Result<(), RunError> {
        let (seconds, timing) = self.timing()?;
        let named = files
            .iter()
            .map(|(name, bytes)| (self.out.join(name), *bytes));
        let all: Vec<_> = named
            .chain([(self.out.join("timing.json"), &timing[..])])
            .collect();
        file::write_all(&all)?;
        if let Some((path, _)) = all.first() {
            println!("\n{seconds:.0} s; written to {}", path.display());
        }
        Ok(())
    }

    /// How long the run took in seconds, and `timing.json`.
    fn timing(&self) -> Result<(f64, Vec<u8>), RunError> {
        let times = self.times.borrow();
        let timing = Timing {
            total_seconds: self.started.elapsed().as_secs_f64(),
            threads: rayon::current_num_threads(),
            isa: compress_core::isa::Isa::active()?.name(),
            stages: &times,
        };
        let json = serde_json::to_vec_pretty(&timing).map_err(|error| RunError::Unwritable {
            path: self.out.clone(),
            source: error.into(),
        })?;
        Ok((timing.total_seconds, json))
    }
}

/// The table of stages, for a terminal.
fn print_stages(report: &Report) {
    println!(
        "\n{:<36} {:>10} {:>9} {:>10} {:>7}  {:>10}  {:>11}",
        "stage", "parameters", "nonzero", "bytes", "ratio", "validation", "test errors"
    );
    for s in &report.stages {
        let test = s
            .test_errors
            .map_or_else(|| "-".into(), |errors| errors.to_string());
        println!(
            "{:<36} {:>10} {:>9} {:>10} {:>6.1}x  {:>8.2} %  {test:>11}",
            s.stage, s.parameters, s.nonzero, s.bytes, s.ratio, s.validation_error_percent
        );
    }
}
