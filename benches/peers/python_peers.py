"""What torch, onnxruntime, scikit-learn, ggml and ZipNN make of the rows of `cargo xtask bench`.

    python python_peers.py NAME...    one line of JSON for each peer of each row
    python python_peers.py --serve    the same for names on standard input, with an empty line
                                      behind each row: how `cargo peers` runs it

ggml is the shared library that GGML_LIBRARY names; without it the rows of its block formats have no
peer here. It is to be built as it is shipped, for any processor of the architecture:

    cmake -B build -DGGML_NATIVE=OFF -DCMAKE_BUILD_TYPE=Release \\
        -DCMAKE_C_FLAGS=-ffp-contract=off -DCMAKE_CXX_FLAGS=-ffp-contract=off
    cmake --build build --target ggml-base

A line is {"name", "peer", "value", "unit"}. A row that none of them can do has no line. They run
on as many threads as OMP_NUM_THREADS says. The first call of each warms up; the value is that of
the median of at least 5 calls and 0.3 s (fewer calls where they take more than 10 s).
"""

import ctypes
import functools
import json
import logging
import os
import re
import statistics
import sys
import time
import traceback
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

THREADS = int(os.environ.get("OMP_NUM_THREADS", os.cpu_count() or 1))
SIDE = 4096


def seconds(run, prepare=None):
    """The median; `prepare` makes the argument of each call and is not timed."""
    samples, begin = [], None
    while True:
        argument = () if prepare is None else (prepare(),)
        started = time.perf_counter()
        run(*argument)
        now = time.perf_counter()
        if begin is None:
            begin = now
            continue
        samples.append(now - started)
        elapsed = now - begin
        if elapsed >= 0.3 and (len(samples) >= 5 or elapsed >= 10):
            return statistics.median(samples)


def numbers(text):
    return [int(number) for number in re.split("[x-]", text)]


def weights(count):
    """The values that ours has in its place, bit for bit: each the sum of twelve uniform ones."""
    step, first, second = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
    values = np.empty(count, np.float32)
    block = 1 << 20
    for begin in range(0, count, block):
        end = min(begin + block, count)
        total = np.zeros(end - begin, np.uint64)
        for draw in range(12):
            state = np.arange(begin, end, dtype=np.uint64) * np.uint64(12) + np.uint64(draw + 1)
            mixed = state * np.uint64(step) + np.uint64(1)
            mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(first)
            mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(second)
            total += (mixed ^ (mixed >> np.uint64(31))) >> np.uint64(40)
        values[begin:end] = (total.astype(np.float64) / (1 << 24) - 6.0) * 0.05
    return values


# Matrix products.


def gemm_f32(shape, *_):
    m, k, n = numbers(shape)
    x, w = torch.randn(m, k), torch.randn(n, k)
    taken = seconds(lambda: torch.nn.functional.linear(x, w))
    yield "torch", 2 * m * k * n / taken / 1e9, "GFLOP/s"


def gemm_i8(shape, *_):
    m, k, n = numbers(shape)
    x = torch.randint(-128, 128, (m, k), dtype=torch.int8)
    w = torch.randint(-128, 128, (n, k), dtype=torch.int8)
    taken = seconds(lambda: torch._int_mm(x, w.t()))
    yield "torch._int_mm", 2 * m * k * n / taken / 1e9, "GOP/s"


def spmm(percent, shape, *_):
    m, k, n = numbers(shape)
    w = torch.randn(m, k)
    w[torch.rand(m, k) < int(percent) / 100] = 0
    x = torch.randn(k, n)
    csr = w.to_sparse_csr()
    yield "torch CSR", seconds(lambda: csr @ x) * 1e6, "µs"
    yield "torch, dense", seconds(lambda: w @ x) * 1e6, "µs"


# Whole networks.


def onnx_mlp(widths):
    """A model of dense layers with ReLU between them."""
    import onnx
    from onnx import helper, numpy_helper

    random = np.random.default_rng(1)
    nodes, initializers, name = [], [], "x"
    for i, (before, after) in enumerate(zip(widths, widths[1:])):
        w = random.standard_normal((after, before), np.float32) * (2 / before) ** 0.5
        initializers.append(numpy_helper.from_array(w.astype(np.float32), f"w{i}"))
        initializers.append(numpy_helper.from_array(np.zeros(after, np.float32), f"b{i}"))
        last = i + 2 == len(widths)
        out = "y" if last else f"z{i}"
        nodes.append(helper.make_node("Gemm", [name, f"w{i}", f"b{i}"], [out], transB=1))
        if not last:
            nodes.append(helper.make_node("Relu", [out], [f"h{i}"]))
            name = f"h{i}"
    float32 = onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "mlp",
        [helper.make_tensor_value_info("x", float32, ["batch", widths[0]])],
        [helper.make_tensor_value_info("y", float32, ["batch", widths[-1]])],
        initializers,
    )
    # Versions that the runtime of the day reads, however new `onnx` is.
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def static_int8(model, features):
    """With a scale for each activation and each output channel, and nodes that say so (QDQ)."""
    import onnx
    from onnxruntime import quantization
    import tempfile

    class Reader(quantization.CalibrationDataReader):
        def __init__(self):
            random = np.random.default_rng(2)
            batches = [random.random((64, features), np.float32) for _ in range(8)]
            self.batches = iter([{"x": batch} for batch in batches])

        def get_next(self):
            return next(self.batches, None)

    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as folder:
        source, target = os.path.join(folder, "f32.onnx"), os.path.join(folder, "int8.onnx")
        onnx.save(model, source)
        quantization.quantize_static(
            source,
            target,
            Reader(),
            quant_format=quantization.QuantFormat.QDQ,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
            per_channel=True,
        )
        return onnx.load(target)


def infer(widths, kind, batch, *_):
    import onnxruntime

    if kind not in ("f32", "int8"):
        return
    widths, batch = numbers(widths), int(batch.removeprefix("bs"))
    model = onnx_mlp(widths)
    if kind == "int8":
        model = static_int8(model, widths[0])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    x = np.random.default_rng(3).random((batch, widths[0]), np.float32)
    # Input and output stay where they are, which is faster than `run` with a dictionary.
    binding = session.io_binding()
    binding.bind_cpu_input("x", x)
    y = onnxruntime.OrtValue.ortvalue_from_numpy(np.zeros((batch, widths[-1]), np.float32))
    binding.bind_ortvalue_output("y", y)
    taken = seconds(lambda: session.run_with_iobinding(binding))
    yield "onnxruntime" + (" QDQ" if kind == "int8" else ""), taken * 1e6, "µs"


def train_epoch(widths, batch, *_):
    widths, batch, samples = numbers(widths), int(batch.removeprefix("bs")), 60_000
    torch.manual_seed(0)
    inputs, labels = torch.rand(samples, widths[0]), torch.randint(0, widths[-1], (samples,))
    layers = []
    for before, after in zip(widths, widths[1:]):
        layers += [torch.nn.Linear(before, after), torch.nn.ReLU()]
    network = torch.nn.Sequential(*layers[:-1])
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9)

    def epoch():
        order = torch.randperm(samples)
        for i in range(0, samples, batch):
            rows = order[i : i + batch]
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(network(inputs[rows]), labels[rows])
            loss.backward()
            optimizer.step()

    yield "torch", seconds(epoch), "s"


# Weights.


def prune(kind, shape, *_):
    w = torch.randn(*numbers(shape))
    if kind == "global_magnitude_90":
        from torch.nn.utils import prune as pruning

        def layer():
            layer = torch.nn.Linear(w.shape[1], w.shape[0], bias=False)
            layer.weight.data = w.clone()
            return layer

        def unstructured(layer):
            method = pruning.L1Unstructured
            pruning.global_unstructured([(layer, "weight")], pruning_method=method, amount=0.9)

        yield "torch.nn.utils.prune", seconds(unstructured, layer) * 1e3, "ms"
    elif kind == "threshold":
        taken = seconds(lambda w: w.masked_fill_(w.abs() < 0.67, 0.0), w.clone)
        yield "torch", taken * 1e3, "ms"
    elif kind == "2_of_4":

        def two_of_four(w):
            groups = w.view(-1, 4)
            dropped = groups.abs().topk(2, dim=1, largest=False, sorted=False).indices
            groups.scatter_(1, dropped, 0.0)

        yield "torch", seconds(two_of_four, w.clone) * 1e3, "ms"


def quantize(kind, shape=f"{SIDE}x{SIDE}", *_):
    w = torch.randn(*numbers(shape))
    if kind == "int8_channel":

        def channels():
            scale = w.abs().amax(1, keepdim=True) / 127
            return (w / scale).round_().clamp_(-127, 127).to(torch.int8), scale

        def quantized_tensor():
            scale = w.abs().amax(1) / 127
            zero = torch.zeros_like(scale, dtype=torch.int64)
            return torch.quantize_per_channel(w, scale, zero, 0, torch.qint8)

        yield "torch", seconds(channels) * 1e3, "ms"
        yield "torch.quantize_per_channel", seconds(quantized_tensor) * 1e3, "ms"
    elif kind == "int4_g128":

        def groups():
            rows = w.view(-1, 128)
            scale = rows.abs().amax(1, keepdim=True) / 7
            codes = (rows / scale).round_().clamp_(-7, 7).add_(8).to(torch.uint8)
            return codes[:, ::2] | (codes[:, 1::2] << 4), scale

        yield "torch", seconds(groups) * 1e3, "ms"


    elif kind.removesuffix("_weighted") in GGML_TYPES:
        yield from ggml_blocks(kind, *numbers(shape))


# ggml's number of each type that it writes, and the bytes of 256 weights.
GGML_TYPES = {
    "q8_0": (8, 272),
    "q4_0": (2, 144),
    "q4_1": (3, 160),
    "q5_0": (6, 176),
    "q5_1": (7, 192),
    "q2_k": (10, 84),
    "q3_k": (11, 110),
    "q4_k": (12, 144),
    "q5_k": (13, 176),
    "q6_k": (14, 210),
    "iq4_nl": (20, 144),
    "iq4_xs": (23, 136),
    "mxfp4": (39, 136),
}


@functools.cache
def ggml_library():
    path = os.environ.get("GGML_LIBRARY")
    if path is None:
        print("ggml is left out: GGML_LIBRARY does not name its shared library", file=sys.stderr)
        return None
    return ctypes.CDLL(path, mode=os.RTLD_LAZY)


def ggml_blocks(kind, rows, columns):
    library = ggml_library()
    if library is None:
        return
    number, size = GGML_TYPES[kind.removesuffix("_weighted")]
    values = weights(rows * columns)
    blocks = np.zeros(values.size // 256 * size, np.uint8)
    importance = None
    if kind.endswith("_weighted"):
        importance = (np.arange(columns) % 37 + 1).astype(np.float32)
    pointer = lambda array: None if array is None else ctypes.c_void_p(array.ctypes.data)

    # It runs on the thread that calls it: each gets as many rows, as in llama.cpp.
    each = -(-rows // THREADS)

    def some_rows(first):
        library.ggml_quantize_chunk(
            number,
            pointer(values),
            pointer(blocks),
            ctypes.c_int64(first * columns),
            ctypes.c_int64(min(each, rows - first)),
            ctypes.c_int64(columns),
            pointer(importance),
        )

    with ThreadPoolExecutor(THREADS) as pool:
        taken = seconds(lambda: list(pool.map(some_rows, range(0, rows, each))))
    yield "ggml", taken * 1e3, "ms"


def dequantize(kind, shape=f"{SIDE}x{SIDE}", *_):
    if kind == "int8_channel":
        rows, columns = numbers(shape)
        codes = torch.randint(-127, 128, (rows, columns), dtype=torch.int8)
        scale = torch.rand(rows, 1)
        yield "torch", seconds(lambda: codes.to(torch.float32).mul_(scale)) * 1e3, "ms"


def kmeans1d(levels, count, *_):
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    values = weights(int(count)).reshape(-1, 1)
    fit = KMeans(int(levels), n_init=1, random_state=0, algorithm="lloyd").fit
    with threadpool_limits(THREADS):
        yield "scikit-learn, Lloyd", seconds(lambda: fit(values)) * 1e3, "ms"


def zipnn_of(kind, count, threads):
    """ZipNN, and bytes of weights as it takes them; none where it is not installed."""
    try:
        from zipnn import ZipNN
    except ImportError:
        print("zipnn is not installed: its rows are skipped", file=sys.stderr)
        return None
    dtype = {"f32": "float32", "bf16": "bfloat16"}[kind]
    threads = 1 if threads == "t1" else THREADS
    bits = weights(int(count)).view(np.uint32)
    # As ours: BF16 is the upper half of F32.
    data = bits if kind == "f32" else (bits >> 16).astype(np.uint16)
    return ZipNN(input_format="byte", bytearray_dtype=dtype, threads=threads), data.tobytes()


def pack(kind, count, threads="", *_):
    made = zipnn_of(kind, count, threads)
    if made:
        zipnn, data = made
        # It changes what it is given.
        yield "ZipNN", seconds(zipnn.compress, lambda: bytearray(data)) * 1e3, "ms"


def unpack(kind, count, threads="", *_):
    made = zipnn_of(kind, count, threads)
    if made:
        zipnn, data = made
        coded = bytes(zipnn.compress(bytearray(data)))
        yield "ZipNN", seconds(lambda: zipnn.decompress(coded)) * 1e3, "ms"


FAMILIES = {
    "gemm_f32": gemm_f32,
    "gemm_i8": gemm_i8,
    "spmm": spmm,
    "infer": infer,
    "train_epoch": train_epoch,
    "prune": prune,
    "quantize": quantize,
    "dequantize": dequantize,
    "kmeans1d": kmeans1d,
    # They have no other search, whether the optimum is asked for or what comes near it.
    "kmeans1d_near": kmeans1d,
    "pack": pack,
    "unpack": unpack,
}


def measure(name):
    """Prints what there is to say of a row."""
    family, *parts = name.split("/")
    if family in FAMILIES and parts:
        for peer, value, unit in FAMILIES[family](*parts):
            print(json.dumps({"name": name, "peer": peer, "value": value, "unit": unit}))


def main():
    for notice in ("Sparse CSR tensor support is in beta", "torch.quantize_per_tensor"):
        warnings.filterwarnings("ignore", message=notice)
    torch.set_num_threads(THREADS)
    if sys.argv[1:] != ["--serve"]:
        for name in sys.argv[1:]:
            measure(name)
        return
    for name in sys.stdin:
        try:
            measure(name.strip())
        except Exception:  # One peer that fails must not end the others' comparison.
            traceback.print_exc()
        print(flush=True)


if __name__ == "__main__":
    main()
