//! Every level and form against the definition.

use super::*;
use crate::rng;

/// Codes of which so many are not zero, biases, and inputs.
fn layer(n: usize, k: usize, density: f32) -> (Vec<i8>, Vec<f32>, Vec<f32>) {
    let mut stream = rng::stream(1, &format!("{n} {k} {density}"));
    let mut draw = |scale: f32| (rng::uniform(&mut stream) - 0.5) * scale;
    let mut code = || match draw(2.0).abs() < density {
        true => draw(255.9) as i8,
        false => 0,
    };
    let codes = (0..n * k).map(|_| code()).collect();
    let bias = (0..n).map(|_| draw(40.0)).collect();
    (codes, bias, (0..2 * k).map(|_| draw(2.0)).collect())
}

fn defined(codes: &[i8], bias: &[f32], x: &[f32], relu: bool) -> Vec<f32> {
    let rows = codes
        .chunks(x.len().max(1))
        .chain(std::iter::repeat(&[][..]));
    let chain = |(row, &bias): (&[i8], &f32)| {
        let products = row.iter().zip(x).filter(|(code, _)| **code != 0);
        let sum = products.fold(bias, |sum, (&code, x)| f32::from(code).mul_add(*x, sum));
        if relu && sum <= 0.0 { 0.0 } else { sum }
    };
    rows.zip(bias).map(chain).collect()
}

#[test]
fn every_level_gives_the_bits_of_the_definition() {
    let sizes = [
        (80, 350),
        (40, 80),
        (10, 40),
        (1, 1),
        (130, 33),
        (0, 5),
        (7, 0),
        (64, 64),
    ];
    for (n, k) in sizes {
        for density in [0.0, 0.05, 0.3, 1.0] {
            let (codes, bias, x) = layer(n, k, density);
            // Every other element is read, from the last to the first.
            let inputs: Vec<u16> = (0..k).rev().map(|i| 2 * i as u16).collect();
            let read: Vec<f32> = inputs.iter().map(|&i| x[usize::from(i)]).collect();
            for (form, relu) in [
                (Form::Scattered, true),
                (Form::Dense, true),
                (Form::Dense, false),
                (Form::Scattered, false),
            ] {
                let expected = defined(&codes, &bias, &read, relu);
                let rows = CodeRows::new(form, &codes, &bias, &inputs, 2 * k).unwrap();
                for isa in Isa::available() {
                    let mut y = vec![9.0; rows.outputs()];
                    rows.multiply(isa, &x, relu, &mut y).unwrap();
                    let found: Vec<f32> =
                        rows.places().iter().map(|&at| y[usize::from(at)]).collect();
                    assert_eq!(found, expected, "{isa:?} {form:?} {n} {k} {density}");
                }
            }
        }
    }
}

#[test]
fn refuses_what_does_not_fit() {
    let build =
        |inputs: &[u16], width| CodeRows::new(Form::Scattered, &[1, 2], &[0.5], inputs, width);
    assert!(build(&[0, 2], 2).is_err());
    assert!(build(&[0], 2).is_err());
    assert!(build(&[0, 1], 1 << 17).is_err());
    let rows = build(&[0, 1], 2).unwrap();
    assert!(
        rows.multiply(Isa::Scalar, &[1.0], true, &mut [0.0; 16])
            .is_err()
    );
    assert!(
        rows.multiply(Isa::Scalar, &[1.0; 2], true, &mut [0.0; 1])
            .is_err()
    );
}

/// The dispatcher is safe whatever level it is given: one that the processor lacks is not run.
#[test]
fn the_dispatcher_takes_any_level() {
    let (codes, bias, x) = layer(40, 80, 0.3);
    let inputs: Vec<u16> = (0..80).collect();
    for form in [Form::Scattered, Form::Dense] {
        let rows = CodeRows::new(form, &codes, &bias, &inputs, x.len()).unwrap();
        let [scalar, rest @ ..] = Isa::ALL.map(|isa| {
            let mut y = vec![9.0; rows.outputs()];
            dispatch::multiply(isa, &rows, &x, true, &mut y);
            y
        });
        assert!(rest.iter().all(|y| *y == scalar));
    }
}
