"""Targets of the fuzzer that read the formats of others: HDF5, pickles, CSV, and whatever ``data check`` meets."""

from __future__ import annotations

import functools
import pickle
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from coral_plugin.cli.main import main
from coral_plugin.errors import InputError
from coral_plugin.registry import DATASETS

sys.path.insert(0, str(Path(__file__).parents[1] / "adapters"))  # a folder beside this one, which is no package
import formats

HDF5_WORDS = (
    b"\x89HDF\r\n\x1a\n", b"OHDR", b"TREE", b"HEAP", b"SNOD", b"OCHK", b"FRHP", b"BTHD", b"\xff" * 8, b"\x00" * 8,
    b"features", b"genres", b"vgg_features", b"split", b"../", b"\xff\xff\xff\x7f",
)  # fmt: skip
PICKLE_WORDS = (
    b"cos\nsystem\n", b"cnumpy\nndarray\n", b"R", b"o", b"i", b"b", b"\x81", b"\x93", b"\x94", b"P1\n", b"Q",
    b"\x8a\xff", b"\x8e\xff\xff\xff\xff\xff\xff\xff\x7f", b"}", b"]", b"e", b"u", b"train", b"labels", b"(", b"0", b".",
)  # fmt: skip
CSV_WORDS = (b",", b"\n", b'"', b"nan", b"-1e999", b"Open", b"Date", b"\xff", b"\0", b"=cmd()", b"9" * 60)


def _written(write: Callable[[Path], Path]) -> dict[str, bytes]:
    """The files that a writer of the true format leaves, by their path in its folder."""
    with tempfile.TemporaryDirectory() as name:
        write(Path(name))
        return {str(path.relative_to(name)): path.read_bytes() for path in Path(name).rglob("*") if path.is_file()}


@functools.cache
def _imdb() -> dict[str, bytes]:
    return _written(lambda folder: formats.imdb(folder / "x.hdf5", (6, 2, 2), vgg=4, text=5, image=None))


@functools.cache
def _robotics() -> dict[str, bytes]:
    return _written(lambda folder: formats.robotics(folder / "data", trajectories=5, chunks=1, steps=4, side=16))


@functools.cache
def _push() -> dict[str, bytes]:
    return _written(lambda folder: formats.push(folder / "data", counts=(1, 1, 1), steps=24, cached=False))


@functools.cache
def _sequences() -> dict[str, bytes]:
    return _written(lambda folder: formats.sequences(folder / "data", videos=12, segments=2, holes=False)[0])


@functools.cache
def _stocks() -> dict[str, bytes]:
    return _written(lambda folder: formats.stocks(folder / "data", ("HRL", "MCD"), days=560))


def _load(dataset: str, files: dict[str, bytes], place: str) -> None:
    """What is in ``files`` as a data set; the folder is in memory, and gone afterwards."""
    adapter = DATASETS.get(dataset)
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as name:
        for path, content in files.items():
            (Path(name) / path).parent.mkdir(parents=True, exist_ok=True)
            (Path(name) / path).write_bytes(content)
        adapter.load(str(Path(name) / place))


def reader(
    dataset: str, files: Callable[[], dict[str, bytes]], place: str, **chosen: object
) -> Callable[[bytes], None]:
    """Reads a data set whose last file, by name, is what it is given."""

    def read(content: bytes) -> None:
        own = files()
        _load(dataset, {**own, sorted(own)[-1]: content}, place)

    return read


def last(files: dict[str, bytes]) -> bytes:
    """The file that :func:`reader` puts its own in place of."""
    return files[sorted(files)[-1]]


def read_pickle(dataset: str) -> Callable[[bytes], None]:
    """A pickle of MultiBench as a data set."""
    return lambda content: _load(dataset, {"x.pkl": content}, "x.pkl")


def read_anything(content: bytes) -> None:
    """``coral data check`` of a file under any name; its answer is a status."""
    folder = Path(tempfile.mkdtemp())
    try:
        (folder / "x.bin").write_bytes(content)
        status = main(["data", "check", str(folder / "x.bin")])
    finally:
        shutil.rmtree(folder)
    if status == 2:
        raise InputError("refused")
    if status:
        raise RuntimeError(f"status {status}")


SPECIFICATIONS = (
    ("imdb", reader("imdb", _imdb, "x.hdf5"), lambda: (last(_imdb()),), HDF5_WORDS),
    ("robotics", reader("robotics", _robotics, "data"), lambda: (last(_robotics()),), HDF5_WORDS),
    ("push", reader("push", _push, "data"), lambda: (last(_push()),), HDF5_WORDS),
    ("mmsdk", reader("mmsdk", _sequences, "data"), lambda: (last(_sequences()),), HDF5_WORDS),
    ("mosi", read_pickle("mosi"), lambda: tuple(pickle.dumps(formats.affect(), p) for p in (2, 4)), PICKLE_WORDS),
    ("mimic", read_pickle("mimic"), lambda: (pickle.dumps(formats.mimic(30)),), PICKLE_WORDS),
    ("stocks", reader("stocks", _stocks, "data"), lambda: (last(_stocks()),), CSV_WORDS),
    (
        "data check",
        read_anything,
        lambda: (pickle.dumps(formats.affect()), last(_imdb())),
        (*HDF5_WORDS, *PICKLE_WORDS),
    ),
)
