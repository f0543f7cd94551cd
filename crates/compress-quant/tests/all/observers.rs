//! Ranges of activations from a stream of batches.

use compress_core::observe::{OnSamples, Place, Tap, Tapped, Watching, observe};
use compress_core::train::ArraySamples;
use compress_core::{Error, Result};
use compress_quant::observers::{
    ActivationRange, MeanSquaredError, MinMax, OBSERVERS, Observer, Percentile, observer,
};
use compress_testing::{Chain, normal};
use ndarray::{Array2, ArrayView2, Axis, arr2};

const PLACE: Place<'static> = Place::InputOf("layers.0.weight");

fn observers() -> Vec<Box<dyn Observer>> {
    vec![
        Box::new(MinMax::new()),
        Box::new(Percentile::new(99.0).unwrap()),
        Box::new(Percentile::new(100.0).unwrap()),
        Box::new(MeanSquaredError::new(4).unwrap()),
    ]
}

fn show(observer: &mut dyn Observer, inputs: ArrayView2<'_, f32>) {
    observer.observe(PLACE, inputs).unwrap();
}

#[test]
fn the_network_is_run_over_all_samples() {
    let network = Chain::normal(&[6, 5, 3], 1);
    let inputs = Array2::from_shape_vec((1100, 6), normal(1, "x", 6600)).unwrap();
    let samples = ArraySamples::new(inputs.clone(), Vec::new()).unwrap();
    let mut min_max = MinMax::new();
    let on_samples = OnSamples::new(&network, &samples);
    observe(&on_samples, &mut min_max).unwrap();
    let ranges = min_max.ranges().unwrap();
    let names: Vec<_> = ranges.iter().map(|r| r.name.as_str()).collect();
    assert_eq!(names, ["layers.0.weight", "layers.1.weight"]);
    assert!(ranges.iter().all(|r| r.samples == 1100));
    let extreme = |f: fn(f32, f32) -> f32| inputs.iter().copied().reduce(f).unwrap();
    assert_eq!(
        (ranges[0].low, ranges[0].high),
        (extreme(f32::min), extreme(f32::max))
    );

    /// Keeps everything, as an observer must not.
    #[derive(Default)]
    struct Everything(Vec<f32>);
    impl Tap for Everything {
        fn observe(&mut self, place: Place<'_>, rows: ArrayView2<'_, f32>) -> Result<()> {
            if place == Place::InputOf("layers.1.weight") {
                self.0.extend(rows.iter());
            }
            Ok(())
        }
    }
    let mut hidden = Everything::default();
    network.run_tapped(inputs.view(), &mut hidden).unwrap();
    let mut percentile = Percentile::new(99.0).unwrap();
    observe(&on_samples, &mut percentile).unwrap();
    hidden.0.sort_by(f32::total_cmp);
    let exact = hidden.0[(hidden.0.len() * 99).div_ceil(100) - 1];
    let range = &percentile.ranges().unwrap()[1];
    assert_eq!(range.low, 0.0);
    assert!(
        (range.high - exact).abs() <= exact / 128.0,
        "{range:?} {exact}"
    );
}

#[test]
fn batching_and_order_do_not_matter() {
    let inputs = Array2::from_shape_vec((90, 7), normal(2, "x", 630)).unwrap();
    for (mut whole, mut parts) in observers().into_iter().zip(observers()) {
        show(whole.as_mut(), inputs.view());
        for chunk in inputs
            .axis_chunks_iter(Axis(0), 13)
            .collect::<Vec<_>>()
            .into_iter()
            .rev()
        {
            show(parts.as_mut(), chunk);
        }
        assert_eq!(whole.ranges().unwrap(), parts.ranges().unwrap());
    }
}

#[test]
fn outliers_are_clipped_by_all_but_min_max() {
    let mut values = normal(3, "x", 20_000);
    values[7] = 500.0;
    let inputs = Array2::from_shape_vec((2000, 10), values).unwrap();
    let highs: Vec<f32> = observers()
        .into_iter()
        .map(|mut observer| {
            show(observer.as_mut(), inputs.view());
            observer.ranges().unwrap()[0].high
        })
        .collect();
    assert_eq!((highs[0], highs[2]), (500.0, 500.0));
    assert!((2.2..2.5).contains(&highs[1]), "{highs:?}");
    assert!(highs[3] < 500.0, "{highs:?}");
}

#[test]
fn the_least_squared_error_is_no_worse_than_the_whole_range() {
    let inputs = Array2::from_shape_vec((1000, 10), normal(4, "x", 10_000)).unwrap();
    let error = |observer: &mut dyn Observer| {
        show(observer, inputs.view());
        let (scale, zero) = observer.ranges().unwrap()[0]
            .scale_and_zero_point(3)
            .unwrap();
        let round = |x: f32| {
            scale
                * ((x / scale)
                    .round_ties_even()
                    .clamp(-zero as f32, (7 - zero) as f32))
        };
        inputs
            .iter()
            .map(|&x| f64::from(x - round(x)).powi(2))
            .sum::<f64>()
    };
    let whole = error(&mut MinMax::new());
    let best = error(&mut MeanSquaredError::new(3).unwrap());
    assert!(best < 0.7 * whole, "{best} {whole}");
}

#[test]
fn scale_and_zero_point_span_the_range_and_zero() {
    for (values, expected) in [
        ([0.0, 255.0], (1.0, 0)),
        ([-1.0, 254.0], (1.0, 1)),
        ([100.0, 255.0], (1.0, 0)),
        ([-255.0, -3.0], (1.0, 255)),
        ([0.0, 0.0], (1.0, 0)),
    ] {
        let mut observer = MinMax::new();
        show(
            &mut observer,
            Array2::from_shape_vec((1, 2), values.to_vec())
                .unwrap()
                .view(),
        );
        let range = &observer.ranges().unwrap()[0];
        assert_eq!(range.scale_and_zero_point(8).unwrap(), expected);
        assert!(range.scale_and_zero_point(1).is_err());
        assert!(range.scale_and_zero_point(17).is_err());
    }
}

#[test]
fn what_is_no_interval_has_no_scale() {
    for (low, high) in [
        (f32::NAN, 1.0),
        (-1.0, f32::NAN),
        (f32::NAN, f32::NAN),
        (1.0, -1.0),
        (2.0, 1.0),
        (f32::NEG_INFINITY, f32::INFINITY),
        (-1.0, f32::INFINITY),
    ] {
        let name = "fc1".to_owned();
        let range = ActivationRange {
            name,
            samples: 1,
            low,
            high,
        };
        let error = range.scale_and_zero_point(8).unwrap_err().to_string();
        let expected = format!("range of the activations of fc1 is {low} to {high}");
        assert!(error.starts_with(&expected), "{error}");
    }
}

#[test]
fn nothing_seen_or_nothing_finite_is_an_error() {
    let places = [PLACE, Place::Value("layers.0")];
    for mut observer in observers() {
        assert!(observer.ranges().is_err());
        for bad in [f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            for (place, at) in places.iter().flat_map(|p| (0..40).map(move |at| (*p, at))) {
                let mut inputs = Array2::zeros((4, 10));
                inputs.as_slice_mut().unwrap()[at] = bad;
                let error = observer.observe(place, inputs.view()).unwrap_err();
                let named = matches!(&error, Error::NonFinite { what, index, .. }
                    if *what == place.to_string() && *index == at);
                assert!(named, "{error}");
            }
        }
        assert!(observer.ranges().is_err(), "what was refused was counted");
        show(observer.as_mut(), Array2::zeros((0, 3)).view());
        assert!(observer.ranges().is_err(), "no rows");
    }
    for percent in [50.0, 100.1, f64::NAN, -1.0] {
        assert!(Percentile::new(percent).is_err());
    }
    for bits in [0, 1, 17] {
        assert!(MeanSquaredError::new(bits).is_err());
    }
}

#[test]
fn a_place_keeps_its_columns_and_its_own_range() {
    for mut observer in observers() {
        // A weight and a value of one name are two places.
        let value = Place::Value("layers.0.weight");
        observer.observe(PLACE, arr2(&[[1.0, 2.0]]).view()).unwrap();
        observer.observe(value, arr2(&[[-8.0]]).view()).unwrap();
        observer.observe(PLACE, arr2(&[[0.5, 4.0]]).view()).unwrap();
        let error = observer.observe(PLACE, arr2(&[[1.0]]).view()).unwrap_err();
        assert!(error.to_string().contains("columns of the inputs of"));
        let ranges = observer.ranges().unwrap();
        let samples: Vec<usize> = ranges.iter().map(|r| r.samples).collect();
        assert_eq!(samples, [2, 1]);
        assert!(ranges[0].low >= 0.0 && ranges[0].high > 1.9);
        assert!(ranges[1].high <= 0.0 && ranges[1].low < -7.9);
    }
}

#[test]
fn values_of_the_graph_are_watched_beside_what_weights_read() {
    let network = Chain::normal(&[6, 5, 4, 3], 1);
    let inputs = Array2::from_shape_vec((600, 6), normal(1, "x", 3600)).unwrap();
    let samples = ArraySamples::new(inputs.clone(), Vec::new()).unwrap();
    let on_samples = OnSamples::new(&network, &samples);
    let mut min_max = MinMax::new();
    let values = ["layers.0", "layers.2"];
    observe(&on_samples, &mut Watching::new(&mut min_max, &values)).unwrap();
    let ranges = min_max.ranges().unwrap();
    let of = |name: &str| {
        let found = ranges.iter().find(|r| r.name == name).unwrap();
        (found.low, found.high)
    };
    assert_eq!(ranges.len(), 3 + 2);
    // What a layer writes is what the next one reads.
    assert_eq!(of("layers.0"), of("layers.1.weight"));
    let logits = compress_core::network::Forward::forward(&network, inputs.view()).unwrap();
    let low = logits.iter().copied().fold(f32::INFINITY, f32::min);
    let high = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    assert_eq!(of("layers.2"), (low, high));
    // Two observers on one pass find what each finds by itself.
    let mut other = MeanSquaredError::new(4).unwrap();
    let mut again = MinMax::new();
    let mut both = (
        Watching::new(&mut again, &values),
        Watching::new(&mut other, &values[1..]),
    );
    observe(&on_samples, &mut both).unwrap();
    assert_eq!(again.ranges().unwrap(), ranges);
    let mut alone = MeanSquaredError::new(4).unwrap();
    observe(&on_samples, &mut Watching::new(&mut alone, &values[1..])).unwrap();
    assert_eq!(other.ranges().unwrap(), alone.ranges().unwrap());
    assert_eq!(other.ranges().unwrap().len(), 3 + 1);
}

#[test]
fn observers_are_made_by_name() {
    let inputs = Array2::from_shape_vec((300, 10), normal(5, "x", 3000)).unwrap();
    let expected: [(&str, Box<dyn Observer>); 3] = [
        ("min_max", Box::new(MinMax::new())),
        ("percentile", Box::new(Percentile::new(99.99).unwrap())),
        (
            "mean_squared_error",
            Box::new(MeanSquaredError::new(3).unwrap()),
        ),
    ];
    assert_eq!(OBSERVERS.len(), expected.len());
    for (entry, (name, mut expected)) in OBSERVERS.iter().zip(expected) {
        assert_eq!(entry.name, name);
        let mut made = observer(name, 3).unwrap();
        show(made.as_mut(), inputs.view());
        show(expected.as_mut(), inputs.view());
        assert_eq!(made.ranges().unwrap(), expected.ranges().unwrap(), "{name}");
    }
    assert!(observer("mean_squared_error", 17).is_err());
    let error = observer("median", 8).err().unwrap();
    let named = matches!(&error, Error::UnknownName { what: "observer", name, known }
        if name == "median" && known == "min_max, percentile, mean_squared_error");
    assert!(named, "{error}");
}

#[test]
fn ranges_near_the_ends_of_f32() {
    let most = f32::MAX;
    for values in [[-most, most], [most, most], [-1e-45, 1e-45], [-1e-45, most]] {
        let inputs = arr2(&[values]);
        for mut observer in observers() {
            show(observer.as_mut(), inputs.view());
            let range = &observer.ranges().unwrap()[0];
            assert!(
                range.low >= values[0] && range.high <= values[1],
                "{range:?}"
            );
            for bits in [2, 8, 16] {
                let (scale, zero) = range.scale_and_zero_point(bits).unwrap();
                assert!(scale.is_normal() && (0..1 << bits).contains(&zero));
                let farthest = zero.max((1 << bits) - 1 - zero);
                assert!((scale * farthest as f32).is_finite());
            }
        }
    }
}
