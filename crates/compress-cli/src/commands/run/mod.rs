//! `mcompress run`: the steps of a recipe.

mod recipe;
mod record;

use std::path::{Path, PathBuf};

use crate::console::Console;
use crate::failure::{Done, Failure, usage};
use record::Record;

/// Carries out the steps of a recipe, a TOML file
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mcompress run recipe.toml
  mcompress run recipe.toml --check

A recipe has the commands of this tool as steps, with their options as keys:

  [[step]]
  command = \"prune\"
  input = \"model.safetensors\"
  output = \"pruned.safetensors\"
  density = 0.5
  exclude = [\"*embed*\"]

  [[step]]
  command = \"verify\"
  a = \"model.safetensors\"
  b = \"pruned.safetensors\"
  min-cosine = 0.9

Paths are relative to the recipe. All steps are checked before the first begins, as far as their files are there by then. Finished steps are
written down beside the recipe, in RECIPE.done: a run that was interrupted goes on behind them, as long
as neither the step nor its files have changed.")]
pub(crate) struct Run {
    /// The recipe
    recipe: PathBuf,
    /// Check the recipe, and do nothing
    #[arg(long)]
    check: bool,
}

impl Run {
    pub(super) fn run(self, console: &Console) -> Done {
        let io = |source| {
            let path = self.recipe.clone();
            Failure::Input(compress_core::Error::Io { path, source })
        };
        let text = std::fs::read_to_string(&self.recipe).map_err(io)?;
        let name = self
            .recipe
            .file_name()
            .ok_or_else(|| usage("a recipe is a file"))?;
        let done = PathBuf::from(format!("{}.done", name.to_string_lossy()));
        if let Some(folder) = self
            .recipe
            .parent()
            .filter(|folder| *folder != Path::new(""))
        {
            std::env::set_current_dir(folder).map_err(io)?;
        }
        let steps = recipe::read(&text)?;
        recipe::check(&steps)?;
        if self.check {
            return console.result(
                &steps.len(),
                &format!("{} steps, all are right", steps.len()),
            );
        }
        console.collect();
        let mut record = Record::read(&done);
        for (number, step) in steps.into_iter().enumerate() {
            let title = format!("{}: {}", number + 1, step.text());
            let before = record::state(&step.arguments, step.inputs.iter())?;
            let Some(output) = step.output.clone() else {
                console.note(&title);
                step.command.run(console)?;
                continue;
            };
            if record.is_done(&before, &output) {
                console.note(&format!("{title}: done before"));
                continue;
            }
            console.note(&title);
            step.command.run(console)?;
            record.add(before, &output)?;
            record.write(&done).map_err(Failure::Output)?;
        }
        console.collected()
    }
}
