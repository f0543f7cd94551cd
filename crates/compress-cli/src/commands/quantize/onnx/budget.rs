//! Which form each weight of a graph gets within a budget: such that the sum of the relative errors is
//! the least.

use compress_core::Result;
use compress_core::allocate::Choice;
use compress_io::Source;
use compress_io::onnx::{Axes, Change, Form, Layout, Onnx, Rewrite, Weight};

use super::{Chosen, FORMS, NamedForm, Quantize, halves, rounded, values_of};
use crate::commands::quantize::solve;
use crate::console::Console;
use crate::failure::{Done, usage};

/// The forms that weights can have.
pub(super) struct Offers {
    /// What is chosen already.
    sets: Vec<Chosen>,
    free: Vec<usize>,
    /// Of each free weight.
    lists: Vec<Vec<Offer>>,
}

/// A form that a weight can have.
struct Offer {
    /// None where it stays as it is.
    form: Option<NamedForm>,
    /// Bytes of its values.
    values: u64,
    /// By how much the file is longer than without the values of the weight as it is.
    file: f64,
    /// The squared error relative to the energy; 0 before it is measured.
    error: f64,
}

impl Offers {
    /// The forms that the receiver runs, with what they take.
    pub(super) fn new(
        options: &Quantize,
        model: &Onnx,
        sets: Vec<Chosen>,
        free: Vec<usize>,
    ) -> Done<Self> {
        if free.is_empty() {
            return Err(usage("there is no weight whose type may be chosen"));
        }
        let keep = |tensor: &usize| -> Result<Vec<Offer>> {
            let bytes = model.tensors()[*tensor].bytes()?;
            Ok(vec![Offer {
                form: None,
                values: bytes,
                file: bytes as f64,
                error: 0.0,
            }])
        };
        let mut offers = Offers {
            sets,
            lists: free.iter().map(keep).collect::<Result<_>>()?,
            free,
        };
        for name in FORMS {
            let (name, form) = options.form(name)?;
            let mut taken = Vec::new();
            for &tensor in &offers.free {
                let chosen = Chosen { tensor, form, name };
                if options.refusal(model, &chosen)?.is_none() {
                    taken.push(chosen);
                }
            }
            let sizes = rewrite(options, model, &taken)?.sizes(&options.target.path)?;
            for (tensor, list) in offers.free.iter().zip(&mut offers.lists) {
                let Some(size) = sizes.tensors.get(tensor) else {
                    continue;
                };
                list.push(Offer {
                    form: Some((name, form)),
                    values: size.values,
                    file: (list[0].file + size.change as f64).max(0.0),
                    error: 0.0,
                });
            }
        }
        Ok(offers)
    }

    /// Measures the errors. Forms that cannot hold the values are none.
    pub(super) fn measure(&mut self, console: &Console, model: &Onnx) -> Done {
        let uses = model.uses()?;
        let count = self.free.len() as u64;
        for (done, (&tensor, list)) in self.free.iter().zip(&mut self.lists).enumerate() {
            let name = &model.tensors()[tensor].name;
            console.progress("measuring", name, done as u64, count);
            let axes = uses[tensor].axes();
            let error = |offer: &Offer| match (offer.form, axes) {
                (Some((_, form)), Some(axes)) => error_of(model, tensor, axes, form),
                _ => Ok(0.0),
            };
            list.retain_mut(|offer| {
                let measured = error(offer);
                offer.error = *measured.as_ref().unwrap_or(&0.0);
                measured.is_ok()
            });
        }
        console.clear();
        Ok(())
    }

    /// The forms with the least sum of errors, for all tensors that change; before errors are measured,
    /// some that meet the goal.
    ///
    /// # Errors
    /// Where none do.
    pub(super) fn choose(&self, options: &Quantize, model: &Onnx) -> Done<Vec<Chosen>> {
        let lists = |demand: &dyn Fn(&Offer) -> f64| -> Vec<Vec<Choice>> {
            let choice = |offer: &Offer| Choice {
                cost: offer.error,
                demand: demand(offer),
            };
            let lists = self
                .lists
                .iter()
                .map(|list| list.iter().map(choice).collect());
            lists.collect()
        };
        let choices = match options.target_size {
            Some(bytes) => {
                let mut size = |choices: &[usize]| -> Done<u64> {
                    let rewrite = rewrite(options, model, &self.take(choices))?;
                    Ok(rewrite.sizes(&options.target.path)?.files)
                };
                solve::within_file(&lists(&|offer| offer.file), bytes, &mut size)?
            }
            None => {
                let values = self
                    .free
                    .iter()
                    .map(|&tensor| model.tensors()[tensor].values());
                let weights = values.map(|values| values as f64).sum();
                let bits = options.bits_per_weight.unwrap_or_default();
                solve::within_bits(&lists(&|offer| offer.values as f64), bits, weights)?
            }
        };
        Ok(self.take(&choices))
    }

    /// All tensors that change, in their order.
    fn take(&self, choices: &[usize]) -> Vec<Chosen> {
        let mut chosen = self.sets.clone();
        for ((&tensor, list), &choice) in self.free.iter().zip(&self.lists).zip(choices) {
            let form = list[choice].form;
            chosen.extend(form.map(|(name, form)| Chosen { tensor, form, name }));
        }
        chosen.sort_by_key(|chosen| chosen.tensor);
        chosen
    }
}

/// A rewrite whose values do not matter.
pub(super) fn rewrite<'a>(
    options: &Quantize,
    model: &'a Onnx,
    chosen: &[Chosen],
) -> Done<Rewrite<'a>> {
    let changes = chosen
        .iter()
        .map(|chosen| Change::new(chosen.tensor, chosen.form));
    let receiver = options.receiver.unwrap_or_default().onnx()?;
    Rewrite::new(model, &changes.collect::<Vec<_>>(), receiver).map_err(usage)
}

/// The relative error that a form makes.
fn error_of(model: &Onnx, tensor: usize, axes: Axes, form: Form) -> Result<f64> {
    let info = &model.tensors()[tensor];
    let layout = match form {
        Form::Values => return Ok(0.0),
        Form::F16 => return halves(model, tensor),
        Form::Int8 => Layout::channels(&info.shape, axes.outputs)?,
        Form::Int4 { block } => Layout::blocks(&info.shape, axes.inputs, block)?,
    };
    let weight = Weight {
        name: &info.name,
        values: &values_of(model, tensor)?,
        axes,
        layout: &layout,
    };
    Ok(rounded(&weight)?.1.relative())
}
