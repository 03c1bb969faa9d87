"""What may be in a file of torch.export (``.pt2``): tensors, and operations of torch that only compute.

Such a file is a zip of JSON and tensors, but torch's reader trusts it. It falls back to unpickling anything, unpickles objects it
calls opaque, evaluates the expressions for sizes as Python, looks operations up by any dotted name, imports modules that the
description of inputs and outputs names, and writes names into a program that it then compiles. So a copy with the known parts alone
is read, and everything in them is checked first.

What is refused is what can run code or reach files, never a way of naming: an operation is taken if torch itself has a kernel
for it that works on tensors and numbers (docs/adr/0005-own-models.md).
"""

import ast
import importlib
import json
import re
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import torch

from cvcore.foreign.errors import ModelError

COMPUTING = frozenset(
    ("aten", "prims", "quantized", "_quantized", "quantized_decomposed", "mkldnn", "mkl", "onednn", "sparse", "rngprims",
     "torchvision")
)  # fmt: skip
"""Namespaces of operators that compute. Others log, send, compile, load and save; those of packages are programs of anybody's."""
GRAPHS = frozenset(
    ("associative_scan", "auto_functionalized", "auto_functionalized_v2", "cond", "flex_attention", "hints_wrapper", "invoke_subgraph",
     "map_impl", "out_dtype", "scan", "strict_mode", "tag_activation_checkpoint", "while_loop", "with_effects", "wrap",
     "wrap_activation_checkpoint", "wrap_with_autocast", "wrap_with_set_grad_enabled", "_export_tracepoint")
)  # fmt: skip
"""Operators that take graphs and operations of the file itself."""
FILES = frozenset(("filename", "file", "path"))
"""Arguments by which an operator reaches files (``aten::from_file``)."""
NUMBERS = re.compile(
    r"torch\.(sym_\w+|_sym_sqrt)"
    r"|_operator\.(add|sub|mul|truediv|floordiv|mod|pow|neg|pos|abs|getitem|ge|gt|le|lt|eq|ne|and_|or_|xor|not_|lshift|rshift)"
    r"|math\.(ceil|floor|trunc|sqrt)"
)
"""What computes sizes."""
PARTS = re.compile(
    r"archive_format|archive_version|byteorder|version|\.data/(version|serialization_id)"
    r"|models/model\.json|data/sample_inputs/model\.pt"
    r"|data/weights/(model\.pt|model_weights_config\.json|weight_\d+)"
    r"|data/constants/(model\.pt|model_constants_config\.json|tensor_\d+)"
)
"""What is read, below the archive's own folder."""
OLDER = re.compile(r"version|serialized_exported_program\.json|serialized_(state_dict|constants|example_inputs)\.pt")
"""What is read of a file that torch before 2.8 wrote."""
CODE = re.compile(r"aotinductor|(custom|opaque)_obj|triton|\.(so|dylib|dll|cubin|cpp|py|pyc)$")
"""Parts that are programs, or objects that are made by running something."""
IDENTIFIER = re.compile(r"[\w.*]*")
QUOTED = re.compile(r"[\"'`\\\n\r]")
"""In the name of a module or weight this would end the text it is written into."""
BRACKETS = re.compile(r"\[['\"]?[\w.]*['\"]?\]")
TEXTS = frozenset(("as_string", "as_strings", "expr_str", "in_spec", "out_spec"))
"""What is text on purpose, or looked at on its own."""
MOST_JSON = 256 << 20
MOST_UNPACKED = 20
"""How many times the size of the file its parts may have; torch does not compress them."""


def checked(path: Path) -> IO[bytes]:
    """A copy of a .pt2 file that holds tensors and operations on them, and nothing that runs when it is read.

    torch need not read a damaged or two-faced zip as Python does, so it does not get the file itself.

    Raises:
        ModelError: something else is in it, or it cannot be read.
    """
    copy: IO[bytes] = tempfile.SpooledTemporaryFile(max_size=MOST_JSON)  # noqa: SIM115 - the caller reads it
    try:
        _copy(path, copy)
    except BaseException:
        copy.close()
        raise
    copy.seek(0)
    return copy


def _copy(path: Path, copy: IO[bytes]) -> None:
    try:
        with zipfile.ZipFile(path) as archive, zipfile.ZipFile(copy, "w") as clean:
            for entry, name in _parts(path, archive):
                if not name.endswith(".json"):
                    with archive.open(entry) as source, clean.open(entry.filename, "w", force_zip64=True) as target:
                        shutil.copyfileobj(source, target, 1 << 20)
                    continue
                if entry.file_size > MOST_JSON:
                    raise refused(path, entry.filename)
                content = json.loads(archive.read(entry))
                if isinstance(content, dict):
                    content.pop("guards_code", None)  # Python that torch would compile, of no use here
                _check_json(path, content)
                clean.writestr(entry.filename, json.dumps(content))
    except FileNotFoundError as error:
        raise ModelError("The file {file} does not exist.", file=path.name) from error
    except (
        OSError,
        EOFError,
        zipfile.BadZipFile,
        ValueError,
        RecursionError,
        NotImplementedError,
        RuntimeError,
    ) as error:
        if isinstance(error, ModelError):
            raise
        raise ModelError("{file} is damaged, or no file of torch.export.", file=path.name) from error


def _parts(path: Path, archive: zipfile.ZipFile) -> Iterator[tuple[zipfile.ZipInfo, str]]:
    """The parts that torch needs, each with its name below the archive's folder."""
    entries = archive.infolist()
    names = [entry.filename for entry in entries]
    if len({name.casefold() for name in names}) < len(names):
        raise refused(path, "two parts of one name")
    if sum(entry.file_size for entry in entries) > MOST_UNPACKED * path.stat().st_size + MOST_JSON:
        raise ValueError("unpacks to far more than it is")
    older = "serialized_exported_program.json" in names
    root = "" if older or not names else names[0].partition("/")[0] + "/"
    for entry in entries:
        name = entry.filename.removeprefix(root)
        if not entry.filename.startswith(root):
            continue
        if CODE.search(name) and not name.startswith("extra/"):
            raise refused(path, entry.filename)
        if (OLDER if older else PARTS).fullmatch(name):
            yield entry, name


def refused(path: Path, what: str, *more: ModelError) -> ModelError:
    return ModelError(
        "{file} holds more than tensors and their operations ({what}); it was not read.",
        *more,
        file=path.name,
        what=what[:80],
    )


def _check_json(path: Path, value: Any, *, within: str = "") -> None:
    """Everything that torch looks up, evaluates, imports or compiles, wherever it stands.

    Args:
        within: the key that the value stands under.
    """
    if isinstance(value, list):
        for part in value:
            _check_json(path, part, within=within)
    elif isinstance(value, str):
        identifier = within in ("name", "as_name", "forward_arg_names", "field_names")
        if within not in TEXTS and not (IDENTIFIER.fullmatch(value) if identifier else not QUOTED.search(value)):
            raise refused(path, value)
    elif isinstance(value, dict):
        for key, part in value.items():
            if QUOTED.search(key):
                raise refused(path, key)
            match key, part:
                case "target", str() if within == "nodes" or "inputs" in value:
                    _check_target(path, part)
                case "metadata", dict():
                    if QUOTED.search(BRACKETS.sub("", str(part.get("nn_module_stack", "")))):
                        raise refused(path, "nn_module_stack")
                    continue
                case "as_operator", str():
                    _check_target(path, part)
                case "expr_str", str() if not is_size(part):
                    raise refused(path, part)
                case "range_constraints", dict():
                    for name in part:
                        if not is_size(name):
                            raise refused(path, name)
                case (("in_spec" | "out_spec"), str()):
                    if not is_structure(part):
                        raise refused(path, f"{key}: {part}")
                case "path_name", str() if not re.fullmatch(r"(weight|tensor)_\d+", part):
                    raise refused(path, part)
                case _:
                    pass
            _check_json(path, part, within=key)


def _check_target(path: Path, target: str) -> None:
    """Whether what a node calls is known, and computes. What torch does not look up is a plain name."""
    if not target.startswith(("torch", "_operator", "math", "#")):
        return
    if "__" in target:
        raise refused(path, target)
    if NUMBERS.fullmatch(target):
        return
    names = target.removeprefix("torch.ops.").split(".") if target.startswith("torch.ops.") else []
    if len(names) not in (2, 3) or not all(name.isidentifier() for name in names):
        raise refused(path, target)
    found = _operator(names)
    if found is None:
        raise ModelError(
            "{file} needs the operation {name}, which torch {version} does not have here.",
            file=path.name,
            name=target[:80],
            version=torch.__version__,
        )
    if not _computes(names[0], found):
        own = () if names[0] in _of_torch() else (
            ModelError("Open the Python file that makes the network instead."),
        )  # fmt: skip
        raise refused(path, target, *own)


def _operator(names: list[str]) -> Any:
    """The operator of that namespace and name; None if torch has none, or not yet."""
    if names[0] == "quantized_decomposed":  # torch registers these when they are first used
        importlib.import_module("torch.ao.quantization.fx._decomposed")
    found: Any = torch.ops
    for name in names:
        try:
            found = getattr(found, name)
        except (AttributeError, RuntimeError):
            return None
    return found


def _of_torch() -> frozenset[str]:
    return COMPUTING | {"higher_order", "prim", "c10d", "_c10d_functional", "symm_mem", "inductor", "profiler", "image"}


def _computes(namespace: str, operator: Any) -> bool:
    """Whether all an operator can do is work on tensors, numbers and graphs of the file."""
    if isinstance(operator, torch._ops.HigherOrderOperator):
        return operator._name in GRAPHS
    if namespace not in COMPUTING:
        return False
    overloads = (
        [getattr(operator, name) for name in operator.overloads()]
        if isinstance(operator, torch._ops.OpOverloadPacket)
        else [operator]
    )
    return bool(overloads) and all(_is_kernel(one) for one in overloads)


def _is_kernel(overload: Any) -> bool:
    """What only the interpreter of TorchScript has (``aten::save``) is none; nor is what trusts its indices or names files."""
    if not isinstance(overload, torch._ops.OpOverload):
        return False
    schema = overload._schema
    name = f"{schema.name}.{schema.overload_name}" if schema.overload_name else schema.name
    texts = [one.name for one in schema.arguments if "str" in str(one.type)]
    only_says = not schema.returns and len(texts) == len(schema.arguments)  # aten::_print
    unchecked = "sparse" in name and "_unsafe" in name
    return torch._C._dispatch_has_kernel(name) and not (only_says or unchecked or FILES.intersection(texts))


SIZES = (
    ast.Expression,
    ast.BinOp,
    ast.UnaryOp,
    ast.Compare,
    ast.BoolOp,
    ast.Call,
    ast.keyword,
    ast.Name,
    ast.Constant,
    ast.operator,
    ast.unaryop,
    ast.cmpop,
    ast.boolop,
    ast.expr_context,
)
FUNCTIONS = frozenset(
    ("Symbol", "Integer", "Float", "Rational", "Add", "Mul", "Pow", "Max", "Min", "Abs", "Mod", "PythonMod", "FloorDiv", "CeilDiv",
     "CleanDiv", "ModularIndexing", "PowByNatural", "FloatPow", "IntTrueDiv", "FloatTrueDiv", "Where", "CeilToInt", "FloorToInt",
     "TruncToInt", "RoundToInt", "RoundDecimal", "TruncToFloat", "ToFloat", "LShift", "RShift", "Identity", "And", "Or", "Not",
     "Eq", "Ne", "Lt", "Le", "Gt", "Ge", "Equality", "Unequality", "LessThan", "GreaterThan", "StrictLessThan", "StrictGreaterThan",
     "IsNonOverlappingAndDenseIndicator", "OpaqueUnaryFn_sqrt", "OpaqueUnaryFn_log2", "OpaqueUnaryFn_exp", "OpaqueUnaryFn_log",
     "floor", "ceiling", "sqrt")
)  # fmt: skip
"""Of sympy and of torch's additions to it, which expressions for sizes consist of."""
LONGEST = 20_000
GROWING = (ast.Pow, ast.LShift)
POWERS = ("Pow", "PowByNatural", "FloatPow", "LShift")


def is_size(expression: str) -> bool:
    """Whether an expression for a size is arithmetic, such as ``2*s39`` or ``Max(1, Symbol('s0'))``, and of a bearable size."""
    if len(expression) > LONGEST:
        return False
    try:
        tree = ast.parse(expression.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    # Text is evaluated anew wherever it is an argument, but as the name of a symbol.
    texts = {id(n) for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)}
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id="Symbol"), args=[ast.Constant(value=str(name))]):
                fine = re.fullmatch(r"[A-Za-z]\w*", name) is not None and "__" not in name
                texts.discard(id(node.args[0]))
            case ast.Call(func=func):
                fine = isinstance(func, ast.Name) and func.id in FUNCTIONS
            case ast.Name(id=name):
                fine = "__" not in name
            case ast.Constant(value=bool() | float() | str()):
                fine = True
            case ast.Constant(value=int(value)):
                fine = abs(value) < 1 << 64
            case _:
                fine = isinstance(node, SIZES)
        if not fine:
            return False
    return not texts and _power(tree) <= 2


def _power(node: ast.AST) -> int:
    """How many powers lie in each other: each can make a number as many times longer; 99 where an exponent is large."""
    below = max((_power(child) for child in ast.iter_child_nodes(node)), default=0)
    match node:
        case ast.BinOp(op=op, right=exponent) if isinstance(op, GROWING):
            pass
        case ast.Call(func=ast.Name(id=name), args=[_, exponent]) if name in POWERS:
            pass
        case _:
            return below
    large = any(
        isinstance(n, ast.Constant) and isinstance(n.value, int | float) and abs(n.value) > 64
        for n in ast.walk(exponent)
    )
    return 99 if large or _power(exponent) else below + 1


def is_structure(text: str) -> bool:
    """Whether a description of inputs or outputs names containers and plain keys only; torch imports what others name."""
    try:
        _, tree = json.loads(text)
        return _is_container(tree)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return False


def _is_container(tree: dict[str, Any]) -> bool:
    from torch.utils import _pytree as pytree

    kind, context = tree["type"], tree["context"]
    registered = pytree.SERIALIZED_TYPE_TO_PYTHON_TYPE.get(kind)
    if kind == "collections.defaultdict":
        fine = context["default_factory_module"] == "builtins" and context["default_factory_name"] in FACTORIES
        context = context["dict_context"]
    elif registered is None or kind == "collections.namedtuple":
        fine = True  # a leaf, or a name that torch looks up among those registered
    else:
        fine = pytree.SUPPORTED_SERIALIZED_TYPES[registered].from_dumpable_context is None
    plain = "__enum__" not in json.dumps(json.loads(context) if _is_json(context) else context)
    return fine and plain and all(_is_container(child) for child in tree["children_spec"])


FACTORIES = frozenset(("dict", "float", "int", "list", "set", "str", "tuple"))


def _is_json(context: Any) -> bool:
    if not isinstance(context, str):
        return False
    try:
        json.loads(context)
    except ValueError:
        return False
    return True
