//! The frontier of a track, error against bytes: the pruned students of the track's first
//! target, quantized at several prices of a bit. Errors are counted on the validation images; the
//! test set stays shut whatever the seeds.

use compress_core::train::Samples;
use compress_nn::data::ImageSet;
use compress_report::plots::{self, FrontierPoint, Sweep};
use compress_report::rounded;
use serde::Serialize;

use super::lab::Student;
use super::settings::{Settings, Track};
use super::setup::Setup;
use super::student;
use super::summary::{mean, push};
use crate::evaluate::count_errors;
use crate::experiments::decoded::{Decoded, failed, nonzero_weights, percent, published};
use crate::run::{Profile, Run, RunError};

/// What a bit costs in the loss; in full each about half as much again as the one before it.
const PIXELS: &[f32] = &[2.5e-6, 4e-6, 6e-6, 9e-6, 1.4e-5, 2.1e-5, 3.2e-5];
const POOLED: &[f32] = &[5e-6, 8e-6, 1.2e-5, 1.8e-5, 2.7e-5, 4e-5, 6e-5];
const QUICK: &[f32] = &[5e-6, 5e-5, 2e-4];

/// The prices of a bit that a sweep of this profile and track goes through.
pub(super) fn penalties(profile: Profile, track: Track) -> &'static [f32] {
    match (profile, track) {
        (Profile::Quick, _) => QUICK,
        (Profile::Full, Track::Pooled) => POOLED,
        (Profile::Full, _) => PIXELS,
    }
}

/// What is written, and what the table and the plot are made of.
#[derive(Serialize)]
struct Frontier<'a> {
    track: &'a str,
    profile: &'a str,
    command: String,
    validation_samples: usize,
    points: Vec<Point>,
}

/// One price.
#[derive(Serialize)]
struct Point {
    penalty: f32,
    mean_bytes: f64,
    mean_error_percent: f64,
    seeds: Vec<Swept>,
}

/// One student, as its file says it is.
#[derive(Serialize)]
struct Swept {
    seed: u64,
    bytes: usize,
    /// That are not zero.
    weights: usize,
    validation_errors: usize,
}

/// Makes the students of all prices and seeds, then the table and the plot.
pub(super) fn run(run: &Run, settings: &Settings) -> Result<(), RunError> {
    let setup = Setup::new(run, settings.lessons(), settings.seeds)?;
    let (penalties, seeds) = (penalties(run.profile, settings.track), &setup.seeds);
    let of_penalty = |i: usize| penalties[i / seeds.len()];
    let of_seed = |i: usize| i % seeds.len();
    let count = penalties.len() * seeds.len();
    let names = (0..count)
        .map(|i| format!("penalty {:e}, seed {}", of_penalty(i), seeds[of_seed(i)]))
        .collect();
    let [_, students] = setup.stages_from(
        &student::pruned_store(run, settings)?,
        &[setup.names("pruned"), names],
        of_seed,
        |lab, i| student::pruned(lab, settings, seeds[i]),
        |lab, i, pruned| {
            let mut settings = settings.clone();
            settings.target.penalty = of_penalty(i);
            student::quantized(lab, &settings, seeds[of_seed(i)], &pruned)
        },
    )?;
    let validation = &setup.validation;
    let swept = students.iter().enumerate();
    let swept = swept.map(|(i, student)| measure(seeds[of_seed(i)], student, validation));
    let mut swept = swept.collect::<Result<Vec<Swept>, RunError>>()?.into_iter();
    let points = penalties.iter().map(|&penalty| {
        let seeds = swept.by_ref().take(seeds.len());
        point(penalty, seeds.collect(), validation.len())
    });
    let frontier = Frontier {
        track: settings.track.name(),
        profile: run.profile.name(),
        command: run.command(),
        validation_samples: validation.len(),
        points: points.collect(),
    };
    write(run, settings, &frontier)
}

fn measure(seed: u64, student: &Student, validation: &ImageSet) -> Result<Swept, RunError> {
    let decoded = Decoded::of(&student.file)?;
    Ok(Swept {
        seed,
        bytes: student.file.len(),
        weights: nonzero_weights(&decoded.network),
        validation_errors: count_errors(&decoded.runtime, validation)?,
    })
}

fn point(penalty: f32, seeds: Vec<Swept>, images: usize) -> Point {
    let of = |value: &dyn Fn(&Swept) -> f64| mean(&seeds.iter().map(value).collect::<Vec<f64>>());
    Point {
        penalty,
        mean_bytes: rounded(of(&|s| s.bytes as f64), 2),
        mean_error_percent: rounded(of(&|s| percent(s.validation_errors, images)), 4),
        seeds,
    }
}

fn write(run: &Run, settings: &Settings, frontier: &Frontier<'_>) -> Result<(), RunError> {
    let stem = format!("frontier-{}", frontier.track);
    let text = table(frontier, &stem, settings);
    let json = compress_report::json(frontier)?;
    let plot = plots::sweep(&plot(
        frontier,
        run.is_mnist() && settings.track == Track::Pixels,
    ))?;
    let plot = plot.ok_or_else(|| failed("there are no seeds"))?;
    run.finish_without_report(
        &text,
        &[
            (format!("{stem}.md"), text.as_bytes()),
            (format!("{stem}.json"), json.as_bytes()),
            (format!("{stem}.svg"), plot.as_bytes()),
        ],
    )
}

/// The page, as markdown.
fn table(frontier: &Frontier<'_>, stem: &str, settings: &Settings) -> String {
    let mut out = format!(
        "# Frontier of track `{}`\n\n```sh\n{}\n```\n\nErrors of {} validation images, of the decoded file; the test set stayed shut. Students pruned as for {} bytes, then quantized at several prices of a bit.\n\n![Error against bytes]({stem}.svg)\n\n",
        frontier.track, frontier.command, frontier.validation_samples, settings.target.bytes
    );
    push(&mut out, "| cost of a bit in the loss |");
    let seeds = frontier.points.first().map_or(&[][..], |p| &p.seeds);
    for Swept { seed, .. } in seeds {
        push(&mut out, &format!(" seed {seed}: bytes | errors |"));
    }
    push(&mut out, " mean bytes | mean errors | mean % |\n| ---: |");
    push(&mut out, &" ---: |".repeat(2 * seeds.len() + 3));
    for point in &frontier.points {
        push(&mut out, &format!("\n| {:e} |", point.penalty));
        for student in &point.seeds {
            let (bytes, errors) = (student.bytes, student.validation_errors);
            push(&mut out, &format!(" {bytes} | {errors} |"));
        }
        let errors = point.seeds.iter().map(|s| s.validation_errors as f64);
        let errors = mean(&errors.collect::<Vec<f64>>());
        let (bytes, percent) = (point.mean_bytes, point.mean_error_percent);
        push(
            &mut out,
            &format!(" {bytes:.1} | {errors:.1} | {percent:.3} |"),
        );
    }
    push(&mut out, "\n");
    out
}

fn plot(frontier: &Frontier<'_>, comparable: bool) -> Sweep {
    let points = frontier.points.iter();
    let models = points.clone().flat_map(|p| &p.seeds).map(|s| {
        let error = percent(s.validation_errors, frontier.validation_samples);
        (s.bytes as f64, error)
    });
    let models: Vec<(f64, f64)> = models.collect();
    Sweep {
        error: "validation error".into(),
        published: if comparable {
            beside(&models)
        } else {
            Vec::new()
        },
        models,
        means: points
            .map(|p| (p.mean_bytes, p.mean_error_percent))
            .collect(),
    }
}

/// What others published with errors not far from those of `models`.
fn beside(models: &[(f64, f64)]) -> Vec<FrontierPoint> {
    let errors = models.iter().map(|(_, error)| *error);
    let low = errors.clone().fold(f64::INFINITY, f64::min) / 1.5;
    let high = errors.fold(0.0, f64::max) * 1.5;
    let near = published().filter(|p| (low..=high).contains(&p.error_percent));
    near.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn publications_stand_beside_like_errors() {
        let near = [(1_700.0, 2.1), (4_000.0, 1.4)];
        assert_eq!(beside(&near).len(), published().count());
        assert_eq!(beside(&[(900.0, 12.0)]).len(), 0);
    }

    #[test]
    fn sweeps_ascend() {
        for profile in [Profile::Quick, Profile::Full] {
            for track in [Track::Pixels, Track::Pooled] {
                let penalties = penalties(profile, track);
                assert!(penalties.windows(2).all(|p| p[0] < p[1]), "{penalties:?}");
            }
        }
    }
}
