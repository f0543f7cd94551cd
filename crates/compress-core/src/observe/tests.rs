//! What taps are shown, and what two models are compared by.

use ndarray::{Array2, array, s};

use super::*;
use crate::network::test_chain::Chain;
use crate::samples::ArraySamples;

const INPUT: Place<'_> = Place::InputOf("layers.1.weight");
const HIDDEN: Place<'_> = Place::Value("layers.0");

fn chain(factor: f32) -> Chain {
    Chain::new(vec![
        array![[factor, 0.0], [0.0, 1.0], [1.0, 1.0]],
        array![[1.0, 1.0, 1.0]],
    ])
}

fn samples(rows: usize) -> ArraySamples {
    let inputs = Array2::from_shape_fn((rows, 2), |(i, j)| (i * 2 + j) as f32);
    ArraySamples::new(inputs, Vec::new()).unwrap()
}

/// Notes what it is shown, and wants some values beside what weights read.
#[derive(Default)]
struct Notes {
    values: Vec<&'static str>,
    seen: Vec<(String, Array2<f32>)>,
}

impl Notes {
    fn places(&self) -> Vec<&str> {
        self.seen.iter().map(|(place, _)| place.as_str()).collect()
    }
}

impl Tap for Notes {
    fn wants(&self, place: Place<'_>) -> bool {
        match place {
            Place::InputOf(_) => self.values.is_empty(),
            Place::Value(name) => self.values.contains(&name),
        }
    }

    fn observe(&mut self, place: Place<'_>, rows: ArrayView2<'_, f32>) -> Result<()> {
        self.seen.push((place.to_string(), rows.to_owned()));
        Ok(())
    }
}

#[test]
fn a_place_is_told_by_kind_and_name() {
    assert_eq!(INPUT.to_string(), "the inputs of layers.1.weight");
    assert_eq!(HIDDEN.to_string(), "the value layers.0");
    assert_eq!(
        (INPUT.name(), HIDDEN.name()),
        ("layers.1.weight", "layers.0")
    );
    assert_ne!(Place::InputOf("a"), Place::Value("a"));
}

#[test]
fn all_samples_are_shown_once_in_batches_and_in_order() {
    let (model, samples) = (chain(1.0), samples(1300));
    let on_samples = OnSamples::new(&model, &samples);
    assert_eq!(on_samples.batches(), 3);
    let mut notes = Notes::default();
    observe(&on_samples, &mut notes).unwrap();
    let first = notes.seen.iter().step_by(2);
    let rows: Vec<_> = first.clone().map(|(_, rows)| rows.nrows()).collect();
    assert_eq!(rows, [512, 512, 276]);
    let views: Vec<_> = first.map(|(_, rows)| rows.view()).collect();
    let all = ndarray::concatenate(ndarray::Axis(0), &views).unwrap();
    assert_eq!(all, samples.inputs());
    // A batch is the same whenever it is asked for, and past the last one there are no rows.
    let mut again = Notes::default();
    on_samples.observe_batch(1, &mut again).unwrap();
    assert_eq!(again.seen[0].1, samples.inputs().slice(s![512..1024, ..]));
    let mut past = Notes::default();
    on_samples.observe_batch(3, &mut past).unwrap();
    assert!(past.seen.iter().all(|(_, rows)| rows.nrows() == 0));
}

/// No samples at all.
struct Nothing;

impl Samples for Nothing {
    fn len(&self) -> usize {
        0
    }

    fn features(&self) -> usize {
        2
    }

    fn labels(&self) -> &[u32] {
        &[]
    }

    fn fill(&self, _: u64, _: &[usize], _: ndarray::ArrayViewMut2<'_, f32>) -> Result<()> {
        Ok(())
    }
}

#[test]
fn no_data_is_an_error() {
    let model = chain(1.0);
    let nothing = OnSamples::new(&model, &Nothing);
    let mut blind = |_: Place<'_>, _: ArrayView2<'_, f32>, _: ArrayView2<'_, f32>| Ok(());
    for result in [
        observe(&nothing, &mut Notes::default()),
        compare(&nothing, &nothing, &[HIDDEN], &mut blind),
    ] {
        let error = result.unwrap_err();
        assert!(matches!(error, Error::Empty { .. }), "{error}");
    }
}

#[test]
fn two_models_are_compared_place_by_place_on_the_same_rows() {
    let (first, second, samples) = (chain(1.0), chain(3.0), samples(600));
    let [first, second] = [&first, &second].map(|model| OnSamples::new(model, &samples));
    let (mut calls, mut first_row) = (Vec::new(), 0);
    compare(&first, &second, &[HIDDEN, INPUT], &mut |place, a, b| {
        calls.push((place.to_string(), a.nrows()));
        assert_eq!(a.dim(), b.dim());
        if place == HIDDEN {
            let inputs = samples.inputs();
            let inputs = inputs.slice(s![first_row..first_row + a.nrows(), 0]);
            assert_eq!(a.column(0), inputs);
            assert_eq!(b.column(0), &inputs * 3.0);
            first_row += a.nrows();
        }
        assert_eq!(a.column(1), b.column(1));
        Ok(())
    })
    .unwrap();
    let [value, input] = [HIDDEN, INPUT].map(|place| place.to_string());
    let expected = [
        (value.clone(), 512),
        (input.clone(), 512),
        (value, 88),
        (input, 88),
    ];
    assert_eq!(calls, expected);
}

#[test]
fn a_place_that_a_model_does_not_show_is_unseen() {
    let (model, samples) = (chain(1.0), samples(5));
    let on_samples = OnSamples::new(&model, &samples);
    for place in [
        Place::Value("layers.7"),
        Place::InputOf("layers.0"),
        Place::Value("layers.0.weight"),
    ] {
        let places = [HIDDEN, place];
        let refused = compare(&on_samples, &on_samples, &places, &mut |_, _, _| {
            panic!("nothing to compare")
        });
        let error = refused.unwrap_err();
        assert!(
            matches!(&error, Error::Unseen { place: unseen } if *unseen == place.to_string()),
            "{error}"
        );
    }
}

#[test]
fn models_that_cannot_be_compared_are_refused() {
    let (model, few, more) = (chain(1.0), samples(5), samples(513));
    let other = Chain::new(vec![array![[1.0, 0.0]], array![[1.0]]]);
    let [few_rows, more_rows] = [&few, &more].map(|samples| OnSamples::new(&model, samples));
    let other = OnSamples::new(&other, &few);
    let mut blind = |_: Place<'_>, _: ArrayView2<'_, f32>, _: ArrayView2<'_, f32>| Ok(());
    let batches = compare(&few_rows, &more_rows, &[HIDDEN], &mut blind).unwrap_err();
    assert!(batches.to_string().contains("batches"), "{batches}");
    let shapes = compare(&few_rows, &other, &[HIDDEN], &mut blind).unwrap_err();
    assert!(
        shapes.to_string().contains("the value layers.0"),
        "{shapes}"
    );
    let failing = compare(&few_rows, &few_rows, &[HIDDEN], &mut |place, _, _| {
        Err(Error::invalid("an error", place, "smaller"))
    });
    assert!(
        failing
            .unwrap_err()
            .to_string()
            .contains("an error is the value")
    );
}

/// Shows the rows of a batch one by one, and another place between them.
struct RowByRow;

impl Observe for RowByRow {
    fn batches(&self) -> usize {
        2
    }

    fn observe_batch(&self, batch: usize, tap: &mut dyn Tap) -> Result<()> {
        for row in 0..3 {
            let rows = array![[batch as f32, row as f32]];
            tap.observe(Place::Value("a"), rows.view())?;
            tap.observe(Place::InputOf("a"), rows.view())?;
        }
        Ok(())
    }
}

#[test]
fn several_calls_for_one_batch_are_joined() {
    let mut batches = Vec::new();
    let places = [Place::Value("a"), Place::Value("a")];
    compare(&RowByRow, &RowByRow, &places, &mut |_, a, b| {
        assert_eq!(a, b);
        batches.push(a.to_owned());
        Ok(())
    })
    .unwrap();
    let expected = [0.0, 1.0].map(|b| array![[b, 0.0], [b, 1.0], [b, 2.0]]);
    assert_eq!(batches.len(), 4);
    assert_eq!(batches[0], expected[0]);
    assert_eq!(batches[1], expected[0]);
    assert_eq!(batches[3], expected[1]);
}

#[test]
fn a_tap_can_watch_values_too() {
    let (model, samples) = (chain(1.0), samples(2));
    let on_samples = OnSamples::new(&model, &samples);
    let mut notes = Notes::default();
    let mut watching = Watching::new(&mut notes, &["layers.1"]);
    assert!(watching.wants(Place::Value("layers.1")) && watching.wants(INPUT));
    assert!(!watching.wants(HIDDEN) && !watching.wants(Place::Value("layers.1.weight")));
    observe(&on_samples, &mut watching).unwrap();
    let expected = [
        "the inputs of layers.0.weight",
        "the inputs of layers.1.weight",
        "the value layers.1",
    ];
    assert_eq!(notes.places(), expected);
}

#[test]
fn two_taps_share_a_pass_and_each_gets_what_it_wants() {
    let (model, samples) = (chain(1.0), samples(2));
    let on_samples = OnSamples::new(&model, &samples);
    let values = |values| Notes {
        values,
        ..Notes::default()
    };
    let mut taps = (Notes::default(), values(vec!["layers.0"]));
    assert!(taps.wants(INPUT) && taps.wants(HIDDEN));
    assert!(!taps.wants(Place::Value("layers.1")));
    observe(&on_samples, &mut taps).unwrap();
    let inputs = [
        "the inputs of layers.0.weight",
        "the inputs of layers.1.weight",
    ];
    assert_eq!(taps.0.places(), inputs);
    assert_eq!(taps.1.places(), ["the value layers.0"]);
}

#[test]
fn an_error_of_the_tap_ends_the_pass() {
    struct Full(usize);
    impl Tap for Full {
        fn observe(&mut self, place: Place<'_>, _: ArrayView2<'_, f32>) -> Result<()> {
            self.0 += 1;
            Err(Error::invalid("a tap", place, "emptied first"))
        }
    }
    let (model, samples) = (chain(1.0), samples(1300));
    let mut tap = Full(0);
    let error = observe(&OnSamples::new(&model, &samples), &mut tap).unwrap_err();
    assert!(
        error.to_string().contains("a tap is the inputs of"),
        "{error}"
    );
    assert_eq!(tap.0, 1);
}
