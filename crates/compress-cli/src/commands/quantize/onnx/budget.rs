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
            let all = offers.free.iter();
            let all: Vec<Chosen> = all.map(|&tensor| Chosen { tensor, form, name }).collect();
            let taken = options.accepted(model, &all, &mut |_, _| {})?;
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
        let Some(bytes) = options.target_size else {
            let values = self
                .free
                .iter()
                .map(|&i| model.tensors()[i].values() as f64);
            let bits = options.bits_per_weight.unwrap_or_default();
            let all = self.picks(&FORMS);
            let lists = self.lists(&all, &|offer| offer.values as f64);
            let choices = solve::within_bits(&lists, bits, values.sum())?;
            return Ok(self.take(&picked(&all, &choices)));
        };
        // Some forms need later operators, which may cost more than they save. So each set of forms
        // is tried.
        let sets = || (0..FORMS.len()).map(|first| &FORMS[..FORMS.len() - first]);
        let least = |forms: &[&str]| -> Done<u64> {
            let picks = self.picks(forms);
            let least = solve::least(&self.lists(&picks, &|offer| offer.file));
            self.size(options, model, &picked(&picks, &least))
        };
        let least: Vec<u64> = sets().map(least).collect::<Done<_>>()?;
        solve::check_file(bytes, least.into_iter().min().unwrap_or(0))?;
        let mut solved = sets().map(|forms| self.within_file(options, model, bytes, forms));
        let first = solved.next().unwrap_or_else(|| Ok((0.0, Vec::new())));
        let best = solved.fold(first, |best, other| match (&best, &other) {
            (Ok((a, _)), Ok((b, _))) if a <= b => best,
            (_, Ok(_)) => other,
            _ => best,
        });
        best.map(|(_, chosen)| chosen)
    }

    /// The least sum of errors of a file of at most so many bytes with some of the forms, and what
    /// gives it.
    fn within_file(
        &self,
        options: &Quantize,
        model: &Onnx,
        bytes: u64,
        forms: &[&str],
    ) -> Done<(f64, Vec<Chosen>)> {
        let picks = self.picks(forms);
        let mut size = |choices: &[usize]| self.size(options, model, &picked(&picks, choices));
        let lists = self.lists(&picks, &|offer| offer.file);
        let choices = solve::within_file(&lists, bytes, &mut size)?;
        let costs = lists.iter().zip(&choices);
        let error = costs.map(|(list, &choice)| list[choice].cost).sum();
        Ok((error, self.take(&picked(&picks, &choices))))
    }

    /// The bytes of the files with these offers.
    fn size(&self, options: &Quantize, model: &Onnx, choices: &[usize]) -> Done<u64> {
        let rewrite = rewrite(options, model, &self.take(choices))?;
        Ok(rewrite.sizes(&options.target.path)?.files)
    }

    /// Which offers of each weight have one of the forms, or none.
    fn picks(&self, forms: &[&str]) -> Picks {
        let fits = |offer: &Offer| offer.form.is_none_or(|(name, _)| forms.contains(&name));
        let of_list = |list: &Vec<Offer>| (0..list.len()).filter(|&i| fits(&list[i])).collect();
        self.lists.iter().map(of_list).collect()
    }

    /// These offers with their errors and what they demand.
    fn lists(&self, picks: &Picks, demand: &dyn Fn(&Offer) -> f64) -> Vec<Vec<Choice>> {
        let choice = |offer: &Offer| Choice {
            cost: offer.error,
            demand: demand(offer),
        };
        let lists = self.lists.iter().zip(picks);
        lists
            .map(|(list, picks)| picks.iter().map(|&i| choice(&list[i])).collect())
            .collect()
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

/// Of each weight the numbers of some of its offers.
type Picks = Vec<Vec<usize>>;

/// The numbers of the chosen offers.
fn picked(picks: &Picks, choices: &[usize]) -> Vec<usize> {
    let chosen = picks.iter().zip(choices);
    chosen.map(|(picks, &choice)| picks[choice]).collect()
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
pub(super) fn error_of(model: &Onnx, tensor: usize, axes: Axes, form: Form) -> Result<f64> {
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
