"""Writes `decoded.bin`: what ggml's Python package `gguf` reads in blocks of each format.

    pip install gguf
    python make_fixture.py

For each format: its number (1 byte), the FNV-1a hash of the bits of all values of COUNT blocks
(8 bytes), and the values of the first SHOWN of them. The bytes of the blocks follow from the number.
"""

import pathlib
import struct

import numpy
from gguf import quants
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType

COUNT = 300
SHOWN = 2
# Where a block has its scales in half precision.
HALVES = {
    "Q4_1": (0, 2), "Q5_1": (0, 2), "Q4_K": (0, 2), "Q5_K": (0, 2), "Q2_K": (80, 82),
    "Q3_K": (108,), "Q6_K": (208,), "TQ1_0": (52,), "TQ2_0": (64,), "MXFP4": (), "NVFP4": (),
    "IQ1_M": (),
}
FORMATS = [t for t in GGMLQuantizationType if t in quants._type_traits and t.name != "BF16"]


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


def hash_of(values):
    hash = 0xCBF29CE484222325
    for bits in values.view(numpy.uint32).ravel().tolist():
        hash = (hash ^ bits) * 0x100000001B3 % 2**64
    return hash


def main():
    out = b""
    for format in FORMATS:
        data = numpy.frombuffer(b"".join(blocks(format)), dtype=numpy.uint8)
        values = quants.dequantize(data.reshape(COUNT, -1), format)
        out += struct.pack("<BQ", format.value, hash_of(values))
        out += values[:SHOWN].astype("<f4").tobytes()
    (pathlib.Path(__file__).parent / "decoded.bin").write_bytes(out)


if __name__ == "__main__":
    main()
