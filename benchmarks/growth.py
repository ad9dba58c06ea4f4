"""How time and memory grow with samples, modalities, length, batch and processes: points, fitted lines, a picture.

    python benchmarks/growth.py
    python benchmarks/growth.py --only batch,length --points "batch=64,128,256" --resume

Writes ``benchmarks/GROWTH.md``, ``benchmarks/records/growth.json`` and ``benchmarks/pictures/growth.*``. Every point is
a process of its own and is written at once; ``--resume`` keeps the points that the record has. About twelve minutes on
two idle cores, and up to 4 GiB of memory.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from growth_page import page
from growth_picture import draw
from growth_points import SERIES

from coral_plugin.io.files import read_json, write_json, write_text
from coral_plugin.machine import memory
from coral_plugin.runs.environment import environment

HERE = Path(__file__).parent
RECORD = "records/growth.json"


def measured(name: str, x: int) -> dict[str, float]:
    """A point, from a process of its own."""
    command = [sys.executable, str(HERE / "growth_points.py"), name, str(x)]
    shown = subprocess.run(command, capture_output=True, text=True)  # noqa: S603
    if shown.returncode:
        sys.exit(f"{name} at {x}: {(shown.stderr.strip().splitlines() or ['no message'])[-1]}")
    return json.loads(shown.stdout.splitlines()[-1])


def chosen_points(only: str, points: list[str], parser: argparse.ArgumentParser) -> dict[str, tuple[int, ...]]:
    """``{series: values}`` of the axes in ``only``, with the values that ``points`` give in place of the defaults."""
    axes = {series.axis for series in SERIES.values()}
    wanted = set(only.split(",")) if only else axes
    if wanted - axes:
        parser.error(f"--only takes {', '.join(sorted(axes))}, got {', '.join(sorted(wanted - axes))}")
    values = {name: series.points for name, series in SERIES.items() if series.axis in wanted}
    for text in points:
        name, _, numbers = text.partition("=")
        if name not in SERIES or not all(number.isdigit() for number in numbers.split(",")):
            parser.error(f"--points takes SERIES=NUMBER,NUMBER of {', '.join(SERIES)}; got {text}")
        if name in values:
            values[name] = tuple(int(number) for number in numbers.split(","))
    return values


def write(output: Path, record: dict[str, Any]) -> None:
    """Page and picture of a record."""
    speeds = HERE / "records" / "train_speed.json"
    rows = read_json(speeds)["rows"] if speeds.is_file() else []
    sides = [row["sides"]["this code"] for row in rows if row["row"] == "coral on mosi"]
    speed = sides[0]["whole_samples_per_second"]["median"] if sides else None
    (output / "pictures").mkdir(parents=True, exist_ok=True)
    draw(output / "pictures" / "growth", record["points"])
    write_text(output / "GROWTH.md", page(record, speed))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="axes, separated by commas; all by default")
    parser.add_argument("--points", nargs="*", default=[], help="other points of a series: SERIES=NUMBER,NUMBER")
    parser.add_argument("--resume", action="store_true", help="keep the points of the record")
    parser.add_argument("--output", type=Path, default=HERE, help="folder of GROWTH.md, records/ and pictures/")
    options = parser.parse_args()
    series = chosen_points(options.only, options.points, parser)
    path = options.output / RECORD
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = read_json(path)["points"] if options.resume and path.is_file() else {}
    record = {"environment": environment(), "memory": memory(), "load": os.getloadavg()[1], "points": kept}
    for name, values in series.items():
        for x in values:
            points = record["points"].setdefault(name, {})
            if str(x) in points:
                continue
            began = time.monotonic()
            points[str(x)] = point = measured(name, x)
            write_json(path, record)
            print(
                f"{name} {x:,}: {point['seconds']:.3g} s, peak {point['peak_bytes'] / 2**20:,.0f} MiB "
                f"(measured in {time.monotonic() - began:.0f} s)",
                flush=True,
            )
    write(options.output, record)


if __name__ == "__main__":
    main()
