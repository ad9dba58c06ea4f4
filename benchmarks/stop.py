"""Signals at any moment of a command: how long it takes to end, and whether it says how to go on.

    OMP_NUM_THREADS=1 python benchmarks/stop.py --signals 40 --output benchmarks/records/stop.json

``coral train`` (two seeds, small networks) is started as a process of its own and gets SIGTERM or SIGINT at a random
moment in each phase of its life in turn, start-up, probing and pictures included. It must end with the status of the
signal, with one line that says how to go on, and within two seconds; on a machine that others load, of the processor's
time. Where in the run the signal came is read from what the folder holds.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.chaos import tiny_file  # noqa: E402
from coral_plugin.io.files import write_json  # noqa: E402
from coral_plugin.runs.environment import environment  # noqa: E402

EPOCHS = 16
FLAGS = [
    "train", "--objective", "coral", "--dataset", "arrays", "--batch-size", "24", "--epochs", str(EPOCHS),
    "--seeds", "41,42",
    "--network.width=16", "--network.heads=2", "--network.head_hidden=16", "--network.head_output=8", "--device", "cpu",
    "--quiet",
]  # fmt: skip
ALLOWED = 2.0  # seconds
PHASES = ("start-up and data", "before the first epoch", "training", "probing", "between seeds", "pictures")


def phase(run: Path) -> str:
    """Where in its life a run is, from its folder."""
    if not (run / "config.yaml").exists():
        return "start-up and data"
    if (run / "metrics.json").exists():
        return "pictures"
    finished, begun = len(list(run.glob("*/result.json"))), len(list(run.glob("*/metrics.csv")))
    if begun == 0:
        return "before the first epoch"
    if begun == finished:
        return "between seeds"
    rows = max(run.glob("*/metrics.csv"), key=lambda path: path.stat().st_mtime_ns).read_text().count("\n") - 1
    return "probing" if rows >= EPOCHS else "training"


def start(argv: list[str], log: Path) -> subprocess.Popen[bytes]:
    """The command as a user would start it, its standard error in a file."""
    with log.open("wb") as file:
        command = [sys.executable, "-m", "coral_plugin.cli.main", *argv]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=file)  # noqa: S603


def cpu_seconds(pid: int) -> float:
    """Processor time that a process has used; on a machine that others use its wall time says little."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def one(argv: list[str], run: Path, wanted: str, seconds: float, number: signal.Signals) -> dict[str, Any]:
    """One command that gets a signal ``seconds`` after it has come to a phase, or passed it."""
    log = run.with_name("stderr")
    process = start([*argv, "--output", str(run)], log)
    while PHASES.index(phase(run)) < PHASES.index(wanted) and process.poll() is None:
        time.sleep(0.005)
    time.sleep(seconds)
    phase_name = phase(run)
    began, used = time.monotonic(), cpu_seconds(process.pid)
    os.kill(process.pid, number)  # which waits for nobody: one that is over is still there, to be asked below
    _, word, usage = os.wait4(process.pid, 0)
    process.returncode = status = os.waitstatus_to_exitcode(word)
    took = time.monotonic() - began
    worked = max(0.0, usage.ru_utime + usage.ru_stime - used)
    lines = log.read_text().splitlines()
    fine = status == 128 + number and len(lines) == 1 and lines[0].startswith("coral: stopped")
    fine = fine and "coral train" in lines[0]
    if status == 0:  # it was over already
        fine, phase_name = True, "over"
    return {
        "signal": number.name,
        "after_seconds": round(seconds, 3),
        "phase": phase_name,
        "seconds_to_end": round(took, 3),
        "processor_seconds_to_end": round(worked, 2),
        "status": status,
        "line": lines[-1].replace(str(run.parent), "FOLDER")[:300] if lines else "",
        "load": round(os.getloadavg()[0], 1),
        "fine": fine and (min(took, worked) <= ALLOWED or phase_name == "over"),
    }


def _said(row: dict[str, Any]) -> str:
    times = f"{row['seconds_to_end']:.2f} s ({row['processor_seconds_to_end']} of the processor)"
    head = f"{'fine ' if row['fine'] else 'WRONG'} {row['signal']} {row['after_seconds']:.2f} s into {row['phase']}"
    return f"{head}: {times}, status {row['status']}: {row['line'][:110]}"


def summarise(rows: list[dict[str, Any]], seed: int) -> dict[str, Any]:
    """The record of these signals."""
    stopped = [row for row in rows if row["phase"] != "over"]
    phases: dict[str, list[float]] = defaultdict(list)
    for row in stopped:
        phases[row["phase"]].append(row["seconds_to_end"])
    return {
        "seed": seed,
        "signals": len(stopped),
        "wrong": sum(not row["fine"] for row in rows),
        "longest_processor_seconds": max((row["processor_seconds_to_end"] for row in stopped), default=None),
        "longest_seconds": max((row["seconds_to_end"] for row in stopped), default=None),
        "by_phase": {name: {"signals": len(times), "longest_seconds": max(times)} for name, times in phases.items()},
        "load": {"lowest": min(row["load"] for row in rows), "highest": max(row["load"] for row in rows)},
        "each": rows,
        "environment": environment(),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--signals", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, help="JSON record")
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)  # noqa: S311
    rows = []
    with tempfile.TemporaryDirectory(prefix="coral-stop-") as name:
        argv = [*FLAGS, "--data", str(tiny_file(Path(name)))]
        for count in range(arguments.signals):
            run = Path(name) / "run"
            wanted = PHASES[count % len(PHASES)]
            seconds = rng.uniform(0.15, 6) if wanted == PHASES[0] else rng.uniform(0, 0.5)
            rows.append(one(argv, run, wanted, seconds, rng.choice((signal.SIGTERM, signal.SIGINT))))
            shutil.rmtree(run, ignore_errors=True)
            row = rows[-1]
            print(_said(row), flush=True)
            record = summarise(rows, arguments.seed)
            if arguments.output:  # after each, so that little is lost where this is stopped
                write_json(arguments.output, record)
    wall, worked = record["longest_seconds"], record["longest_processor_seconds"]
    print(f"{record['signals']} signals, longest {wall} s ({worked} of the processor), {record['wrong']} wrong")
    return int(bool(record["wrong"]))


if __name__ == "__main__":
    sys.exit(main())
