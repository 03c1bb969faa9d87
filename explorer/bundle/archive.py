"""Zip files that hold data only: written with the members we name, read with no trust in what they say about themselves.

Nothing is ever unpacked to the disk, so no name in an archive can point anywhere. Sizes are counted while reading: a header that lies, or a
bomb, is noticed when the allowed bytes are used up, not afterwards.
"""

import io
import json
import math
import stat
import zipfile
import zlib
from collections.abc import Callable, Mapping
from typing import IO, Any, TypeVar

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from explorer.bundle.leaves import Array, Container, Leaf, Leaves, LeftOut, Scalar, value_of

T = TypeVar("T")
MOST_UNPACKED = 1 << 30
"""Bytes that all arrays of a trace may have."""
MOST_MEMBERS = 50_000
CHUNK = 1 << 20
STAMP = (1980, 1, 1, 0, 0, 0)
"""The same trace gives the same bytes."""


class DamagedError(Exception):
    """An archive is not what it should be; the words say what, for the end of a sentence."""


class TooLargeError(DamagedError):
    """An archive holds more than is allowed."""


def guarded(read: Callable[[], T]) -> T:
    """``read()``, with whatever a broken or malicious file makes the decoders raise told as one kind of error.

    Raises:
        DamagedError: it cannot be read.
    """
    try:
        return read()
    except DamagedError:
        raise
    except (
        ArithmeticError,
        AttributeError,
        EOFError,
        LookupError,
        MemoryError,
        NotImplementedError,
        OSError,
        RecursionError,
        RuntimeError,
        SyntaxError,
        TypeError,
        ValueError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        # What the decoders say of these two is about their insides.
        nested = "it is nested too deeply" if isinstance(error, RecursionError) else ""
        raise DamagedError(nested or str(error) or type(error).__name__) from error


def write_zip(file: IO[bytes], members: Mapping[str, bytes], *, compress: int = zipfile.ZIP_STORED) -> None:
    """Writes the members in their order."""
    with zipfile.ZipFile(file, "w", compress) as archive:
        for name, content in members.items():
            archive.writestr(_info(name, compress), content)


def read_zip(file: IO[bytes], most: Mapping[str, int]) -> dict[str, bytes]:
    """Reads the members named in ``most``, each up to so many bytes; any other one is refused.

    Raises:
        DamagedError: it is no zip file, or holds something it should not.
    """

    def read() -> dict[str, bytes]:
        with zipfile.ZipFile(file) as archive:
            infos = _checked(archive, len(most))
            if strange := [info.filename for info in infos if info.filename not in most]:
                raise DamagedError(f"it holds {strange[0][:80]!r}")
            return {info.filename: _read(archive, info, most[info.filename]) for info in infos}

    return guarded(read)


def read_member(file: IO[bytes], name: str, most: int) -> bytes:
    """Reads one member of a zip file, whatever the others are.

    Raises:
        DamagedError: it is no zip file, or has no such member.
    """

    def read() -> bytes:
        with zipfile.ZipFile(file) as archive:
            if name not in archive.namelist():
                raise DamagedError(f"{name} is missing")
            return _read(archive, archive.getinfo(name), most)

    return guarded(read)


def write_trace(leaves: Leaves) -> tuple[bytes, bytes]:
    """The leaves as an NPZ file (an array under each name, as ``numpy.load`` reads it) and as the JSON list of all leaves."""
    rows: list[dict[str, Any]] = []
    packed = io.BytesIO()
    seen: dict[tuple[Any, ...], str] = {}
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, leaf in leaves.items():
            row: dict[str, Any] = {"name": name}
            match leaf:
                case Array(values=values):
                    place = (values.__array_interface__["data"][0], values.shape, values.strides, values.dtype.str)
                    row |= {"array": leaf.dtype, "tensor": leaf.tensor, "shape": list(values.shape)}
                    if values.size and place in seen:
                        row["in"] = seen[place]
                    else:
                        seen[place] = name
                        with archive.open(_info(_member(name), zipfile.ZIP_DEFLATED), "w", force_zip64=True) as file:
                            npy.write_array(file, np.asarray(values, order="C"), allow_pickle=False)
                case Scalar():
                    row |= {"value": leaf.text, "kind": leaf.kind}
                case Container():
                    row |= {"parts": leaf.count, "kind": leaf.kind}
                case LeftOut():
                    row |= {"left out": leaf.kind}
            rows.append(row)
    return packed.getvalue(), json.dumps(rows, indent=0).encode("ascii")


def read_trace(packed: bytes, listed: bytes) -> Leaves:
    """Reads what :func:`write_trace` wrote.

    Raises:
        DamagedError: the two do not fit together, or are something else.
    """
    return guarded(lambda: _read_trace(packed, listed))


def _read_trace(packed: bytes, listed: bytes) -> Leaves:
    arrays = _read_arrays(packed)
    rows = json.loads(listed)
    leaves: dict[str, Leaf] = {}
    used: set[str] = set()
    for row in rows:
        name = _text(row["name"])
        if name in leaves:
            raise DamagedError(f"two parts are named {name!r}")
        if "array" in row:
            kept = _text(row.get("in", name))
            values = arrays[_member(kept)]
            used.add(_member(kept))
            if list(values.shape) != row["shape"]:
                raise DamagedError(f"{name} has the shape {values.shape}, not {row['shape']}")
            leaves[name] = Array(values, _text(row["array"]), bool(row["tensor"]))
        elif "value" in row:
            leaves[name] = Scalar(row["kind"], _text(row["value"]))
            value_of(leaves[name])  # type: ignore[arg-type]
        elif "parts" in row:
            leaves[name] = Container(_text(row["kind"]), int(row["parts"]))
        else:
            leaves[name] = LeftOut(_text(row["left out"]))
    if arrays.keys() - used:
        raise DamagedError("it holds arrays that are not listed")
    return leaves


def _read_arrays(packed: bytes) -> dict[str, NDArray[Any]]:
    left = MOST_UNPACKED
    arrays: dict[str, NDArray[Any]] = {}
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        for info in _checked(archive, MOST_MEMBERS):
            with archive.open(info) as file:
                arrays[info.filename] = _read_array(file, left)
            left -= arrays[info.filename].nbytes
    return arrays


def _read_array(file: IO[bytes], most: int) -> NDArray[Any]:
    """One array of an NPZ file, of no more than ``most`` bytes; room is taken only for bytes that are really there."""
    version = npy.read_magic(file)
    read_header = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}[version]
    try:
        shape, fortran, dtype = read_header(file)
    except (ValueError, SyntaxError, TypeError) as error:
        raise DamagedError("an array does not say what it holds") from error
    if dtype.hasobject or dtype.names is not None or dtype.subdtype is not None:
        raise DamagedError(f"it holds values of the type {dtype}")
    count = math.prod(shape)
    if count < 0 or any(side < 0 for side in shape) or count * max(1, dtype.itemsize) > most:
        raise TooLargeError(f"an array of the shape {shape} is too large")
    data = _take(file, count * dtype.itemsize)
    if len(data) != count * dtype.itemsize:
        raise DamagedError("an array is cut short or too long")
    if not data:
        return np.empty(shape, dtype)
    return np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C")


def _checked(archive: zipfile.ZipFile, most: int) -> list[zipfile.ZipInfo]:
    """The members, once it is sure that they are plain files, each there once, and packed in a way that is known."""
    infos = archive.infolist()
    if len(infos) > most:
        raise TooLargeError(f"it holds {len(infos)} files")
    if len({info.filename for info in infos}) != len(infos):
        raise DamagedError("it holds two files of one name")
    for info in infos:
        kind = stat.S_IFMT(info.external_attr >> 16)
        if info.is_dir() or kind not in (0, stat.S_IFREG):
            raise DamagedError(f"{info.filename[:80]!r} is not a plain file")
        if info.flag_bits & 0x1:
            raise DamagedError("it is encrypted")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise DamagedError("it is packed in a way that is not known")
    return infos


def _read(archive: zipfile.ZipFile, info: zipfile.ZipInfo, most: int) -> bytes:
    too_large = TooLargeError(f"{info.filename} is larger than {most >> 20} MiB")
    if info.file_size > most:
        raise too_large
    with archive.open(info) as file:
        data = _take(file, most)  # it may be larger than it says
    if len(data) > most:
        raise too_large
    return data


def _take(file: IO[bytes], most: int) -> bytes:
    """The bytes of a member, at most one more than ``most``; read to its end, its checksum is right."""
    parts, left = [], most + 1
    while left > 0 and (part := file.read(min(CHUNK, left))):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def _info(name: str, compress: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, STAMP)
    info.compress_type = compress
    info.external_attr = (stat.S_IFREG | 0o644) << 16
    return info


def _member(name: str) -> str:
    return f"{name or 'trace'}.npy"


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise DamagedError(f"{value!r:.80} is not a text")
    return value
