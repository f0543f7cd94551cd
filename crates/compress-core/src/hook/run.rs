//! The driver of a training run.

use super::{Pruned, Step, TrainHook, Training};
use crate::gradients::{Gradients, LiveSets};
use crate::parameters::Parameters;
use crate::tensor::{TensorMut, TensorRef};
use crate::{Error, Result};

/// A training run as hooks take part in it. It counts the steps, calls the hooks in their order
/// around each, and holds pruned weights at zero. Any loop can use it, with any model that lends its
/// parameters and gradients; `compress-nn`'s trainer is one that does.
///
/// End a run with [`Run::finish`]. It leaves the model as it will be shipped, and fails where a hook
/// has not reached what it promised. A run that is dropped does neither.
///
/// # Examples
///
/// A loop of one's own: a weight of two values, whose squared distance from (3, 4) is the loss, and
/// a hook that counts.
///
/// ```
/// use compress_core::hook::{Gradients, Run, TrainHook, Training};
/// use compress_core::parameters::{Change, Parameters, See};
/// use compress_core::tensor::{Role, TensorMut, TensorRef};
///
/// struct Model { weight: [f32; 2], gradient: [f32; 2] }
///
/// impl Parameters for Model {
///     fn visit(&self, see: &mut See<'_>) -> compress_core::Result<()> {
///         see(TensorRef { name: "w", role: Role::Weight, shape: &[2], values: &self.weight })
///     }
///     fn visit_mut(&mut self, change: &mut Change<'_>) -> compress_core::Result<()> {
///         change(TensorMut { name: "w", role: Role::Weight, shape: &[2], values: &mut self.weight })
///     }
/// }
///
/// impl Gradients for Model {
///     fn visit_gradients(&mut self, change: &mut Change<'_>) -> compress_core::Result<()> {
///         change(TensorMut { name: "w", role: Role::Weight, shape: &[2], values: &mut self.gradient })
///     }
/// }
///
/// struct Counter(usize);
///
/// impl TrainHook for Counter {
///     fn after_step(&mut self, _: &mut Training<'_>) -> compress_core::Result<()> {
///         self.0 += 1;
///         Ok(())
///     }
/// }
///
/// let mut model = Model { weight: [0.0; 2], gradient: [0.0; 2] };
/// let mut counter = Counter(0);
/// let mut hooks: [&mut dyn TrainHook; 1] = [&mut counter];
/// let mut run = Run::new(&mut hooks, 20);
/// for _ in 0..20 {
///     let loss = run.step(
///         &mut model,
///         0.25,
///         |model, _| {
///             let [x, y] = [model.weight[0] - 3.0, model.weight[1] - 4.0];
///             model.gradient = [2.0 * x, 2.0 * y];
///             Ok::<_, compress_core::Error>(x * x + y * y)
///         },
///         |model, _| {
///             model.weight.iter_mut().zip(model.gradient).for_each(|(w, g)| *w -= 0.25 * g);
///             Ok(())
///         },
///     )?;
///     assert!(loss <= 25.0);
/// }
/// run.finish(&mut model)?;
/// assert_eq!(counter.0, 20);
/// assert!((model.weight[0] - 3.0).abs() < 1e-4);
/// # Ok::<(), compress_core::Error>(())
/// ```
#[must_use = "a run ends with `finish`, which leaves the model as it will be shipped"]
pub struct Run<'h, 'k> {
    hooks: &'h mut [&'k mut dyn TrainHook],
    done: usize,
    total: usize,
    /// The revision of each hook's mask that `live` is made of; `None` before the first look.
    revisions: Option<Vec<Option<u64>>>,
    live: LiveSets,
    /// Whether the model was told of `live`, and dead weights were set to zero.
    told: bool,
    /// Whether the model itself keeps dead weights at zero.
    held: bool,
    /// Whether the next backward pass computes the gradients of dead weights too.
    all_gradients: bool,
}

impl<'h, 'k> Run<'h, 'k> {
    /// A run of `total_steps` steps from the beginning.
    pub fn new(hooks: &'h mut [&'k mut dyn TrainHook], total_steps: usize) -> Self {
        Self::resumed(hooks, 0, total_steps)
    }

    /// A run that goes on after `done` of `total_steps` steps; the hooks have been given back their
    /// states ([`TrainHook::load`]).
    pub fn resumed(
        hooks: &'h mut [&'k mut dyn TrainHook],
        done: usize,
        total_steps: usize,
    ) -> Self {
        Run {
            hooks,
            done,
            total: total_steps,
            revisions: None,
            live: LiveSets::default(),
            told: false,
            held: false,
            all_gradients: false,
        }
    }

    /// How many steps are done.
    pub fn done(&self) -> usize {
        self.done
    }

    /// How many steps there will be.
    pub fn total_steps(&self) -> usize {
        self.total
    }

    /// Which weights are live.
    pub fn live(&self) -> &LiveSets {
        &self.live
    }

    /// The hooks' states, for a checkpoint between two steps.
    ///
    /// # Errors
    /// Those of the hooks.
    pub fn save(&self) -> Result<Vec<Vec<u8>>> {
        self.hooks.iter().map(|hook| hook.save()).collect()
    }

    /// Takes one step. `gradients` runs the forward and the backward pass and leaves the gradients
    /// in the model; what it returns, such as the loss, is returned. `update` is the optimizer. Both
    /// are told which weights are live: the weights whose gradients are needed, and those to change.
    ///
    /// # Errors
    /// Where all steps of the run are done, and those of the hooks, of `gradients` and of `update`.
    /// Whatever fails, no hook leaves the model with what it has swapped in.
    pub fn step<M: Gradients, T, E: From<Error>>(
        &mut self,
        model: &mut M,
        learning_rate: f32,
        gradients: impl FnOnce(&mut M, &LiveSets) -> Result<T, E>,
        update: impl FnOnce(&mut M, &LiveSets) -> Result<(), E>,
    ) -> Result<T, E> {
        if self.done >= self.total {
            let what = "a training step";
            let expected = format!("one of the {} that the run was to have", self.total);
            return Err(Error::invalid(what, self.done + 1, expected).into());
        }
        let step = Step {
            step: self.done,
            total_steps: self.total,
            learning_rate,
        };
        let result = self.take(model, step, gradients, update);
        if result.is_err() {
            for hook in self.hooks.iter_mut().rev() {
                // The first error is the one to report.
                let _ = hook.after_evaluation(model);
            }
        }
        result
    }

    fn take<M: Gradients, T, E: From<Error>>(
        &mut self,
        model: &mut M,
        step: Step,
        gradients: impl FnOnce(&mut M, &LiveSets) -> Result<T, E>,
        update: impl FnOnce(&mut M, &LiveSets) -> Result<(), E>,
    ) -> Result<T, E> {
        self.follow(model)?;
        for hook in self.hooks.iter_mut() {
            let (live, model) = (&self.live, &mut *model);
            hook.before_forward(&mut Training { model, step, live })?;
        }
        let given = match self.all_gradients {
            true => gradients(model, &LiveSets::default())?,
            false => gradients(model, &self.live)?,
        };
        for hook in self.hooks.iter_mut().rev() {
            let (live, model) = (&self.live, &mut *model);
            hook.after_backward(&mut Training { model, step, live })?;
        }
        if !self.held && !self.live.is_empty() {
            let live = &self.live;
            model.visit_gradients(&mut |gradient| zero_dead(live, gradient))?;
        }
        update(model, &self.live)?;
        if !self.held {
            self.zero_values(model)?;
        }
        for hook in self.hooks.iter_mut() {
            let (live, model) = (&self.live, &mut *model);
            hook.after_step(&mut Training { model, step, live })?;
        }
        self.done += 1;
        self.follow(model)?;
        Ok(given)
    }

    /// Uses the model as it will be shipped, as for a validation. Pruned weights are zero there,
    /// also before the first step.
    ///
    /// # Errors
    /// Those of the hooks and of `evaluate`.
    pub fn evaluate<M: Parameters, T, E: From<Error>>(
        &mut self,
        model: &mut M,
        evaluate: impl FnOnce(&M) -> Result<T, E>,
    ) -> Result<T, E> {
        self.look(model)?;
        if !(self.told && self.held) {
            self.zero_values(model)?;
        }
        let mut ready = Ok(());
        for hook in self.hooks.iter_mut() {
            ready = ready.and_then(|()| hook.before_evaluation(model, &self.live));
        }
        let found = ready.map_err(E::from).and_then(|()| evaluate(model));
        let mut undone = Ok(());
        for hook in self.hooks.iter_mut().rev() {
            undone = undone.and(hook.after_evaluation(model));
        }
        let found = found?;
        undone?;
        Ok(found)
    }

    /// Ends the run and leaves the model as it will be shipped. It may end before all steps were
    /// taken, as where validation stops it. Hooks find pruned weights at zero and must leave them
    /// there.
    ///
    /// # Errors
    /// Where a hook has not reached what it promised, such as a density; all hooks are called, and
    /// the first error is the one that is returned. Then, where a pruned weight is not zero.
    pub fn finish<M: Parameters>(mut self, model: &mut M) -> Result<()> {
        self.look(model)?;
        self.zero_values(model)?;
        let mut finished = Ok(());
        for hook in self.hooks.iter_mut() {
            finished = finished.and(hook.finish(model, &self.live, self.done, self.total));
        }
        finished?;
        model.visit(&mut |tensor| check_dead(&self.live, tensor))
    }

    /// Takes over what hooks have pruned since it last looked, and tells the model. Leaves no dead
    /// weight other than zero, unless the model sees to that.
    fn follow<M: Gradients>(&mut self, model: &mut M) -> Result<()> {
        self.look(model)?;
        let all_gradients = self.hooks.iter().any(|hook| hook.needs_dead_gradients());
        if self.all_gradients != all_gradients {
            (self.all_gradients, self.told) = (all_gradients, false);
        }
        if self.told && self.held {
            return Ok(());
        }
        if !self.told {
            self.held = match all_gradients {
                // A model that holds dead weights at zero computes no gradients of them.
                true => {
                    model.hold(&LiveSets::default())?;
                    false
                }
                false => model.hold(&self.live)?,
            };
        }
        self.zero_values(model)?;
        self.told = true;
        Ok(())
    }

    /// Takes over what hooks have pruned since it last looked. Where a mask does not fit the model,
    /// all stays as it was.
    fn look<M: Parameters>(&mut self, model: &M) -> Result<()> {
        let pruned: Vec<Option<Pruned<'_>>> = self.hooks.iter().map(|h| h.pruned()).collect();
        let revisions: Vec<Option<u64>> = pruned.iter().map(|p| p.map(|p| p.revision)).collect();
        if self.revisions.as_ref() == Some(&revisions) {
            return Ok(());
        }
        let mut live = LiveSets::default();
        for Pruned { mask, .. } in pruned.into_iter().flatten() {
            mask.check(model)?;
            for tensor in &mask.tensors {
                live.mark(&tensor.name, &tensor.shape, &tensor.keep)?;
            }
        }
        (self.live, self.told) = (live, false);
        self.revisions = Some(revisions);
        Ok(())
    }

    fn zero_values<M: Parameters>(&self, model: &mut M) -> Result<()> {
        if self.live.is_empty() {
            return Ok(());
        }
        model.visit_mut(&mut |tensor| zero_dead(&self.live, tensor))
    }
}

fn zero_dead(live: &LiveSets, tensor: TensorMut<'_>) -> Result<()> {
    if let Some(live) = live.of(tensor.name) {
        let (rows, columns) = live.dim();
        let count = [rows * columns];
        Error::check_shape(tensor.name, &count, &[tensor.values.len()])?;
        live.zero_dead(tensor.values);
    }
    Ok(())
}

/// Fails at the first dead value that is not zero.
fn check_dead(live: &LiveSets, tensor: TensorRef<'_>) -> Result<()> {
    let Some(live) = live.of(tensor.name) else {
        return Ok(());
    };
    let mut dead = live.dead_ranges().flatten();
    match dead.find(|&index| tensor.values[index] != 0.0) {
        None => Ok(()),
        Some(index) => {
            let value = tensor.values[index];
            let what = format!("the pruned weight of {} at index {index}", tensor.name);
            let expected = "zero after the hooks have finished";
            Err(Error::invalid(what, value, expected))
        }
    }
}
