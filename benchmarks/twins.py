"""Three training steps of the authors' classes and of ours, from the same weights, views and masks: what differs.

    python benchmarks/twins.py --reference ../ref/COrAL ../ref/CoMM ../ref/InfMasking ../ref/FactorCL

``--reference`` takes checkouts (or bare repositories) of github.com/Caro-Ci/COrAL, Duplums/CoMM, brightest66/InfMasking
and pliang279/FactorCL, at least one; FactorCL needs CoMM's as well, for its encoders. They need einops, hydra-core,
omegaconf, timm, tensorboard and torchvision. Nothing of them is kept.

float64, no dropout; weights, values and masks come from formulas (``twins_ours.numbers``). Each row has its process.
``results/twins/`` gets the differences (``twins.json``), a table (``README.md``) and the authors' numbers on tiny
shapes (``golden.json``), to which ``tests/objectives/test_twins.py`` holds our code. ``--only TEXT`` measures the rows
that have the text in their name, and keeps the others of the record.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

from speed_reference import MARKS, checked_out, make_importable
from twins_rows import GOLDEN, ROWS, Row
from twins_table import page

from coral_plugin.io.files import write_json, write_text
from coral_plugin.runs.environment import environment

HERE = Path(__file__).parent
PACKAGES = {"coral": "modules"}  # of their encoders; "models" elsewhere


def measure(row: Row, roots: dict[str, Path]) -> dict[str, Any]:
    """One row in this process: its differences and, on a tiny shape, the authors' numbers."""
    import torch

    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    make_importable(roots[row.reference])
    if row.reference == "factorcl":
        sys.path.append(str(roots["comm"]))
    if row.part:
        import twins_parts

        return {"differences": getattr(twins_parts, row.part)()}
    from twins_authors import authors
    from twins_compare import take_steps
    from twins_ours import Ours

    ours = Ours(row.method, row.shape, declared=row.declared)
    differences, golden = take_steps(
        ours, authors(ours, PACKAGES.get(row.reference, "models"), alternate=row.alternate)
    )
    result: dict[str, Any] = {"differences": differences, "preset": ours.settings.preset}
    return result | ({"golden": golden} if row.name in GOLDEN else {})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reference", type=Path, nargs="+", required=True, metavar="DIR")
    parser.add_argument("--output", type=Path, default=HERE.parent / "results" / "twins")
    parser.add_argument("--only", default="", metavar="TEXT", help="rows that have this in their name")
    parser.add_argument("--row", help=argparse.SUPPRESS)  # the process of one row
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        marks = MARKS | {"factorcl": "multibench_model.py"}
        checkouts = dict(checked_out(path, Path(scratch), marks) for path in options.reference)
        roots = {name: root for name, (root, _) in checkouts.items()}
        if options.row:
            row = next(row for row in ROWS if row.name == options.row)
            print("\n" + json.dumps(measure(row, roots)))
            return
        record_file, golden_file = options.output / "twins.json", options.output / "golden.json"
        record = json.loads(record_file.read_text()) if record_file.is_file() else {"rows": {}}
        golden = json.loads(golden_file.read_text()) if golden_file.is_file() else {}
        references = [str(root) for root in roots.values()]
        machine = environment()  # before the first row changes the record, and with it the state of the checkout
        for row in ROWS:
            if options.only not in row.name or not row.needs <= roots.keys():
                continue
            print(row.name, flush=True)
            call = [sys.executable, __file__, "--row", row.name, "--reference", *references]
            ran = subprocess.run(call, capture_output=True, text=True, env=dict(os.environ), check=False)  # noqa: S603
            if ran.returncode:
                sys.exit(f"{row.name} failed:\n{ran.stderr[-3000:]}")
            measured = json.loads(ran.stdout.splitlines()[-1])
            if "golden" in measured:
                golden[row.name] = measured.pop("golden")
            record["rows"][row.name] = measured | {"commit": machine["commit"]}
            commits = {name: commit for name, (_, commit) in checkouts.items()}
            record["references"] = record.get("references", {}) | commits
            record["environment"] = machine
            write_json(record_file, record)
            write_json(golden_file, golden)
            write_text(options.output / "README.md", page(record))
    write_text(options.output / "README.md", page(record))


if __name__ == "__main__":
    main()
