//! Stages: what is finished is taken from a store, the rest is done and stored.

use std::error::Error;
use std::time::Instant;

use serde::{Serialize, de::DeserializeOwned};

use super::{Run, RunError, StageTime};
use crate::queue::Queue;
use crate::store::Store;

/// What a stage's work gives.
type Worked<T> = Result<T, Box<dyn Error + Send + Sync>>;

impl Run {
    /// Takes the stage's result from the store, or runs it and stores the result.
    pub(crate) fn stage<T>(
        &self,
        name: &str,
        work: impl FnOnce() -> Worked<T>,
    ) -> Result<T, RunError>
    where
        T: Serialize + DeserializeOwned,
    {
        self.stage_in(&self.store, name, work)
    }

    /// [`Run::stage`] in another store.
    pub(crate) fn stage_in<T>(
        &self,
        store: &Store,
        name: &str,
        work: impl FnOnce() -> Worked<T>,
    ) -> Result<T, RunError>
    where
        T: Serialize + DeserializeOwned,
    {
        let started = Instant::now();
        let stored = store.load(name)?;
        let resumed = stored.is_some();
        let value = match stored {
            Some(value) => value,
            None => {
                let shown = self.progress.begin(name);
                let value = work().map_err(|source| RunError::Stage {
                    stage: name.to_owned(),
                    source,
                })?;
                drop(shown);
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
        work: impl Fn(usize) -> Worked<T> + Sync,
    ) -> Result<Vec<T>, RunError>
    where
        T: Serialize + DeserializeOwned + Send,
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
        first: impl Fn(usize) -> Worked<T> + Sync,
        second: impl Fn(usize, T) -> Worked<T> + Sync,
    ) -> Result<[Vec<T>; 2], RunError>
    where
        T: Serialize + DeserializeOwned + Send,
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

    /// Does those of these stages that the store lacks, some of which need the one of the number
    /// that `needed` gives.
    pub(crate) fn run_missing<T>(
        &self,
        names: &[String],
        needed: impl Fn(usize) -> Option<usize> + Sync,
        work: impl Fn(usize) -> Worked<T> + Sync,
    ) -> Result<(), RunError>
    where
        T: Serialize + DeserializeOwned + Send,
    {
        let stores = vec![&self.store; names.len()];
        let seconds = self.missing_in_order(names, &stores, needed, work)?;
        for (name, seconds) in names.iter().zip(seconds) {
            match seconds {
                Some(seconds) => self.remember_time(name, seconds),
                None => self.done(name, true, 0.0),
            }
        }
        Ok(())
    }

    /// [`Run::stages`], each in its store, of which some begin only when the one `before` them is
    /// finished.
    fn stages_in_order<T>(
        &self,
        names: &[String],
        stores: &[&Store],
        before: impl Fn(usize) -> Option<usize> + Sync,
        work: impl Fn(usize) -> Worked<T> + Sync,
    ) -> Result<Vec<T>, RunError>
    where
        T: Serialize + DeserializeOwned + Send,
    {
        let seconds = self.missing_in_order(names, stores, before, work)?;
        let mut values = Vec::new();
        for ((name, store), seconds) in names.iter().zip(stores).zip(seconds) {
            // From the store, so that a resumed run and one that was not go on from the same.
            let stored = store.load(name)?;
            values.push(stored.ok_or_else(|| RunError::Stage {
                stage: name.clone(),
                source: "its result has gone from the folder of stages".into(),
            })?);
            match seconds {
                Some(seconds) => self.remember_time(name, seconds),
                None => self.done(name, true, 0.0),
            }
        }
        Ok(values)
    }

    fn remember_time(&self, name: &str, seconds: f64) {
        self.times.borrow_mut().push(StageTime {
            stage: name.to_owned(),
            seconds,
            resumed: false,
        });
    }

    /// Does the stages that their stores lack; returns the seconds that each of these took.
    fn missing_in_order<T>(
        &self,
        names: &[String],
        stores: &[&Store],
        before: impl Fn(usize) -> Option<usize> + Sync,
        work: impl Fn(usize) -> Worked<T> + Sync,
    ) -> Result<Vec<Option<f64>>, RunError>
    where
        T: Serialize + DeserializeOwned + Send,
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
            let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build()?;
            let value = pool.install(|| {
                let _shown = progress.begin(&names[i]);
                work(i)
            });
            let value = value.map_err(failed)?;
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
        Ok(seconds)
    }
}
