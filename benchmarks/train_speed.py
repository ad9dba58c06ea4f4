"""Training speed on this machine: samples per second, share of the matmul rate, peak memory, fast paths, options.

    python benchmarks/train_speed.py
    python benchmarks/train_speed.py --reference COrAL CoMM InfMasking --reference-data DIR --against OTHER_CHECKOUT

Writes ``benchmarks/RESULTS.md`` and ``benchmarks/records/train_speed.json``; the exit status is 1 where a row is more
than 20 % worse than in the committed record. ``--reference`` takes checkouts (or bare repositories) of the authors'
code: github.com/Caro-Ci/COrAL, Duplums/CoMM, brightest66/InfMasking; they need einops, tensorboard, hydra-core,
omegaconf, timm and torchvision. ``--against`` takes another checkout of this package. What is compared takes turns, in
processes of their own: A B A B.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from speed_reference import checked_out, write_data
from speed_shapes import SHAPES
from speed_table import AUTHORS, OPTION, OTHER, OURS, PLAIN, gain, page, slower, summary

from coral_plugin.io.files import write_json, write_text
from coral_plugin.runs.environment import environment

HERE = Path(__file__).parent
RECORD, PAGE = "records/train_speed.json", "RESULTS.md"
ROWS = (
    ("coral", "mosi"),
    ("coral", "mimic"),
    ("coral", "trifeature"),
    ("coral", "demo"),
    ("comm", "mosi"),
    ("infmasking", "mosi"),
    ("factorcl", "mosi"),
    ("clip", "mosi"),
)


class FastPath(NamedTuple):
    """A fast path, and the settings that switch it off on a row."""

    name: str
    method: str
    shape: str
    off: Mapping[str, Any]


_IN_TURN = {"network.encoders": dict.fromkeys(("vision", "text"), "affect_transformer(alongside=False)")}
# of two of the same setting the last one is what operations are counted without
FAST_PATHS = (
    FastPath("encoders side by side (`affect_transformer(alongside=True)`)", "coral", "mosi", _IN_TURN),
    FastPath("encoders side by side (`affect_transformer(alongside=True)`)", "clip", "mosi", _IN_TURN),
    FastPath(
        "encoders side by side (`gru(alongside=True)`)",
        "coral",
        "mimic",
        {"network.encoders": {"series": "gru(alongside=False)"}},
    ),
    FastPath(
        "gradients of all steps at once (`gru(fused=True)`)",
        "coral",
        "mimic",
        {"network.encoders": {"series": "gru(fused=False)"}},
    ),
    FastPath(
        "sequence encoder in the cache (`affect_transformer(fused=True)`)",
        "coral",
        "mosi",
        {"network.encoders": dict.fromkeys(("vision", "text"), "affect_transformer(fused=False)")},
    ),
    FastPath(
        "normalisation in the weights of the convolution (`small_conv(folded=True)`)",
        "coral",
        "demo",
        {
            "network.encoders": dict.fromkeys(
                ("image1", "image2"), "small_conv(pool=True, orientations=6, folded=False)"
            )
        },
    ),
)

# settings of training that are off by default, tried on the rows of COrAL
OPTIONS = {
    "networks compiled (`--compile`)": {"training.compile": True},
    "bfloat16 (`--precision bf16-mixed`)": {"training.precision": "bf16-mixed"},
}


class FailedError(Exception):
    """A process ended before it answered."""


class Side:
    """A process that measures on command, and is stopped while others measure."""

    def __init__(self, command: list[str], environ: Mapping[str, str]) -> None:
        self.errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - as long as the process
        self.process = subprocess.Popen(  # noqa: S603
            [sys.executable, *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            env={**os.environ, **environ},
            start_new_session=True,  # loader processes are stopped with it
        )
        self.blocks: list[dict[str, Any]] = []
        self.end: dict[str, Any] = {}

    def answer(self) -> dict[str, Any]:
        """The next line of the process, which is stopped afterwards."""
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            self.errors.seek(0)
            raise FailedError((self.errors.read().strip().splitlines() or ["no message"])[-1])
        self._signal(signal.SIGSTOP)
        return json.loads(line)

    def request(self, command: object) -> dict[str, Any]:
        """Let it go on with a command."""
        self._signal(signal.SIGCONT)
        self.process.stdin.write(f"{command}\n")
        self.process.stdin.flush()
        return self.answer()

    def close(self) -> None:
        """End the process and those that it started."""
        self._signal(signal.SIGKILL)
        self.process.wait()
        self.errors.close()

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):  # it has ended
            os.killpg(self.process.pid, number)


def sides(method: str, shape: str, options: argparse.Namespace) -> Iterator[tuple[str, list[str], dict[str, str]]]:
    """Name, command and environment of every process of a row."""
    paths = [path for path in FAST_PATHS if (path.method, path.shape) == (method, shape)]
    off = {key: value for path in FAST_PATHS if path.shape == shape for key, value in path.off.items()}
    threads = {"OMP_NUM_THREADS": str(SHAPES[shape].threads)}

    def step(chosen: Mapping[str, Any]) -> list[str]:
        wanted = {"shape": shape, "method": method, "chosen": chosen, "plain": off}
        return [str(HERE / "speed_step.py"), json.dumps(wanted)]

    yield OURS, step({}), threads
    for path in paths:
        yield f"{PLAIN}: {path.name}", step(path.off), threads
    if method == "coral":
        for name, chosen in OPTIONS.items():
            yield f"{OPTION}: {name}", step(chosen), threads
    if options.against:
        yield OTHER, step({}), {**threads, "PYTHONPATH": str(options.against.resolve())}
    if method in options.references and shape in ("mosi", "mimic", "trifeature"):
        root = options.references[method][0]
        yield (
            AUTHORS,
            [str(HERE / "speed_reference.py"), method, shape, str(root), str(options.reference_data)],
            threads,
        )


def measure(method: str, shape: str, options: argparse.Namespace, failures: list[str]) -> dict[str, Any]:
    """The row of a method on a shape; what is compared with it and fails is left out and noted in ``failures``."""
    row, steps, processes = f"{method} on {shape}", options.steps or SHAPES[shape].steps, {}

    def answered(name: str, answer: Callable[..., dict[str, Any]], *command: object) -> dict[str, Any]:
        try:
            return answer(*command)
        except (FailedError, BrokenPipeError) as failure:
            if name == OURS:
                raise
            failures.append(f"{row}, {name}: {failure}")
            del processes[name]
            return {}

    with contextlib.ExitStack() as stack:
        for name, command, environ in sides(method, shape, options):
            processes[name] = side = Side(command, environ)
            stack.callback(side.close)
            answered(name, side.answer)  # it has warmed up
        for turn in [steps] * options.rounds + ["end"]:
            for name, side in list(processes.items()):
                content = answered(name, side.request, turn)
                if turn == "end":
                    side.end = content
                else:
                    side.blocks.append(content)
    ours = processes.pop(OURS)
    return {
        "row": row,
        "method": method,
        "shape": shape,
        "steps": steps,
        "sides": {OURS: summary(ours.blocks, ours.end)} | {n: summary(s.blocks, s.end) for n, s in processes.items()},
        "gains": {name: gain(ours.blocks, side.blocks) for name, side in processes.items()},
    }


def committed() -> list[dict[str, Any]] | None:
    """Rows of the committed record; None where there is none of this form."""
    command = ["git", "-C", str(HERE), "show", f"HEAD:./{RECORD}"]
    shown = subprocess.run(command, capture_output=True, text=True)  # noqa: S603
    return None if shown.returncode else json.loads(shown.stdout).get("rows")


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", nargs="*", help="rows by name, as 'coral on mosi'; all by default")
    parser.add_argument("--rounds", type=int, default=3, help="blocks of steps of every process")
    parser.add_argument("--steps", type=int, help="steps of a block, in place of the shape's number")
    parser.add_argument("--reference", type=Path, nargs="*", default=[], help="checkouts of the authors' code")
    parser.add_argument("--reference-data", type=Path, help="folder of its data, written where it is missing")
    parser.add_argument("--against", type=Path, help="another checkout of this package")
    parser.add_argument("--output", type=Path, default=HERE, help="folder of RESULTS.md and records/")
    options = parser.parse_args()
    if options.reference and options.reference_data is None:
        parser.error("--reference needs --reference-data, a folder for the data that the authors' code reads")
    return options


def main() -> None:
    options, failures, rows = parsed(), [], []
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the processes are ended too
    with tempfile.TemporaryDirectory(prefix="coral-speed-") as scratch:
        options.references = dict(checked_out(path, Path(scratch)) for path in options.reference)
        if options.references:
            options.reference_data = options.reference_data.resolve()
            write_data(options.reference_data)
        for method, shape in ROWS:
            if options.rows is None or f"{method} on {shape}" in options.rows:
                rows.append(row := measure(method, shape, options, failures))
                ours = row["sides"][OURS]
                print(
                    f"{row['row']:<20} {ours['whole_samples_per_second']['median']:7.1f} samples/s, "
                    f"{100 * ours['share_of_matmul']['median']:.0f} % of the matmul rate, "
                    f"{ours['peak_memory_bytes'] / 2**30:.2f} GiB"
                    + "".join(f"; {value['median']:.2f} x {name}" for name, value in row["gains"].items()),
                    flush=True,
                )
    before = committed()
    regressions = None if before is None else slower(before, rows)
    references = {name: commit for name, (_, commit) in options.references.items()}
    record = {"environment": environment(), "rounds": options.rounds, "references": references, "rows": rows}
    record |= {"failures": failures, "regressions": regressions}
    (options.output / "records").mkdir(parents=True, exist_ok=True)
    write_json(options.output / RECORD, record)
    write_text(options.output / PAGE, page(record, {name: s.words for name, s in SHAPES.items()}))
    for line in (*failures, *(regressions or ())):
        print(line)
    sys.exit(bool(regressions))


if __name__ == "__main__":
    main()
