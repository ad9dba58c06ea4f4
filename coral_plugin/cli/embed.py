"""``coral embed``: representations of new data from a trained run."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import numpy as np

from coral_plugin.cli.flags import CommandParser
from coral_plugin.errors import InputError, short
from coral_plugin.io.paths import is_path

Arrays = dict[str, np.ndarray]


def main(argv: list[str]) -> int:
    """Run ``coral embed``; returns the exit status."""
    parser = CommandParser(
        prog="coral embed",
        description="Write the representations of the samples of one .npz to another: one array per part, and 'all'.",
        examples=("coral embed runs/coral-mine --data new.npz --output embeddings.npz",),
        epilog="The input holds one array per modality under its name, or <split>/<modality> as for coral train; "
        "then the output's keys are <split>/<part>. Nothing is augmented or masked. Modalities may be left out, or "
        "flagged by <modality>/present (N,): present modalities are embedded, parts of a missing modality alone "
        "are zero, and <modality>/present in the output says which samples had it.",
    )
    parser.add_argument("run", metavar="RUN_DIR", help="Run directory of coral train")
    parser.add_argument("--data", required=True, metavar="FILE.npz", help="File with the arrays to embed")
    parser.add_argument("--output", required=True, metavar="FILE.npz", help="File for the representations")
    parser.add_argument("--seed", type=int, help="Trained seed; the first finished one by default")
    arguments = parser.parse_args(argv)
    if not arguments.output.endswith(".npz") or not is_path(arguments.output):
        raise InputError(f"--output must be the name of an .npz file, got {short(arguments.output)}.")
    exists = os.path.exists(arguments.data)  # noqa: PTH110 - False, not an error, for what no path can be
    if exists and os.path.realpath(arguments.output) == os.path.realpath(arguments.data):
        raise InputError(f"--output {arguments.output} is the input; give another name.")
    return embed(arguments)


def embed(arguments: argparse.Namespace) -> int:
    """Write the representations for the parsed ``arguments``."""
    from coral_plugin.data.arrays import as_split
    from coral_plugin.data.scale import far_values
    from coral_plugin.data.split_arrays import PRESENT
    from coral_plugin.evaluation.features import ALL, concatenate, embed_split
    from coral_plugin.evaluation.missing import presence_note, unread_note
    from coral_plugin.io.npz import read_npz, write_npz
    from coral_plugin.runs.folder import load_objective, modalities_of, open_run

    folder = Path(arguments.run)
    _, record = open_run(folder)
    modalities = modalities_of(record)
    arrays = read_npz(Path(arguments.data))
    objective = load_objective(folder, arguments.seed)
    written: dict[str, np.ndarray] = {}
    notes: list[str] = []
    for prefix, group in by_split(arrays, [m.name for m in modalities]).items():
        split = as_split(group, modalities, f"{arguments.data}{': ' + prefix if prefix else ''}")
        missing = presence_note(split)
        lines = [*([missing + unread_note(group, modalities)] if missing else []), *far_values(split, modalities)]
        notes += [f"{prefix and prefix.rstrip('/') + ': '}{line}\n" for line in lines]
        parts = embed_split(objective, split)
        written |= {f"{prefix}{name}": part for name, part in {**parts, ALL: concatenate(parts)}.items()}
        written |= {f"{prefix}{name}/{PRESENT}": present.numpy() for name, present in split.presence().items()}
    write_npz(Path(arguments.output), written)
    sys.stderr.writelines(notes)
    for name, part in written.items():
        print(f"{name}  {' x '.join(map(str, part.shape))}")
    print(f"written: {arguments.output}")
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
