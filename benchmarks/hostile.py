"""Runs every kind of hostile input and writes what came of it.

    python benchmarks/hostile.py --output benchmarks/records/hostile.json

Exit status 1 if a kind is not answered by one clear line, the right exit status, and nothing half written.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from coral_plugin.io.files import write_json  # noqa: E402
from coral_plugin.runs.environment import environment  # noqa: E402
from tests.hostile.cases import CASES  # noqa: E402
from tests.hostile.runner import execute, faults, make_template, make_world  # noqa: E402


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, help="the record, JSON")
    parser.add_argument("--only", default="", help="cases whose name holds this")
    parser.add_argument("--verbose", action="store_true", help="print every line")
    arguments = parser.parse_args()
    rows, wrong, started = [], 0, time.monotonic()
    with tempfile.TemporaryDirectory(prefix="hostile-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        npz, run = make_template(folder)
        for case in [case for case in CASES if arguments.only in case.name]:
            with make_world(folder, npz, run) as world:
                outcome = execute(case, world)
                problems = faults(case, outcome)
                # the folder has another name each time
                line = outcome.err.strip().replace(str(world.folder), "FOLDER").replace(name, "PARENT")
            wrong += bool(problems)
            rows.append(
                {
                    "surface": case.surface,
                    "kind": case.kind,
                    "outcome": "WRONG" if problems else "one clear line",
                    "status": outcome.status,
                    "line": line[-1500:],
                    "seconds": round(outcome.seconds, 2),
                    **({"faults": problems} if problems else {}),
                    **({"left": outcome.changed} if outcome.changed else {}),
                    **({} if outcome.peak_mb is None else {"peak_mb": round(outcome.peak_mb, 1)}),
                }
            )
            if problems or arguments.verbose:
                print(f"{'WRONG' if problems else 'fine '} {case.name} ({outcome.seconds:.1f} s)\n      {line[-600:]}")
                for fault in problems:
                    print(f"      ! {fault[:300]}")
                sys.stdout.flush()
    seconds = time.monotonic() - started
    print(f"{len(rows)} kinds, {wrong} wrong, {seconds:.0f} s")
    if arguments.output:
        record = {
            "kinds": len(rows),
            "wrong": wrong,
            "statuses": dict(Counter(str(row["status"]) for row in rows)),
            "surfaces": dict(Counter(row["surface"] for row in rows)),
            "superuser": os.geteuid() == 0,
            "seconds": round(seconds, 1),
            "environment": environment(),
            "cases": rows,
        }
        write_json(arguments.output, record)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
