//! What is not finite, or larger than memory, is an error that names it.

use ndarray::{ArrayView2, arr0, s};

use super::*;

#[test]
fn a_nan_among_the_logits_is_no_class() {
    // inf − inf.
    let weights = [[3e38, 3e38], [1.0, -1.0]];
    let layers = Architecture::mlp(&[1, 2, 1], Activation::Identity).unwrap();
    let tensors = vec![
        float("layers.0.weight", &[2, 1], &weights[0]),
        float("layers.0.bias", &[2], &[0.0; 2]),
        float("layers.1.weight", &[1, 2], &weights[1]),
        float("layers.1.bias", &[1], &[0.0]),
    ];
    let model = Runtime::new(Artifact::of_chain(layers, tensors).unwrap()).unwrap();
    let inputs = array![[1.0], [2.0]];
    let error = model.predict_classes(inputs.view()).unwrap_err();
    assert!(error.to_string().contains("row 1"), "{error}");
    assert!(model.predict_classes(inputs.slice(s![..1, ..])).is_ok());
}

#[test]
fn a_fault_does_not_outlive_its_batch() {
    let artifact = artifact(Activation::Relu, Activation::Identity);
    let model = Runtime::new(artifact).unwrap();
    let mut inputs = random("inputs", 64, model.architecture().features);
    let good = inputs.clone();
    for row in [0, 20, 40] {
        inputs[[row, 0]] = f32::NAN;
    }
    let mut session = model.session();
    let mut classes = vec![0; 64];
    let mut run =
        |x: ArrayView2<'_, f32>, classes: &mut [u32]| session.predict_classes_into(x, classes);
    assert!(run(inputs.view(), &mut classes).is_err());
    run(good.slice(s![..16, ..]), &mut classes[..16]).unwrap();
    run(good.view(), &mut classes).unwrap();
}

#[test]
fn an_input_that_is_not_finite_names_its_row() {
    let model = Runtime::new(artifact(Activation::Relu, Activation::Identity)).unwrap();
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut inputs = random("runtime.inputs", 5, 9);
        inputs[[3, 5]] = bad;
        match model.predict_classes(inputs.view()).unwrap_err() {
            Error::NonFinite { what, index, .. } => {
                assert_eq!((what.as_str(), index), ("row 3 of the inputs", 5));
            }
            other => panic!("{other}"),
        }
    }
}

#[test]
fn integers_name_the_input_or_the_hidden_layer_that_is_not_finite() {
    let mut inputs = Array2::from_elem((100, 2), 1e6f32);
    let model = two_of_integers(1e-3);
    assert!(model.predict(inputs.view()).is_ok());
    let fault = two_of_integers(1e35).predict(inputs.view()).unwrap_err();
    let message = fault.to_string();
    assert!(
        message.contains("hidden") && !message.contains("inputs"),
        "{message}"
    );
    inputs[(70, 1)] = f32::INFINITY;
    for scale in [1e-3, 1e35] {
        let fault = two_of_integers(scale).predict(inputs.slice(ndarray::s![64.., ..]));
        let message = fault.unwrap_err().to_string();
        assert!(message.contains("row 6 of the inputs"), "{message}");
    }
    let message = model.predict(inputs.view()).unwrap_err().to_string();
    assert!(message.contains("row 70 of the inputs"), "{message}");
}

#[test]
fn more_rows_than_memory_holds_are_refused() {
    let model = Runtime::new(artifact(Activation::Relu, Activation::Identity)).unwrap();
    let one = arr0(1.0);
    for rows in [1 << 56, 1 << 46] {
        let inputs = one
            .broadcast((rows, model.architecture().features))
            .unwrap();
        let errors = [
            model.predict(inputs).map(drop),
            model.predict_classes(inputs).map(drop),
        ];
        for error in errors {
            let text = error.unwrap_err().to_string();
            assert!(text.contains("small enough for memory"), "{text}");
        }
    }
}
