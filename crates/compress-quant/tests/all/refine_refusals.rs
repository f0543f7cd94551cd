//! What refinement refuses, with the network as it was.

use compress_core::Result;
use compress_core::network::{Activation, Network, Role};
use compress_core::train::{ArraySamples, Samples};
use compress_format::CoderPrices;
use compress_quant::qat::{LearnedStep, LearnedStepOptions};
use compress_quant::refine::{RefineOptions, refine};
use compress_testing::Chain;
use ndarray::{Array2, ArrayView2, ArrayViewMut2};

use crate::refine::{OPTIONS, data, network, weights};

#[test]
fn grids_out_of_range_are_refused() {
    for share in [0.0, -0.1, f32::NAN, f32::INFINITY, 1e-30, 1e30] {
        let (mut network, steps) = network(Activation::Relu);
        let before = weights(&network);
        let (data, targets) = data(20);
        let indices: Vec<usize> = (0..20).collect();
        let options = RefineOptions {
            bias_grid: Some(share),
            ..OPTIONS
        };
        let found = refine(
            &network.architecture(),
            &mut network,
            &steps,
            &data,
            &indices,
            targets.view(),
            &options,
            &CoderPrices::plain(),
            &mut |_, _| {},
        );
        let error = found.unwrap_err().to_string();
        assert!(error.contains("the grid of the biases"), "{error}");
        // A share beyond all powers is refused in the name of a layer.
        let of_a_layer = share.is_finite() && share > 0.0;
        assert_eq!(
            error.contains("beside layers.0.weight"),
            of_a_layer,
            "{error}"
        );
        assert_eq!(weights(&network), before);
    }
}

/// Twenty samples, one value of which is no number that a network could read.
struct Broken;

impl Samples for Broken {
    fn len(&self) -> usize {
        20
    }

    fn features(&self) -> usize {
        6
    }

    fn labels(&self) -> &[u32] {
        &[0; 20]
    }

    fn fill(&self, _: u64, indices: &[usize], mut out: ArrayViewMut2<'_, f32>) -> Result<()> {
        for (mut row, &index) in out.rows_mut().into_iter().zip(indices) {
            row.fill(0.5);
            if index == 7 {
                row[2] = f32::INFINITY;
            }
        }
        Ok(())
    }
}

/// The samples that [`refused`] names, none in the place of its number.
const NAMED: [usize; 20] = [
    19, 18, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0,
];

/// What is said of these, with the network as it was.
fn refused(
    (network, steps): (&mut Chain, &LearnedStep),
    data: &dyn Samples,
    indices: &[usize],
    targets: ArrayView2<'_, f32>,
    options: &RefineOptions,
) -> String {
    let before = weights(network);
    let mut progress = |_, _| {};
    let done = refine(
        &network.architecture(),
        network,
        steps,
        data,
        indices,
        targets,
        options,
        &CoderPrices::plain(),
        &mut progress,
    );
    assert_eq!(weights(network), before);
    done.unwrap_err().to_string()
}

#[test]
fn options_and_targets_that_make_no_sense_are_refused() {
    let (mut network, steps) = network(Activation::Relu);
    let (data, targets) = data(20);
    let mut says = |indices: &[usize], targets: ArrayView2<'_, f32>, options: RefineOptions| {
        refused((&mut network, &steps), &data, indices, targets, &options)
    };
    let none = Array2::zeros((0, 3));
    assert!(says(&[], none.view(), OPTIONS).contains("refine codes by"));
    assert!(says(&NAMED[1..], targets.view(), OPTIONS).contains("targets"));
    assert!(says(&NAMED, targets.t(), OPTIONS).contains("targets"));
    for temperature in [0.0, -1.0, f32::NAN, f32::INFINITY] {
        let options = RefineOptions {
            temperature,
            ..OPTIONS
        };
        assert!(says(&NAMED, targets.view(), options).contains("temperature"));
    }
    for penalty in [-1.0, f32::NAN] {
        let options = RefineOptions { penalty, ..OPTIONS };
        assert!(says(&NAMED, targets.view(), options).contains("penalty"));
    }
    let rows = [[1.2, -0.2, 0.0], [0.5, 0.5, 0.5], [f32::NAN, 0.5, 0.5]];
    for row in rows {
        let mut wrong = targets.clone();
        wrong.row_mut(3).assign(&ndarray::arr1(&row));
        let said = says(&NAMED, wrong.view(), OPTIONS);
        assert!(said.contains("the targets of sample 16"), "{said}");
    }
}

#[test]
fn networks_and_samples_that_do_not_fit_are_refused() {
    let (data, targets) = data(20);
    let targets = targets.view();
    // Steps of a network of which a layer was empty.
    let (mut network, steps) = network(Activation::Relu);
    let mut emptied = network.clone();
    emptied.parameters_mut()[2].values_mut().fill(0.0);
    let fewer = LearnedStep::fit(&emptied, LearnedStepOptions::default()).unwrap();
    let said = refused((&mut network, &fewer), &data, &NAMED, targets, &OPTIONS);
    let expected = "the step of layers.1.weight is missing";
    assert!(said.contains(expected), "{said}");
    // Not all samples are checked by whoever holds them.
    let said = refused((&mut network, &steps), &Broken, &NAMED, targets, &OPTIONS);
    assert!(said.contains("input 2 of sample 7 is inf"), "{said}");
    let wider = ArraySamples::new(Array2::zeros((20, 7)), vec![]).unwrap();
    let said = refused((&mut network, &steps), &wider, &NAMED, targets, &OPTIONS);
    assert!(said.contains("features"), "{said}");
    // Finite logits, of which a difference is not.
    let mut far = network.clone();
    far.parameters_mut()[5]
        .values_mut()
        .copy_from_slice(&[3e38, -3e38, 0.0]);
    let said = refused((&mut far, &steps), &data, &NAMED, targets, &OPTIONS);
    assert!(said.contains("the loss before refinement"), "{said}");
    // Finite weights, of which a sum is not.
    let mut parameters = network.parameters_mut();
    assert_eq!(parameters[3].role(), Role::Bias);
    parameters[3].values_mut().fill(-f32::MAX);
    let weight = parameters[2].values_mut();
    weight.iter_mut().for_each(|w| *w = -w.abs() * f32::MAX);
    let huge = LearnedStep::fit(&network, LearnedStepOptions::default()).unwrap();
    huge.round(&mut network).unwrap();
    let said = refused((&mut network, &huge), &data, &NAMED, targets, &OPTIONS);
    assert!(said.contains("a product of layers.1.weight"), "{said}");
}
