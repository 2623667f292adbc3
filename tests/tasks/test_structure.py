import pytest

from edgewright.tasks.structure import boundaries, image_input, segments
from tests.tasks import task_models as tiny


def cut(body, output="float[1,6,4,4] y", axis=1, initialisers=""):
    model = tiny.parse(f"g (float[1,3,4,4] x) => ({output}) <{initialisers}> {{ {body} }}")
    return [(s.start, s.stop, sorted(s.ops)) for s in segments(model, 0, axis)]


INTS = "int64[1] one = {1}, int64[1] two = {2}, int64[1] five = {5}, int64[1] minus = {-2}, int64[1] end = {99}"


def test_joins_are_followed():
    body = "a = Sigmoid(x) b = Relu(x) y = Concat<axis=-3>(a, b)"
    assert cut(body) == [(0, 3, ["Sigmoid"]), (3, 6, ["Relu"])]
    body = "a = Sigmoid(x) b = Relu(x) c = Concat<axis=1>(a, b) d = Identity(c) y = Cast<to=1>(d)"
    assert cut(body) == [(0, 3, ["Sigmoid"]), (3, 6, ["Relu"])]


def test_a_join_along_another_axis_unites_branches_that_are_cut_alike():
    body = """a = Sigmoid(x) b = Relu(x) c = Concat<axis=1>(a, b) d = Concat<axis=1>(b, b) y = Concat<axis=2>(c, d)"""
    assert cut(body, "float[1,6,8,4] y") == [(0, 3, ["Relu", "Sigmoid"]), (3, 6, ["Relu"])]
    body = """s = Sigmoid(x) b = Relu(x) c = Concat<axis=1>(s, b) d = Conv<kernel_shape=[1,1]>(x, k)
              y = Concat<axis=2>(c, d)"""
    assert cut(body, "float[1,6,8,4] y", initialisers=tiny.weights(k=(6, 3, 1, 1))) == [(0, 6, ["Concat"])]


def test_slices_and_splits_shift_the_channels():
    join = "a = Sigmoid(x) b = Relu(x) c = Concat<axis=1>(a, b)"
    found = cut(f"{join} y = Slice(c, two, five, one)", "float[1,3,4,4] y", initialisers=INTS)
    assert found == [(0, 1, ["Sigmoid"]), (1, 3, ["Relu"])]
    found = cut(f"{join} y = Slice(c, minus, end, one)", "float[1,2,4,4] y", initialisers=INTS)
    assert found == [(0, 2, ["Relu"])]
    found = cut(f"{join} u, y = Split<axis=1>(c, s)", "float[1,4,4,4] y", initialisers="int64[2] s = {2, 4}")
    assert found == [(0, 1, ["Sigmoid"]), (1, 4, ["Relu"])]
    found = cut(f"{join} y = Slice(c, one, five, two, two)", "float[1,6,4,2] y", initialisers=INTS)
    assert found == [(0, 6, ["Slice"])]  # a step is not followed


def test_transposes_and_reshapes_move_the_axis():
    join = "a = Sigmoid(x) b = Relu(x) c = Concat<axis=1>(a, b)"
    found = cut(f"{join} y = Transpose<perm=[0,2,3,1]>(c)", "float[1,4,4,6] y", axis=3)
    assert found == [(0, 3, ["Sigmoid"]), (3, 6, ["Relu"])]
    shape = "int64[3] s = {1, 6, 16}"
    assert len(cut(f"{join} y = Reshape(c, s)", "float[1,6,16] y", initialisers=shape)) == 2
    mixing = "int64[3] s = {1, 12, 8}"
    assert cut(f"{join} y = Reshape(c, s)", "float[1,12,8] y", initialisers=mixing) == [(0, 12, ["Reshape"])]
    last = "int64[3] s = {1, 16, 6}"
    body = f"{join} t = Transpose<perm=[0,2,3,1]>(c) y = Reshape(t, s)"
    assert len(cut(body, "float[1,16,6] y", axis=2, initialisers=last)) == 2


@pytest.mark.parametrize(
    ("shape", "layout", "size"),
    [("1,3,8,16", "NCHW", (8, 16)), ("1,8,16,1", "NHWC", (8, 16)), ("1,3,8,3", "NCHW", (8, 3))],
)
def test_image_inputs(shape, layout, size):
    image = image_input(tiny.parse(f"g (float[{shape}] x) => (float[{shape}] y) {{ y = Relu(x) }}"))
    assert (image.layout, (image.height, image.width)) == (layout, size)


@pytest.mark.parametrize("head", ["float[N,3,8,8] x", "float[1,3,8] x", "float[2,3,8,8] x", "int64[1,3,8,8] x"])
def test_what_is_no_image_input(head):
    assert image_input(tiny.parse(f"g ({head}) => (float[1] y) {{ y = Identity(x) }}")) is None


def test_two_inputs_are_no_image_input():
    two = "g (float[1,3,8,8] x, float[1,3,8,8] z) => (float[1,3,8,8] y) { y = Add(x, z) }"
    assert image_input(tiny.parse(two)) is None


def test_boundaries_leave_zero_out():
    model = tiny.yolox()
    assert boundaries(segments(model, 0, 2)) == {4, 5}
