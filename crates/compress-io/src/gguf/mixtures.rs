//! Which type each tensor of a language model gets: the mixtures that users of llama.cpp know by
//! name, and its rules for tensors that blocks do not divide.
//!
//! # References
//! llama.cpp, `src/llama-quant.cpp`: the rules for tensors by what they do and by their layer.

use compress_core::kernels::block_format::BlockFormat::{
    self, IQ4_NL, Q2_K, Q3_K, Q4_0, Q4_K, Q5_0, Q5_1, Q5_K, Q6_K, Q8_0,
};
use compress_core::{Error, Result};

use crate::dtype::{Dtype, TensorInfo};
use crate::metadata::{self, Metadata, Value};

/// A mixture of types.
#[derive(Debug)]
pub struct Mixture {
    /// Its name, such as `Q4_K_M`.
    pub name: &'static str,
    /// Its number in `general.file_type`.
    pub number: u32,
    /// The type of most tensors.
    pub usual: BlockFormat,
    size: Size,
}

/// How much more the tensors get that matter most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Size {
    Small,
    Medium,
    Large,
}

const fn mixture(name: &'static str, number: u32, usual: BlockFormat, size: Size) -> Mixture {
    Mixture {
        name,
        number,
        usual,
        size,
    }
}

/// All mixtures.
pub static MIXTURES: [Mixture; 8] = [
    mixture("Q2_K_S", 21, Q2_K, Size::Small),
    mixture("Q3_K_S", 11, Q3_K, Size::Small),
    mixture("Q3_K_M", 12, Q3_K, Size::Medium),
    mixture("Q3_K_L", 13, Q3_K, Size::Large),
    mixture("Q4_K_S", 14, Q4_K, Size::Small),
    mixture("Q4_K_M", 15, Q4_K, Size::Medium),
    mixture("Q5_K_S", 16, Q5_K, Size::Small),
    mixture("Q5_K_M", 17, Q5_K, Size::Medium),
];

/// What a tensor does in a transformer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Output,
    Embedding,
    AttentionQkv,
    AttentionV,
    AttentionK,
    AttentionOutput,
    FfnDown,
    Other,
}

impl Part {
    fn of(name: &str) -> Self {
        let parts = [
            ("attn_qkv.weight", Part::AttentionQkv),
            ("attn_kv_b.weight", Part::AttentionV),
            ("attn_v.weight", Part::AttentionV),
            ("attn_k.weight", Part::AttentionK),
            ("attn_output.weight", Part::AttentionOutput),
            ("ffn_down", Part::FfnDown),
        ];
        match name {
            "output.weight" => Part::Output,
            "token_embd.weight" | "per_layer_token_embd.weight" => Part::Embedding,
            _ => {
                let found = parts.iter().find(|(part, _)| name.contains(part));
                found.map_or(Part::Other, |(_, part)| *part)
            }
        }
    }
}

impl Part {
    /// Whether both count as one.
    fn is_like(self, other: Part) -> bool {
        let is_value = |part| matches!(part, Part::AttentionV | Part::AttentionQkv);
        self == other || is_value(self) && is_value(other)
    }
}

/// What the rules ask about a model.
struct Model {
    /// Whether the embedding is also the output.
    tied: bool,
    /// Heads that share a key and a value.
    shared: u64,
    experts: u64,
    layers: u64,
    falcon: bool,
}

impl Model {
    fn of(tensors: &[TensorInfo], metadata: &Metadata) -> Self {
        let architecture = metadata::get(metadata, "general.architecture");
        let architecture = architecture.and_then(Value::as_text).unwrap_or_default();
        let number = |key: &str| {
            let value = metadata::get(metadata, &format!("{architecture}.{key}"));
            value.and_then(Value::as_u64)
        };
        let heads = number("attention.head_count").unwrap_or(1);
        let key_heads = number("attention.head_count_kv").unwrap_or(heads).max(1);
        Model {
            tied: !tensors.iter().any(|info| info.name == "output.weight"),
            shared: heads / key_heads,
            experts: number("expert_count").unwrap_or(0),
            layers: number("block_count").unwrap_or(0),
            falcon: architecture == "falcon",
        }
    }
}

impl Mixture {
    /// The mixture of this name, in any case.
    pub fn by_name(name: &str) -> Option<&'static Mixture> {
        MIXTURES
            .iter()
            .find(|mixture| mixture.name.eq_ignore_ascii_case(name))
    }

    /// The type of each tensor of a model with this metadata; that which it has where it is not
    /// quantized. Where blocks do not divide its rows, see [`fallback`].
    pub fn types(&self, tensors: &[TensorInfo], metadata: &Metadata) -> Vec<Dtype> {
        let model = Model::of(tensors, metadata);
        let quantized: Vec<(Part, u64)> = tensors
            .iter()
            .filter(|info| is_quantized(info))
            .map(|info| (Part::of(&info.name), layer(&info.name)))
            .collect();
        // The position among the tensors with the same part, by layer, and how many they are. Of
        // experts there are several in a layer.
        let place = |part: Part, layer: u64| {
            if model.experts > 1 && part == Part::FfnDown {
                return (layer as usize, model.layers as usize);
            }
            let same = quantized.iter().filter(|(other, _)| other.is_like(part));
            let before = same.clone().filter(|(_, other)| *other < layer).count();
            (before, same.count())
        };
        let of = |info: &TensorInfo| {
            if !is_quantized(info) {
                return info.dtype;
            }
            let part = Part::of(&info.name);
            let (at, count) = place(part, layer(&info.name));
            Dtype::Block(self.choose(part, at, count, info.innermost(), &model))
        };
        tensors.iter().map(of).collect()
    }

    fn choose(
        &self,
        part: Part,
        at: usize,
        count: usize,
        columns: usize,
        model: &Model,
    ) -> BlockFormat {
        use Size::{Large, Medium, Small};
        let many = at < count / 8 || at >= 7 * count / 8 || (at - count / 8) % 3 == 2;
        let is_medium = self.size == Medium;
        match part {
            Part::Output => output(columns, self.usual, model),
            Part::Embedding if model.tied => output(columns, self.usual, model),
            Part::AttentionV | Part::AttentionQkv => {
                let chosen = match (self.usual, self.size) {
                    (Q2_K, _) if model.shared >= 4 => Q4_K,
                    (Q3_K, Medium) if at < 2 => Q5_K,
                    (Q3_K, Medium) => Q4_K,
                    (Q3_K, Large) => Q5_K,
                    (Q4_K | Q5_K, Medium) if many => Q6_K,
                    (Q4_K, Small) if at < 4 => Q5_K,
                    _ => self.usual,
                };
                // Where eight heads share it, it is small: llama.cpp asks for the 80 layers of a
                // model of 70 billion parameters.
                let is_70b = model.layers == 80 && model.shared == 8;
                match chosen {
                    _ if model.experts == 8 => Q8_0,
                    Q3_K | Q4_K if is_70b => Q5_K,
                    _ => chosen,
                }
            }
            Part::AttentionK if model.experts == 8 => Q8_0,
            Part::FfnDown => match (self.usual, self.size) {
                (Q2_K, _) if at < count / 8 => Q4_K,
                (Q3_K, Medium) if at < count / 16 => Q5_K,
                (Q3_K, Medium) if !model.falcon || many => Q4_K,
                (Q3_K, Large) => {
                    if model.falcon {
                        Q4_K
                    } else {
                        Q5_K
                    }
                }
                (Q4_K, Medium) if model.falcon && at < count / 16 => Q6_K,
                (Q4_K, Medium) if model.falcon && many => Q5_K,
                (Q4_K, Medium) if !model.falcon && many => Q6_K,
                (Q5_K, Medium) if many => Q6_K,
                (Q4_K, Small) if !model.falcon && at < count / 8 => Q5_K,
                _ => self.usual,
            },
            Part::AttentionOutput if model.falcon => match (self.usual, self.size) {
                (Q3_K, Large) => Q4_K,
                _ => self.usual,
            },
            Part::AttentionOutput if model.experts == 8 => match self.usual {
                Q3_K if self.size != Large => Q5_K,
                Q4_K => Q5_K,
                _ => self.usual,
            },
            Part::AttentionOutput => match self.usual {
                Q3_K if is_medium => Q4_K,
                Q3_K if self.size == Large => Q5_K,
                _ => self.usual,
            },
            Part::Embedding | Part::AttentionK | Part::Other => self.usual,
        }
    }
}

/// The type of the matrix that gives the logits.
fn output(columns: usize, usual: BlockFormat, model: &Model) -> BlockFormat {
    match model.falcon || !columns.is_multiple_of(usual.block_len()) {
        true => Q8_0,
        false => Q6_K,
    }
}

/// The number of the layer in `blk.N.`.
fn layer(name: &str) -> u64 {
    let number = name
        .strip_prefix("blk.")
        .and_then(|rest| rest.split('.').next());
    number.and_then(|n| n.parse().ok()).unwrap_or(0)
}

/// Whether llama.cpp quantizes a tensor: a weight with at least two axes that is no norm, position
/// or router.
pub fn is_quantized(info: &TensorInfo) -> bool {
    const KEPT: [&str; 12] = [
        "_norm.weight",
        "ffn_gate_inp.weight",
        "position_embd",
        "token_types",
        "pos_embd",
        "patch_embd",
        "ssm_conv1d",
        "shortconv.conv.weight",
        "attn_rel_b.weight",
        "time_mix_first.weight",
        "altup",
        "laurel",
    ];
    let name = &info.name;
    info.dtype.is_float()
        && info.shape.len() > 1
        && name.ends_with("weight")
        && !KEPT.iter().any(|kept| name.contains(kept))
}

/// The type that takes the place of one whose blocks do not divide the last axis of a tensor: one
/// with as many bits or more in blocks of 32, and f16 where those do not divide it either.
pub fn fallback(dtype: Dtype, innermost: usize) -> Dtype {
    let divides = |dtype: Dtype| innermost.is_multiple_of(dtype.block_len());
    if divides(dtype) {
        return dtype;
    }
    let smaller = match dtype {
        Dtype::Block(format) => match format {
            Q4_K => Q5_0,
            Q5_K => Q5_1,
            Q6_K => Q8_0,
            Q2_K | Q3_K | BlockFormat::TQ1_0 | BlockFormat::TQ2_0 => Q4_0,
            _ => IQ4_NL,
        },
        _ => return dtype,
    };
    match divides(Dtype::Block(smaller)) {
        true => Dtype::Block(smaller),
        false => Dtype::F16,
    }
}

/// The number that says in `general.file_type` that most tensors are of a type.
///
/// # Errors
/// Where llama.cpp has none for it.
pub fn file_type(dtype: Dtype) -> Result<u32> {
    use BlockFormat::{
        IQ1_M, IQ1_S, IQ2_S, IQ2_XS, IQ2_XXS, IQ3_S, IQ3_XXS, IQ4_XS, MXFP4, Q4_1, TQ1_0, TQ2_0,
    };
    let number = match dtype {
        Dtype::F32 => 0,
        Dtype::F16 => 1,
        Dtype::BF16 => 32,
        Dtype::Block(format) => match format {
            Q4_0 => 2,
            Q4_1 => 3,
            Q8_0 => 7,
            Q5_0 => 8,
            Q5_1 => 9,
            Q2_K => 10,
            Q3_K => 12,
            Q4_K => 15,
            Q5_K => 17,
            Q6_K => 18,
            IQ2_XXS => 19,
            IQ2_XS => 20,
            IQ3_XXS => 23,
            IQ1_S => 24,
            IQ4_NL => 25,
            IQ3_S => 26,
            IQ2_S => 28,
            IQ4_XS => 30,
            IQ1_M => 31,
            TQ1_0 => 36,
            TQ2_0 => 37,
            MXFP4 => 38,
            BlockFormat::NVFP4 => 39,
        },
        _ => {
            let expected = "one that llama.cpp has a number for";
            return Err(Error::invalid("the type of most tensors", dtype, expected));
        }
    };
    Ok(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A llama of so many layers.
    fn llama(layers: usize, columns: usize, tied: bool) -> (Vec<TensorInfo>, Metadata) {
        let mut names = vec!["token_embd.weight".to_owned(), "output_norm.weight".into()];
        for layer in 0..layers {
            for part in [
                "attn_q",
                "attn_k",
                "attn_v",
                "attn_output",
                "ffn_gate",
                "ffn_up",
                "ffn_down",
            ] {
                names.push(format!("blk.{layer}.{part}.weight"));
            }
        }
        if !tied {
            names.push("output.weight".into());
        }
        let tensors = names
            .into_iter()
            .map(|name| TensorInfo::new(name, Dtype::F32, [64, columns]));
        let metadata = vec![
            ("general.architecture".into(), "llama".into()),
            ("llama.attention.head_count".into(), Value::U32(32)),
            ("llama.attention.head_count_kv".into(), Value::U32(32)),
            ("llama.block_count".into(), Value::U32(layers as u32)),
        ];
        (tensors.collect(), metadata)
    }

    fn types(name: &str, model: &(Vec<TensorInfo>, Metadata), part: &str) -> Vec<&'static str> {
        let types = Mixture::by_name(name).unwrap().types(&model.0, &model.1);
        let of = model
            .0
            .iter()
            .zip(types)
            .filter(|(info, _)| info.name.contains(part));
        of.map(|(_, dtype)| dtype.name()).collect()
    }

    #[test]
    fn layers_that_matter_get_more_bits() {
        let model = llama(16, 256, false);
        // 16 layers: the first and last two, and each third of those between.
        let more = [0, 1, 4, 7, 10, 13, 14, 15];
        for (name, usual, better) in [("q4_k_m", "q4_k", "q6_k"), ("Q5_K_M", "q5_k", "q6_k")] {
            for part in ["attn_v", "ffn_down"] {
                let found = types(name, &model, part);
                let expected: Vec<&str> = (0..16)
                    .map(|i| if more.contains(&i) { better } else { usual })
                    .collect();
                assert_eq!(found, expected, "{name} {part}");
            }
            assert_eq!(types(name, &model, "attn_q"), [usual; 16]);
            assert_eq!(types(name, &model, "token_embd"), [usual]);
            assert_eq!(types(name, &model, "output.weight").last(), Some(&"q6_k"));
            assert_eq!(types(name, &model, "output_norm"), ["f32"]);
        }
        assert_eq!(
            types("Q4_K_S", &model, "attn_v")[..5],
            ["q5_k", "q5_k", "q5_k", "q5_k", "q4_k"]
        );
        assert_eq!(
            types("Q4_K_S", &model, "ffn_down")[..3],
            ["q5_k", "q5_k", "q4_k"]
        );
        assert_eq!(
            types("Q3_K_M", &model, "attn_v")[..3],
            ["q5_k", "q5_k", "q4_k"]
        );
        assert_eq!(types("Q3_K_L", &model, "ffn_down")[..1], ["q5_k"]);
        assert_eq!(types("Q5_K_S", &model, "attn_v"), ["q5_k"; 16]);
    }

    #[test]
    fn biases_do_not_count_as_layers() {
        let (mut tensors, metadata) = llama(12, 256, false);
        let plain = Mixture::by_name("Q4_K_M")
            .unwrap()
            .types(&tensors, &metadata);
        for layer in 0..12 {
            let name = format!("blk.{layer}.ffn_down.bias");
            tensors.push(TensorInfo::new(name, Dtype::F32, [256]));
        }
        let with_biases = Mixture::by_name("Q4_K_M")
            .unwrap()
            .types(&tensors, &metadata);
        assert_eq!(with_biases[..plain.len()], plain);
        let of = |layer: usize| {
            let name = format!("blk.{layer}.ffn_down.weight");
            let place = tensors.iter().position(|info| info.name == name).unwrap();
            with_biases[place].name()
        };
        let more: Vec<usize> = (0..12).filter(|&layer| of(layer) == "q6_k").collect();
        assert_eq!(more, [0, 3, 6, 9, 10, 11]);
    }

    #[test]
    fn an_embedding_that_is_the_output_is_stored_as_one() {
        assert_eq!(
            types("Q4_K_M", &llama(2, 256, true), "token_embd"),
            ["q6_k"]
        );
        // 576 columns, as in SmolLM2, are no multiple of 256.
        assert_eq!(
            types("Q4_K_M", &llama(2, 576, true), "token_embd"),
            ["q8_0"]
        );
        assert_eq!(fallback(Dtype::Block(Q4_K), 576).name(), "q5_0");
        assert_eq!(fallback(Dtype::Block(Q6_K), 576).name(), "q8_0");
        assert_eq!(fallback(Dtype::Block(Q3_K), 33), Dtype::F16);
        assert_eq!(fallback(Dtype::F32, 33), Dtype::F32);
    }
}
