"""Tiny graphs in the form of each head family, with names that tell nothing, and a family's answer on given outputs."""

from __future__ import annotations

import onnx
import onnx.parser
import onnx_ir as ir

from edgewright.graph.model import Model


def parse(text: str) -> Model:
    """A model from ONNX text."""
    return Model(ir.from_proto(onnx.parser.parse_model('<ir_version: 8, opset_import: ["" : 13]>\n' + text)))


def weights(**shapes: tuple[int, ...]) -> str:
    """Initialisers of zeros."""
    entries = []
    for name, shape in shapes.items():
        size = 1
        for n in shape:
            size *= n
        entries.append(f"float[{','.join(map(str, shape))}] {name} = {{{','.join(['0.1'] * size)}}}")
    return ", ".join(entries)


def yolov8(nc: int = 3, transposed: bool = False, activation: str = "Sigmoid", joined: bool = True) -> Model:
    """64 x 64 input, 84 cells; boxes go through a Mul as the strides of an export do."""
    shape = f"1,84,{4 + nc}" if transposed else f"1,{4 + nc},84"
    tail = "w = Concat<axis=1>(boxes, classes)" if joined else f"w = Conv<kernel_shape=[1]>(flat, kw{4 + nc})"
    last = "scores = Transpose<perm=[0,2,1]>(w)" if transposed else "scores = Identity(w)"
    return parse(f"""
    g (float[1,3,64,64] boxes_in) => (float[{shape}] scores)
    <{weights(k=(1, 3, 1, 1), kb=(4, 1, 1), kc=(nc, 1, 1), two=(1,))},
     {weights(**{f"kw{4 + nc}": (4 + nc, 1, 1)})}, int64[3] s = {{1, 1, -1}},
     int64[1] zero = {{0}}, int64[1] n = {{84}}, int64[1] ax = {{2}}>
    {{
      a = Conv<kernel_shape=[1,1]>(boxes_in, k)
      b = Reshape(a, s)
      flat = Slice(b, zero, n, ax)
      raw = Conv<kernel_shape=[1]>(flat, kb)
      boxes = Mul(raw, two)
      logits = Conv<kernel_shape=[1]>(flat, kc)
      classes = {activation}(logits)
      {tail}
      {last}
    }}""")


def yolox(nc: int = 3, activation: str = "Sigmoid", decoded: bool = False) -> Model:
    """64 x 64 input, three levels, each joined from box, objectness and classes; reshapes computed in the graph."""
    lines, outs = [], []
    for level, side in enumerate((8, 4, 2)):
        size = 64 // side
        lines.append(f"""
      f{level} = AveragePool<kernel_shape=[{size},{size}], strides=[{size},{size}]>(x)
      b{level} = Conv<kernel_shape=[1,1]>(f{level}, kb)
      o{level}r = Conv<kernel_shape=[1,1]>(f{level}, ko)
      c{level}r = Conv<kernel_shape=[1,1]>(f{level}, kc)
      o{level} = {activation}(o{level}r)
      c{level} = {activation}(c{level}r)
      e{level} = {"Exp" if decoded else "Identity"}(b{level})
      j{level} = Concat<axis=1>(e{level}, o{level}, c{level})
      p{level} = Shape(j{level})
      h{level} = Slice(p{level}, zero, two)
      t{level} = Concat<axis=0>(h{level}, minus)
      r{level} = Reshape(j{level}, t{level})""")
        outs.append(f"r{level}")
    return parse(f"""
    g (float[1,3,64,64] x) => (float[1,84,{5 + nc}] out)
    <{weights(kb=(4, 3, 1, 1), ko=(1, 3, 1, 1), kc=(nc, 3, 1, 1))},
     int64[1] zero = {{0}}, int64[1] two = {{2}}, int64[1] minus = {{-1}}>
    {{{"".join(lines)}
      all = Concat<axis=2>({", ".join(outs)})
      out = Transpose<perm=[0,2,1]>(all)
    }}""")


def raw_levels(
    nc: int = 3,
    bins: int = 16,
    joined: bool = False,
    sigmoid: bool = False,
    swapped: bool = False,
    tail: str = "Identity",
) -> Model:
    """64 x 64 input, three levels of raw maps; `swapped` puts coarse levels and classes first."""
    lines, outs = [], []
    for level, side in enumerate((8, 4, 2)):
        size = 64 // side
        lines.append(f"""
      f{level} = AveragePool<kernel_shape=[{size},{size}], strides=[{size},{size}]>(x)
      u{level} = Conv<kernel_shape=[1,1]>(f{level}, kb)
      v{level} = Conv<kernel_shape=[1,1]>(f{level}, kc)
      b{level} = {tail}(u{level})
      c{level} = {"Sigmoid" if sigmoid else tail}(v{level})
      j{level} = Concat<axis=1>(b{level}, c{level})""")
        pair = [f"float[1,{4 * bins},{side},{side}] b{level}", f"float[1,{nc},{side},{side}] c{level}"]
        outs += [f"float[1,{4 * bins + nc},{side},{side}] j{level}"] if joined else pair
    if swapped:
        outs.reverse()
    return parse(f"""
    g (float[1,3,64,64] x) => ({", ".join(outs)})
    <{weights(kb=(4 * bins, 3, 1, 1), kc=(nc, 3, 1, 1))}>
    {{{"".join(lines)}
    }}""")


def fastestdet(nc: int = 3, activation: str = "Softmax<axis=1>") -> Model:
    """64 x 64 input, one map of 4 x 4."""
    return parse(f"""
    g (float[1,3,64,64] x) => (float[1,{5 + nc},4,4] out)
    <{weights(ko=(1, 3, 1, 1), kb=(4, 3, 1, 1), kc=(nc, 3, 1, 1))}>
    {{
      f = AveragePool<kernel_shape=[16,16], strides=[16,16]>(x)
      a = Conv<kernel_shape=[1,1]>(f, ko)
      o = Sigmoid(a)
      b = Conv<kernel_shape=[1,1]>(f, kb)
      d = Conv<kernel_shape=[1,1]>(f, kc)
      c = {activation}(d)
      out = Concat<axis=1>(o, b, c)
    }}""")


def ssd(columns: int = 3, boxes_first: bool = True, activation: str = "Softmax<axis=2>", nhwc: bool = False) -> Model:
    """32 x 64 input, 10 anchors."""
    outs = ["float[1,10,4] one", f"float[1,10,{columns}] two"]
    image = "1,32,64,3" if nhwc else "1,3,32,64"
    return parse(f"""
    g (float[{image}] x) => ({", ".join(outs if boxes_first else outs[::-1])})
    <int64[3] s = {{1, 1, -1}}, int64[1] zero = {{0}}, int64[1] n = {{10}}, int64[1] ax = {{2}},
     {weights(kb=(4, 1, 1), kc=(columns, 1, 1))}>
    {{
      a = Reshape(x, s)
      b = Slice(a, zero, n, ax)
      c = Conv<kernel_shape=[1]>(b, kb)
      one = Transpose<perm=[0,2,1]>(c)
      d = Conv<kernel_shape=[1]>(b, kc)
      e = Transpose<perm=[0,2,1]>(d)
      two = {activation}(e)
    }}""")


def superpoint(size: int = 16, swapped: bool = False, activation: str = "Identity", channels: int = 65) -> Model:
    """32 x 40 gray input, maps of 4 x 5."""
    outs = [f"float[1,{channels},4,5] p", f"float[1,{size},4,5] q"]
    return parse(f"""
    g (float[1,1,32,40] x) => ({", ".join(outs[::-1] if swapped else outs)})
    <{weights(kp=(channels, 1, 1, 1), kq=(size, 1, 1, 1))}>
    {{
      f = AveragePool<kernel_shape=[8,8], strides=[8,8]>(x)
      a = Conv<kernel_shape=[1,1]>(f, kp)
      p = {activation}(a)
      q = Conv<kernel_shape=[1,1]>(f, kq)
    }}""")
