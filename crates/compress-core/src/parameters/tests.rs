//! Lent arrays, and how tensors are found.

use ndarray::{Array1, Array2, Array4, array, s};

use super::*;
use crate::tensor::volume;

#[test]
fn lent_arrays_are_shown_in_order_with_their_roles_and_shapes() {
    let mut weight = Array4::from_shape_fn((2, 3, 1, 2), |(i, j, _, k)| (i * 6 + j * 2 + k) as f32);
    let (mut bias, mut gain) = (Array1::zeros(2), Array2::from_elem((1, 1), 5.0));
    let model = Lent::new().weight("w", weight.view_mut()).unwrap();
    let model = model.tensor("b", Role::Bias, bias.view_mut()).unwrap();
    let model = model.tensor("g", Role::Other, gain.view_mut()).unwrap();
    assert_eq!(names(&model).unwrap(), ["w", "b", "g"]);
    assert_eq!(count(&model).unwrap(), 15);
    let mut shapes = Vec::new();
    let mut see = |tensor: TensorRef<'_>| {
        assert_eq!(volume(tensor.shape), tensor.values.len());
        shapes.push((tensor.role, tensor.shape.to_vec()));
        Ok(())
    };
    model.visit(&mut see).unwrap();
    let expected = [
        (Role::Weight, vec![2, 3, 1, 2]),
        (Role::Bias, vec![2]),
        (Role::Other, vec![1, 1]),
    ];
    assert_eq!(shapes, expected);
    let ascending: Vec<f32> = (0..12).map(|i| i as f32).collect();
    assert_eq!(values(&model, "w").unwrap(), ascending);
}

#[test]
fn what_is_changed_is_changed_in_the_array() {
    let mut weight = array![[1.0, 2.0], [3.0, 4.0]];
    let mut model = Lent::new().weight("w", weight.view_mut()).unwrap();
    let old = with_mut(&mut model, "w", |tensor| {
        assert_eq!((tensor.name, tensor.shape), ("w", &[2, 2][..]));
        Ok(std::mem::replace(&mut tensor.values[2], -1.0))
    });
    assert_eq!(old.unwrap(), 3.0);
    assert_eq!(weight, array![[1.0, 2.0], [-1.0, 4.0]]);
}

#[test]
fn arrays_that_are_not_row_major_are_refused() {
    let mut weight = array![[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]];
    let strided = Lent::new().weight("w", weight.view_mut().reversed_axes());
    let error = strided.unwrap_err().to_string();
    assert!(error.contains("layout of w is strided"), "{error}");
    let columns = weight.slice_mut(s![.., ..2]);
    assert!(Lent::new().weight("w", columns).is_err());
    let mut reversed = weight.view_mut();
    reversed.invert_axis(ndarray::Axis(0));
    assert!(Lent::new().weight("w", reversed).is_err());
    // Whole rows are contiguous.
    let rows = weight.slice_mut(s![1.., ..]);
    let model = Lent::new().weight("w", rows).unwrap();
    assert_eq!(values(&model, "w").unwrap(), [4.0, 5.0, 6.0]);
}

#[test]
fn a_name_can_be_lent_only_once() {
    let (mut first, mut second) = (array![1.0], array![2.0]);
    let model = Lent::new().weight("w", first.view_mut()).unwrap();
    let error = model.tensor("w", Role::Bias, second.view_mut());
    let error = error.unwrap_err().to_string();
    assert!(error.contains("a tensor's name is w"), "{error}");
}

#[test]
fn unknown_names_are_told_with_those_that_exist() {
    let (mut a, mut b) = (array![1.0], array![2.0]);
    let model = Lent::new().weight("a", a.view_mut()).unwrap();
    let mut model = model.weight("b", b.view_mut()).unwrap();
    let errors = [
        with(&model, "c", |_| Ok(())).unwrap_err(),
        values(&model, "c").unwrap_err(),
        with_mut(&mut model, "c", |_| Ok(())).unwrap_err(),
        unknown(&model, "c"),
    ];
    for error in errors {
        let Error::UnknownTensor { name, known } = error else {
            panic!("{error}");
        };
        assert_eq!((name.as_str(), known.as_str()), ("c", "a, b"));
    }
}

#[test]
fn an_error_of_the_visitor_ends_the_visit() {
    let (mut a, mut b) = (array![1.0], array![2.0]);
    let model = Lent::new().weight("a", a.view_mut()).unwrap();
    let mut model = model.weight("b", b.view_mut()).unwrap();
    let fail = |name: &str| Err(Error::invalid("what is seen", name, "something else"));
    let mut seen = 0;
    let ended = model.visit(&mut |tensor| {
        seen += 1;
        fail(tensor.name)
    });
    assert!(ended.is_err() && seen == 1);
    let ended = model.visit_mut(&mut |tensor| fail(tensor.name));
    assert!(ended.unwrap_err().to_string().contains("what is seen is a"));
    assert!(with(&model, "b", |tensor| fail(tensor.name)).is_err());
    assert!(with_mut(&mut model, "b", |tensor| fail(tensor.name)).is_err());
}

#[test]
fn kept_values_come_back_bit_by_bit_and_only_to_their_own_tensors() {
    let odd = f32::from_bits(0x7fc0_1234);
    let (mut a, mut b, mut c) = (array![odd, -0.0], array![1.0], array![2.0]);
    let mut model = Lent::new().weight("a", a.view_mut()).unwrap();
    model = model.weight("b", b.view_mut()).unwrap();
    model = model.weight("c", c.view_mut()).unwrap();
    let kept = Kept::of(&model, |tensor| tensor.name != "b").unwrap();
    let mut zero = |tensor: TensorMut<'_>| -> Result<()> {
        tensor.values.fill(0.0);
        Ok(())
    };
    model.visit_mut(&mut zero).unwrap();
    kept.put_back(&mut model).unwrap();
    let bits: Vec<u32> = values(&model, "a")
        .unwrap()
        .iter()
        .map(|v| v.to_bits())
        .collect();
    assert_eq!(bits, [0x7fc0_1234, 0x8000_0000]);
    assert_eq!(values(&model, "b").unwrap(), [0.0]);
    assert_eq!(values(&model, "c").unwrap(), [2.0]);

    let mut other = array![1.0, 1.0];
    let mut fewer = Lent::new().weight("a", other.view_mut()).unwrap();
    let error = kept.put_back(&mut fewer).unwrap_err().to_string();
    assert!(error.contains("no tensor named \"c\""), "{error}");
}

/// A model whose tensor has fewer values than its shape says.
struct Short(f32);

impl Parameters for Short {
    fn visit(&self, see: &mut See<'_>) -> Result<()> {
        let (role, shape, values) = (Role::Weight, &[2, 2][..], &[self.0][..]);
        see(TensorRef {
            name: "short",
            role,
            shape,
            values,
        })
    }

    fn visit_mut(&mut self, change: &mut Change<'_>) -> Result<()> {
        change(TensorMut {
            name: "short",
            role: Role::Weight,
            shape: &[2, 2],
            values: std::slice::from_mut(&mut self.0),
        })
    }
}

#[test]
fn tensors_that_do_not_fill_their_shapes_are_refused() {
    let mut model = Short(1.0);
    let read = with(&model, "short", |_| -> Result<()> { panic!("not read") });
    let error = read.unwrap_err().to_string();
    assert!(
        error.contains("short: expected shape [4], found [1]"),
        "{error}"
    );
    let change = |_: TensorMut<'_>| -> Result<()> { panic!("not changed") };
    assert!(with_mut(&mut model, "short", change).is_err());
}
