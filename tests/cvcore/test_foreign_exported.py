"""Files of torch.export: whatever torch exports is taken and gives torch's numbers; whatever would run code is refused."""

import json
import pickle
import re
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from cvcore.foreign import ModelError, Source, load_network
from cvcore.foreign.archive import checked, is_size, is_structure
from cvcore.record import record
from tests.cvcore.foreign_for_tests import save_exported

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # torch's own, exporting
X = torch.linspace(-1, 1, 3 * 32 * 32).reshape(1, 3, 32, 32)


class Doing(nn.Module):
    """A convolution, and what is done to the input and to what it gives."""

    def __init__(self, done: dict[str, Callable[[Tensor], Any]]) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.done = done

    def forward(self, x: Tensor) -> dict[str, Any]:
        return {
            name: (do(x), do(self.conv(x))) if name in CASTS else do(self.conv(x)) for name, do in self.done.items()
        }


def into_a_part(x: Tensor) -> Tensor:
    x = x.clone()
    x[:, :2] += 1
    x[:, 2:].mul_(2).clamp_(min=0)
    return x


def into_indices(x: Tensor) -> Tensor:
    x = x.clone()
    x[x > 0.3] = 0
    x.index_fill_(1, torch.tensor([1]), 3.0)
    return x.masked_fill_(x < -0.5, 7.0).scatter_(1, torch.zeros(1, 1, *x.shape[2:], dtype=torch.long), 2.0)


def cast(dtype: torch.dtype) -> Callable[[Tensor], Tensor]:
    return lambda x: (100 * x.clamp(0, 1)).to(dtype).float()


TYPES = ("float64", "float16", "bfloat16", "uint8", "int8", "int16", "int32", "int64", "bool", "float8_e4m3fn")
CASTS = {f"to {name}": cast(getattr(torch, name)) for name in TYPES}
VIEWS: dict[str, Callable[[Tensor], Any]] = {
    "view": lambda x: x.view(x.shape[0], -1),
    "unsafe_view and reshape": lambda x: x.permute(0, 2, 3, 1).reshape(1, -1, 4),
    "flatten and unflatten": lambda x: x.flatten(1).unflatten(1, (4, -1)),
    "expand and squeeze": lambda x: x[:, :1].expand(-1, 3, -1, -1).unsqueeze(0).squeeze(0),
    "as_strided": lambda x: torch.as_strided(x, (2, 3), (3, 1), 5),
    "unfold": lambda x: x.unfold(2, 3, 2).movedim(-1, 1),
    "view as another type": lambda x: x.contiguous().view(torch.int32).view(torch.float32),
    "narrow, select, split, chunk": lambda x: (x.narrow(1, 0, 2), x.select(2, 1), x.split([1, 3], 1), x.chunk(2, 3)),
    "real and imaginary": lambda x: torch.view_as_real(torch.fft.fft2(x)),
    "pixel shuffle": lambda x: F.pixel_shuffle(x, 2),
    "roll, flip, rot90": lambda x: torch.rot90(x.roll(3, 2).flip(3), 1, (2, 3)),
}
IN_PLACE: dict[str, Callable[[Tensor], Any]] = {
    "relu_": lambda x: F.relu_(x),
    "into a part": into_a_part,
    "into indices": into_indices,
    "copy_ and zero_": lambda x: torch.empty_like(x).copy_(x).add_(x.clone().zero_()),
    "add_ of a convolution": lambda x: x.add_(1).mul_(0.5).sigmoid_(),
    "batch_norm_": lambda x: F.batch_norm(x, torch.zeros(4), torch.ones(4), None, None),
    "dropout_": lambda x: F.dropout(x, 0.5, training=False, inplace=True),
}
MORE: dict[str, Callable[[Tensor], Any]] = {
    "type_as": lambda x: x.double().type_as(x),
    "softmax": lambda x: x.softmax(1) + x.log_softmax(1).exp(),
    "layer_norm": lambda x: F.layer_norm(x, x.shape[1:]),
    "group_norm": lambda x: F.group_norm(x, 2),
    "instance_norm": lambda x: F.instance_norm(x),
    "adaptive pooling": lambda x: F.adaptive_avg_pool2d(x, 3) + F.adaptive_max_pool2d(x, 3),
    "antialiased": lambda x: F.interpolate(x, scale_factor=0.5, mode="bilinear", antialias=True),
    "nearest-exact and bicubic": lambda x: F.interpolate(
        F.interpolate(x, (9, 9), mode="nearest-exact"), (5, 5), mode="bicubic"
    ),
    "grid_sample": lambda x: F.grid_sample(x, torch.zeros(1, 5, 5, 2), align_corners=False),
    "attention": lambda x: F.scaled_dot_product_attention(x, x, x),
    "sort, topk, cumsum": lambda x: (x.sort(1)[0], x.topk(2, 1)[0], x.cumsum(2)),
    "einsum": lambda x: torch.einsum("bchw,bdhw->bcd", x, x),
    "stft": lambda x: torch.stft(x.flatten()[None], 64, return_complex=True, window=torch.ones(64)).abs(),
    "cond": lambda x: torch.cond(x.sum() > 0, lambda y: y.sin(), lambda y: y.cos(), (x,)),
    "no_grad inside": lambda x: x + _without_gradient(x),
    "autocast": lambda x: _autocast(x),
    "max with index": lambda x: tuple(torch.max(x, 1)),
    "where, nonzero": lambda x: torch.where(x > 0, x, -x).nonzero(),
    "random": lambda x: x + torch.rand(1) * 0,
    "bucketize": lambda x: torch.bucketize(x, torch.tensor([0.0, 0.5]), right=True),
    "linalg": lambda x: torch.linalg.vector_norm(x, dim=1) + torch.linalg.matrix_norm(x[0, 0, :3, :3]),
}


def _without_gradient(x: Tensor) -> Tensor:
    with torch.no_grad():
        return x * 2


def _autocast(x: Tensor) -> Tensor:
    with torch.autocast("cpu", torch.bfloat16):
        return (x[0, 0] @ x[0, 1]).float()


def saved(path: Path, network: nn.Module, *, decomposed: bool = False, strict: bool = False) -> Any:
    """The program written to a file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.export.export(network.eval(), (X,), strict=strict)
        program = program.run_decompositions() if decomposed else program
        torch.export.save(program, path)
    return program


def agrees(given: Any, wanted: Any) -> bool:
    if isinstance(wanted, Tensor):
        return given.dtype == wanted.dtype and bool(torch.allclose(given, wanted, atol=1e-5, equal_nan=True))
    return len(given) == len(wanted) and all(map(agrees, given, wanted))


@pytest.mark.parametrize("decomposed", [False, True], ids=["as exported", "decomposed"])
@pytest.mark.parametrize("kind", [CASTS, VIEWS, IN_PLACE, MORE], ids=["casts", "views", "in place", "more"])
def test_what_torch_exports_is_taken_and_gives_the_same_numbers(
    tmp_path: Path, kind: dict[str, Callable[[Tensor], Any]], decomposed: bool
) -> None:
    torch.manual_seed(0)
    program = saved(tmp_path / "net.pt2", Doing(kind), decomposed=decomposed)
    made, wanted = load_network(Source(str(tmp_path / "net.pt2")))(X.clone()), program.module()(X.clone())
    assert [name for name in kind if not agrees(made[name], wanted[name])] == []


LAYERS: dict[str, Callable[[], nn.Module]] = {
    "weight_norm": lambda: parametrizations.weight_norm(nn.Conv2d(3, 4, 3)),
    "spectral_norm": lambda: parametrizations.spectral_norm(nn.Conv2d(3, 4, 3)),
    "orthogonal": lambda: parametrizations.orthogonal(nn.Conv2d(3, 4, 3)),
    "batch norm": lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)),
    "odd names": lambda: nn.ModuleDict(
        {"torch_part": nn.Conv2d(3, 4, 3), "math": nn.ReLU(), "3x3-a b/c": nn.Conv2d(4, 4, 3)}
    ),
    "lstm": lambda: nn.LSTM(32, 5, batch_first=True),
    "gru cell": lambda: nn.GRUCell(32, 5),
    "transformer": lambda: nn.TransformerEncoderLayer(32, 4, 16, batch_first=True),
    "embedding bag": lambda: nn.EmbeddingBag(9, 4),
}


@pytest.mark.parametrize("kind", LAYERS)
def test_layers_that_are_exported_in_unusual_ways(tmp_path: Path, kind: str) -> None:
    class Whole(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.part = LAYERS[kind]()

        def forward(self, x: Tensor) -> Any:
            if isinstance(self.part, nn.ModuleDict):
                for part in self.part.values():
                    x = part(x)
                return x
            if kind in ("lstm", "transformer"):
                return self.part(x[:, 0])
            if kind == "gru cell":
                return self.part(x[0, 0])
            return self.part((x[0, 0].abs() * 8).long()) if kind == "embedding bag" else self.part(x)

    torch.manual_seed(0)
    program = saved(tmp_path / "net.pt2", Whole())
    made = load_network(Source(str(tmp_path / "net.pt2")))
    with record(made, "part") as kept:
        assert agrees(made(X), program.module()(X))
    assert list(kept) == ([] if kind == "odd names" else ["part"])


# -- what would run code


class Evil:
    """A pickle that makes a file when it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


def rewritten(path: Path, change: Callable[[dict[str, Any]], object], *more: tuple[str, bytes]) -> None:
    """The file with another program in it, and further parts, or other ones of these names."""
    save_exported(path)
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    name = next(name for name in parts if name.endswith("models/model.json"))
    program = json.loads(parts[name])
    change(program)
    root = name.removesuffix("models/model.json")
    parts |= {name: json.dumps(program).encode(), **{root + below: content for below, content in more}}
    with zipfile.ZipFile(path, "w") as archive:
        for key, content in parts.items():
            archive.writestr(key, content)


def nodes(program: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = program["graph_module"]["graph"]["nodes"]
    return found


TARGETS = [
    "torch.ops.aten.from_file.default",  # maps a file, and can make one
    "torch.ops.aten.save",  # of the interpreter of TorchScript
    "torch.ops.aten.__class__.mro",
    "torch.ops.aten._sparse_coo_tensor_unsafe.default",  # trusts its indices
    "torch.ops.prim.rpc_async",
    "torch.ops.profiler._record_function_enter.default",
    "torch.ops.inductor.resize_storage_bytes_.default",
    "torch.ops.higher_order.triton_kernel_wrapper_mutation",
    "torch.ops.higher_order.call_torchbind",
    "torch.ops.higher_order.print",
    "torch.ops.load_library",
    "torch.ops.aten.add.default.__globals__",
    "torch.serialization.load",
    "torch.os.mkdir",
    "torch._C._jit_set_profiling_mode",
    "torch.utils.cpp_extension.load",
    "_operator.methodcaller",
    "_operator.attrgetter",
    "math.os",
    "#aoti:x",
]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("place", ["target", "argument"])
def test_an_operation_that_does_more_than_compute_is_refused(tmp_path: Path, target: str, place: str) -> None:
    def change(program: dict[str, Any]) -> None:
        if place == "target":
            nodes(program)[0]["target"] = target
        else:
            nodes(program)[0]["inputs"][0]["arg"] = {"as_operator": target}

    rewritten(tmp_path / "net.pt2", change)
    with pytest.raises(ModelError, match="holds more than tensors and their operations"):
        load_network(Source(str(tmp_path / "net.pt2")))


def test_every_operator_of_torch_that_names_a_file_is_refused() -> None:
    """By what it takes, so that an operator that comes with a later torch is refused too."""
    from cvcore.foreign.archive import _computes, _operator

    taken: list[str] = []
    left: list[str] = []
    for schema in torch._C._jit_get_all_schemas():
        namespace, _, name = schema.name.partition("::")
        found = _operator([namespace, name, schema.overload_name or "default"])
        if found is not None:
            (taken if _computes(namespace, found) else left).append(schema.name)
    assert len(taken) > 2500
    assert "aten::from_file" in left
    assert not [name for name in taken if re.search(r"save|load|file|(?<!mi)open|print|exec|c10d|rpc", name)]
    computing = [name for name in taken if name.startswith("aten::_") and not name.endswith("_unsafe")]
    assert {"aten::_softmax", "aten::_to_copy", "aten::_weight_norm", "aten::_assert_tensor_metadata"} <= set(computing)


def test_the_operators_of_a_package_are_refused_also_where_they_are_known(tmp_path: Path) -> None:
    ran = []

    @torch.library.custom_op("cv_explorer_tests::ran", mutates_args=())
    def own(x: Tensor) -> Tensor:
        ran.append(x)
        return x.clone()

    @own.register_fake
    def _(x: Tensor) -> Tensor:
        return torch.empty_like(x)

    saved(tmp_path / "net.pt2", Doing({"own": own}))
    ran.clear()
    with pytest.raises(
        ModelError, match=r"cv_explorer_tests\.ran.*Open the Python file that makes the network instead"
    ):
        load_network(Source(str(tmp_path / "net.pt2")))
    assert not ran


def test_an_operator_that_torch_does_not_have_is_said(tmp_path: Path) -> None:
    rewritten(
        tmp_path / "net.pt2", lambda program: nodes(program)[0].update(target="torch.ops.aten.no_such_thing.default")
    )
    with pytest.raises(ModelError, match=r"needs the operation torch\.ops\.aten\.no_such_thing\.default, which torch"):
        load_network(Source(str(tmp_path / "net.pt2")))


def payload(name: str, pickled: bool = True) -> bytes:
    """The list of a network's constants."""
    meta = {"path_name": name, "is_param": False, "use_pickle": pickled, "tensor_meta": None}
    return json.dumps({"config": {"harm": meta}}).encode()


@pytest.mark.parametrize("part", ["opaque_obj_0", "custom_obj_0", "tensor_0", "../tensor_0"])
def test_objects_in_an_archive_are_not_made(tmp_path: Path, part: str) -> None:
    trap = tmp_path / "sprung"
    more = ("data/constants/model_constants_config.json", payload(part))
    harm = (f"data/constants/{part}", pickle.dumps(Evil(trap)))
    rewritten(tmp_path / "net.pt2", lambda _: None, more, harm)
    with pytest.raises(ModelError):
        load_network(Source(str(tmp_path / "net.pt2")))
    assert not trap.exists()


def test_a_second_program_beside_the_first_is_not_read(tmp_path: Path) -> None:
    """torch reads everything in that folder, whatever its ending."""
    harm = {"expr_str": f"__import__('pathlib').Path({str(tmp_path / 'sprung')!r}).touch()"}
    rewritten(tmp_path / "net.pt2", lambda _: None, ("models/other.txt", json.dumps(harm).encode()))
    assert load_network(Source(str(tmp_path / "net.pt2")))(torch.zeros(1, 3, 64, 64)).shape == (1, 10)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("name", ["Models/model.json", "models/MODEL.json"])
def test_two_parts_whose_names_differ_in_case_are_refused(tmp_path: Path, name: str) -> None:
    rewritten(tmp_path / "net.pt2", lambda _: None, (name, b"{}"))
    with pytest.raises(ModelError, match="two parts of one name"):
        load_network(Source(str(tmp_path / "net.pt2")))


def test_a_name_is_not_written_into_a_program(tmp_path: Path) -> None:
    """torch compiles a function whose arguments are the inputs of the graph."""
    trap = tmp_path / "sprung"

    def change(program: dict[str, Any]) -> None:
        text = json.dumps(program["graph_module"])
        name = program["graph_module"]["signature"]["input_specs"][-1]["user_input"]["arg"]["as_tensor"]["name"]
        harm = f"{name}=__import__('pathlib').Path('{trap}').touch()"
        program["graph_module"] = json.loads(text.replace(f'"{name}"', json.dumps(harm)))

    rewritten(tmp_path / "net.pt2", change)
    with pytest.raises(ModelError, match="holds more than tensors"):
        load_network(Source(str(tmp_path / "net.pt2")))
    assert not trap.exists()


@pytest.mark.parametrize(
    ("structure", "fine"),
    [
        ([1, {"type": "builtins.tuple", "context": "null", "children_spec": []}], True),
        ([1, {"type": "builtins.dict", "context": '["image", 3]', "children_spec": []}], True),
        ([1, {"type": None, "context": None, "children_spec": []}], True),
        ([1, {"type": "somebody.Own", "context": "x", "children_spec": []}], True),  # torch says that it is not registered
        (
            [1, {"type": "collections.defaultdict", "children_spec": [],
                 "context": {"default_factory_module": "builtins", "default_factory_name": "list", "dict_context": []}}], True,
        ),
        (
            [1, {"type": "collections.defaultdict", "children_spec": [],
                 "context": {"default_factory_module": "antigravity", "default_factory_name": "x", "dict_context": []}}], False,
        ),
        (
            [1, {"type": "builtins.dict", "children_spec": [],
                 "context": json.dumps([{"__enum__": True, "fqn": "antigravity:x", "name": "y"}])}], False,
        ),
        ([1], False),
        ("text", False),
    ],
)  # fmt: skip
def test_the_structure_of_inputs_imports_nothing(structure: Any, fine: bool) -> None:
    assert is_structure(json.dumps(structure)) is fine
    nested = [
        1,
        {"type": "builtins.tuple", "context": "null", "children_spec": [structure[1] if len(structure) == 2 else 5]},
    ]
    assert is_structure(json.dumps(nested)) is fine


@pytest.mark.parametrize(
    ("expression", "fine"),
    [
        ("2*s39", True),
        ("Mul(Integer(2), Symbol('s39', positive=True, integer=True))", True),
        ("Max(1, s0) + FloorDiv(s1, 2)", True),
        ("Pow(Symbol('s0'), Integer(-1)) * s1**2", True),
        ("__import__('os').mkdir('x')", False),
        ("S('1')", False),
        ("Symbol('s0', S('x'))", False),
        ("Max(1, 'x')", False),
        ("s0.x", False),
        ("[x for x in y]", False),
        ("print(1)", False),
        ("(lambda: 1)()", False),
        ("1 +", False),
        ("9**9**9**9", False),
        ("9**(9**9)", False),
        ("2**999999999", False),
        ("Pow(2, 10**9)", False),
        ("1 << 9999999999", False),
        (f"{10**30}", False),
        ("-" * 50_000 + "1", False),
    ],
)
def test_expressions_for_sizes_are_arithmetic(expression: str, fine: bool) -> None:
    assert is_size(expression) is fine


def test_what_else_lies_in_an_archive_is_left_out(tmp_path: Path) -> None:
    rewritten(tmp_path / "net.pt2", lambda _: None, ("extra/readme.py", b"print()"), ("else/x.bin", b"x"))
    with checked(tmp_path / "net.pt2") as copy, zipfile.ZipFile(copy) as archive:
        assert not [name for name in archive.namelist() if "extra" in name or "else" in name]
        assert "archive/models/model.json" in archive.namelist()


def test_a_file_of_every_kind_of_damage_is_said_in_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "net.pt2"
    save_exported(path)
    whole = path.read_bytes()
    for end in (0, 1, 30, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:end])
        with pytest.raises(ModelError, match=r"net\.pt2 is damaged, or no file of torch\.export\."):
            load_network(Source(str(path)))
