"""Runs MultiBench's own tests on today's stack under our shims, and writes which pass.

    MULTIBENCH_ROOT=MultiBench python benchmarks/multibench_tests.py --output results/multibench

They run in a process of their own and in a folder that is thrown away: they write models and pictures where they stand.
Exit status 1 where fewer pass than ``--least``.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from coral_plugin.io.files import write_json  # noqa: E402
from coral_plugin.multibench import multibench  # noqa: E402
from coral_plugin.multibench.checkout import find_checkout  # noqa: E402
from coral_plugin.multibench.shims.catalogue import SCRIPT_SHIMS  # noqa: E402
from coral_plugin.runs.environment import environment  # noqa: E402

_INSIDE = "--inside"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=ROOT / "results" / "multibench", help="where tests.json goes")
    parser.add_argument("--least", type=int, default=74, help="tests that must pass")
    parser.add_argument("--bare", action="store_true", help="without our shims, to see what they bring")
    arguments = parser.parse_args()
    checkout = find_checkout()
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="multibench-tests-") as name:
        report = Path(name) / "report.xml"
        # what is relative to the checkout is read from there, what is written stays here
        command = [sys.executable, __file__, _INSIDE, str(checkout.root), str(report), str(arguments.bare)]
        process = subprocess.run(command, cwd=name, capture_output=True, text=True)  # noqa: S603
        if not report.exists():
            sys.stderr.write(process.stdout + process.stderr)
            return 1
        cases = read(report)
    passed = [case for case, why in cases.items() if not why]
    record = {
        "schema": 1,
        "multibench": checkout.commit,
        "command": "MULTIBENCH_ROOT=MultiBench python benchmarks/multibench_tests.py",
        "shims": not arguments.bare,
        "passed": len(passed),
        "tests": len(cases),
        "seconds": round(time.monotonic() - started, 1),
        "failures": {case: why for case, why in cases.items() if why},
        "environment": environment(),
    }
    if not arguments.bare:
        write_json(arguments.output / "tests.json", record)
    print(f"{len(passed)} of {len(cases)} pass in {record['seconds']:.0f} s")
    for case, why in record["failures"].items():
        print(f"  {case}: {why}")
    return 0 if len(passed) >= arguments.least else 1


def read(report: Path) -> dict[str, str]:
    """``{test: ""}``, or why it fails."""
    failures = {}
    for case in ElementTree.parse(report).getroot().iter("testcase"):  # noqa: S314 - pytest wrote it
        bad = next((entry for entry in case if entry.tag in ("failure", "error")), None)
        name = f"{case.get('classname', '').rpartition('.')[2]}::{case.get('name')}"
        failures[name] = "" if bad is None else (bad.get("message") or "failed").splitlines()[0][:300]
    return failures


def inside(root: str, report: str, bare: str) -> int:
    """Run the tests in this process; returns pytest's status."""
    import contextlib

    import pytest

    options = [f"{root}/tests", "-q", "-p", "no:cacheprovider", "--import-mode=importlib", f"--junit-xml={report}"]
    options += ["-c", "/dev/null", f"--rootdir={root}"]
    if bare == "True":
        sys.path.insert(0, root)
        sys.dont_write_bytecode = True
        context: contextlib.AbstractContextManager[object] = contextlib.nullcontext()
    else:
        context = multibench(root, also=SCRIPT_SHIMS)
    with context:
        return int(pytest.main(options))


if __name__ == "__main__":
    sys.exit(inside(*sys.argv[2:]) if sys.argv[1:2] == [_INSIDE] else main())
