"""cvcore's operators as PyTorch's own: opcheck, torch.compile, torch.export, fake tensors and traces give the same numbers."""

import io
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.proxy_tensor import make_fx

from cvcore.ops.capture import captured
from cvcore.ops.nms import batched_nms, diou_nms, nms, soft_nms
from cvcore.ops.roi import RoIAlign, RoIPool, roi_align, roi_pool

OPS = torch.ops.cvcore


@pytest.fixture(autouse=True)
def sizes_known_only_later() -> Iterator[None]:
    """What torch.compile wants for any suppression, torchvision's too; and no graphs left of other tests."""
    torch._dynamo.reset()
    with torch._dynamo.config.patch(capture_dynamic_output_shape_ops=True):
        yield
    torch._dynamo.reset()


def scene(n: int = 40, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor, Tensor]:
    g = torch.Generator().manual_seed(3)
    corner, size = torch.rand(n, 2, generator=g) * 30, torch.rand(n, 2, generator=g) * 20 + 4
    boxes = torch.cat((corner, corner + size), 1).to(dtype)
    return boxes, torch.rand(n, generator=g).to(dtype), torch.randint(0, 3, (n,), generator=g)


def features(dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(2, 5, 13, 17, generator=torch.Generator().manual_seed(4), dtype=dtype)


def regions(dtype: torch.dtype = torch.float32) -> Tensor:
    rois = [[0, 2, 3, 30, 20], [1, -9, -7, 11, 50], [1, 5.5, 6.25, 7, 7.5], [0, 60, 50, 90, 80]]
    return torch.tensor(rois, dtype=dtype)


@pytest.mark.parametrize("beta", [None, 0.6])
def test_opcheck_of_suppression(beta: float | None) -> None:
    boxes, scores, classes = scene()
    scores.requires_grad_()
    torch.library.opcheck(OPS.nms, (boxes, scores, 0.4, beta))
    torch.library.opcheck(OPS.batched_nms, (boxes, scores, classes, 0.4, beta))
    torch.library.opcheck(OPS.soft_nms, (boxes, scores, 0.3, 0.5, 1e-3, "gaussian", classes, beta))
    torch.library.opcheck(OPS.soft_nms, (boxes.double(), scores))
    torch.library.opcheck(OPS.nms, (boxes[:0], scores.detach()[:0], 0.4, beta))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_opcheck_of_regions(dtype: torch.dtype) -> None:
    maps, rois = features(dtype).requires_grad_(), regions()
    for operator in (OPS.roi_align, OPS.roi_align_max):
        torch.library.opcheck(operator, (maps, rois, [2, 3], 0.25, 2, True))
        torch.library.opcheck(operator, (maps, rois, [2, 3], 0.25))
    torch.library.opcheck(OPS.roi_pool, (maps, rois, [2, 3], 0.25))
    torch.library.opcheck(OPS.roi_pool, (maps, rois[:0], [2, 3], 0.25))


@pytest.mark.parametrize("mode", ["avg", "max", "pool"])
def test_gradients_of_the_registered_operators(mode: str) -> None:
    maps, rois = features(torch.float64)[:, :2].requires_grad_(), regions(torch.float64)
    if mode == "pool":
        assert torch.autograd.gradcheck(lambda f: OPS.roi_pool(f, rois, [2, 3], 0.25)[0], (maps,), fast_mode=True)
        return
    operator = OPS.roi_align if mode == "avg" else OPS.roi_align_max
    for ratio, aligned in ((-1, False), (2, True)):
        out = operator(maps, rois, [2, 3], 0.25, ratio, aligned)
        values = out if mode == "avg" else out[0]
        torch.testing.assert_close(values, roi_align(maps, rois, (2, 3), 0.25, ratio, aligned, mode))
        assert torch.autograd.gradcheck(
            lambda f, how=(ratio, aligned): operator(f, rois, [2, 3], 0.25, *how)[slice(None) if mode == "avg" else 0],
            (maps,),
            fast_mode=True,
        )


@pytest.mark.parametrize("mode", ["avg", "max", "pool"])
def test_gradients_elsewhere_are_those_of_the_loops(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    maps, rois = features(torch.float64), regions(torch.float64)
    weight = torch.randn(4, 5, 2, 3, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    if mode == "pool":
        argmax = OPS.roi_pool(maps, rois, [2, 3], 0.25)[1]
        gradient = lambda: OPS.roi_pool_backward(weight, rois, argmax, maps.shape)  # noqa: E731
    else:
        argmax = OPS.roi_align_max(maps, rois, [2, 3], 0.25)[1] if mode == "max" else None
        gradient = lambda: OPS.roi_align_backward(weight, rois, argmax, maps.shape, 0.25, -1, False)  # noqa: E731
    here = gradient()
    monkeypatch.setattr(f"cvcore.ops.roi.{'pool' if mode == 'pool' else 'align'}.has_loops", lambda _: False)
    torch.testing.assert_close(gradient(), here)


class Detector(nn.Module):
    """What a two-stage detector does between its stages."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Conv2d(3, 5, 3, stride=4, padding=1)
        self.align = RoIAlign((3, 2), 0.25, 2, aligned=True)
        self.pool = RoIPool(2, 0.25)

    def forward(self, picture: Tensor, boxes: Tensor, scores: Tensor, classes: Tensor) -> tuple[Tensor, ...]:
        maps = self.trunk(picture)
        keep = batched_nms(boxes, scores, classes, 0.5)
        chosen = boxes[keep]
        rois = torch.cat((chosen.new_zeros((chosen.shape[0], 1)), chosen), 1)
        again, soft = soft_nms(chosen, scores[keep], method="gaussian")
        largest = roi_align(maps, [chosen], 2, 0.25, mode="max")
        return (
            self.align(maps, rois),
            self.pool(maps, rois),
            largest,
            soft,
            chosen[again],
            nms(boxes, scores, 0.4),
            diou_nms(boxes, scores, 0.4),
        )


def inputs() -> tuple[Tensor, ...]:
    return torch.rand(1, 3, 52, 68, generator=torch.Generator().manual_seed(6)), *scene()


@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
def test_a_network_through_torch_compile(backend: str) -> None:
    network, given = Detector(), inputs()
    expected = network(*given)
    got = torch.compile(network, backend=backend, fullgraph=True)(*given)
    torch.testing.assert_close(got, expected)
    weights = list(network.parameters())
    there = torch.autograd.grad(sum(out.sin().sum() for out in got[:3]), weights)
    here = torch.autograd.grad(sum(out.sin().sum() for out in expected[:3]), weights)
    torch.testing.assert_close(there, here)


@pytest.mark.parametrize("strict", [False, True])
def test_a_network_through_torch_export(strict: bool) -> None:
    network, given = Detector().eval(), inputs()
    n = torch.export.Dim("n", min=2, max=10_000)
    shapes = (None, {0: n}, {0: n}, {0: n})
    program = torch.export.export(network, given, dynamic_shapes=shapes, strict=strict)
    names = {str(node.target) for node in program.graph.nodes}
    wanted = ("nms", "batched_nms", "soft_nms", "roi_align", "roi_align_max", "roi_pool")
    assert {f"cvcore.{name}.default" for name in wanted} <= names
    file = io.BytesIO()
    torch.export.save(program, file)
    file.seek(0)
    loaded = torch.export.load(file).module()
    for count in (40, 11):
        fewer = (given[0], *(values[:count] for values in given[1:]))
        torch.testing.assert_close(loaded(*fewer), network(*fewer))


def test_traces_hold_the_operator_and_not_its_numbers() -> None:
    boxes, scores, _ = scene()
    other = boxes[:17].flip(0), scores[:17].flip(0)
    suppress = lambda b, s: b[nms(b, s, 0.4)]  # noqa: E731
    for graph in (make_fx(suppress, tracing_mode="symbolic")(boxes, scores), torch.fx.symbolic_trace(suppress)):
        torch.testing.assert_close(graph(*other), suppress(*other))
    pooled = make_fx(lambda f, r: roi_pool(f, r, 2, 0.25))(features(), regions())
    torch.testing.assert_close(pooled(features() + 1, regions()), roi_pool(features() + 1, regions(), 2, 0.25))


def test_fake_tensors_have_the_shapes() -> None:
    with FakeTensorMode():
        maps, rois = torch.empty(2, 5, 13, 17, dtype=torch.bfloat16), torch.empty(4, 5)
        assert captured(maps)
        for out in (roi_align(maps, rois, (2, 3), 0.25), roi_pool(maps, rois, (2, 3), 0.25)):
            assert out.shape == (4, 5, 2, 3)
            assert out.dtype == torch.bfloat16
        assert roi_align(maps, [torch.empty(3, 4), torch.empty(0, 4)], 2, mode="max").shape == (3, 5, 2, 2)
        with pytest.raises(ValueError, match=r"\(K, 5\)"):
            roi_align(maps, rois[:, 1:], 2)
        with pytest.raises(ValueError, match="output_size"):
            roi_align(maps, rois, 0)
        with pytest.raises(ValueError, match="sampling_ratio"):
            roi_align(maps, rois, 2, sampling_ratio=0)
    assert roi_align(torch.empty(2, 5, 9, 9, device="meta"), torch.empty(4, 5, device="meta"), 2).is_meta


def test_bad_values_are_refused_inside_a_graph_too() -> None:
    boxes, scores, _ = scene()
    compiled = torch.compile(lambda b, s: nms(b, s, 0.4), backend="eager", fullgraph=True)
    with pytest.raises(ValueError, match="finite"):
        compiled(boxes * torch.nan, scores)


def test_plain_numbers_take_the_short_way() -> None:
    boxes, scores, _ = scene()
    assert not captured(boxes, None, nn.Parameter(scores))
    with FakeTensorMode():
        assert captured(boxes)
