//! Graphs with weights in fewer bits, and who runs them.

use std::path::Path;

use super::cases::{Model, model};
use super::{InteropError, mcompress, model_file, run_program};
use crate::output::note;

const RAPIDOCR_V4: &str = "rapidocr-onnxruntime==1.4.4";
const RAPIDOCR_V6: &str = "rapidocr==3.10.0";

/// A graph of one input.
pub(super) struct Graph {
    pub(super) model: Model,
    /// The shape of its input.
    shape: &'static [usize],
    /// The type of the weights for each receiver, with other options.
    runs: &'static [(&'static str, &'static str)],
}

/// What `mcompress quantize` is asked for is spread over the receivers, such that each runs all that
/// it can, and each runs every model. Codes of 4 bits are for matrix products, but with onnxruntime.
pub(super) static GRAPHS: &[Graph] = &[
    Graph {
        model: model(
            RAPIDOCR_V4,
            "rapidocr_onnxruntime/models/ch_PP-OCRv4_rec_infer.onnx",
            "ocr4_rec.onnx",
        ),
        shape: &[1, 3, 48, 320],
        runs: &[("onnxruntime", "int8"), ("rten", "int8"), ("tract", "int4")],
    },
    Graph {
        model: model(
            RAPIDOCR_V4,
            "rapidocr_onnxruntime/models/ch_PP-OCRv4_det_infer.onnx",
            "ocr4_det.onnx",
        ),
        shape: &[1, 3, 160, 160],
        runs: &[("onnxruntime", "int4"), ("rten", "int8"), ("tract", "f16")],
    },
    Graph {
        model: model(
            RAPIDOCR_V4,
            "rapidocr_onnxruntime/models/ch_ppocr_mobile_v2.0_cls_infer.onnx",
            "ocr2_cls.onnx",
        ),
        shape: &[1, 3, 48, 192],
        runs: &[("onnxruntime", "int4"), ("rten", "f16"), ("tract", "int8")],
    },
    Graph {
        model: model(
            RAPIDOCR_V6,
            "rapidocr/models/PP-OCRv6_rec_small.onnx",
            "ocr6_rec.onnx",
        ),
        shape: &[1, 3, 48, 320],
        runs: &[
            ("onnxruntime", "--target-size 4MB"),
            ("rten", "int4 --block 16"),
            ("tract", "int8"),
        ],
    },
    Graph {
        model: model(
            RAPIDOCR_V6,
            "rapidocr/models/PP-OCRv6_det_small.onnx",
            "ocr6_det.onnx",
        ),
        shape: &[1, 3, 160, 160],
        runs: &[("onnxruntime", "f16"), ("rten", "f16"), ("tract", "f16")],
    },
    Graph {
        model: model(
            "basic-pitch==0.4.0",
            "basic_pitch/saved_models/icassp_2022/nmp.onnx",
            "pitch.onnx",
        ),
        shape: &[1, 43844, 1],
        runs: &[("onnxruntime", "int8"), ("rten", "int8"), ("tract", "int8")],
    },
];

/// Writes the files of a graph, and their weights as f32 beside them. Fails where those are far from
/// the model's.
pub(super) fn write(graph: &Graph, out: &Path) -> Result<Vec<serde_json::Value>, InteropError> {
    let from = model_file(out, &graph.model);
    let mut cases = Vec::new();
    for (receiver, goal) in graph.runs {
        let base = graph.model.file.trim_end_matches(".onnx");
        let file = out.join(format!("{base}.{receiver}.onnx"));
        let at = |ending: &str| file.with_extension(ending);
        let (weights, outputs) = (at("f32.safetensors"), at("outputs.safetensors"));
        note(format_args!("writing {}", file.display()));
        let options = match goal.starts_with("--") {
            true => (*goal).to_owned(),
            false => format!("--type {goal}"),
        };
        let mut quantize = mcompress();
        quantize.arg("quantize").arg(&from).arg("-o").arg(&file);
        quantize.args(["--receiver", receiver]);
        run_program(quantize.args(options.split_whitespace()))?;
        let mut convert = mcompress();
        convert.arg("convert").arg(&file).arg("-o").arg(&weights);
        run_program(convert.args(["--type", "f32"]))?;
        let gate = ["--min-cosine", "0.97"];
        run_program(mcompress().arg("verify").arg(&from).arg(&file).args(gate))?;
        cases.push(serde_json::json!({
            "receiver": receiver,
            "model": from,
            "shape": graph.shape,
            "file": file,
            "weights": weights,
            "outputs": outputs,
        }));
    }
    Ok(cases)
}
