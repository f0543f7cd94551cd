"""Compares types that are chosen for a size with one type for all weights, at the same size.

    python budget.py MCOMPRESS MODEL…

MCOMPRESS is the program, a MODEL an ONNX or safetensors file in f32. Prints a table: the sum of the
weights' relative squared errors with chosen types, as a share of that with one type, for the weights
as they are and rounded to bf16.
"""

import json
import os
import subprocess
import sys
import tempfile

import gguf
import ml_dtypes
import numpy as np
import onnx
from safetensors.numpy import load_file

TYPES = [
    *["q8_0", "q6_k", "q5_1", "q5_k", "q5_0", "q4_1", "q4_k", "q4_0", "iq4_nl", "iq4_xs", "mxfp4"],
    *["q3_k", "q2_k", "Q5_K_M", "Q4_K_M", "Q3_K_M"],
]


def tensors(path):
    """The f32 tensors of a file, by name."""
    if path.endswith(".safetensors"):
        return load_file(path)
    graph = onnx.load(path).graph
    stored = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant":
            values = [attribute.t for attribute in node.attribute if attribute.name == "value"]
            stored.update((node.output[0], value) for value in values)
    arrays = {name: onnx.numpy_helper.to_array(tensor) for name, tensor in stored.items()}
    return {name: array for name, array in arrays.items() if array.dtype == np.float32}


def write(path, arrays, is_bf16):
    """A GGUF file, with kernels as matrices of a row for each output."""
    writer = gguf.GGUFWriter(path, "made")
    for number, array in enumerate(arrays.values()):
        array = np.ascontiguousarray(np.atleast_1d(array))
        if array.ndim == 1:
            writer.add_tensor(f"{number}.vector", array)
            continue
        array, name = array.reshape(len(array), -1), f"{number}.weight"
        if is_bf16:
            halves = array.astype(ml_dtypes.bfloat16).view(np.uint8)
            writer.add_tensor(name, halves, raw_dtype=gguf.GGMLQuantizationType.BF16)
        else:
            writer.add_tensor(name, array)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def plan(program, path, *options):
    """Bytes and error of the file that the options would give."""
    command = [program, "quantize", path, "-o", path + ".gguf", "--dry-run", "--json", *options]
    found = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return found["bytes"], found["error"]


def main():
    program, *models = sys.argv[1:]
    print("| model | weights |", " | ".join(TYPES), "|")
    print("| --- " * (2 + len(TYPES)) + "|")
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model.gguf")
        for model in models:
            arrays = tensors(model)
            for kind in ["f32", "bf16"]:
                write(path, arrays, kind == "bf16")
                cells = []
                for name in TYPES:
                    size, one = plan(program, path, "--type", name)
                    smaller, chosen = plan(program, path, "--target-size", str(size))
                    assert smaller <= size
                    cells.append(f"{chosen / one:.3f}" if one else "0")
                print(f"| {os.path.basename(model)} | {kind} |", " | ".join(cells), "|", flush=True)


if __name__ == "__main__":
    main()
