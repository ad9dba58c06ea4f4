"""Fuzzes the readers: mutants of valid files and flags, of which nothing but our own errors may escape.

    python benchmarks/fuzz.py --seconds 60 --seed 1 --output benchmarks/records/fuzz.json

Every target gets an equal share of the time. What escapes is kept, one input for each kind and place of error, and ends
the program with status 1; a call of more than 10 seconds counts as a hang.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import time
import traceback
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

import torch  # noqa: E402

from coral_plugin.io.files import write_json  # noqa: E402
from coral_plugin.runs.environment import environment  # noqa: E402
from tests.hostile.mutate import mutant  # noqa: E402
from tests.hostile.targets import TARGETS, Target, clean  # noqa: E402

HANG_SECONDS = 10


class Hung(BaseException):
    """A call took too long."""


def fuzz(target: Target, seconds: float, seed: int, keep: Path | None = None) -> dict[str, Any]:
    """Mutants of one target for ``seconds`` of this process's time."""
    rng = random.Random(f"{seed} {target.name}")  # noqa: S311
    answers: Counter[str] = Counter()
    escaped: dict[str, dict[str, Any]] = {}
    slowest, count, started = 0.0, 0, time.process_time()
    while time.process_time() - started < seconds:
        content = mutant(target.corpus, target.words, rng)
        before = time.process_time()
        signal.setitimer(signal.ITIMER_PROF, HANG_SECONDS)
        try:
            answers[target(content)] += 1
        except (KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as error:
            frame = traceback.extract_tb(error.__traceback__)[-1]
            ours = [f for f in traceback.extract_tb(error.__traceback__) if "coral_plugin" in f.filename][-1:]
            place = (
                f"{type(error).__name__} at {Path(frame.filename).name}:{frame.lineno}, from {ours and ours[0].name}"
            )
            answers["ESCAPED"] += 1
            if place not in escaped:
                escaped[place] = {"error": str(error)[:300], "input": repr(content[:300]), "count": 0}
                if keep is not None:
                    keep.mkdir(parents=True, exist_ok=True)
                    (keep / f"{target.name}-{len(escaped)}").write_bytes(content)
            escaped[place]["count"] += 1
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
        slowest = max(slowest, time.process_time() - before)
        count += 1
    return {
        "executions": count,
        "answers": dict(answers.most_common()),
        "slowest_seconds": round(slowest, 3),
        "escaped": escaped,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60, help="of processor time, over all targets")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--targets", default=",".join(TARGETS), help="some of them, with commas")
    parser.add_argument("--output", type=Path, help="the record, JSON")
    parser.add_argument("--keep", type=Path, help="folder for the inputs of what escapes")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("error")  # a warning would be a line beside the one

    def late(*_: object) -> None:
        raise Hung(f"no answer after {HANG_SECONDS} s")

    signal.signal(signal.SIGPROF, late)
    names = arguments.targets.split(",")
    records = {}
    try:
        for name in names:
            records[name] = fuzz(TARGETS[name], arguments.seconds / len(names), arguments.seed, arguments.keep)
            print(f"{name}: {records[name]['executions']} executions, {records[name]['answers']}", flush=True)
            for place, what in records[name]["escaped"].items():
                print(f"  ! {place} x {what['count']}: {what['error']}\n    {what['input'][:200]}", flush=True)
    finally:
        clean()
    record = {
        "seed": arguments.seed,
        "seconds": arguments.seconds,
        "executions": sum(record["executions"] for record in records.values()),
        "escaped": sum(len(record["escaped"]) for record in records.values()),
        "superuser": os.geteuid() == 0,
        "environment": environment(),
        "targets": records,
    }
    print(f"{record['executions']} executions, {record['escaped']} kinds of escape")
    if arguments.output:
        write_json(arguments.output, record)
    return 1 if record["escaped"] else 0


if __name__ == "__main__":
    sys.exit(main())
