"""Tiny graphs in the form of PaddleDetection's heads, with names that tell nothing."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgewright.graph.model import Model
from tests.tasks.task_models import parse, weights

SIDE = 64


def cells(strides: tuple[int, ...]) -> int:
    return sum((SIDE // stride) ** 2 for stride in strides)


def _levels(strides: tuple[int, ...], score: str) -> str:
    lines = []
    for place, stride in enumerate(strides):
        lines.append(f"""
      f{place} = AveragePool<kernel_shape=[{stride},{stride}], strides=[{stride},{stride}]>(x)
      u{place} = Conv<kernel_shape=[1,1]>(f{place}, kb)
      v{place} = Conv<kernel_shape=[1,1]>(f{place}, kc)
      w{place} = Conv<kernel_shape=[1,1]>(f{place}, ka)
      b{place} = Reshape(u{place}, four)
      d{place} = Transpose<perm=[0,2,1]>(b{place})""")
        if score == "aligned":  # PicoDet: the root of two probabilities, multiplied
            lines.append(f"""
      p{place} = Sigmoid(v{place})
      q{place} = Sigmoid(w{place})
      r{place} = Mul(p{place}, q{place})
      s{place} = Sqrt(r{place})""")
        else:
            lines.append(f"\n      s{place} = {score}(v{place})")
        lines.append(f"\n      c{place} = Reshape(s{place}, many)")
    return "".join(lines)


_BOXES = {
    # (left, top) and (right, bottom), each from its own half of the distances
    "corners": """
      neg = Mul(l, minus)
      one = Add(neg, points)
      two = Add(r, points)
      joined = Concat<axis=2>(one, two)""",
    # centre and size, each from both halves, as YOLOv8 writes them
    "centre": """
      tl = Sub(points, l)
      br = Add(points, r)
      sum = Add(tl, br)
      one = Mul(sum, minus)
      two = Sub(br, tl)
      joined = Concat<axis=2>(one, two)""",
}
_ENDS = {
    "two": "boxes = Identity(scaled)\n      scores = Identity(allscores)",
    "one": "turned = Transpose<perm=[0,2,1]>(allscores)\n      out = Concat<axis=2>(scaled, turned)",
    "nms": """
      picked = NonMaxSuppression(scaled, allscores, most, iou, least)
      classof = Gather<axis=1>(picked, cone)
      boxof = Gather<axis=1>(picked, ctwo)
      flatscores = Reshape(allscores, flat)
      offset = Mul(classof, count)
      place = Add(offset, boxof)
      places = Reshape(place, flat)
      found = Gather<axis=0>(flatscores, places)
      boxes1 = Reshape(boxof, flat)
      corners = Gather<axis=1>(scaled, boxes1)
      classes0 = Cast<to=1>(classof)
      classes = Reshape(classes0, rows1)
      foundrows = Reshape(found, rows1)
      threed = Concat<axis=2>(classes, foundrows, corners)
      rows = Squeeze(threed, azero)
      sized = Shape(rows)
      first = Slice(sized, azero, aone)
      number = Cast<to=6>(first)""",
}


def corner_rows(
    strides: tuple[int, ...] = (32, 16, 8),
    nc: int = 3,
    score: str = "Sigmoid",
    boxes: str = "corners",
    end: str = "two",
    scaled: bool = False,
) -> Model:
    """64 x 64 input; boxes of all cells with the scores in an output of their own, in the same one, or after NMS."""
    n, last = cells(strides), len(strides)
    outputs = {
        "two": f"float[1,{n},4] boxes, float[1,{nc},{n}] scores",
        "one": f"float[1,{n},{4 + nc}] out",
        "nms": "float[rowcount,6] rows, int32[k] number",
    }[end]
    inputs = "float[1,3,64,64] x" + (", float[1,2] z" if scaled else "")
    undone = """
      zy, zx = Split<axis=1>(z)
      zz = Concat<axis=1>(zx, zy, zx, zy)
      zs = Reshape(zz, zshape)
      scaled = Div(times, zs)"""
    return parse(f"""
    g ({inputs}) => ({outputs})
    <{weights(kb=(4, 3, 1, 1), kc=(nc, 3, 1, 1), ka=(1, 3, 1, 1), points=(n, 2), step=(n, 1))},
     float minus = {{-1}}, int64[3] four = {{1, 4, -1}}, int64[3] many = {{1, {nc}, -1}}, int64[3] zshape = {{1, 1, 4}},
     int64[1] most = {{100}}, float[1] iou = {{0.7}}, float[1] least = {{0.01}}, int64[1] cone = {{1}},
     int64[1] ctwo = {{2}}, int64[1] flat = {{-1}}, int64 count = {{{n}}}, int64[3] rows1 = {{1, -1, 1}},
     int64[1] azero = {{0}}, int64[1] aone = {{1}}>
    {{{_levels(strides, score)}
      alldist = Concat<axis=1>({", ".join(f"d{k}" for k in range(last))})
      allscores = Concat<axis=2>({", ".join(f"c{k}" for k in range(last))})
      l, r = Split<axis=2>(alldist){_BOXES[boxes]}
      times = Mul(joined, step){undone if scaled else chr(10) + "      scaled = Identity(times)"}
      {_ENDS[end]}
    }}""")


def tables(nc: int = 3, bins: int = 8, activation: str = "Sigmoid", boxes_first: bool = False) -> Model:
    """64 x 64 input, one table of scores and one of distributions at each of four strides."""
    lines, scores, boxes = [], [], []
    for stride in (8, 16, 32, 64):
        n = (SIDE // stride) ** 2
        lines.append(f"""
      f{stride} = AveragePool<kernel_shape=[{stride},{stride}], strides=[{stride},{stride}]>(x)
      u{stride} = Conv<kernel_shape=[1,1]>(f{stride}, kb)
      v{stride} = Conv<kernel_shape=[1,1]>(f{stride}, kc)
      a{stride} = {activation}(v{stride})
      t{stride} = Reshape(u{stride}, sb)
      y{stride} = Reshape(a{stride}, sc)
      b{stride} = Transpose<perm=[0,2,1]>(t{stride})
      c{stride} = Transpose<perm=[0,2,1]>(y{stride})""")
        scores.append(f"float[1,{n},{nc}] c{stride}")
        boxes.append(f"float[1,{n},{4 * bins}] b{stride}")
    outs = boxes + scores if boxes_first else scores + boxes
    return parse(f"""
    g (float[1,3,64,64] x) => ({", ".join(outs)})
    <{weights(kb=(4 * bins, 3, 1, 1), kc=(nc, 3, 1, 1))},
     int64[3] sb = {{1, {4 * bins}, -1}}, int64[3] sc = {{1, {nc}, -1}}>
    {{{"".join(lines)}
    }}""")


def queries(
    nc: int = 3, activation: str = "Identity", chosen: bool = True, end: str = "two", boxes: str = "Sigmoid"
) -> Model:
    """64 x 64 input, 5 of 16 places chosen as queries; `end` "rows" picks the best 6 of queries and classes."""
    outputs = {
        "two": f"float[1,5,4] boxes, float[1,5,{nc}] scores",
        "one": f"float[1,5,{4 + nc}] out",
        "rows": "float[6,6] rows, int32[1] number",
    }[end]
    inputs = "float[1,3,64,64] x" + (", float[1,2] a, float[1,2] z" if end == "rows" else "")
    first = "t, index = TopK<axis=1>(best, five)" if chosen else "index = Slice(every, azero, five, aone)"
    ends = {
        "two": "boxes = Identity(where)\n      scores = Identity(what)",
        "one": "out = Concat<axis=2>(where, what)",
        "rows": """
      centre, size = Split<axis=2>(where)
      part = Mul(size, half)
      low = Sub(centre, part)
      high = Add(centre, part)
      corners = Concat<axis=2>(low, high)
      ratio = Div(a, z)
      more = Add(ratio, half)
      whole = Floor(more)
      h, w = Split<axis=1>(whole)
      sizes0 = Concat<axis=1>(w, h, w, h)
      sizes = Unsqueeze(sizes0, aone)
      pixels = Mul(corners, sizes)
      probable = Sigmoid(what)
      line = Reshape(probable, lineshape)
      top, places = TopK<axis=1>(line, six)
      label = Mod(places, classes)
      query = Div(places, classes)
      query2 = Unsqueeze(query, atwo)
      zeros = Sub(query2, query2)
      pairs = Concat<axis=2>(zeros, query2)
      chosenboxes = GatherND<batch_dims=0>(pixels, pairs)
      label2 = Cast<to=1>(label)
      label3 = Unsqueeze(label2, atwo)
      top3 = Unsqueeze(top, atwo)
      joined = Concat<axis=2>(label3, top3, chosenboxes)
      rows = Reshape(joined, rowsshape)
      number = Identity(sixes)""",
    }[end]
    return parse(f"""
    g ({inputs}) => ({outputs})
    <{weights(kb=(4, 3, 1, 1), kc=(nc, 3, 1, 1))}, int64[3] sb = {{1, 4, -1}}, int64[3] sc = {{1, {nc}, -1}},
     int64[1] five = {{5}}, int64[1] six = {{6}}, int64[1] azero = {{0}}, int64[1] aone = {{1}}, int64[1] atwo = {{2}},
     float half = {{0.5}}, int64[2] lineshape = {{1, -1}}, int64 classes = {{{nc}}}, int64[2] rowsshape = {{-1, 6}},
     int32[1] sixes = {{6}}, int64[1,16] every = {{0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15}}>
    {{
      f = AveragePool<kernel_shape=[16,16], strides=[16,16]>(x)
      u = Conv<kernel_shape=[1,1]>(f, kb)
      v = Conv<kernel_shape=[1,1]>(f, kc)
      u2 = Reshape(u, sb)
      v2 = Reshape(v, sc)
      u3 = Transpose<perm=[0,2,1]>(u2)
      v3 = Transpose<perm=[0,2,1]>(v2)
      best = ReduceMax<axes=[2], keepdims=0>(v3)
      {first}
      at = Unsqueeze(index, atwo)
      at0 = Sub(at, at)
      at2 = Concat<axis=2>(at0, at)
      raw = GatherND(u3, at2)
      guess = GatherND(v3, at2)
      where = {boxes}(raw)
      zero = Sub(guess, guess)
      logits = Add(guess, zero)
      what = {activation}(logits)
      {ends}
    }}""")


def randomised(model: Model, seed: int = 0) -> Model:
    """The model with random floats in place of its weights, anchors and strides."""
    changed, random = model.clone(), np.random.default_rng(seed)
    for value in changed.graph.initializers.values():
        tensor = value.const_value
        if tensor is not None and tensor.dtype == ir.DataType.FLOAT and len(tensor.shape) > 1:
            array = random.normal(0, 2, tensor.shape.numpy()).astype(np.float32)
            value.const_value = ir.tensor(np.abs(array) if len(array.shape) == 2 else array, name=value.name)
    return Model(changed, model.path)
