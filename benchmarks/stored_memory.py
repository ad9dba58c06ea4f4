"""Peak resident memory of a training on samples that stay on disk.

    python benchmarks/stored_memory.py --samples 1000000 --output benchmarks/records/stored_memory.json

Two tables without labels are written as memory-mapped ``.npy`` files (4,160 bytes per sample), then ``coral train``
trains one epoch on them in a process of its own. ``--labels`` adds labels and a test split: the probe then holds the
embeddings of all samples in memory.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from coral_plugin.io.files import write_json
from coral_plugin.runs.environment import environment

WIDTHS = {"sensor": 1024, "meta": 16}
SETTINGS = ("network.width=32", "network.head_hidden=64", "network.head_output=32", "training.batch_size=256")


def write_samples(folder: Path, samples: int, labels: bool) -> None:
    """Write train, and with labels a small test split."""
    generator = np.random.default_rng(0)
    for split, count in (("train", samples), *((("test", 2000),) if labels else ())):
        (folder / split).mkdir()
        classes = generator.integers(0, 4, count)
        if labels:
            np.save(folder / split / "labels.npy", classes)
        for name, width in WIDTHS.items():
            array = np.lib.format.open_memmap(folder / split / f"{name}.npy", "w+", np.float32, (count, width))
            for start in range(0, count, 10_000):
                rows = classes[start : start + 10_000]
                array[start : start + 10_000] = generator.standard_normal((len(rows), width)) + 0.1 * rows[:, None]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=1_000_000)
    parser.add_argument("--labels", action="store_true")
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="coral-stored-") as name:
        data, run = Path(name) / "data", Path(name) / "run"
        data.mkdir()
        # in a process of its own: the peak of whoever starts another process counts as that of the other one
        writer = get_context("spawn").Process(target=write_samples, args=(data, arguments.samples, arguments.labels))
        writer.start()
        writer.join()
        size = sum(file.stat().st_size for file in (data / "train").iterdir())
        command = ["train", "--dataset", "arrays", "--data", str(data), "--epochs", "1", "--output", str(run)]
        command += [word for setting in SETTINGS for word in ("--set", setting)]
        began = time.monotonic()
        process = subprocess.Popen([sys.executable, "-m", "coral_plugin", *command])  # noqa: S603 - our own command
        _, status, usage = os.wait4(process.pid, 0)
        if code := os.waitstatus_to_exitcode(status):
            sys.exit(f"coral train ended with status {code}")
    record = {
        "samples": arguments.samples,
        "labels": arguments.labels,
        "bytes_on_disk": size,
        "seconds": round(time.monotonic() - began, 1),
        "peak_resident_bytes": usage.ru_maxrss * 1024,
        "settings": list(SETTINGS),
        "environment": environment(),
    }
    print({key: value for key, value in record.items() if key != "environment"})
    if arguments.output:
        write_json(arguments.output, record)


if __name__ == "__main__":
    main()
