//! What the public functions take and return has a name at the root of the crate.

use compress_quant::{
    Architecture, BlockFormat, BlockTensor, Granularity, Lent, Observe, Parameters, Place, Prices,
    QuantizedTensor, Samples, Tap, Tensor, TrainHook, WeightCodec,
};
use compress_quant::{codecs, folding, observers, ptq, qat, schemes};

fn is_a_hook<T: TrainHook>() {}
fn is_a_tap<T: Tap>() {}

#[test]
fn signatures_need_no_other_crate() {
    is_a_hook::<qat::FakeQuantize<'_>>();
    is_a_hook::<qat::LearnedStep>();
    is_a_tap::<observers::MinMax>();
    let _ = |chain: &Architecture, tensors: &[Tensor]| folding::fold_steps(chain, tensors);
    let _ = |a: &dyn Observe, b: &dyn Observe| ptq::ErrorReport::of_activations(a, b, &[]);
    let _: Option<(&dyn Prices, &dyn Samples, &dyn Parameters, Place<'_>)> = None;

    let codec = codecs::BlockCodec::new("w", BlockFormat::Q8_0, &[1, 32]).unwrap();
    let codec: &dyn WeightCodec = &codec;
    let encoded = codec.encode("w", &[1.0; 32], &[1, 32]).unwrap();
    assert!(matches!(encoded, Tensor::Blocks(BlockTensor { .. })));

    let settings = schemes::Settings {
        granularity: Some(Granularity::Channel),
        ..schemes::Settings::default()
    };
    let scheme = schemes::by_name("linear_symmetric", &settings).unwrap();
    let mut weight = ndarray::arr2(&[[1.0, -0.5]]);
    let model = Lent::new().weight("w", weight.view_mut()).unwrap();
    let tensors = ptq::quantize_model(&model, scheme.as_ref(), ptq::Others::Float).unwrap();
    assert!(matches!(
        &tensors[0],
        Tensor::Quantized(QuantizedTensor { .. })
    ));
}
