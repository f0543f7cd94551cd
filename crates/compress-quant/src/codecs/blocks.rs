//! The codec of ggml's blocks.

use compress_core::codec::{BlockTensor, Grid, Tensor, WeightCodec, check_rows};
use compress_core::kernels::block_format::BlockFormat;
use compress_core::{Error, Result};

/// Writes weights in one of ggml's block formats. Each block has scales of its own, which are found
/// anew whenever weights are encoded: nothing is fitted beforehand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockCodec {
    name: String,
    format: BlockFormat,
}

impl BlockCodec {
    /// The codec for the tensor `name` of `shape`.
    ///
    /// # Errors
    /// Where a block does not divide a row, which is everything but the first axis, or the format
    /// can be read alone.
    pub fn new(name: &str, format: BlockFormat, shape: &[usize]) -> Result<Self> {
        check_rows(format, name, shape)?;
        if !format.encodes() {
            let names = BlockFormat::ENCODED.map(BlockFormat::name).join(", ");
            let expected = format!("one that can be written: {names}");
            return Err(Error::invalid("block format", format.name(), expected));
        }
        let name = name.to_owned();
        Ok(BlockCodec { name, format })
    }
}

impl WeightCodec for BlockCodec {
    fn encode(&self, name: &str, weights: &[f32], shape: &[usize]) -> Result<Tensor> {
        BlockTensor::quantize(self.format, name, weights, shape).map(Tensor::Blocks)
    }

    fn fake_quantize(&self, weights: &mut [f32], shape: &[usize]) -> Result<()> {
        let values = self.encode(&self.name, weights, shape)?.values()?;
        weights.copy_from_slice(&values);
        Ok(())
    }

    fn size_bits(&self, count: usize) -> u64 {
        let (len, bytes) = (self.format.block_len(), self.format.block_bytes());
        8 * bytes as u64 * count.div_ceil(len) as u64
    }

    fn grid(&self) -> Option<&Grid> {
        None
    }
}
