//! Ranges of activations from a stream of batches.

use compress_core::network::{LayerSpec, Network, Tap};
use compress_core::train::ArraySamples;
use compress_quant::observers::{MeanSquaredError, MinMax, Observer, Percentile, observe};
use compress_testing::{Chain, normal};
use ndarray::{Array2, ArrayView2, Axis};

fn layer(name: &str, inputs: usize) -> LayerSpec {
    LayerSpec {
        name: name.into(),
        inputs,
        outputs: 1,
        activation: compress_core::network::Activation::Identity,
    }
}

fn observers() -> Vec<Box<dyn Observer>> {
    vec![
        Box::new(MinMax::new()),
        Box::new(Percentile::new(99.0).unwrap()),
        Box::new(Percentile::new(100.0).unwrap()),
        Box::new(MeanSquaredError::new(4).unwrap()),
    ]
}

fn show(observer: &mut dyn Observer, inputs: ArrayView2<'_, f32>) {
    observer
        .observe(0, &layer("layers.0", inputs.ncols()), inputs)
        .unwrap();
}

#[test]
fn the_network_is_run_over_all_samples() {
    let network = Chain::normal(&[6, 5, 3], 1);
    let inputs = Array2::from_shape_vec((1100, 6), normal(1, "x", 6600)).unwrap();
    let samples = ArraySamples::new(inputs.clone(), Vec::new()).unwrap();
    let mut min_max = MinMax::new();
    assert_eq!(observe(&network, &samples, &mut min_max).unwrap(), 1100);
    let ranges = min_max.ranges().unwrap();
    let names: Vec<_> = ranges.iter().map(|r| r.layer.as_str()).collect();
    assert_eq!(names, ["layers.0", "layers.1"]);
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
        fn observe(
            &mut self,
            index: usize,
            _: &LayerSpec,
            inputs: ArrayView2<'_, f32>,
        ) -> compress_core::Result<()> {
            if index == 1 {
                self.0.extend(inputs.iter());
            }
            Ok(())
        }
    }
    let mut hidden = Everything::default();
    network.forward_tapped(inputs.view(), &mut hidden).unwrap();
    let mut percentile = Percentile::new(99.0).unwrap();
    observe(&network, &samples, &mut percentile).unwrap();
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
fn nothing_seen_or_nothing_finite_is_an_error() {
    for mut observer in observers() {
        assert!(observer.ranges().is_err());
        for bad in [f32::NAN, f32::INFINITY] {
            let inputs = Array2::from_shape_vec((1, 3), vec![0.0, bad, 1.0]).unwrap();
            let error = observer
                .observe(0, &layer("layers.0", 3), inputs.view())
                .unwrap_err();
            assert!(error.to_string().contains("input of layers.0"), "{error}");
        }
        assert!(observer.ranges().is_err(), "what was refused was counted");
        show(observer.as_mut(), Array2::zeros((0, 3)).view());
        assert!(observer.ranges().is_err(), "no rows");
        let far = observer.observe(
            usize::MAX,
            &layer("layers.9", 3),
            Array2::zeros((1, 3)).view(),
        );
        assert!(far.is_err());
    }
    // As many layers as any network has.
    let mut observer = MinMax::new();
    let row = Array2::zeros((1, 3));
    let mut show = |index: usize| observer.observe(index, &layer("deep", 3), row.view());
    assert!(show(65_535).is_ok());
    assert!(show(65_536).is_err());
    for percent in [50.0, 100.1, f64::NAN, -1.0] {
        assert!(Percentile::new(percent).is_err());
    }
    assert!(MeanSquaredError::new(1).is_err());
}
