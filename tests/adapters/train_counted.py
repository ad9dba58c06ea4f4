"""``torchrun train_counted.py FOLDER STEP ARGUMENTS``: ``coral ARGUMENTS``, with notes in ``FOLDER`` on what it reads.

Each training step leaves a line for each process and modality: its number and the rows. The process of rank 1 is killed
before ``STEP``, unless torchrun has restarted it; -1 kills none.
"""

import os
import signal
import sys
from pathlib import Path

from coral_plugin.cli.main import main
from coral_plugin.data.stored import StoredValues
from coral_plugin.training.loader import BatchLoader

batch, read = BatchLoader.batch, StoredValues.__getitem__
now = []  # the step whose batch is being taken


def counted_batch(loader, step):
    if (loader.rank, step, os.environ["TORCHELASTIC_RESTART_COUNT"]) == (1, int(sys.argv[2]), "0"):
        os.kill(os.getpid(), signal.SIGKILL)
    now.append(step)
    try:
        return batch(loader, step)
    finally:
        now.pop()


def counted_read(values, rows):
    if now:
        name = "start-{TORCHELASTIC_RESTART_COUNT}-rank-{RANK}.txt".format_map(os.environ)
        with Path(sys.argv[1], name).open("a") as file:
            print(now[0], *rows.tolist(), file=file)
    return read(values, rows)


if __name__ == "__main__":
    BatchLoader.batch, StoredValues.__getitem__ = counted_batch, counted_read
    sys.exit(main(sys.argv[3:]))
