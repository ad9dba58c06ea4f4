"""One of several processes of a training: ``python -m coral_plugin.training.worker FOLDER RANK COUNT``.

They train one model together, or each trains another one (:mod:`coral_plugin.training.side_by_side`).
"""

from __future__ import annotations

import json
import os
import pickle
import sys
import threading
from pathlib import Path

import torch
import torch.distributed as dist

from coral_plugin.training.jobs import JOB, failure_path, register, task_path
from coral_plugin.training.processes import join
from coral_plugin.training.signals import Interrupted, stoppable


def main() -> int:
    """Run the job of the folder; returns the exit status."""
    folder, rank, count = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        # written by the process that started this one, into a folder that nobody else may write to
        with (folder / JOB).open("rb") as file:
            paths, threads, settings = pickle.load(file)  # noqa: S301
            sys.path[:] = paths
            torch.set_num_threads(threads)
            with stoppable(None):
                if settings is not None:
                    join(folder, rank, count, settings)
                register(pickle.load(file))  # noqa: S301
                job = pickle.load(file)  # noqa: S301
                if settings is not None:
                    job()
                else:
                    pickle.loads(task_path(folder, rank).read_bytes())(job)  # noqa: S301
    except BaseException as error:  # the process that started this one reports it
        text = error.place if isinstance(error, Interrupted) else " ".join(str(error).split())
        failure_path(folder, rank).write_text(json.dumps({"type": type(error).__name__, "text": text}))
        return 1
    if settings is not None:
        dist.destroy_process_group()
    return 0


def _end_with_parent() -> None:
    """The pipe from the parent ends when the parent does, however it ends."""
    while os.read(0, 1):
        pass
    os._exit(1)


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # without waiting for communication threads of a group that lost a member
    os._exit(code)
