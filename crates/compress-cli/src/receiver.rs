//! The programs that are to load a file, and the types that they read.

use compress_core::kernels::block_format::BlockFormat::{
    Q2_K, Q3_K, Q4_0, Q4_1, Q4_K, Q5_0, Q5_1, Q5_K, Q6_K, Q8_0,
};
use compress_io::{Dtype, TensorInfo, onnx};

use crate::failure::{Done, usage};

/// A program or library that loads what is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Receiver {
    #[value(name = "llama.cpp")]
    LlamaCpp,
    Candle,
    #[default]
    Onnxruntime,
    Rten,
    Tract,
}

impl Receiver {
    /// Whether it reads tensors of a type from GGUF.
    pub(crate) fn reads(self, dtype: Dtype) -> bool {
        match (self, dtype) {
            (Receiver::LlamaCpp, _) => true,
            (Receiver::Candle, Dtype::F32 | Dtype::F16 | Dtype::BF16) => true,
            (Receiver::Candle, Dtype::Block(format)) => {
                [Q2_K, Q3_K, Q4_0, Q4_1, Q4_K, Q5_0, Q5_1, Q5_K, Q6_K, Q8_0].contains(&format)
            }
            (Receiver::Candle, _) => false,
            // They read ONNX.
            (Receiver::Onnxruntime | Receiver::Rten | Receiver::Tract, _) => false,
        }
    }

    /// As what runs a graph.
    pub(crate) fn onnx(self) -> Done<onnx::Receiver> {
        match self {
            Receiver::Onnxruntime => Ok(onnx::Receiver::OnnxRuntime),
            Receiver::Rten => Ok(onnx::Receiver::Rten),
            Receiver::Tract => Ok(onnx::Receiver::Tract),
            _ => Err(usage("ONNX is run by onnxruntime, rten or tract")),
        }
    }

    /// Fails at the first tensor whose type it does not read.
    pub(crate) fn check<'a>(self, tensors: impl IntoIterator<Item = &'a TensorInfo>) -> Done {
        let wrong = tensors.into_iter().find(|info| !self.reads(info.dtype));
        let Some(TensorInfo { name, dtype, .. }) = wrong else {
            return Ok(());
        };
        let known = Dtype::all()
            .filter(|dtype| self.reads(*dtype))
            .map(Dtype::name);
        let known = known.collect::<Vec<_>>().join(", ");
        let receiver = clap::ValueEnum::to_possible_value(&self);
        let receiver = receiver
            .map(|value| value.get_name().to_owned())
            .unwrap_or_default();
        let reads = match known.is_empty() {
            true => "no GGUF".to_owned(),
            false => known,
        };
        Err(usage(format!(
            "{name} is {dtype}, which {receiver} does not read; it reads {reads}"
        )))
    }
}
