//! Writing a file: into a draft beside the target, which is opened again, compared with what was
//! written, and then renamed.

use std::path::{Path, PathBuf};

use compress_core::Error;
use compress_io::stream::{How, Options, Progress, Step};
use compress_io::{Checkpoint, Format, Plan, Source, TensorInfo, stream};
use rayon::prelude::*;

use crate::console::Console;
use crate::failure::{Done, Failure, usage};
use crate::input::Input;
use crate::interrupt;
use crate::size;

/// Where a file goes, as commands take it.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Target {
    /// The file that is written; its ending says the format
    #[arg(short = 'o', long = "output", value_name = "OUT")]
    pub(crate) path: PathBuf,
    /// The format, where the ending does not say it
    #[arg(long = "to", value_name = "FORMAT")]
    format: Option<String>,
    /// About how much memory may be used for tensors in work
    #[arg(long, value_name = "SIZE", value_parser = size::parse, default_value = "512MB")]
    max_mem: u64,
}

impl Target {
    /// The format of the file.
    pub(crate) fn format(&self) -> Done<&'static Format> {
        match &self.format {
            Some(name) => Format::by_name(name),
            None => Format::by_ending(&self.path),
        }
        .map_err(usage)
    }

    /// Writes `input` with its tensors as `types` says, each made by `how`; returns the bytes of the
    /// file, and what `then` makes of the input, its steps and the written file, before that takes the
    /// place of what is there.
    pub(crate) fn write<'a, T>(
        &self,
        console: &Console,
        input: Input,
        types: Vec<TensorInfo>,
        how: impl Fn(usize, &TensorInfo) -> How<'a>,
        then: impl FnOnce(&Checkpoint, &[Step<'a>], &Checkpoint) -> Done<T>,
    ) -> Done<(u64, T)> {
        let format = self.format()?;
        let steps = input.reads.into_iter().zip(&types).enumerate();
        let steps = steps.map(|(position, (read, to))| Step {
            from: read.from,
            to: to.clone(),
            order: read.order,
            how: how(position, to),
        });
        let mut steps: Vec<Step<'a>> = steps.collect();
        let mut plan = Plan {
            tensors: types,
            metadata: input.metadata,
        };
        format.arrange(&mut plan);
        let place = |name: &str| plan.tensors.iter().position(|info| info.name == name);
        steps.sort_by_key(|step| place(&step.to.name));
        let draft = interrupt::draft(&self.path)?;
        let path = draft.path();
        let mut sink = format.create(&path, &plan).map_err(|error| match error {
            Error::Io { .. } => Failure::Output(error),
            other => usage(other),
        })?;
        let show = |now: Progress<'_>| {
            console.progress("writing", now.tensor, now.done, now.total);
        };
        let options = Options {
            memory: usize::try_from(self.max_mem).unwrap_or(usize::MAX),
            progress: &show,
        };
        let sums = stream(&input.checkpoint, &steps, &mut *sink, &options);
        let sums = sums.map_err(|error| Failure::while_writing(error, &path))?;
        sink.finish().map_err(Failure::Output)?;
        console.clear();
        let written = check(&path, &plan, &sums).map_err(Failure::Output)?;
        let made = then(&input.checkpoint, &steps, &written)?;
        drop(written);
        Ok((draft.publish().map_err(Failure::Output)?, made))
    }
}

/// Opens a written file again, and compares its tensors with what was written.
fn check(path: &Path, plan: &Plan, sums: &[u32]) -> compress_core::Result<Checkpoint> {
    let written = Checkpoint::open(path)?;
    let has_names = written.format().name != "npy";
    let same = |(found, planned): (&TensorInfo, &TensorInfo)| {
        (!has_names || found.name == planned.name)
            && (found.dtype, &found.shape) == (planned.dtype, &planned.shape)
    };
    let pairs = written.tensors().iter().zip(&plan.tensors);
    if written.tensors().len() != plan.tensors.len() || !pairs.into_iter().all(same) {
        let what = "the list of tensors of the written file";
        return Err(Error::invalid(what, "another", "that of the plan"));
    }
    let compared = sums.par_iter().enumerate().try_for_each(|(index, sum)| {
        let bytes = written.bytes(index)?;
        let same = compress_io::checksum(&bytes) == *sum;
        let length = bytes.len();
        drop(bytes);
        written.release(index, 0..length);
        match same {
            true => Ok(()),
            false => {
                let what = format!("the checksum of {}", plan.tensors[index].name);
                Err(Error::invalid(what, "another", "that of what was written"))
            }
        }
    });
    compared.map(|()| written)
}
