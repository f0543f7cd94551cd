//! Parameters of networks, and what they lend.

use ndarray::array;

use super::*;

#[test]
fn a_weight_and_a_bias_have_gradients_of_zero_and_are_matrices() {
    let weight = Parameter::weight("w", array![[1.0, 2.0], [3.0, 4.0]]);
    assert_eq!((weight.name(), weight.role()), ("w", Role::Weight));
    assert_eq!(weight.shape(), [2, 2]);
    assert_eq!(weight.matrix(), array![[1.0, 2.0], [3.0, 4.0]]);
    assert_eq!(weight.array().shape(), [2, 2]);
    assert_eq!(weight.gradient(), [0.0; 4]);
    let bias = Parameter::bias("b", vec![5.0, 6.0]);
    assert_eq!((bias.shape(), bias.role()), (&[2][..], Role::Bias));
    assert_eq!(bias.matrix(), array![[5.0, 6.0]]);
    assert_eq!(bias.array().shape(), [2]);
}

#[test]
fn a_transposed_weight_is_stored_row_major() {
    let weight = array![[1.0, 2.0], [3.0, 4.0]].reversed_axes();
    assert_eq!(
        Parameter::weight("w", weight).values(),
        [1.0, 3.0, 2.0, 4.0]
    );
}

#[test]
fn a_parameter_of_any_rank_must_fill_its_shape() {
    let values: Vec<f32> = (0..24).map(|i| i as f32).collect();
    let shape = vec![2, 3, 2, 2];
    let conv = Parameter::new("conv", Role::Weight, shape.clone(), values.clone()).unwrap();
    assert_eq!(
        (conv.array().shape(), conv.matrix().dim()),
        (&shape[..], (2, 12))
    );
    assert_eq!(conv.matrix()[(1, 0)], 12.0);
    let error = Parameter::new("conv", Role::Weight, shape, values[1..].to_vec()).unwrap_err();
    assert!(error.to_string().contains("conv"), "{error}");
    let gain = Parameter::new("gain", Role::Other, vec![], vec![1.0]).unwrap();
    assert_eq!(gain.matrix().dim(), (1, 1));
}

#[test]
fn values_and_gradients_are_lent_to_be_changed() {
    let mut weight = Parameter::weight("w", array![[1.0, 2.0]]);
    weight.tensor_mut().values[0] = 7.0;
    weight.gradient_tensor_mut().values[1] = 8.0;
    weight.values_mut()[1] += 1.0;
    weight.gradient_mut()[0] = 9.0;
    let (values, gradient) = weight.values_and_gradient_mut();
    assert_eq!((&*values, &*gradient), (&[7.0, 3.0][..], &[9.0, 8.0][..]));
    let lent = weight.tensor();
    assert_eq!(
        (lent.name, lent.role, lent.shape),
        ("w", Role::Weight, &[1, 2][..])
    );
    assert_eq!(lent.values, [7.0, 3.0]);
}
