"""Places: links, rights, full disks, names, and what the shell does with the output."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable

from .around import as_nobody, ascii_only, full_disk, small_files
from .runner import Case
from .world import World


def _link(says: str, kind: str, make: Callable[[World], list[str]], **options: object) -> Case:
    return Case("links", kind, make, says, **options)  # type: ignore[arg-type]


def _run_with_link(command: str, name: str, *, exists: bool) -> Callable[[World], list[str]]:
    """A run in which ``name`` is a link to a place outside of it."""

    def prepare(world: World) -> list[str]:
        run, outside = world.run(unfinished=command == "resume"), world.folder / "outside"
        if exists:
            outside.write_text("precious")
        with contextlib.suppress(FileNotFoundError):
            (run / name).unlink()
        (run / name).symlink_to(outside)
        return world.resume(run) if command == "resume" else ["evaluate", str(run)]

    return prepare


def _fresh_with_link(name: str, *, folder: bool) -> Callable[[World], list[str]]:
    """An output folder in which ``name`` leads out of it."""

    def prepare(world: World) -> list[str]:
        outside = world.folder / "outside"
        if folder:
            outside.mkdir()
        else:
            outside.write_text("precious")
        (world.folder / "out").mkdir()
        (world.folder / "out" / name).symlink_to(outside)
        return world.train()

    return prepare


def _embed_to_link(target: str) -> Callable[[World], list[str]]:
    def prepare(world: World) -> list[str]:
        (world.folder / "deep").mkdir()
        (world.folder / "deep" / "z.npz").symlink_to(target)
        return world.embed(output=world.folder / "deep" / "z.npz")

    return prepare


def _read_through(world: World) -> list[str]:
    run = world.run()
    store = (run / "seed-41" / "model.safetensors").rename(world.folder / "store.safetensors")
    (run / "seed-41" / "model.safetensors").symlink_to(store)
    return world.embed(run=run)


def _locked(make: Callable[[World], list[str]], name: str, mode: int) -> Callable[[World], list[str]]:
    def prepare(world: World) -> list[str]:
        argv = make(world)
        (world.folder / name).chmod(mode)
        return argv

    return prepare


def _own(world: World, name: str) -> str:
    path = world.folder / name
    path.mkdir()
    return str(path / "out")


def _named(name: bytes) -> Callable[[World], list[str]]:
    """The data under another name."""

    def prepare(world: World) -> list[str]:
        path = os.fsdecode(os.fsencode(world.folder) + b"/" + name)
        with open(path, "wb") as file:  # noqa: PTH123
            file.write(world.npz.read_bytes())
        return world.train(data=path)

    return prepare


def _file_as_folder(world: World) -> list[str]:
    return world.train(output=world.file("out", "x"))


def _seed_as_file(world: World) -> list[str]:
    world.file("out/seed-41", "x")
    return world.train()


WHOLE = r"out(/(config\.yaml|data\.json|environment\.json|seed-41(/metrics\.csv|/tensorboard(/.*)?)?))?"
CASES = [
    _link("outside", "config.yaml leads out of a fresh folder", _fresh_with_link("config.yaml", folder=False)),
    _link("outside", "data.json leads out of a fresh folder", _fresh_with_link("data.json", folder=False)),
    _link("outside", "the folder of a seed leads out", _fresh_with_link("seed-41", folder=True)),
    _link("outside", "the folder of pictures leads out", _fresh_with_link("plots", folder=True)),
    _link("outside", "metrics.json leads out", _run_with_link("resume", "metrics.json", exists=True)),
    _link("outside", "metrics.csv leads out, to nothing", _run_with_link("resume", "metrics.csv", exists=False)),
    _link(
        "outside",
        "the weights lead out of a resumed run",
        _run_with_link("resume", "seed-41/model.safetensors", exists=True),
    ),
    _link("outside", "the log of a seed leads out", _run_with_link("resume", "seed-41/metrics.csv", exists=True)),
    _link("outside", "the evaluation leads out", _run_with_link("evaluate", "evaluation-linear.json", exists=True)),
    _link("outside", "the output leads out", _embed_to_link("../elsewhere.npz")),
    _link("outside", "the output leads to a full device", _embed_to_link("/dev/full")),
    _link("", "weights read through a link", _read_through, status=0),
    Case(
        "rights",
        "data that may not be read",
        _locked(lambda w: w.train(data=w.data()), "x.npz", 0),
        "permission denied",
        around=as_nobody,
    ),
    Case(
        "rights",
        "settings that may not be read",
        _locked(lambda w: ["train", "--config", str(w.file("c.yaml", "a: 1"))], "c.yaml", 0),
        "permission denied",
        around=as_nobody,
    ),
    Case(
        "rights",
        "a record that may not be read",
        _locked(lambda w: w.embed(run=w.run()), "run/data.json", 0),
        "permission denied",
        around=as_nobody,
    ),
    Case(
        "rights",
        "weights that may not be read",
        _locked(lambda w: w.embed(run=w.run()), "run/seed-41/model.safetensors", 0),
        "permission denied",
        around=as_nobody,
    ),
    Case(
        "rights",
        "a run whose folder may not be entered",
        _locked(lambda w: ["evaluate", str(w.run())], "run", 0),
        "no config.yaml",
        around=as_nobody,
    ),
    Case(
        "rights",
        "an output folder that may not be written",
        _locked(lambda w: w.train(output=_own(w, "locked")), "locked", 0o555),
        "permission denied",
        status=1,
        around=as_nobody,
    ),
    Case(
        "rights",
        "an output file that may not be written",
        _locked(
            lambda w: w.embed(output=w.folder / "locked" / "z.npz") if not (w.folder / "locked").mkdir() else [],
            "locked",
            0o555,
        ),
        "permission denied",
        status=1,
        around=as_nobody,
    ),
    Case(
        "full disk", "no space for the embeddings", lambda w: w.embed(), "file too large", status=1, around=small_files
    ),
    Case(
        "full disk",
        "no space for the weights",
        lambda w: w.train(),
        "file too large",
        status=1,
        around=small_files,
        leaves=WHOLE,
    ),
    Case(
        "full disk", "no space at all", lambda w: w.train(), "no space left", status=1, around=full_disk, leaves="out"
    ),
    Case(
        "full disk",
        "no space for the evaluation",
        lambda w: ["evaluate", str(w.run())],
        "no space left",
        status=1,
        around=full_disk,
    ),
    Case("full disk", "standard output", lambda w: ["list"], "Standard output", status=1, process="> /dev/full"),
    Case(
        "full disk",
        "standard output of --help",
        lambda w: ["doctor", "--help"],
        "Standard output",
        status=1,
        process="> /dev/full",
    ),
    Case("names", "data with a line break", _named(b"a\nb.npz"), "data"),
    Case("names", "data that are no UTF-8", _named(b"\xff\xfe.npz"), "UTF-8"),
    Case("names", "data that clear the screen", _named(b"\x1b[2J.npz"), "data"),
    Case("names", "data that look like a flag", lambda w: w.train(data="--help=.npz"), "--help"),
    Case("names", "an output with a line break", lambda w: w.train(output="a\nb"), "--output"),
    Case("names", "an output that is no UTF-8", lambda w: w.train(output="a\udcff"), "--output"),
    Case("names", "an output with a null character", lambda w: w.train(output="a\0b"), "--output"),
    Case("names", "an output that is too long", lambda w: w.train(output="x" * 5000), "too long"),
    Case("names", "an output of a thousand folders", lambda w: w.train(output="x/" * 3000), "too long"),
    Case("names", "an output below a file", lambda w: w.train(output=w.npz / "out"), "not a directory"),
    Case("names", "an output that is a file", _file_as_folder, "is a file"),
    Case("names", "the folder of a seed that is a file", _seed_as_file, "in the way"),
    Case("names", "an output in /proc", lambda w: w.train(output="/proc/coral"), "cannot be written"),
    Case(
        "names",
        "embeddings to a folder",
        lambda w: w.embed(output=w.folder / "d.npz") if not (w.folder / "d.npz").mkdir() else [],
        "is a folder",
    ),
    Case("names", "embeddings with a null character", lambda w: w.embed(output="a\0.npz"), "--output"),
    Case("names", "embeddings of data with a null character", lambda w: w.embed(data="a\0b"), "cannot be read"),
    Case(
        "processes",
        "an argument that is no UTF-8",
        lambda w: ["train", "--dataset", "arrays", "--data", "\udcff.npz"],
        "UTF-8",
        process="",
    ),
    Case(
        "processes",
        "a terminal without arrows",
        lambda w: ["evaluate", str(w.template), "--data", str(w.npz)],
        "",
        status=0,
        process="",
        around=ascii_only,
    ),
]
