"""HG-PIPE's integer DeiT-tiny (W3A3) as an integer network, with its golden tensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from models.network.graph import Constant, IntegerGraph, Node, Operator
from models.numerics.quantized import TensorType
from models.numerics.rescale import Integers, Rounding
from models.ops.add import Add
from models.ops.attention import AttentionContext, AttentionScores
from models.ops.convolution import linear_spec
from models.ops.layer_norm import LayerNorm
from models.ops.requantize import Lookup, Requantize
from models.ops.row_function import RowFunction, Segment
from models.ops.softmax import Softmax
from tests.support.oracles.case import Case, data_folder

BLOCKS = range(6)
HEADS = 3


def wide(bias: Integers | int = 0) -> Requantize:
    """Accumulators as they are, in 16 bits."""
    return Requantize(
        bias=np.atleast_1d(bias), multiplier=np.array([1]), shift=np.array([0]),
        rounding=Rounding.FLOOR, low=-32768, high=32767,
    )  # fmt: skip


def table(entries: Integers, scalars: Integers) -> Requantize:
    """``table[clamp((x + b) >> s)]``."""
    offset, shift, last = (int(v) for v in scalars)
    return Requantize(
        bias=np.array([0]), multiplier=np.array([1]), shift=np.array([0]), rounding=Rounding.FLOOR,
        low=-32768, high=32767,
        table=Lookup(table=entries[: last + 1], offset=offset, shift=shift),
    )  # fmt: skip


def norm(p: Mapping[str, Integers], prefix: str) -> LayerNorm:
    """LayerNorm with a linear table of reciprocal roots."""
    mean, mean_shift, offset, shift, last, out_shift, bits = (
        int(v) for v in p[f"{prefix}.scalars"]
    )
    return LayerNorm(
        gain=p[f"{prefix}.gain"],
        offset=p[f"{prefix}.offset"],
        mean_multiplier=mean,
        mean_shift=mean_shift,
        root=RowFunction(
            table=p[f"{prefix}.rsqrt_table"],
            first=Segment(offset=offset, shift=shift, last=last),
        ),
        shift=out_shift,
        rounding=Rounding.FLOOR,
        low=-(1 << bits - 1),
        high=(1 << bits - 1) - 1,
    )


def softmax(p: Mapping[str, Integers], prefix: str) -> Softmax:
    """Softmax with a reciprocal of two linear segments."""
    s = [int(v) for v in p[f"{prefix}.scalars"]]
    # s[7] and s[12] are the halves of the shifts behind them: rounding half up.
    assert s[6] == 1 << s[7] - 1
    assert s[11] == 1 << s[12] - 1
    return Softmax(
        exp=p[f"{prefix}.exp_table"],
        offset=s[0],
        input_shift=s[1],
        rounding=Rounding.HALF_UP,
        low=0,
        high=(1 << s[13]) - 1,
        reciprocal=RowFunction(
            table=np.concatenate([p[f"{prefix}.recip_one"], p[f"{prefix}.recip_two"]]),
            first=Segment(offset=s[3], shift=s[4], last=s[5], out_shift=s[7]),
            second=Segment(offset=s[8], shift=s[9], last=s[10], base=64, out_shift=s[12]),
        ),
    )


def residual(scalars: Integers) -> Add:
    """``f + ((x * multiplier + half) >> shift)`` as one rounding: ``f`` weighs ``2**shift``."""
    multiplier, shift = (int(v) for v in scalars)
    return Add(
        a_multiplier=1 << shift, b_multiplier=multiplier, shift=shift, rounding=Rounding.HALF_UP,
        low=-32768, high=32767,
    )  # fmt: skip


def block_operators(p: Mapping[str, Integers], b: str) -> list[tuple[str, Operator, list[str]]]:
    """``(tensor, operator, inputs)`` of a block in order; tensors have the golden file's names."""

    def linear(name: str) -> Operator:
        return linear_spec(p[f"{b}.{name}.weight"], wide(p[f"{b}.{name}.bias"]))

    def quantiser(name: str) -> Operator:
        return table(p[f"{b}.{name}.table"], p[f"{b}.{name}.scalars"])

    steps: list[tuple[str, Operator, list[str]]] = [
        ("attn.norm", norm(p, f"{b}.attn.norm"), ["in"])
    ]
    for x in "qkv":
        steps.append((f"attn.{x}", linear(f"attn.{x}"), ["attn.norm"]))
        steps.append((f"attn.{x}.quant", quantiser(f"attn.{x}.quant"), [f"attn.{x}"]))
    scores = AttentionScores(heads=HEADS, requantize=wide())
    context = AttentionContext(heads=HEADS, requantize=wide())
    steps += [
        ("attn.r", scores, ["attn.q.quant", "attn.k.quant"]),
        ("attn.softmax", softmax(p, f"{b}.attn.softmax"), ["attn.r"]),
        ("attn.a", context, ["attn.softmax", "attn.v.quant"]),
        ("attn.a.quant", quantiser("attn.a.quant"), ["attn.a"]),
        ("attn.o", linear("attn.o"), ["attn.a.quant"]),
        ("attn.out", residual(p[f"{b}.attn.residual"]), ["attn.o", "in"]),
        ("mlp.norm", norm(p, f"{b}.mlp.norm"), ["attn.out"]),
        ("mlp.fc1", linear("mlp.fc1"), ["mlp.norm"]),
        ("mlp.gelu", quantiser("mlp.gelu"), ["mlp.fc1"]),
        ("mlp.fc2", linear("mlp.fc2"), ["mlp.gelu"]),
        ("mlp.out", residual(p[f"{b}.mlp.residual"]), ["mlp.fc2", "attn.out"]),
    ]  # fmt: skip
    return steps


def load() -> tuple[dict[str, Integers], dict[str, Integers]]:
    """Parameters and golden tensors."""
    folder = data_folder("deit_tiny_w3a3")

    def read(name: str) -> dict[str, Integers]:
        with np.load(folder / name) as arrays:
            return {k: arrays[k].astype(np.int64) for k in arrays.files}

    return read("deit_tiny_w3a3.npz"), read("golden_blocks_00_05.npz")


def blocks_case() -> Case:
    """Blocks 0 to 5 as one network: 109 tensors."""
    parameters, golden = load()
    first = golden["blocks.0.attn.in"]
    tensors = {"input": _type(first)}
    nodes = []
    expected = {}
    source = "input"
    for index in BLOCKS:
        b = f"blocks.{index}"
        for name, operator, inputs in block_operators(parameters, b):
            full = f"{b}.{name}"
            want = golden[full]
            tensors[full] = _type(want)
            expected[full] = want[None]
            names = tuple(source if i == "in" else f"{b}.{i}" for i in inputs)
            nodes.append(Node(name=full, operator=operator, inputs=names, output=full))
        source = f"{b}.mlp.out"
    graph = IntegerGraph(
        name="deit-tiny-w3a3", input="input", output=source, tensors=tensors, nodes=tuple(nodes)
    )
    return Case(name="deit-tiny", kind="blocks", graph=graph, codes=first[None], expected=expected)


def operator_cases(block: int, *, heads: int, tokens: int) -> list[Case]:
    """Every operator of a block on its own, fed with the golden tensors.

    Attention is cut down to its first ``heads``, operators on single tokens to the first
    ``tokens``: the whole tensors fill more scratchpad than the default machine has.
    """
    parameters, golden = load()
    b = f"blocks.{block}"
    cases = []
    for name, operator, inputs in block_operators(parameters, b):
        operands = [golden[f"{b}.attn.in" if i == "in" else f"{b}.{i}"] for i in inputs]
        want = golden[f"{b}.{name}"]
        if name in ("attn.r", "attn.softmax", "attn.a"):
            # Scores are [heads, ...]; q, k, v and context have 64 channels a head.
            operands = [_first_heads(x, heads) for x in operands]
            want = _first_heads(want, heads)
            if not isinstance(operator, Softmax):
                assert isinstance(operator, AttentionScores | AttentionContext)
                operator = replace(operator, heads=heads)
        else:
            operands = [x[:tokens] for x in operands]
            want = want[:tokens]
        tensors = {"input": _type(operands[0]), "output": _type(want)}
        nodes = []
        names = ["input"]
        for other in operands[1:]:
            tensors["other"] = _type(other)
            constant = Constant(codes=other)
            nodes.append(Node(name="other", operator=constant, inputs=(), output="other"))
            names.append("other")
        nodes.append(Node(name=name, operator=operator, inputs=tuple(names), output="output"))
        graph = IntegerGraph(
            name=name, input="input", output="output", tensors=tensors, nodes=tuple(nodes)
        )
        cases.append(
            Case(
                name=f"{b}.{name}",
                kind=type(operator).__name__,
                graph=graph,
                codes=operands[0][None],
                expected={"output": want[None]},
            )
        )
    return cases


def _first_heads(codes: Integers, heads: int) -> Integers:
    return codes[:heads] if codes.ndim == 3 else codes[:, : 64 * heads]


def _type(codes: Integers) -> TensorType:
    small = codes.min() >= -128 and codes.max() <= 127
    return TensorType(shape=codes.shape, bits=8 if small else 16)
