"""Runs graphs that mcompress wrote with onnxruntime, and compares what they give with what the same
graph gives with its weights in f32.

python graphs.py CASES.json

CASES.json has a list "graphs". A case is {"receiver": "onnxruntime" | "rten" | "tract", "model": ...,
"shape": [...], "file": ..., "weights": ..., "outputs": ...}. `weights` is a safetensors file with the tensors of `file` as mcompress
itself dequantizes them, by the names that they have in `model`. Here they take the place of the model's.
`outputs` is written: the input, and what that graph makes of it. The readers in Rust compare theirs with
it.
"""

import json
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper
from safetensors.numpy import load_file, save_file

# How far outputs may be from those in f32, in parts of their range.
TOLERANCE = 1e-4


def reference(case):
    """The model with the values of the quantized weights, and how many they are."""
    weights, model = load_file(case["weights"]), onnx.load(case["model"])
    changed = 0

    def put(tensor, name):
        nonlocal changed
        if tensor.data_type != onnx.TensorProto.FLOAT:
            return
        old, new = numpy_helper.to_array(tensor), weights[name]
        assert old.shape == new.shape, f"{name}: {old.shape} and {new.shape}"
        changed += old.tobytes() != new.tobytes()
        tensor.CopyFrom(numpy_helper.from_array(new.astype(np.float32), tensor.name))

    for tensor in model.graph.initializer:
        put(tensor, tensor.name)
    for node in model.graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            put(node.attribute[0].t, node.output[0])
    return model.SerializeToString(), changed


def example(shape):
    """An input: noise, or a page with lines of dark strokes, since a detector of text gives next to
    nothing where there is none."""
    random = np.random.default_rng(0)
    if len(shape) != 4:
        return random.standard_normal(shape).astype(np.float32)
    height, width = shape[2:]
    page = np.ones((height, width), np.float32)
    for top in range(8, height - 16, 32):
        strokes = np.kron(random.random((4, width // 4)) < 0.5, np.ones((4, 4), bool))
        page[top : top + 16, 8:-8][strokes[:, 8:-8]] = -1
    return np.broadcast_to(page, shape).copy()


def run(model, values):
    """The outputs of a model, in exact arithmetic: by default, what is multiplied by weights of 8 bits
    is rounded as well."""
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.qdq_matmulnbits_accuracy_level", "0")
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: values})


def check(case):
    """Fails unless the file is valid and, where onnxruntime is its receiver, computes the same."""
    onnx.checker.check_model(case["file"], full_check=True)
    model, changed = reference(case)
    assert changed, f"{case['file']} has the weights of the model"
    values = example(case["shape"])
    expected = run(model, values)
    named = {f"output.{number}": output for number, output in enumerate(expected)}
    save_file({"input": values, **named}, case["outputs"])
    if case["receiver"] != "onnxruntime":
        return
    found, largest = run(case["file"], values), 0.0
    for number, (got, want) in enumerate(zip(found, expected, strict=True)):
        error = np.abs(got - want).max() / np.ptp(want)
        # Also where it is NaN.
        assert error <= TOLERANCE, f"{case['file']}: output {number} is off by {error} of its range"
        largest = max(largest, error)
    print(
        f"onnxruntime: the outputs of {case['file']} are off by at most {largest:.1e} of their range",
        flush=True,
    )


def main():
    with open(sys.argv[1]) as file:
        cases = json.load(file)["graphs"]
    for case in cases:
        check(case)


if __name__ == "__main__":
    main()
