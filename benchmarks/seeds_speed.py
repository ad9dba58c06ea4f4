"""Five seeds one after the other and side by side, against one seed: wall time of whole runs without probes.

    python benchmarks/seeds_speed.py --shape mosi --output benchmarks/records/seeds_speed.json

Runs come in the order one seed, all seeds one after the other, side by side, and again, so that a machine that others
load shows in the spread. Each run is a process of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import torch
from speed_shapes import SHAPES, data_of, settings_of

from coral_plugin.io.files import write_json
from coral_plugin.runs.environment import environment
from coral_plugin.runs.run import run
from coral_plugin.training.side_by_side import divide


def seconds(shape: str, seeds: int, epochs: int, workers: int, samples: int | None) -> float:
    """Wall time of a run of so many seeds."""
    settings = settings_of(shape, "coral", {"training.epochs": epochs, "training.device": "cpu"})
    settings = replace(settings, seeds=tuple(range(41, 41 + seeds)))
    data = data_of(shape, settings)
    if samples is not None:
        data = replace(data, train=data.train.subset(torch.arange(samples)))
    began = time.perf_counter()
    run(settings, data=data, quiet=True, workers=workers)
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", choices=list(SHAPES), default="mosi")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--samples", type=int, help="first samples of the training split; all by default")
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--output", type=Path, help="JSON record")
    parser.add_argument("--one", nargs=2, type=int, metavar=("SEEDS", "WORKERS"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        count, workers = arguments.one
        print(json.dumps(seconds(arguments.shape, count, arguments.epochs, workers, arguments.samples)))
        return
    threads = torch.get_num_threads()
    workers = divide(arguments.seeds, threads).count
    if workers == 1:
        parser.error("with one thread or one seed nothing is side by side; set OMP_NUM_THREADS or --seeds higher")
    ways = {"one seed": (1, 1), "one after the other": (arguments.seeds, 1), "side by side": (arguments.seeds, workers)}
    taken: dict[str, list[float]] = {name: [] for name in ways}
    loads = []
    for _ in range(arguments.repeats):
        for name, way in ways.items():
            command = [sys.executable, *sys.argv, "--one", *map(str, way)]
            loads.append(os.getloadavg()[0])
            output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout  # noqa: S603
            taken[name].append(json.loads(output.splitlines()[-1]))
            print(f"{name:<20} {taken[name][-1]:7.1f} s (load {loads[-1]:.1f})", flush=True)
    medians = {name: statistics.median(values) for name, values in taken.items()}
    one, serial, parallel = medians.values()
    print(
        f"{arguments.seeds} seeds, {workers} at a time: {parallel / serial:.2f} of the time one after the other, "
        f"{parallel / one:.2f} times one seed with {threads} threads"
    )
    if arguments.output:
        facts = {"shape": arguments.shape, "seeds": arguments.seeds, "epochs": arguments.epochs, "workers": workers}
        record = {"environment": environment(), **facts, "seconds": taken, "load_before": loads}
        write_json(arguments.output, record)


if __name__ == "__main__":
    main()
