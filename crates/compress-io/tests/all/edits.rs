//! A checkpoint as a model that algorithms change.

use compress_core::parameters::{self, Parameters};
use compress_core::tensor::Role;
use compress_io::{Checkpoint, Dtype, Source};

use crate::made;

#[test]
fn changed_tensors_are_read_again_as_they_were_left() {
    let dir = tempfile::tempdir().unwrap();
    for (format, path) in made::files(dir.path()) {
        let before = std::fs::read(&path).unwrap();
        let mut model = Checkpoint::open(&path).unwrap();
        let plan = made::plan(format, "model");
        let floats: Vec<&str> = plan
            .tensors
            .iter()
            .filter(|t| t.dtype.is_float())
            .map(|t| t.name.as_str())
            .collect();
        assert_eq!(parameters::names(&model).unwrap(), floats);
        for round in 1..=2 {
            model
                .visit_mut(&mut |tensor| {
                    if tensor.role == Role::Weight {
                        tensor.values.fill(round as f32 / 2.0);
                    }
                    Ok(())
                })
                .unwrap();
        }
        model
            .visit(&mut |tensor| {
                let is_weight = tensor.role == Role::Weight;
                assert_eq!(is_weight, tensor.shape.len() > 1, "{}", tensor.name);
                assert!(
                    !is_weight || tensor.values.iter().all(|v| *v == 1.0),
                    "{}",
                    tensor.name
                );
                Ok(())
            })
            .unwrap();
        for (index, info) in plan.tensors.iter().enumerate() {
            let now = &model.tensors()[index];
            let is_plain = matches!(info.dtype, Dtype::Block(_) | Dtype::F8E4M3);
            let expected = if is_plain { Dtype::F32 } else { info.dtype };
            assert_eq!(now.dtype, expected, "{}", info.name);
            if info.shape.len() < 2 {
                assert_eq!(*model.bytes(index).unwrap(), made::bytes_of(info));
            }
        }
        assert!(
            std::fs::read(&path).unwrap() == before,
            "the file itself is as it was"
        );
    }
}

#[test]
fn names_that_do_not_exist_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let (_, path) = made::files(dir.path()).remove(0);
    let model = Checkpoint::open(&path).unwrap();
    let error = model.position("layer.0").unwrap_err().to_string();
    assert!(error.contains("layers.0.weight"), "{error}");
    let steps = model.position("steps").unwrap();
    let error = model.values(steps).unwrap_err().to_string();
    assert!(error.contains("the type of steps is i64"), "{error}");
}
