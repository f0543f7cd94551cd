//! One run of an experiment: where it writes, what it may read, and what can go wrong.

use std::cell::RefCell;
use std::path::PathBuf;
use std::time::Instant;

use compress_core::train::Samples;
use compress_nn::data::ImageSet;
use serde::Serialize;

use crate::data;
use crate::experiments::Experiment;
use crate::progress::Progress;
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

/// What can go wrong in an experiment.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    #[error("there is no experiment named {name:?}; the experiments are: {known}")]
    UnknownExperiment { name: String, known: String },
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
        let (name, details) = (experiment.name, (experiment.settings)(profile));
        let settings = format!("{name} {} seed {seed}: {details}", profile.name());
        let store = Store::open(&out.join("stages"), &settings, resume)?;
        Ok(Run {
            experiment: name,
            profile,
            seed,
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
        if self.validation_only {
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
        let started = Instant::now();
        let stored = self.store.load(name)?;
        let resumed = stored.is_some();
        let value = match stored {
            Some(value) => value,
            None => {
                let value = work().map_err(|source| RunError::Stage {
                    stage: name.to_owned(),
                    source,
                })?;
                self.store.save(name, &value)?;
                value
            }
        };
        let seconds = started.elapsed().as_secs_f64();
        self.progress.finished(name, seconds, resumed);
        self.times.borrow_mut().push(StageTime {
            stage: name.to_owned(),
            seconds,
            resumed,
        });
        Ok(value)
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
        format!(
            "cargo xtask experiment {}{quick} --seed {}{shut}",
            self.experiment, self.seed
        )
    }

    /// Writes the report, the model and the times, and says on the terminal where they are.
    pub(crate) fn finish(&self, report: &Report, model: &[u8]) -> Result<(), RunError> {
        let unwritable = |source| RunError::Unwritable {
            path: self.out.clone(),
            source,
        };
        let times = self.times.borrow();
        let timing = Timing {
            total_seconds: self.started.elapsed().as_secs_f64(),
            threads: rayon::current_num_threads(),
            isa: compress_core::isa::Isa::active()?.name(),
            stages: &times,
        };
        let json = serde_json::to_vec_pretty(&timing)
            .map_err(std::io::Error::from)
            .map_err(unwritable)?;
        let others: &[(&str, &[u8])] = &[("model.cmp", model), ("timing.json", &json)];
        report::write(report, others, &self.out)?;
        print_stages(report);
        println!(
            "\n{:.0} s; model hash {}\nreport: {}",
            timing.total_seconds,
            &report.model_hash[..16],
            self.out.join("report.html").display()
        );
        Ok(())
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
