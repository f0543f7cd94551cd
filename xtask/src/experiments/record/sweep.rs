//! The frontier of a track, error against bytes: students with several numbers of weights, all
//! else being as for the track's first target. Errors are counted on the validation images; the
//! test set stays shut whatever the seeds.

use compress_core::train::Samples;
use compress_nn::data::ImageSet;
use serde::Serialize;

use super::lab::Student;
use super::settings::{Settings, Track};
use super::setup::Setup;
use super::student;
use super::summary::{mean, push};
use crate::evaluate::count_errors;
use crate::experiments::decoded::{Decoded, failed, nonzero_weights, percent, published};
use crate::report::{FrontierPoint, Sweep, rounded, sweep_plot};
use crate::run::{Profile, Run, RunError};

/// Numbers of weights that stay, each about a fifth more than the one before it.
const PIXELS: &[usize] = &[
    1_400, 1_700, 2_000, 2_400, 2_900, 3_500, 4_200, 5_000, 6_000,
];
const POOLED: &[usize] = &[700, 850, 1_000, 1_200, 1_450, 1_750, 2_100, 2_500, 3_000];
const QUICK: &[usize] = &[300, 500, 900];

/// Those of a profile and track.
pub(super) fn weights(profile: Profile, track: Track) -> &'static [usize] {
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

/// One number of weights.
#[derive(Serialize)]
struct Point {
    /// That pruning is to leave.
    weights: usize,
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

/// Makes the students of all numbers of weights and seeds, then the table and the plot.
pub(super) fn run(run: &Run) -> Result<(), RunError> {
    let settings = Settings::of(run.profile, &run.options)?;
    let setup = Setup::new(run, settings.lessons(), settings.seeds)?;
    let (weights, seeds) = (weights(run.profile, settings.track), &setup.seeds);
    let grid = weights
        .iter()
        .flat_map(|&w| seeds.iter().map(move |&s| (w, s)));
    let grid: Vec<(usize, u64)> = grid.collect();
    let names = grid
        .iter()
        .map(|(weights, seed)| format!("{weights} weights, seed {seed}"));
    let names: Vec<String> = names.collect();
    let students: Vec<Student> = setup.stages(&names, |lab, i| {
        let ((weights, seed), mut settings) = (grid[i], settings.clone());
        settings.target.weights = weights;
        let pruned = student::pruned(lab, &settings, seed)?;
        student::quantized(lab, &settings, seed, &pruned)
    })?;
    let validation = &setup.validation;
    let swept = grid.iter().zip(&students);
    let swept = swept.map(|(&(_, seed), student)| measure(seed, student, validation));
    let mut swept = swept.collect::<Result<Vec<Swept>, RunError>>()?.into_iter();
    let points = weights.iter().map(|&weights| {
        let seeds = swept.by_ref().take(seeds.len());
        point(weights, seeds.collect(), validation.len())
    });
    let frontier = Frontier {
        track: settings.track.name(),
        profile: run.profile.name(),
        command: run.command(),
        validation_samples: validation.len(),
        points: points.collect(),
    };
    write(run, &settings, &frontier)
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

fn point(weights: usize, seeds: Vec<Swept>, images: usize) -> Point {
    let of = |value: &dyn Fn(&Swept) -> f64| mean(&seeds.iter().map(value).collect::<Vec<f64>>());
    Point {
        weights,
        mean_bytes: rounded(of(&|s| s.bytes as f64), 2),
        mean_error_percent: rounded(of(&|s| percent(s.validation_errors, images)), 4),
        seeds,
    }
}

fn write(run: &Run, settings: &Settings, frontier: &Frontier<'_>) -> Result<(), RunError> {
    let stem = format!("frontier-{}", frontier.track);
    let text = table(frontier, &stem, settings);
    println!("\n{text}");
    let json = serde_json::to_string_pretty(frontier).map_err(|e| RunError::measure(e.into()))?;
    let json = json + "\n";
    let plot = sweep_plot(&plot(frontier, settings.track))?;
    let plot = plot.ok_or_else(|| failed("there are no seeds"))?;
    run.finish_without_report(&[
        (format!("{stem}.md"), text.as_bytes()),
        (format!("{stem}.json"), json.as_bytes()),
        (format!("{stem}.svg"), plot.as_bytes()),
    ])
}

/// The page, as markdown.
fn table(frontier: &Frontier<'_>, stem: &str, settings: &Settings) -> String {
    let mut out = format!(
        "# Frontier of track `{}`\n\n```sh\n{}\n```\n\nErrors of {} validation images, of the decoded file; the test set stayed shut. The number of weights changes; all else is as for {} bytes.\n\n![Error against bytes]({stem}.svg)\n\n",
        frontier.track, frontier.command, frontier.validation_samples, settings.target.bytes
    );
    push(&mut out, "| weights |");
    let seeds = frontier.points.first().map_or(&[][..], |p| &p.seeds);
    for Swept { seed, .. } in seeds {
        push(&mut out, &format!(" seed {seed}: bytes | errors |"));
    }
    push(&mut out, " mean bytes | mean errors | mean % |\n| ---: |");
    push(&mut out, &" ---: |".repeat(2 * seeds.len() + 3));
    for point in &frontier.points {
        push(&mut out, &format!("\n| {} |", point.weights));
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

fn plot(frontier: &Frontier<'_>, track: Track) -> Sweep {
    let points = frontier.points.iter();
    let models = points.clone().flat_map(|p| &p.seeds).map(|s| {
        let error = percent(s.validation_errors, frontier.validation_samples);
        (s.bytes as f64, error)
    });
    let models: Vec<(f64, f64)> = models.collect();
    Sweep {
        error: "validation error",
        published: beside(&models, track),
        models,
        means: points
            .map(|p| (p.mean_bytes, p.mean_error_percent))
            .collect(),
    }
}

/// What others published and can be compared with `models`: on the track `pixels`, and with errors
/// not far from theirs.
fn beside(models: &[(f64, f64)], track: Track) -> Vec<FrontierPoint> {
    let errors = models.iter().map(|(_, error)| *error);
    let low = errors.clone().fold(f64::INFINITY, f64::min) / 1.5;
    let high = errors.fold(0.0, f64::max) * 1.5;
    let near = published().filter(|p| (low..=high).contains(&p.error_percent));
    near.filter(|_| track == Track::Pixels).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn publications_stand_beside_like_errors_on_the_pixels_alone() {
        let near = [(1_700.0, 2.1), (4_000.0, 1.4)];
        assert_eq!(beside(&near, Track::Pixels).len(), published().count());
        assert_eq!(beside(&near, Track::Pooled).len(), 0);
        assert_eq!(beside(&[(900.0, 12.0)], Track::Pixels).len(), 0);
    }

    #[test]
    fn sweeps_ascend() {
        for profile in [Profile::Quick, Profile::Full] {
            for track in [Track::Pixels, Track::Pooled] {
                let weights = weights(profile, track);
                assert!(weights.windows(2).all(|w| w[0] < w[1]), "{weights:?}");
            }
        }
    }
}
