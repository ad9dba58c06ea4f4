"""All formats under one folder: ``python -m formats.everything FOLDER [tiny|multibench]``, from ``tests/adapters``."""

import sys
from pathlib import Path

import numpy as np

from . import affect, avmnist, bank, enrico, imdb, mimic, push, robotics, save, sequences, stocks
from .imdb_hdf5 import RELEASED, raw

_MOSI, _MOSI_RAW, _HUMOR = (
    {"vision": v, "audio": a, "text": 300} for v, a in ((20, 5), (35, 74), (371, 81))
)  # as they were released
# of the commands in MultiBench's README
_SYMBOLS = (
    "MCD", "SBUX", "HSY", "HRL", "AAPL", "MSFT", "AMZN", "INTC", "AMD", "MSI", "MRK", "WST", "CVS", "MCK", "ABT", "UNH",
    "TFX",
)  # fmt: skip


def write_all(folder, scale="tiny"):
    """Write every format below ``folder``; returns ``{name: path}``.

    Args:
        scale: ``tiny``, or ``multibench``: feature sizes, image sizes and numbers of rows with which MultiBench's own
            loaders and example scripts work (AV-MNIST and MM-IMDb have rows that are zero: holes in the file).
    """
    folder.mkdir(parents=True, exist_ok=True)
    big = scale == "multibench"
    counts, steps = ((96, 48, 48), 50) if big else ((12, 6, 6), 7)
    made = {}
    for name, sizes, layout, scores in (
        ("mosi_data", _MOSI, "arrays", (-2.0, -0.6, 0.0, 0.4, 3.0)),
        ("mosi_raw", _MOSI_RAW, "arrays", (-2.0, -0.6, 0.0, 0.4, 3.0)),
        ("humor", _HUMOR, "arrays", (0.0, 1.0)),
        ("sarcasm", _HUMOR, "arrays", (-1.0, 1.0)),
        ("humor_lists", _HUMOR, "lists", (0.0, 1.0)),  # the other layout, which MultiBench's loader does not take
    ):
        made[name] = save(folder / f"{name}.pkl", affect(counts, steps, sizes, layout=layout, scores=scores))
    made["mimic"] = save(folder / "im.pk", mimic(400 if big else 60), protocol=2)
    made["avmnist"] = avmnist(folder / "avmnist", *((60_000, 10_000) if big else (40, 10)), audio=np.float16,
                              written=400 if big else None)  # fmt: skip
    made["avmnist_mini"] = bank(folder / "avmnist_mini.npz")
    posters = {"image": (256, 160), "vgg": 4096, "written": 256} if big else {}
    made["imdb"] = imdb(folder / "multimodal_imdb.hdf5", RELEASED if big else (24, 8, 8), **posters)
    made["imdb_raw"] = raw(folder / "mmimdb")
    made["enrico"] = enrico(folder / "enrico", 200 if big else 60)
    made["push"] = push(folder / "push", (20, 4, 4) if big else (6, 2, 3), steps=120 if big else 40)
    made["robotics"] = robotics(folder / "triangle_real_data", *((10, 4) if big else (6, 2)), side=128 if big else 32)
    made["stocks"] = stocks(folder / "stocks", (*_SYMBOLS,) if big else ("HRL", "HSY", "MCD", "SBUX"),
                            days=4400 if big else 400)  # fmt: skip
    made["mmsdk"] = sequences(folder / "csd")[0]
    return made


if __name__ == "__main__":
    for name, path in write_all(Path(sys.argv[1]), *sys.argv[2:]).items():
        sys.stdout.write(f"{name}: {path}\n")
