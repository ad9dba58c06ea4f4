"""``.npz`` of the arrays data set, for ``coral train`` and ``coral embed``."""

from __future__ import annotations

import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np

from .runner import Case
from .world import World, arrays, claims, header, npy


class Payload:
    """An object whose unpickling makes a folder."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (self.path,)


def _bytes(says: str, kind: str, content: bytes | Callable[[World], bytes], **options: Any) -> Case:
    """A file of these bytes."""

    def prepare(world: World) -> list[str]:
        return world.train(data=world.file("x.npz", content if isinstance(content, bytes) else content(world)))

    return Case("npz", kind, prepare, says, **options)


def _member(says: str, kind: str, content: bytes, name: str = "train/table.npy", **options: Any) -> Case:
    """The valid arrays with one member of these bytes; 100 MB are more than any of them may take."""

    def prepare(world: World) -> list[str]:
        members = {f"{key}.npy": npy(value) for key, value in arrays().items()}
        return world.train(data=world.members({**members, name: content}))

    return Case("npz", kind, prepare, says, most_mb=100, **options)


def _array(says: str, kind: str, changes: dict[str, Any], drop: tuple[str, ...] = ()) -> Case:
    return Case("npz", kind, lambda w: w.train(data=w.data(changes, drop)), says)


def _embed(says: str, kind: str, changes: dict[str, Any]) -> Case:
    """``coral embed`` of plain modalities."""

    def prepare(world: World) -> list[str]:
        plain = {"table": arrays()["test/table"], "wave": arrays()["test/wave"], **changes}
        return world.embed(data=world.members({f"{k}.npy": npy(v) for k, v in plain.items() if v is not None}))

    return Case("npz to embed", kind, prepare, says)


def _good(world: World) -> bytes:
    return world.npz.read_bytes()


def _flip(world: World) -> bytes:
    content = bytearray(_good(world))
    content[400] ^= 0x10  # in the values of the first array
    return bytes(content)


def _pickled(world: World) -> list[str]:
    value = np.array([Payload(str(world.canary))], dtype=object)
    return world.train(data=world.data({"meta/notes": value}))


def _pickled_to_embed(world: World) -> list[str]:
    return world.embed(data=world.data({"test/table": np.array([Payload(str(world.canary))] * 12, dtype=object)}))


def _pickle_as_file(world: World) -> list[str]:
    return world.train(data=world.file("x.npz", pickle.dumps(Payload(str(world.canary)))))


def _structured_pickle(world: World) -> list[str]:
    head = header("{'descr': [('a', '|O')], 'fortran_order': False, 'shape': (1,), }")
    return world.train(data=world.members({"meta/x.npy": head + pickle.dumps(Payload(str(world.canary)))}))


def _lying_directory(world: World) -> bytes:
    """The directory of the archive agrees with a head that claims 4 PB."""
    path = world.members({"train/table.npy": claims("(1000000000000000,)") + bytes(40)})
    content = bytearray(path.read_bytes())
    entry, end = content.index(b"PK\x01\x02"), content.index(b"PK\x05\x06")
    extra = struct.pack("<HHQ", 1, 8, 4 * 10**15)
    content[entry + 24 : entry + 28] = b"\xff" * 4
    content[entry + 30 : entry + 32] = struct.pack("<H", len(extra))
    at = entry + 46 + len("train/table.npy")
    content[at:at] = extra
    content[end + 12 + len(extra) : end + 16 + len(extra)] = struct.pack("<L", end + len(extra) - entry)
    return bytes(content)


def _overlap(world: World) -> bytes:
    """A thousand entries of the directory for one member of a megabyte of zeros."""
    path = world.members({"a.npy": npy(np.zeros(1 << 17))}, compression=zipfile.ZIP_DEFLATED)
    content = path.read_bytes()
    start, end = content.index(b"PK\x01\x02"), content.index(b"PK\x05\x06")
    entry = content[start:end]
    entries = b"".join(entry[:46] + b"%05d" % i + entry[46 + 5 :] for i in range(2000))
    tail = bytearray(content[end:])
    tail[8:12] = struct.pack("<HH", 2000, 2000)
    tail[12:16] = struct.pack("<L", len(entries))
    return content[:start] + entries + bytes(tail)


def _bad_name(world: World) -> bytes:
    """A name that is said to be UTF-8, and is not."""
    content = bytearray(world.members({"train/täble.npy": npy(np.ones(2))}).read_bytes())
    at = content.rindex("ä".encode())
    content[at : at + 2] = b"\xff\xff"
    return bytes(content)


def _version(world: World) -> bytes:
    """An archive that says it needs a reader of version 25.5."""
    content = bytearray(_good(world))
    content[content.index(b"PK\x01\x02") + 6] = 255
    return bytes(content)


def _folder(world: World) -> list[str]:
    (world.folder / "x.npz").mkdir()
    return world.train(data=world.folder / "x.npz")


def _terabyte(world: World) -> list[str]:
    path = world.file("x.npz", _good(world))
    with path.open("r+b") as file:
        file.truncate(1 << 40)
    return world.train(data=path)


def _renamed(name: str) -> dict[str, Any]:
    return {f"{split}/{name}": arrays()[f"{split}/table"] for split in ("train", "valid", "test")}


HUGE = "1000000000000"
CASES = [
    _bytes("is empty", "an empty file", b""),
    _bytes("damaged", "cut in the middle", lambda w: _good(w)[: len(_good(w)) // 2]),
    _bytes("damaged", "cut at the end", lambda w: _good(w)[:-5]),
    _bytes("damaged", "a bit of the values flipped", _flip),
    _bytes("single NumPy array", "an .npy", npy(np.ones(3))),
    _bytes("web page", "a web page", b"<html><body>404</body></html>"),
    _bytes("Git LFS", "a Git LFS pointer", b"version https://git-lfs.github.com/spec/v1\n"),
    _bytes("of no kind that is known", "noise", bytes(range(256)) * 4),
    _bytes("more than its size allows", "a directory that claims 4 PB", _lying_directory, most_mb=100),
    _bytes("npz", "2,000 names for one member", _overlap, most_mb=100),
    _bytes("damaged", "a member's name that is no UTF-8", _bad_name),
    _bytes("damaged", "an archive of version 25.5", _version),
    _member("claims shape", "a claim of 10**12 values", claims(f"({HUGE},)") + bytes(64)),
    _member("claims shape", "a claim of 10**12 x 10**12 values", claims(f"({HUGE}, {HUGE})") + bytes(64)),
    _member("claims shape", "a claim of a negative number of values", claims("(-4,)") + bytes(64)),
    _member("claims shape", "two negative numbers", claims("(-4, -4)") + bytes(64)),
    _member("holds", "more values than claimed", claims("(2,)") + bytes(64)),
    _member("damaged", "a shape of fractions", claims("(4.0, 4.0)") + bytes(64)),
    _member("damaged", "a shape that is no tuple", claims("'many'") + bytes(64)),
    _member("empty", "10**12 rows of nothing", claims(f"({HUGE}, 0)")),
    _member("only numbers", "10**12 texts of no length", claims(f"({HUGE},)", descr="'<U0'")),
    _member("damaged", "a type that is none", claims("(4,)", descr="'<q9'") + bytes(64)),
    _member("damaged", "a type that is code", claims("(4,)", descr="__import__('os')") + bytes(64)),
    _member("damaged", "a head that is code", header("__import__('os').system('id')")),
    _member("damaged", "a head of 9,000 brackets", header("(" * 9_000)),
    _member("damaged", "a head of 9,000 minus signs", header("-" * 9_000 + "1")),
    _member("damaged", "a head of 60,000 characters", header("{" + " " * 60_000 + "}")),
    _member("damaged", "a head that is longer than the member", b"\x93NUMPY\x01\x00\xff\xff{"),
    _member("damaged", "a head with a null character", header("{'descr': '<f4\0'}")),
    _member("damaged", "a version that is none", b"\x93NUMPY\x09\x00" + bytes(64)),
    _member("claims shape", "a huge claim in version 2", claims(f"({HUGE},)", version=2) + bytes(64)),
    _member("damaged", "no head at all", b"no head at all"),
    _member("no array of an .npz", "a member that is no array", b"x", name="train/table.pkl"),
    _member("no array of an .npz", "a member above the folder", npy(np.ones(2)), name="../../etc/x.npy"),
    _member("no array of an .npz", "a member with an absolute name", npy(np.ones(2)), name="/etc/x.npy"),
    _member("no array of an .npz", "a member with a line break", npy(np.ones(2)), name="train/a\nb.npy"),
    _member("no array of an .npz", "a member with control characters", npy(np.ones(2)), name="train/\x1b[2J.npy"),
    _member("unknown key", "a split that nobody knows", npy(np.ones(2)), name="trian/table.npy"),
    _array("characters", "a modality with a name of 5,000 characters", _renamed("x" * 5000)),
    _array("plain text", "a modality with a sign of equality", _renamed("a=b")),
    Case("npz", "a member twice", lambda w: w.train(data=w.members([("a.npy", npy(np.ones(2)))] * 2)), "twice"),
    Case(
        "npz",
        "10,001 members",
        lambda w: w.train(data=w.members({f"{i}.npy": b"" for i in range(10_001)})),
        "10001 arrays",
    ),
    Case("npz", "an archive of nothing", lambda w: w.train(data=w.members({})), "0 arrays"),
    Case(
        "npz",
        "an unusual compression",
        lambda w: w.train(data=w.members({"a.npy": npy(np.ones(9))}, compression=zipfile.ZIP_LZMA)),
        "unusual",
    ),
    Case("npz", "a pickle in an array that is not used", _pickled, "can run code"),
    Case("npz", "a pickle in a structure", _structured_pickle, "can run code"),
    Case("npz", "a pickle in its place", _pickle_as_file, "is a pickle"),
    Case("npz", "a folder", _folder, "has no .npy file"),
    Case("npz", "a terabyte behind it", _terabyte, "damaged", most_mb=100),
    Case("npz", "no such file", lambda w: w.train(data=w.folder / "x.npz"), "There is no file"),
    Case("npz", "a device", lambda w: w.train(data="/dev/zero"), "device"),
    _array("split valid lacks", "a modality that valid lacks", {}, ("valid/wave",)),
    _array("no train split", "no train split", {}, ("train/wave", "train/table", "train/labels")),
    _array("labels is missing", "labels that test lacks", {}, ("test/labels",)),
    _array("samples of shape", "other features in test", {"test/table": np.ones((12, 9), dtype=np.float32)}),
    _array("not finite", "infinity in test", {"test/table": np.full((12, 4), np.inf, dtype=np.float32)}),
    _array(
        "pixels",
        "pixels of 16 bits",
        {
            f"{s}/table": np.full((n, 3, 8, 8), 999, dtype=np.uint16)
            for s, n in (("train", 36), ("valid", 12), ("test", 12))
        },
    ),
    _array("train lacks", "classes that train lacks", {"train/labels": (np.arange(36) % 3) * 5}),
    _array("printable", "a class with a line break", {"classes": np.array(["a", "b\n", "c"])}),
    _array("printable", "a class with half a character", {"classes": np.array(["a", "b\ud800", "c"])}),
    _array("printable", "a class that clears the screen", {"classes": np.array(["a", "\x1b[2J", "c"])}),
    _array("has 1 names", "one name for three classes", {"classes": np.array(["a"])}),
    _array("modality that is not there", "lengths of a stranger", {"train/left/length": np.ones(36, dtype=int)}),
    _array("present", "flags that are none", {"train/table/present": np.full(36, 7)}),
    _embed("samples of shape", "other features", {"table": np.ones((12, 9), dtype=np.float32)}),
    _embed("not finite", "NaN", {"table": np.full((12, 4), np.nan, dtype=np.float32)}),
    _embed("unequal numbers", "another number of samples", {"table": np.ones((5, 4), dtype=np.float32)}),
    _embed("empty", "no samples", {"table": np.ones((0, 4), dtype=np.float32)}),
    _embed("only numbers", "text", {"table": np.array([["a"] * 4] * 12)}),
    _embed("modality", "no modality of the run", {"table": None, "wave": None, "left": np.ones((12, 4))}),
    Case("npz to embed", "a pickle", _pickled_to_embed, "can run code"),
]
