"""Runs every example script of MultiBench under several objectives, and writes what came of it.

    MULTIBENCH_ROOT=MultiBench python benchmarks/multibench_scripts.py --output results/multibench

Each run is ``coral run SCRIPT --objective NAME`` in a process of its own, on small data in the true formats: the real
``../shared/data`` for MOSI and AV-MNIST, written ones for the rest. The same command goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from multibench_plan import ROOT, Plan, plan_of, scripts_of, trainer_of, write_data

from coral_plugin.io.files import write_json, write_text
from coral_plugin.multibench.checkout import find_checkout
from coral_plugin.runs.environment import commit, environment

OBJECTIVES = ("supervised", "coral", "comm")
_FIGURES = ("acc:", "mse:", "f1_micro:", "AUPRC:", "relative robustness", "effective robustness")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=ROOT / "results" / "multibench", help="where the record goes")
    parser.add_argument("--work", type=Path, default=ROOT / "runs" / "multibench", help="data and run directories")
    parser.add_argument("--objectives", default=",".join(OBJECTIVES))
    parser.add_argument("--only", default="", help="scripts whose path holds this")
    parser.add_argument("--again", action="store_true", help="run what is recorded already")
    parser.add_argument("--failed", action="store_true", help="run what is recorded and did not end")
    parser.add_argument("--seconds", type=int, default=900, help="time limit of one run")
    arguments = parser.parse_args()
    checkout = find_checkout()
    work = arguments.work.absolute()
    write_data(work / "data")
    file = arguments.output / "scripts.json"
    rows: dict[str, dict[str, Any]] = json.loads(file.read_text())["rows"] if file.exists() else {}
    for script in [script for script in scripts_of(checkout.root) if arguments.only in script]:
        for objective in arguments.objectives.split(","):
            key = f"{script} {objective}"
            if key in rows and not arguments.again and not (arguments.failed and rows[key]["outcome"] != "ends"):
                continue
            rows[key] = {
                "script": script,
                "trainer": trainer_of(checkout.root / "examples" / script),
                "objective": objective,
                "commit": commit(),
                **one(script, objective, plan_of(script), work, arguments.seconds),
            }
            print(
                f"{key:60} {rows[key]['outcome']:8} {rows[key]['seconds']:6.0f} s  {rows[key]['reason'][:120]}",
                flush=True,
            )
            rows = {key: rows[key] for key in sorted(rows)}
            record = {"schema": 1, "multibench": checkout.commit, "environment": environment(), "rows": rows}
            write_json(file, record)
            write_text(arguments.output / "scripts.md", table(list(rows.values()), checkout.commit))
    return 0


def one(script: str, objective: str, plan: Plan, work: Path, seconds: int) -> dict[str, Any]:
    """Run a script; returns its outcome, the reason, what MultiBench's ``test`` printed, and the command."""
    folder = work / "runs" / f"{script.replace('/', '-').removesuffix('.py')}-{objective}"
    shutil.rmtree(folder, ignore_errors=True)
    command = ["coral", "run", f"examples/{script}", *plan.arguments, "--objective", objective]
    command += ["--epochs", str(plan.epochs), "--limit", str(plan.limit)]
    if plan.data:
        command += ["--data", str(work / "data" / plan.data)]
    full = [sys.executable, "-m", "coral_plugin.cli.main", *command[1:], "--output", str(folder)]
    started = time.monotonic()
    process = subprocess.Popen(  # noqa: S603
        full,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        cwd=work,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        start_new_session=True,
    )
    try:
        out, err = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        out, err = process.communicate()
    spent = time.monotonic() - started
    late = process.returncode == -signal.SIGKILL
    messages = [line.removeprefix("coral: ") for line in err.splitlines() if line.startswith("coral: ")]
    outcome = "late" if late else {0: "ends", 2: "refused"}.get(process.returncode, "fails")
    why = (
        ""
        if outcome == "ends"
        else f"not over after {seconds} s"
        if late
        else (messages or err.splitlines() or [""])[-1]
    )
    shown = [" ".join(line.split()) for line in out.splitlines() if any(figure in line for figure in _FIGURES)]
    shutil.rmtree(folder, ignore_errors=True)
    return {
        "outcome": outcome,
        "reason": why.replace(str(work), "WORK"),
        "status": process.returncode,
        "seconds": round(spent, 1),
        "tested": [line for line in shown if not line.startswith("Epoch")][:4],
        "command": " ".join(command).replace(str(work), "WORK"),
    }


def table(rows: list[dict[str, Any]], commit: str | None) -> str:
    """The outcome of every script by objective, as Markdown."""
    objectives = sorted({row["objective"] for row in rows}, key=lambda name: (*OBJECTIVES, name).index(name))
    counts = {o: sum(r["outcome"] == "ends" for r in rows if r["objective"] == o) for o in objectives}
    ends = ", ".join(f"{count} under {objective}" for objective, count in counts.items())
    scripts = {row["script"]: {r["objective"]: r for r in rows if r["script"] == row["script"]} for row in rows}
    lines = [
        f"# MultiBench's example scripts under `coral run`, MultiBench {(commit or 'without commit')[:8]}",
        "",
        "`MULTIBENCH_ROOT=MultiBench python benchmarks/multibench_scripts.py` wrote this; commands, figures and times",
        f"are in `scripts.json`. Of {len(scripts)} scripts end {ends}.",
        "",
        f"| script | trains with | {' | '.join(objectives)} | why not |",
        f"|---|---|{'---|' * len(objectives)}---|",
    ]
    for script, by_objective in scripts.items():
        cells = [by_objective[o]["outcome"] if o in by_objective else "" for o in objectives]
        why: dict[str, list[str]] = {}
        for objective in (o for o in objectives if o in by_objective and by_objective[o]["reason"]):
            reason = by_objective[objective]["reason"].replace(f"--objective {objective}", "--objective NAME")
            why.setdefault(reason.replace(f"{objective} needs", "it needs").replace("|", "/"), []).append(objective)
        reasons = "; ".join(f"{', '.join(names)}: {reason}" for reason, names in why.items())
        trainer = next(iter(by_objective.values()))["trainer"]
        lines.append(f"| {script} | {trainer} | {' | '.join(cells)} | {reasons} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
