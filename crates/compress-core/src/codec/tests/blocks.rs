//! Tensors in ggml's blocks.

use super::*;

#[test]
fn blocks_are_checked_before_anything_else() {
    let refused = |shape: &[usize], values: usize| {
        let values = vec![f32::NAN; values];
        let tensor = BlockTensor::quantize(BlockFormat::Q4_K, "layers.0.weight", &values, shape);
        tensor.unwrap_err().to_string()
    };
    for shape in [&[2, 100][..], &[100], &[2, 10, 10], &[]] {
        let said = refused(shape, 3);
        let row = shape
            .iter()
            .skip(usize::from(shape.len() > 1))
            .product::<usize>();
        let expected = format!("a row of layers.0.weight is {row}, but must be a multiple of 256");
        assert!(said.contains(&expected), "{said}");
        assert!(said.contains("q4_k"), "{said}");
    }
    assert!(refused(&[2, 256], 100).contains("expected shape"));
    assert!(refused(&[2, 256], 512).contains("not finite"));
}

#[test]
fn blocks_are_validated_and_come_back() {
    let values: Vec<f32> = (0..512).map(|i| (i % 37) as f32 * 0.1 - 1.5).collect();
    for format in BlockFormat::ENCODED {
        let tensor = BlockTensor::quantize(format, "w", &values, &[2, 4, 64]).unwrap();
        tensor.validate().unwrap();
        let found = tensor.dequantize().unwrap();
        let worst = values
            .iter()
            .zip(&found)
            .map(|(a, b)| (a - b).abs())
            .fold(0.0, f32::max);
        // Half a step of a range of 3.6, of three steps at the least.
        let most = if format == BlockFormat::Q2_K {
            0.7
        } else {
            0.4
        };
        assert!(worst < most, "{format:?} {worst}");
        let importance = vec![1.0; 256];
        let weighted =
            BlockTensor::quantize_weighted(format, "w", &values, &[2, 4, 64], &importance);
        weighted.unwrap().validate().unwrap();
        let short =
            BlockTensor::quantize_weighted(format, "w", &values, &[2, 4, 64], &importance[1..]);
        assert!(
            short
                .unwrap_err()
                .to_string()
                .contains("importance weights of w")
        );
        let whole = Tensor::Blocks(tensor.clone());
        assert_eq!(
            (whole.name(), whole.shape(), whole.codes()),
            ("w", &[2, 4, 64][..], None)
        );
        assert_eq!(whole.values().unwrap(), found);
        assert_eq!(back(&whole), [whole.clone(), whole]);
        let broken = |edit: &dyn Fn(&mut BlockTensor)| {
            let mut tensor = tensor.clone();
            edit(&mut tensor);
            assert!(tensor.validate().is_err() && tensor.dequantize().is_err());
            let json = serde_json::to_string(&tensor).unwrap();
            assert!(serde_json::from_str::<BlockTensor>(&json).is_err());
        };
        broken(&|t| t.shape = vec![8, 65]);
        broken(&|t| t.shape = vec![1, 256]);
        broken(&|t| t.shape = vec![usize::MAX, 256]);
        broken(&|t| t.bytes.truncate(t.bytes.len() - 1));
        let scale = match format {
            BlockFormat::Q6_K => 208,
            BlockFormat::Q2_K => 80,
            BlockFormat::Q3_K => 108,
            BlockFormat::MXFP4 => {
                broken(&|t| t.bytes[..2].copy_from_slice(&[0xff, 0x77]));
                continue;
            }
            _ => 0,
        };
        broken(&|t| t.bytes[scale..scale + 2].copy_from_slice(&[0, 0x7c]));
        broken(&|t| t.bytes[scale..scale + 2].copy_from_slice(&[1, 0xfc]));
    }
}
