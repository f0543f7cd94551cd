//! A made-up report with everything in it.

use compress_core::train::EpochReport;
use compress_report::plots::{FrontierPoint, Histogram, LayerWeights};

use super::model::{Curve, LayerDensity, Report, Stage, StoredRow};

/// A report of five stages. Its text holds what must be escaped.
pub(super) fn report() -> Report {
    Report {
        headline: None,
        experiment: "pixels <784>".into(),
        profile: "full".into(),
        data: "MNIST".into(),
        seed: 7,
        model_hash: "00c0ffee".into(),
        settings: vec![
            ("weights".into(), "2,350".into()),
            ("temperature | T".into(), "2 & \"soft\"".into()),
        ],
        stages: stages(),
        validation_samples: 5_000,
        test_samples: Some(10_000),
        curves: vec![
            curve("teacher", 40, 0.35, 40),
            curve("prune", 250, 0.08, 75),
            curve("quantize", 12, 0.05, 80),
        ],
        histograms: vec![
            histogram("layers.0", 117_600),
            histogram("layers.1", 7_200),
            histogram("layers.2", 480),
        ],
        densities: densities(),
        file_bytes: 2_820,
        tensors: vec![
            row("layers.0.weight", "entropy", 2_021),
            row("layers.0.bias", "packed", 72),
            row("layers.1.weight", "entropy", 520),
        ],
        image_width: 28,
        pixel_use: pixel_use(),
        weights: weights(),
        frontier: frontier(),
        command: "cargo xtask experiment pixels --profile full --seed 7".into(),
    }
}

fn stages() -> Vec<Stage> {
    let stage = |stage: &str, parameters, nonzero, bytes, ratio, validation, test_errors| Stage {
        stage: stage.into(),
        parameters,
        nonzero,
        bytes,
        ratio,
        validation_error_percent: validation,
        test_errors,
    };
    vec![
        stage(
            "teacher", 2_395_210, 2_395_210, 9_580_870, 0.111_308, 0.7, None,
        ),
        stage("student", 266_610, 266_610, 1_066_470, 1.0, 1.82, Some(178)),
        stage("prune", 127_000, 2_350, 12_345, 86.388_821, 1.6, None),
        stage(
            "quantize",
            127_000,
            2_342,
            2_820,
            378.180_851,
            1.514_49,
            Some(157),
        ),
    ]
}

fn curve(stage: &str, epochs: usize, loss: f32, errors: usize) -> Curve {
    let epochs = (0..epochs).map(|epoch| {
        let left = 1.0 / (1.0 + epoch as f32 * 0.4);
        let wobble = ((epoch * 7) % 5) as f32 / 50.0;
        EpochReport {
            epoch,
            training_loss: loss * (0.2 + left * 5.0 + wobble),
            validation_errors: (epoch % 2 == 1)
                .then(|| errors + (300.0 * left) as usize + (epoch * 3) % 4),
            validation_loss: (epoch % 2 == 1).then_some(loss * (0.4 + left * 3.0 + wobble)),
        }
    });
    Curve {
        stage: stage.into(),
        epochs: epochs.collect(),
    }
}

fn histogram(layer: &str, weights: u64) -> Histogram {
    let bins = 61;
    // A bell for the dense weights, a comb of a few levels for the compressed ones.
    let before = (0..bins).map(|i: i64| {
        let d = (i - 30) as f64 / 8.0;
        (weights as f64 / 20.0 / (1.0 + d * d * d * d)) as u64
    });
    let after = (0..bins).map(|i: i64| match i {
        30 => weights * 98 / 100,
        i if i % 4 == 2 && (10..=50).contains(&i) => weights / 400 / (1 + (i - 30).unsigned_abs()),
        _ => 0,
    });
    Histogram {
        layer: layer.into(),
        low: -0.61,
        high: 0.61,
        before: before.collect(),
        after: after.collect(),
    }
}

fn densities() -> Vec<LayerDensity> {
    let values = [
        ("student", [1.0, 1.0, 1.0]),
        ("prune", [0.0132, 0.074, 0.31]),
        ("quantize", [0.0131, 0.072, 0.309]),
    ];
    let stage = |(stage, layers): (&str, [f64; 3])| {
        let stage = stage.to_owned();
        layers
            .into_iter()
            .enumerate()
            .map(move |(i, density)| LayerDensity {
                stage: stage.clone(),
                layer: format!("layers.{i}"),
                density,
            })
    };
    values.into_iter().flat_map(stage).collect()
}

fn row(name: &str, coding: &str, bytes: usize) -> StoredRow {
    StoredRow {
        name: name.into(),
        coding: coding.into(),
        bytes,
        kernel: if name.ends_with("weight") {
            "sparse f32"
        } else {
            ""
        }
        .into(),
    }
}

fn pixel_use() -> Vec<f32> {
    let use_of = |i: usize| {
        let (dx, dy) = ((i % 28) as f32 - 13.5, (i / 28) as f32 - 13.5);
        let away = (dx * dx + dy * dy) / 12.0;
        ((14.0 - away).max(0.0) + ((i * 31) % 5) as f32 - 2.0)
            .max(0.0)
            .round()
    };
    (0..784).map(use_of).collect()
}

fn weights() -> Vec<LayerWeights> {
    let layer = |layer: &str, outputs: usize, inputs: usize| {
        // One in thirty, of both signs.
        let value = |i: usize| match i * 7 % 30 {
            0 => ((i * 13) % 31) as f32 - 15.0,
            _ => 0.0,
        };
        LayerWeights {
            layer: layer.into(),
            inputs,
            values: (0..outputs * inputs).map(value).collect(),
        }
    };
    vec![layer("layers.0", 20, 784), layer("layers.1", 10, 20)]
}

fn frontier() -> Vec<FrontierPoint> {
    let point = |label: &str, bytes, error_percent, published| FrontierPoint {
        label: label.into(),
        bytes,
        error_percent,
        published,
    };
    vec![
        point("student", 1_066_470, 1.78, false),
        point("prune", 12_345, 1.61, false),
        point("quantize", 2_820, 1.57, false),
        point("Deep Compression (2016)", 27_000, 1.58, true),
        point("Soft Weight-Sharing (2017)", 16_663, 1.94, true),
        point("Bayesian Compression (2017)", 18_230, 1.8, true),
        point("Sparse Variational Dropout (2017)", 15_683, 1.92, true),
        point("RigL+ (2020)", 16_113, 1.69, true),
        point("Oktay et al. (2020)", 8_560, 1.9, true),
    ]
}
