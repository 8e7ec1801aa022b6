"""Random float networks: images and tokens, every operator that the importer supports."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from benchmarks.import_fuzz.sketch import Sketch

__all__ = ["random_sketch"]

UNARY = {
    "Relu": 13, "LeakyRelu": 13, "Sigmoid": 13, "Tanh": 13, "Elu": 13, "Abs": 13, "HardSigmoid": 13,
    "Softplus": 13, "Softsign": 13, "Erf": 13, "Selu": 13, "Celu": 13, "HardSwish": 14, "Mish": 18,
    "Gelu": 20, "Swish": 24, "Neg": 13, "Exp": 13, "Ceil": 13, "Floor": 13, "Round": 13, "Sign": 13,
    "Sin": 13, "Cos": 13,
}  # fmt: skip
"""Elementwise functions, and the first operator set that has them (13: all here)."""


def random_sketch(rng: np.random.Generator) -> Sketch:
    """A network of a few operators on an image or on tokens."""
    opset = int(rng.integers(13, 26))
    if rng.random() < 0.6:
        shape: tuple[int, ...] = (1, int(rng.integers(1, 7)), *map(int, rng.integers(4, 11, 2)))
        return _image(rng, Sketch(shape, opset))
    tokens, channels = int(rng.integers(2, 9)), int(rng.integers(2, 13))
    return _tokens(rng, Sketch((1, tokens, channels), opset))


def _image(rng: np.random.Generator, net: Sketch) -> Sketch:
    net.shapes["image"] = net.shape
    x = _convolution(rng, net, "image")
    stored: list[str] = [x]
    makers: list[Callable[[np.random.Generator, Sketch, str], str]] = [
        _convolution, _convolution, _unary, _unary, _constant, _batch_norm, _pool, _pad, _clip,
        _same_source, _minmax,
    ]  # fmt: skip
    for _ in range(int(rng.integers(1, 7))):
        twins = [s for s in stored if s != x and net.shapes[s] == net.shapes[x]]
        if twins and rng.random() < 0.5:
            kind = "Sub" if rng.random() < 0.2 else "Add"
            x = net.add(kind, [x, str(rng.choice(twins))], net.shapes[x], note="residual")
        else:
            x = makers[rng.integers(len(makers))](rng, net, x)
        stored.append(x)
    end = rng.random()
    _, channels, high, wide = net.shapes[x]
    if end < 0.3:
        x = net.add("GlobalAveragePool", [x], (1, channels, 1, 1))
        x = net.add("Flatten", [x], (1, channels), moves=True)
        return _finish(net, _linear(rng, net, x))
    if end < 0.45:
        x = net.add("Flatten", [x], (1, channels * high * wide), moves=True)
        return _finish(net, _linear(rng, net, x))
    if end < 0.6:
        target = net.const([1, channels, high * wide], np.int64)
        x = net.add("Reshape", [x, target], (1, channels, high * wide), moves=True)
        x = net.add("Transpose", [x], (1, high * wide, channels), moves=True, perm=[0, 2, 1])
        return _tokens(rng, net, x, int(rng.integers(0, 3)))
    return _finish(net, x)


def _tokens(
    rng: np.random.Generator, net: Sketch, x: str = "image", count: int | None = None
) -> Sketch:
    net.shapes.setdefault("image", net.shape)
    makers: list[Callable[[np.random.Generator, Sketch, str], str]] = [
        _linear, _linear, _unary, _constant, _layer_norm, _attention, _select, _join, _clip,
        _same_source, _position, _heads, _split,
    ]  # fmt: skip
    stored = [x] if x != "image" else []
    if x == "image":
        x = _linear(rng, net, x)
    for _ in range(int(rng.integers(1, 6)) if count is None else count):
        twins = [s for s in stored if s != x and net.shapes[s] == net.shapes[x]]
        if twins and rng.random() < 0.4:
            x = net.add("Add", [x, str(rng.choice(twins))], net.shapes[x], note="residual")
        else:
            x = makers[rng.integers(len(makers))](rng, net, x)
        stored.append(x)
    if rng.random() < 0.3:
        _, tokens, channels = net.shapes[x]
        if net.opset >= 18:
            x = net.add("ReduceMean", [x, net.const([1], np.int64)], (1, channels), keepdims=0)
        else:
            x = net.add("ReduceMean", [x], (1, channels), keepdims=0, axes=[1])
    return _finish(net, _linear(rng, net, x))


def _finish(net: Sketch, output: str) -> Sketch:
    """Numbers stay float only where what reads them is folded into what made them."""
    folded = {*UNARY, "Add", "Sub", "Mul", "Div", "BatchNormalization", "Clip", "Max", "Min"}
    for step in net.steps:
        readers = [other for other in net.steps if step.output in other.inputs]
        read_whole = any(r.kind not in folded or r.weights for r in readers)
        if not step.bare and (read_whole or len(readers) != 1):
            step.ready = True
    assert net.steps[-1].output == output
    net.steps[-1].ready = True
    return net


def _convolution(rng: np.random.Generator, net: Sketch, x: str) -> str:
    _, channels, high, wide = net.shapes[x]
    kernel = [int(k) for k in rng.choice([1, 2, 3, 5], 2)]
    kernel = [kernel[0]] * 2 if rng.random() < 0.8 else kernel
    stride = [int(rng.integers(1, 3))] * 2
    dilation = [int(rng.choice([1, 1, 1, 2]))] * 2
    extent = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
    attributes: dict[str, object] = {"strides": stride, "dilations": dilation}
    if rng.random() < 0.2:
        attributes["auto_pad"] = str(rng.choice(["SAME_UPPER", "SAME_LOWER"]))
        attributes["dilations"] = [1, 1]
        tall, broad = (-(-n // s) for n, s in zip((high, wide), stride, strict=True))
    else:
        pads = [int(rng.integers(0, (e + 1) // 2 + 1)) for e in (*extent, *extent)]
        spans = [n + pads[i] + pads[i + 2] - extent[i] for i, n in enumerate((high, wide))]
        if min(spans) < 0:
            return _unary(rng, net, x)
        attributes["pads"] = pads
        tall, broad = (span // s + 1 for span, s in zip(spans, stride, strict=True))
    divisors = [g for g in range(1, channels + 1) if channels % g == 0]
    groups = int(rng.choice(divisors)) if rng.random() < 0.3 else 1
    out = groups * int(rng.integers(1, 1 + max(1, 8 // groups)))
    if groups > 1:
        attributes["group"] = groups
        net.notes.add("groups")
    weights = rng.normal(0, 0.4, (out, channels // groups, *kernel))
    if rng.random() < 0.15:
        weights[rng.integers(out)] = 0
        net.notes.add("zero weights")
    inputs = [x, net.const(weights)]
    if rng.random() < 0.7:
        inputs.append(net.const(rng.normal(0, 0.5, out)))
    return net.add(
        "Conv", inputs, (1, out, tall, broad), weights={1: 0},
        ready=bool(rng.random() < 0.93), **attributes,
    )  # fmt: skip


def _linear(rng: np.random.Generator, net: Sketch, x: str) -> str:
    shape = net.shapes[x]
    out = int(rng.integers(1, 13))
    ready = bool(rng.random() < 0.93)
    if len(shape) == 2 and rng.random() < 0.6:
        flip = int(rng.random() < 0.5)
        size = (out, shape[-1]) if flip else (shape[-1], out)
        inputs = [x, net.const(rng.normal(0, 0.4, size))]
        if rng.random() < 0.7:
            inputs.append(net.const(rng.normal(0, 0.5, out)))
        return net.add(
            "Gemm", inputs, (shape[0], out), weights={1: 0 if flip else 1}, ready=ready, transB=flip
        )
    weights = net.const(rng.normal(0, 0.4, (shape[-1], out)))
    return net.add("MatMul", [x, weights], (*shape[:-1], out), weights={1: 1}, ready=ready)


def _unary(rng: np.random.Generator, net: Sketch, x: str) -> str:
    kinds = [kind for kind, since in UNARY.items() if since <= net.opset]
    kind = str(rng.choice(["Relu"] * 6 + kinds))
    attributes: dict[str, object] = {}
    if kind == "LeakyRelu":
        attributes["alpha"] = float(rng.choice([0.01, 0.1, 0.3]))
    if kind == "Gelu" and rng.random() < 0.5:
        attributes["approximate"] = "tanh"
    return net.add(kind, [x], net.shapes[x], ready=bool(rng.random() < 0.85), **attributes)


def _clip(rng: np.random.Generator, net: Sketch, x: str) -> str:
    low, high = float(rng.choice([0, -1, -0.5])), float(rng.choice([6, 1, 2.5]))
    inputs = [x, net.const(low) if rng.random() < 0.8 else "", net.const(high)]
    return net.add("Clip", inputs, net.shapes[x], ready=bool(rng.random() < 0.7))


def _minmax(rng: np.random.Generator, net: Sketch, x: str) -> str:
    kind = str(rng.choice(["Max", "Min"]))
    return net.add(kind, [x, net.const(float(rng.normal(0, 0.5)))], net.shapes[x])


def _constant(rng: np.random.Generator, net: Sketch, x: str) -> str:
    """A number, or one a channel, added or multiplied."""
    shape = net.shapes[x]
    kind = str(rng.choice(["Add", "Sub", "Mul", "Div"]))
    axis = 1 if len(shape) == 4 else -1
    size = [1] * len(shape)
    if rng.random() < 0.6:
        size[axis] = shape[axis]
    numbers = rng.normal(0, 0.7, size)
    if kind in ("Mul", "Div"):
        numbers = np.sign(numbers) * (np.abs(numbers) + 0.2)
    pair = [x, net.const(numbers)]
    if kind in ("Add", "Mul") and rng.random() < 0.3:
        pair.reverse()
    note = f"{kind} {'channel' if np.prod(size) > 1 else 'number'}"
    return net.add(kind, pair, shape, note=note, ready=bool(rng.random() < 0.8))


def _position(rng: np.random.Generator, net: Sketch, x: str) -> str:
    """A constant that differs from token to token."""
    shape = net.shapes[x]
    if len(shape) != 3:
        return _unary(rng, net, x)
    numbers = net.const(rng.normal(0, 0.7, shape))
    return net.add("Add", [x, numbers], shape, note="position constant", weights={1: -1})


def _same_source(rng: np.random.Generator, net: Sketch, x: str) -> str:
    """x * sigmoid(x) and the like, in two nodes."""
    gate = net.add("Sigmoid", [x], net.shapes[x], ready=bool(rng.random() < 0.6))
    kind = str(rng.choice(["Mul", "Add", "Sub"]))
    return net.add(kind, [x, gate], net.shapes[x], note="functions of one tensor")


def _batch_norm(rng: np.random.Generator, net: Sketch, x: str) -> str:
    shape = net.shapes[x]
    channels = shape[1]
    numbers = [
        rng.normal(1, 0.3, channels), rng.normal(0, 0.5, channels), rng.normal(0, 0.5, channels),
        rng.uniform(0.3, 1.5, channels),
    ]  # fmt: skip
    if rng.random() < 0.2:
        numbers[0][rng.integers(channels)] = float(rng.choice([0, 1e-4, 1e-7]))
        net.notes.add("near-dead channel")
    return net.add(
        "BatchNormalization", [x, *(net.const(n) for n in numbers)], shape,
        ready=bool(rng.random() < 0.8),
    )  # fmt: skip


def _pool(rng: np.random.Generator, net: Sketch, x: str) -> str:
    _, channels, high, wide = net.shapes[x]
    kernel = [int(rng.integers(1, 4))] * 2
    stride = [int(rng.integers(1, 3))] * 2
    pads = [int(rng.integers(0, kernel[0])) if rng.random() < 0.3 else 0 for _ in range(4)]
    spans = [n + pads[i] + pads[i + 2] - kernel[i] for i, n in enumerate((high, wide))]
    if min(spans) < 0:
        return _unary(rng, net, x)
    shape = (1, channels, *(span // s + 1 for span, s in zip(spans, stride, strict=True)))
    more = {"kernel_shape": kernel, "strides": stride, "pads": pads}
    if rng.random() < 0.5:
        return net.add("MaxPool", [x], shape, **more)
    return net.add("AveragePool", [x], shape, count_include_pad=int(rng.random() < 0.5), **more)


def _pad(rng: np.random.Generator, net: Sketch, x: str) -> str:
    _, channels, high, wide = net.shapes[x]
    pads = [int(n) for n in rng.integers(0, 2, 4)]
    given = net.const([0, 0, pads[0], pads[1], 0, 0, pads[2], pads[3]], np.int64)
    shape = (1, channels, high + pads[0] + pads[2], wide + pads[1] + pads[3])
    x = net.add("Pad", [x, given], shape)
    if rng.random() < 0.4:
        between = (_unary, _constant, _batch_norm)[rng.integers(3)]
        x = between(rng, net, x)
    return _convolution(rng, net, x) if rng.random() < 0.7 else _pool(rng, net, x)


def _layer_norm(rng: np.random.Generator, net: Sketch, x: str) -> str:
    shape = net.shapes[x]
    if shape[-1] < 3 or len(shape) != 3:
        return _unary(rng, net, x)
    if net.opset < 17:
        return _layer_norm_in_steps(net, x)
    gain = net.const(rng.normal(1, 0.3, shape[-1]))
    offset = net.const(rng.normal(0, 0.3, shape[-1]))
    net.soft = True
    return net.add("LayerNormalization", [x, gain, offset], shape, axis=-1)


def _layer_norm_in_steps(net: Sketch, x: str) -> str:
    """As exporters wrote it before there was a node for it."""
    shape = net.shapes[x]
    one = (*shape[:-1], 1)
    net.soft = True
    note = "layer normalisation in steps"
    centre = net.add("Sub", [x, net.add("ReduceMean", [x], one, axes=[-1])], shape, note=note)
    square = net.add("Pow", [centre, net.const(2.0)], shape, note=note)
    variance = net.add("ReduceMean", [square], one, axes=[-1])
    root = net.add("Sqrt", [net.add("Add", [variance, net.const(1e-5)], one, note=note)], one)
    for step in net.steps[-6:]:
        # Between these a quantiser would clip what calibration did not see.
        step.ready, step.bare = False, True
    return net.add("Div", [centre, root], shape, note=note)


def _heads(rng: np.random.Generator, net: Sketch, x: str) -> str:
    """Attention of two or three heads: taken apart by reshape, transpose and gather or slice."""
    shape = net.shapes[x]
    if len(shape) != 3:
        return _unary(rng, net, x)
    _, tokens, channels = shape
    heads = int(rng.integers(2, 4))
    width = int(rng.integers(1, 5))
    net.soft = True
    inner = heads * width
    parts = []
    for turn in ([0, 2, 1, 3], [0, 2, 3, 1], [0, 2, 1, 3]):
        weights = net.const(rng.normal(0, 0.4, (channels, inner)))
        y = net.add("MatMul", [x, weights], (1, tokens, inner), weights={1: 1})
        target = net.const([1, tokens, heads, width], np.int64)
        y = net.add("Reshape", [y, target], (1, tokens, heads, width), moves=True)
        final = tuple((1, tokens, heads, width)[axis] for axis in turn)
        parts.append(net.add("Transpose", [y], final, moves=True, perm=turn))
    query, keys, values = parts
    scores = net.add("MatMul", [query, keys], (1, heads, tokens, tokens), note="heads")
    if rng.random() < 0.6:
        scale = net.const(width**-0.5)
        scores = net.add("Mul", [scores, scale], (1, heads, tokens, tokens), note="scaled scores")
    soft = net.add("Softmax", [scores], (1, heads, tokens, tokens), axis=-1)
    mixed = net.add("MatMul", [soft, values], (1, heads, tokens, width), note="heads")
    back = (1, tokens, heads, width)
    mixed = net.add("Transpose", [mixed], back, moves=True, perm=[0, 2, 1, 3])
    target = net.const([1, tokens, inner], np.int64)
    mixed = net.add("Reshape", [mixed, target], (1, tokens, inner), moves=True)
    weights = net.const(rng.normal(0, 0.4, (inner, channels)))
    return net.add("MatMul", [mixed, weights], shape, weights={1: 1})


def _split(rng: np.random.Generator, net: Sketch, x: str) -> str:
    """The first or the last of two halves of the channels."""
    shape = net.shapes[x]
    if len(shape) != 3 or shape[-1] < 2:
        return _unary(rng, net, x)
    half = shape[-1] // 2
    first = bool(rng.random() < 0.5)
    indices = np.arange(half) if first else np.arange(half, shape[-1])
    size = (*shape[:-1], len(indices))
    return net.add("Gather", [x, net.const(indices, np.int64)], size, moves=True, axis=2)


def _attention(rng: np.random.Generator, net: Sketch, x: str) -> str:
    """Scores of a tensor with a layer of itself, softmax, context."""
    shape = net.shapes[x]
    if len(shape) != 3:
        return _unary(rng, net, x)
    _, tokens, channels = shape
    net.soft = True
    keys = net.add(
        "MatMul", [x, net.const(rng.normal(0, 0.4, (channels, channels)))], shape, weights={1: 1}
    )
    turned = net.add("Transpose", [keys], (1, channels, tokens), moves=True, perm=[0, 2, 1])
    scores = net.add("MatMul", [x, turned], (1, tokens, tokens), note="attention scores")
    weights = net.add("Softmax", [scores], (1, tokens, tokens), axis=-1)
    return net.add("MatMul", [weights, x], shape, note="attention context")


def _select(rng: np.random.Generator, net: Sketch, x: str) -> str:
    shape = net.shapes[x]
    if len(shape) != 3 or shape[1] < 2:
        return _unary(rng, net, x)
    start = int(rng.integers(0, shape[1] - 1))
    stop = int(rng.integers(start + 1, shape[1] + 1))
    numbers = [net.const([n], np.int64) for n in (start, stop, 1)]
    return net.add("Slice", [x, *numbers], (1, stop - start, shape[2]), moves=True)


def _join(rng: np.random.Generator, net: Sketch, x: str) -> str:
    """Tokens of a constant, or of another tensor, before or behind."""
    shape = net.shapes[x]
    if len(shape) != 3:
        return _unary(rng, net, x)
    others = [
        n
        for n, s in net.shapes.items()
        if len(s) == 3 and s[2] == shape[2] and n not in (x, "image")
    ]
    if others and rng.random() < 0.5:
        other = str(rng.choice(others))
        extra = net.shapes[other][1]
        note = "Concat tensors"
    else:
        extra = int(rng.integers(1, 3))
        other = net.const(rng.normal(0, 0.8, (1, extra, shape[2])))
        note = "Concat constant"
    pair = [x, other] if rng.random() < 0.5 else [other, x]
    return net.add("Concat", pair, (1, shape[1] + extra, shape[2]), note=note, axis=1)
