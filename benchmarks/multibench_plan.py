"""What every example script of MultiBench is run on in the survey: data in the true formats, arguments, sizes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
SHARED = Path(os.environ.get("CORAL_TEST_DATA") or ROOT.parent / "shared" / "data")  # as in tests/conftest.py
SYMBOLS = ("HSY", "MCD", "SBUX")
_ROWS = (1078, 181, 541)  # of MM-IMDb: train, valid and test in MultiBench's shares


@dataclass(frozen=True)
class Plan:
    """How one script is run.

    Attributes:
        data: Name below the folder of data; empty for none.
        arguments: Arguments of the script.
        limit: Largest number of samples per loader.
        epochs: Epochs of the training.
    """

    data: str
    arguments: tuple[str, ...] = ()
    limit: int = 128
    epochs: int = 1


# the first that matches a script's path below examples/
_PLANS: tuple[tuple[str, Plan], ...] = (
    ("affect/", Plan("mosi_sequence.pkl", limit=64)),
    ("finance/", Plan("stocks", ("--input-stocks", " ".join(SYMBOLS), "--target-stock", "MCD"), 16)),
    ("gentle_push/", Plan("push", limit=16)),
    ("hci/enrico_cca", Plan("enrico", limit=24, epochs=2)),  # more samples than the 16 dimensions that it correlates
    # it sets a twelfth aside, and fails on a batch of one
    ("hci/enrico_gradient_blend", Plan("enrico", limit=32, epochs=3)),
    ("hci/enrico_simple_late", Plan("enrico", limit=8)),  # two networks of VGG: minutes for a few pictures
    ("hci/", Plan("enrico", limit=16, epochs=3)),
    ("healthcare/mimic_architecture", Plan("im.pk", limit=100)),
    ("healthcare/", Plan("im.pk", limit=200, epochs=2)),
    ("multimedia/avmnist_architecture", Plan("avmnist", limit=64)),
    ("multimedia/avmnist_cca", Plan("avmnist", limit=200)),
    ("multimedia/avmnist", Plan("avmnist", limit=80, epochs=2)),
    ("multimedia/kinetics", Plan("", ("kinetics",))),
    ("multimedia/mmimdb_cca", Plan("multimodal_imdb.hdf5", limit=1078)),  # of 256 dimensions
    ("multimedia/mmimdb", Plan("multimodal_imdb.hdf5", limit=96, epochs=5)),
    ("robotics/", Plan("triangle_real_data", limit=64)),
)


def plan_of(script: str) -> Plan:
    """The plan of a script, given by its path below ``examples/``."""
    return next(plan for start, plan in _PLANS if script.startswith(start))


def scripts_of(checkout: Path) -> list[str]:
    """Every example script by its path below ``examples/``; helpers that are imported by others are none."""
    scripts = [path.relative_to(checkout / "examples") for path in sorted((checkout / "examples").glob("*/*.py"))]
    return [str(path) for path in scripts if path.name not in ("__init__.py", "robotics_utils.py")]


def trainer_of(script: Path) -> str:
    """The training structure whose ``train`` a script imports."""
    match = re.search(r"from \.?training_structures\.(\w+) import", script.read_text())
    return match[1] if match else "-"


def write_data(folder: Path) -> None:
    """Small data for every plan below ``folder``: real where we have it, written in the true formats where not."""
    folder.mkdir(parents=True, exist_ok=True)
    sys.path.insert(0, str(ROOT / "tests" / "adapters"))
    from formats import enrico, imdb, mimic, push, robotics, save, stocks

    if not (link := folder / "mosi_sequence.pkl").exists():
        link.symlink_to(SHARED / "mosi" / "mosi_sequence.pkl")
    bank = SHARED / "avmnist_mini"
    writers = {
        "avmnist": lambda path: subprocess.run(  # noqa: S603
            [sys.executable, bank / "make_folder.py", bank / "avmnist_mini.npz", path, "rec"], check=True
        ),
        "enrico": lambda path: enrico(path, 200, topics=4),  # a model of a few steps gets some of four right
        "im.pk": lambda path: save(path, mimic(1000), protocol=2),
        "multimodal_imdb.hdf5": lambda path: imdb(path, _ROWS, image=None, vgg=4096),
        "push": lambda path: push(path, (20, 4, 4), steps=120),
        "stocks": lambda path: stocks(path, SYMBOLS, days=4400),
        "triangle_real_data": lambda path: robotics(path, 10, 4),
    }
    for name, make in writers.items():
        if not (folder / name).exists():
            make(folder / name)
