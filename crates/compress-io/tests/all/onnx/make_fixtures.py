"""Writes the models in `fixtures/`: `python make_fixtures.py`. Needs onnx 1.23.

Each is checked by onnx's checker and by its shape inference. Values follow from their position, so
that the tests know them.
"""

import pathlib

import numpy as np
import onnx
from onnx import TensorProto as T
from onnx import helper, numpy_helper

FOLDER = pathlib.Path(__file__).parent / "fixtures"
# Fields that no schema has: a number of three bytes that needs one, a text, and a group.
UNKNOWN = b"\xc0\x3e\x85\x80\x00" + b"\xca\x3e\x03new" + b"\xd3\x3e\x08\x01\xd4\x3e"


def values(*shape):
    count = int(np.prod(shape))
    numbers = (np.arange(count) * 37 + 11) % 64 - 31.5
    return (numbers / 32).astype(np.float32).reshape(shape)


def tensor(name, *shape):
    return numpy_helper.from_array(values(*shape), name)


def constant(name, *shape):
    return helper.make_node("Constant", [], [name], value=tensor("", *shape))


def value(name, kind, shape):
    return helper.make_tensor_value_info(name, kind, shape)


def save(name, graph, opset, ir, unknown=b"", check=True):
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", opset)],
        ir_version=ir,
        producer_name="make_fixtures",
        doc_string="a fixture",
    )
    helper.set_model_props(model, {"made by": "hand"})
    if check:
        onnx.checker.check_model(model)
        onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True)
    (FOLDER / name).write_bytes(model.SerializeToString() + unknown)


def layers():
    """All kinds of layers, in operators of version 11, of which some changed in 13."""
    node = helper.make_node
    nodes = [
        constant("conv.weight", 4, 2, 3, 3),
        node("Conv", ["x", "conv.weight"], ["c"], pads=[1, 1, 1, 1], doc_string="a layer"),
        node("ConvTranspose", ["c", "up.weight"], ["u"], strides=[2, 2]),
        node("ReduceMean", ["u"], ["m"], axes=[2, 3], keepdims=0),
        node("Gemm", ["m", "gemm.weight", "gemm.bias"], ["g"], transB=1),
        node("Gemm", ["g", "wide.weight"], ["w"], name="wide.weight_quantized"),
        node("MatMul", ["w", "matmul.weight"], ["p"]),
        node("Identity", ["tied.weight"], ["tied"]),
        node("Transpose", ["tied"], ["turned"], perm=[1, 0]),
        node("MatMul", ["p", "turned"], ["q"], name="head"),
        node("Softmax", ["q"], ["y"], axis=1),
        node("Gather", ["embed.weight", "ids"], ["e"]),
        node("LSTM", ["e", "lstm.w", "lstm.r"], ["l"], hidden_size=5),
        node("Squeeze", ["l"], ["z"], axes=[1]),
    ]
    initializers = [
        tensor("up.weight", 4, 3, 2, 2),
        tensor("gemm.weight", 5, 3),
        tensor("gemm.bias", 5),
        tensor("wide.weight", 5, 32),
        tensor("matmul.weight", 32, 20),
        tensor("tied.weight", 6, 20),
        tensor("embed.weight", 10, 6),
        tensor("lstm.w", 1, 20, 6),
        tensor("lstm.r", 1, 20, 5),
    ]
    initializers[0].doc_string = "a weight"
    initializers[0].MergeFromString(UNKNOWN)
    inputs = [value("x", T.FLOAT, [1, 2, 8, 8]), value("ids", T.INT64, [1, 4])]
    # An initializer that is an input as well, as all were once.
    inputs.append(value("wide.weight", T.FLOAT, [5, 32]))
    outputs = [value("q", T.FLOAT, [1, 6]), value("y", T.FLOAT, [1, 6])]
    outputs.append(value("z", T.FLOAT, [1, 4, 5]))
    graph = helper.make_graph(nodes, "layers", inputs, outputs, initializers)
    save("layers.onnx", graph, 11, 6, UNKNOWN)


def branches():
    """Graphs within nodes, whose tensors have names in common."""
    node = helper.make_node

    def branch(name, nodes, initializers=()):
        return helper.make_graph(nodes, name, [], [value("o", T.FLOAT, [2, 3])], initializers)

    inner = branch("inner", [constant("w", 3, 3), node("MatMul", ["h", "w"], ["o"])])
    other = branch("other", [node("Identity", ["h"], ["o"])])
    then = branch("then", [node("MatMul", ["h", "w"], ["o"])], [tensor("w", 3, 3)])
    nested = node("If", ["flag"], ["o"], name="nested", then_branch=inner, else_branch=other)
    nodes = [
        node("MatMul", ["x", "shared"], ["h"]),
        node("If", ["flag"], ["y"], then_branch=then, else_branch=branch("else", [nested])),
    ]
    inputs = [value("x", T.FLOAT, [2, 16]), value("flag", T.BOOL, [])]
    outputs = [value("y", T.FLOAT, [2, 3])]
    graph = helper.make_graph(nodes, "branches", inputs, outputs, [tensor("shared", 16, 3)])
    save("branches.onnx", graph, 16, 8)


def outside():
    """Values in a file beside the model."""
    weights = [tensor("a", 16, 18), tensor("b", 18, 4), tensor("small", 4)]
    data = b""
    for weight in weights[:2]:
        data += bytes(-len(data) % 64)
        onnx.external_data_helper.set_external_data(
            weight, "outside.bin", len(data), len(weight.raw_data)
        )
        data += weight.raw_data
        weight.ClearField("raw_data")
    (FOLDER / "outside.bin").write_bytes(data + b"behind")
    nodes = [
        helper.make_node("MatMul", ["x", "a"], ["h"]),
        helper.make_node("MatMul", ["h", "b"], ["i"]),
        helper.make_node("Add", ["i", "small"], ["y"]),
    ]
    inputs, outputs = [value("x", T.FLOAT, [1, 16])], [value("y", T.FLOAT, [1, 4])]
    graph = helper.make_graph(nodes, "outside", inputs, outputs, weights)
    save("outside.onnx", graph, 17, 8, check=False)
    onnx.checker.check_model(str(FOLDER / "outside.onnx"))


def types():
    """Five values of each type, in fields of the type and as raw bytes."""
    initializers = []
    for name, kind in T.DataType.items():
        if name in ("UNDEFINED", "STRING"):
            continue
        numbers = [1, 0, 1, 1, 0] if name == "BOOL" else [1, 2, 3, 1, 2]
        typed = helper.make_tensor(f"{name}.typed", kind, [5], numbers)
        raw = numpy_helper.from_array(numpy_helper.to_array(typed), f"{name}.raw")
        assert raw.data_type == kind and raw.HasField("raw_data")
        initializers += [typed, raw]
    initializers.append(helper.make_tensor("STRING", T.STRING, [2], [b"a", b"b"]))
    nodes = [helper.make_node("Identity", ["FLOAT.raw"], ["y"])]
    graph = helper.make_graph(nodes, "types", [], [value("y", T.FLOAT, [5])], initializers)
    save("types.onnx", graph, 21, 10)


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    layers()
    branches()
    outside()
    types()
