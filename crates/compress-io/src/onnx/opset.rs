//! Nodes in a later version of ONNX's operators.

use compress_core::{Error, Result};

use super::make;
use super::names::Names;
use super::proto::{Node, node};
use super::wire::{Made, Message};

/// The oldest version from which a graph is raised.
const OLDEST: u64 = 9;

/// What a new version of an operator asks for.
#[derive(Clone, Copy)]
enum Rule {
    /// The attribute of this name became the second input.
    ToInput(&'static str),
    /// Axes from `axis` on were joined before; now it is that axis alone.
    OneAxis,
    /// The node may stay as it is where this holds.
    If(fn(&Node<'_>) -> Result<bool>, &'static str),
    /// Nodes cannot stay as they are.
    Never(&'static str),
}

/// Changes of operators between versions 9 and 21 that concern nodes which do not use what is new,
/// in the order of the versions. Where a version is not listed, it only allows more: types,
/// negative axes, or attributes whose default is what was before.
///
/// # References
/// `docs/Changelog.md` in the repository `onnx/onnx` (Apache-2.0).
const CHANGES: &[(&str, u64, Rule)] = &[
    ("Slice", 10, Rule::Never("its attributes became inputs")),
    ("TopK", 10, Rule::Never("an attribute became an input")),
    ("Clip", 11, Rule::Never("its attributes became inputs")),
    ("Pad", 11, Rule::Never("its attributes became inputs")),
    ("Resize", 11, Rule::Never("its inputs are others")),
    (
        "Dropout",
        12,
        Rule::If(
            |node| Ok(node.attribute("ratio")?.is_none()),
            "an attribute became an input",
        ),
    ),
    ("Hardmax", 13, Rule::OneAxis),
    ("LogSoftmax", 13, Rule::OneAxis),
    ("Softmax", 13, Rule::OneAxis),
    ("ReduceSum", 13, Rule::ToInput("axes")),
    ("Split", 13, Rule::ToInput("split")),
    ("Squeeze", 13, Rule::ToInput("axes")),
    ("Unsqueeze", 13, Rule::ToInput("axes")),
    (
        "Resize",
        13,
        Rule::If(
            resizes_alike,
            "a mode is gone, or it has both scales and sizes",
        ),
    ),
    (
        "BatchNormalization",
        14,
        Rule::If(
            |node| Ok(node.outputs().count() <= 1),
            "its outputs are others",
        ),
    ),
    ("RoiAlign", 16, Rule::Never("its coordinates are others")),
    ("ReduceL1", 18, Rule::ToInput("axes")),
    ("ReduceL2", 18, Rule::ToInput("axes")),
    ("ReduceLogSum", 18, Rule::ToInput("axes")),
    ("ReduceLogSumExp", 18, Rule::ToInput("axes")),
    ("ReduceMax", 18, Rule::ToInput("axes")),
    ("ReduceMean", 18, Rule::ToInput("axes")),
    ("ReduceMin", 18, Rule::ToInput("axes")),
    ("ReduceProd", 18, Rule::ToInput("axes")),
    ("ReduceSumSquare", 18, Rule::ToInput("axes")),
    (
        "Split",
        18,
        Rule::If(has_lengths, "the number of parts must be said"),
    ),
    (
        "AveragePool",
        19,
        Rule::If(
            |node| Ok(node.int("ceil_mode")?.unwrap_or(0) == 0),
            "ceil_mode counts otherwise",
        ),
    ),
    ("DFT", 20, Rule::Never("an attribute became an input")),
    ("GridSample", 20, Rule::Never("its modes have other names")),
    (
        "GroupNormalization",
        21,
        Rule::Never("its scales have another shape"),
    ),
];

/// Operators of versions 9 to 21 that are not in [`CHANGES`]. What is in neither is not known.
const SAME: &str = " Abs Acos Acosh Add AffineGrid And ArgMax ArgMin Asin Asinh Atan Atanh Bernoulli \
    BitShift BitwiseAnd BitwiseNot BitwiseOr BitwiseXor BlackmanWindow Cast CastLike Ceil Celu \
    CenterCropPad Col2Im Compress Concat ConcatFromSequence Constant ConstantOfShape Conv ConvInteger \
    ConvTranspose Cos Cosh CumSum DeformConv DepthToSpace DequantizeLinear Det Div \
    DynamicQuantizeLinear Einsum Elu Equal Erf Exp Expand EyeLike Flatten Floor GRU Gather \
    GatherElements GatherND Gelu Gemm GlobalAveragePool GlobalLpPool GlobalMaxPool Greater \
    GreaterOrEqual HammingWindow HannWindow HardSigmoid HardSwish Identity If InstanceNormalization \
    IsInf IsNaN LRN LSTM LayerNormalization LeakyRelu Less LessOrEqual Log Loop LpNormalization LpPool \
    MatMul MatMulInteger Max MaxPool MaxRoiPool MaxUnpool Mean MeanVarianceNormalization \
    MelWeightMatrix Min Mish Mod Mul Multinomial Neg NonMaxSuppression NonZero Not OneHot Or PRelu Pow \
    QLinearConv QLinearMatMul QuantizeLinear RNN RandomNormal RandomNormalLike RandomUniform \
    RandomUniformLike Range Reciprocal Relu Reshape ReverseSequence Round STFT Scan ScatterElements \
    ScatterND Selu SequenceAt SequenceConstruct SequenceEmpty SequenceErase SequenceInsert \
    SequenceLength Shape Shrink Sigmoid Sign Sin Sinh Size Softplus Softsign SpaceToDepth \
    SplitToSequence Sqrt Sub Sum Tan Tanh TfIdfVectorizer ThresholdedRelu Tile Transpose Trilu Unique \
    Where Xor ";

/// A node of ONNX itself in version `to` of the operators, which was of version `from`: none where
/// it stays as it is, else the nodes that do the same.
///
/// # Errors
/// [`Error::Refused`] with the node and the reason, where it would do something else.
pub(super) fn raise<'a>(
    node: &Node<'a>,
    from: u64,
    to: u64,
    names: &mut Names<'_>,
) -> Result<Option<Vec<Message<'a>>>> {
    let refuse = |why: String| Error::Refused {
        layer: format!("{} {}", node.op, node.called()),
        reason: format!("its graph is of opset {from}, {to} is needed, and {why}"),
    };
    if from < OLDEST {
        return Err(refuse(format!("only {OLDEST} and later are raised")));
    }
    let changes = CHANGES.iter().filter(|(op, ..)| *op == node.op);
    let is_known = changes.clone().next().is_some() || SAME.contains(&format!(" {} ", node.op));
    if !is_known {
        return Err(refuse("the operator is not known in both".into()));
    }
    let mut raised = None;
    for (_, since, rule) in changes.filter(|(_, since, _)| (from + 1..=to).contains(since)) {
        match rule {
            Rule::Never(why) => return Err(refuse(format!("since {since} {why}"))),
            Rule::If(holds, _) if holds(node)? => {}
            Rule::If(_, why) => return Err(refuse(format!("since {since} {why}"))),
            Rule::ToInput(name) => raised = to_input(node, name, names)?.or(raised),
            Rule::OneAxis => raised = one_axis(node, names)?.or(raised),
        }
    }
    Ok(raised)
}

/// Whether a resize is the same since 13.
fn resizes_alike(node: &Node<'_>) -> Result<bool> {
    let is_gone = node.string("coordinate_transformation_mode")? == Some(b"tf_half_pixel_for_nn");
    let inputs: Vec<&str> = node.inputs().collect();
    let has_both = inputs.len() > 3 && !inputs[2].is_empty() && !inputs[3].is_empty();
    Ok(!is_gone && !has_both)
}

/// Whether a split says the lengths of its parts: by its input, or by the attribute that becomes one.
fn has_lengths(node: &Node<'_>) -> Result<bool> {
    Ok(node.inputs().count() > 1 || node.attribute("split")?.is_some())
}

/// Makes an attribute of numbers an input, which a `Constant` node gives.
fn to_input<'a>(
    node: &Node<'a>,
    name: &str,
    names: &mut Names<'_>,
) -> Result<Option<Vec<Message<'a>>>> {
    let Some(values) = node.ints(name)? else {
        return Ok(None);
    };
    let base = format!("{}_{name}", node.called());
    let (constant, input) = (names.fresh(&format!("{base}_Constant")), names.fresh(&base));
    let mut raised = node.message.clone();
    make::remove_attribute(&mut raised, name);
    let data = node.inputs().next().unwrap_or_default();
    make::set_inputs(&mut raised, &[data, &input]);
    Ok(Some(vec![
        make::constant(&constant, &input, &values),
        raised,
    ]))
}

/// A softmax over the joined axes: the values as a matrix, its rows, and the shape as it was.
fn one_axis<'a>(node: &Node<'a>, names: &mut Names<'_>) -> Result<Option<Vec<Message<'a>>>> {
    let axis = node.int("axis")?.unwrap_or(1);
    if axis == -1 {
        return Ok(None);
    }
    let [input, output] =
        [node.inputs().next(), node.outputs().next()].map(Option::unwrap_or_default);
    let mut fresh = |what: &str| names.fresh(&format!("{}_{what}", node.called()));
    let [shape, rows, normed] = ["shape", "rows", "normed"].map(&mut fresh);
    let [by_shape, by_flatten, by_reshape] = ["Shape", "Flatten", "Reshape"].map(&mut fresh);
    let mut raised = node.message.clone();
    make::remove_attribute(&mut raised, "axis");
    make::set_inputs(&mut raised, &[&rows]);
    raised.set(node::OUTPUT, Made::text(&normed));
    raised.push(node::ATTRIBUTE, Made::Message(make::int("axis", -1)));
    let flatten = make::int("axis", axis);
    Ok(Some(vec![
        make::node("Shape", &by_shape, &[input], &shape, vec![]),
        make::node("Flatten", &by_flatten, &[input], &rows, vec![flatten]),
        raised,
        make::node("Reshape", &by_reshape, &[&normed, &shape], output, vec![]),
    ]))
}
