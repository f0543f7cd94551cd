"""Writes what ggml reads and writes in blocks of each format.

    pip install gguf
    python make_fixture.py LIBRARY

`decoded.bin` is what ggml's Python package `gguf` reads. For each format: its number (1 byte), the
FNV-1a hash of the bits of all values of COUNT blocks (8 bytes), and the values of the first SHOWN of
them. The bytes of the blocks follow from the number.

`encoded.csv` is what `ggml_quantize_chunk` of LIBRARY writes, which is ggml's base library built
with `-ffp-contract=off`: the hash of the bytes, and their squared error, weighted by the importance
of columns where there is one.
"""

import ctypes
import os
import pathlib
import struct
import sys

import numpy
from gguf import quants
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType

FOLDER = pathlib.Path(__file__).parent
ROWS, COLUMNS = 8, 512
COUNT = 300
SHOWN = 2
# Where a block has its scales in half precision.
HALVES = {
    "Q4_1": (0, 2), "Q5_1": (0, 2), "Q4_K": (0, 2), "Q5_K": (0, 2), "Q2_K": (80, 82),
    "Q3_K": (108,), "Q6_K": (208,), "TQ1_0": (52,), "TQ2_0": (64,), "MXFP4": (), "NVFP4": (),
    "IQ1_M": (),
}
FORMATS = [t for t in GGMLQuantizationType if t in quants._type_traits and t.name != "BF16"]
ENCODED = [
    getattr(GGMLQuantizationType, name)
    for name in (
        "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_NL",
        "IQ4_XS", "MXFP4",
    )
]


def random_bytes(seed):
    while True:
        seed = (seed * 6364136223846793005 + 1442695040888963407) % 2**64
        yield seed >> 56


def blocks(format):
    """Blocks of random bytes whose values are finite."""
    size = GGML_QUANT_SIZES[format][1]
    numbers = random_bytes(format.value)
    for _ in range(COUNT):
        block = bytearray(next(numbers) for _ in range(size))
        for at in HALVES.get(format.name, (0,)):
            if block[at + 1] & 0x7C == 0x7C:
                block[at + 1] &= 0xBF
        if format.name == "MXFP4":
            block[0] %= 250
        if format.name == "IQ1_M":
            block[55] &= 0xBF
        yield bytes(block)


def fnv(numbers):
    hash = 0xCBF29CE484222325
    for number in numbers:
        hash = (hash ^ number) * 0x100000001B3 % 2**64
    return hash


def normal(count, seed):
    """Sums of six uniform numbers, in single precision."""
    out = numpy.zeros(count, dtype=numpy.float32)
    for i in range(count):
        sum = numpy.float32(0)
        for _ in range(6):
            seed = (seed * 6364136223846793005 + 1442695040888963407) % 2**64
            sum += numpy.float32((seed >> 40) / 2**24 - 0.5)
        out[i] = sum
    return out


def data():
    x = normal(ROWS * COLUMNS, 1)
    outliers = x.copy()
    outliers[::67] *= numpy.float32(16)
    return {
        "normal": x,
        "cubed": x * x * x,
        "outliers": outliers,
        "positive": abs(x) + numpy.float32(0.25),
    }


def encode(library, format, values, importance):
    size, length = GGML_QUANT_SIZES[format][1], GGML_QUANT_SIZES[format][0]
    out = numpy.zeros(values.size // length * size, dtype=numpy.uint8)
    pointer = ctypes.POINTER(ctypes.c_float)
    library.ggml_quantize_chunk(
        format.value,
        values.ctypes.data_as(pointer),
        out.ctypes.data_as(ctypes.c_void_p),
        ctypes.c_int64(0),
        ctypes.c_int64(ROWS),
        ctypes.c_int64(COLUMNS),
        None if importance is None else importance.ctypes.data_as(pointer),
    )
    return out


def write_encoded(library):
    j = numpy.arange(COLUMNS)
    weights = ((1 + j * 37 % 101) ** 2).astype(numpy.float32)
    lines = ["format,data,weighted,hash,error"]
    for name, values in data().items():
        for format in ENCODED:
            for importance in (None, weights):
                out = encode(library, format, values, importance)
                back = quants.dequantize(out.reshape(ROWS, -1), format).astype(float)
                squares = (values.reshape(ROWS, COLUMNS).astype(float) - back) ** 2
                error = (squares * (1.0 if importance is None else importance.astype(float))).sum()
                weighted = int(importance is not None)
                lines.append(f"{format.value},{name},{weighted},{fnv(out.tolist())},{float(error)!r}")
    (FOLDER / "encoded.csv").write_text("\n".join(lines) + "\n")


def write_decoded():
    out = b""
    for format in FORMATS:
        data = numpy.frombuffer(b"".join(blocks(format)), dtype=numpy.uint8)
        values = quants.dequantize(data.reshape(COUNT, -1), format)
        out += struct.pack("<BQ", format.value, fnv(values.view(numpy.uint32).ravel().tolist()))
        out += values[:SHOWN].astype("<f4").tobytes()
    (FOLDER / "decoded.bin").write_bytes(out)


if __name__ == "__main__":
    write_decoded()
    write_encoded(ctypes.CDLL(sys.argv[1], mode=os.RTLD_LAZY))
