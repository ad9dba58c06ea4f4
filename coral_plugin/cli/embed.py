"""``coral embed``: representations of new data from a trained run."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from coral_plugin.cli.parser import CommandParser

Arrays = dict[str, np.ndarray]


def main(argv: list[str]) -> int:
    """Run ``coral embed``; returns the exit status."""
    parser = CommandParser(
        prog="coral embed",
        description="Write the representation of every sample of an .npz to another .npz: one array a part, and 'all'.",
        epilog="The input holds one array a modality under its name, or <split>/<modality> as for coral train; "
        "then the output's keys are <split>/<part>. Nothing is augmented or masked.",
    )
    parser.add_argument("run", metavar="RUN_DIR", help="directory that coral train wrote")
    parser.add_argument("--data", required=True, metavar="FILE.npz", help="arrays to embed")
    parser.add_argument("--output", required=True, metavar="FILE.npz", help="where to write the representations")
    parser.add_argument("--seed", type=int, help="which trained seed (the first finished one by default)")
    arguments = parser.parse_args(argv)
    return embed(arguments)


def embed(arguments: argparse.Namespace) -> int:
    """Embed as the parsed ``arguments`` say."""
    from coral_plugin.data import as_split
    from coral_plugin.evaluation.features import ALL, concatenate, embed_split
    from coral_plugin.experiments.folder import load_objective, modalities_of, open_run
    from coral_plugin.files import read_npz, write_npz

    folder = Path(arguments.run)
    _, record = open_run(folder)
    modalities = modalities_of(record)
    arrays = read_npz(Path(arguments.data))
    objective = load_objective(folder, arguments.seed)
    written: dict[str, np.ndarray] = {}
    for prefix, group in by_split(arrays, [m.name for m in modalities]).items():
        parts = embed_split(
            objective, as_split(group, modalities, f"{arguments.data}{': ' + prefix if prefix else ''}")
        )
        written |= {f"{prefix}{name}": part for name, part in {**parts, ALL: concatenate(parts)}.items()}
    write_npz(Path(arguments.output), written)
    for name, part in written.items():
        print(f"{name}  {part.shape[0]} x {part.shape[1]}")
    return 0


def by_split(arrays: Arrays, names: list[str]) -> dict[str, Arrays]:
    """Arrays of each split by modality, ``{"train/": {...}}``; ``{"": arrays}`` where keys are plain modalities."""
    if any(name in arrays for name in names):
        return {"": arrays}
    groups: dict[str, Arrays] = {}
    for key, value in arrays.items():
        split, slash, rest = key.partition("/")
        if slash and split in ("train", "valid", "test") and rest != "labels":
            groups.setdefault(f"{split}/", {})[rest] = value
    return groups or {"": arrays}
