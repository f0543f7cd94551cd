"""Reads files that mcompress wrote with the readers that others use, and compares the values.

python read.py CASES.json

CASES.json has a list "tensors". A case is {"reader": "safetensors" | "gguf", "candle": bool,
"file": ..., "expected": ...}. `expected` is a safetensors file with the same tensors as f32, as mcompress
itself decodes them. `candle` says whether the readers in Rust read the file too.
"""

import json
import sys

import gguf
import ml_dtypes
import numpy as np
import safetensors

TYPES = {
    "F64": np.float64,
    "F32": np.float32,
    "F16": np.float16,
    "BF16": ml_dtypes.bfloat16,
    "F8_E4M3": ml_dtypes.float8_e4m3fn,
    "F8_E5M2": ml_dtypes.float8_e5m2,
    "BOOL": np.bool_,
    "I8": np.int8,
    "U8": np.uint8,
    "I16": np.int16,
    "U16": np.uint16,
    "I32": np.int32,
    "U32": np.uint32,
    "I64": np.int64,
    "U64": np.uint64,
}


def read_safetensors(path):
    """Every tensor of a file, by the library's own parser."""
    with open(path, "rb") as file:
        tensors = safetensors.deserialize(file.read())
    return {
        name: np.frombuffer(t["data"], TYPES[t["dtype"]]).reshape(t["shape"])
        for name, t in tensors
    }


def read_gguf(path):
    """Every tensor of a file, dequantized by gguf-py."""
    return {
        t.name: gguf.quants.dequantize(t.data, t.tensor_type).reshape(
            [int(n) for n in reversed(t.shape)]
        )
        if t.tensor_type not in (gguf.GGMLQuantizationType.F32, gguf.GGMLQuantizationType.F16)
        else t.data
        for t in gguf.GGUFReader(path).tensors
    }


READERS = {"safetensors": read_safetensors, "gguf": read_gguf}


def check(case):
    """Fails unless the reader gives the expected values, bit for bit."""
    found, expected = READERS[case["reader"]](case["file"]), read_safetensors(case["expected"])
    assert list(sorted(found)) == list(sorted(expected)), "other names"
    for name, want in expected.items():
        got = np.asarray(found[name])
        assert got.shape == want.shape, f"{name}: {got.shape} and {want.shape}"
        if want.dtype == np.float32:
            got = got.astype(np.float32)
        same = got.tobytes() == np.ascontiguousarray(want).tobytes()
        assert same, f"{name} has other values"
    return len(expected)


def main():
    with open(sys.argv[1]) as file:
        cases = json.load(file)["tensors"]
    for case in cases:
        count = check(case)
        print(f"{case['reader']}: {count} tensors of {case['file']} have our values", flush=True)


if __name__ == "__main__":
    main()
