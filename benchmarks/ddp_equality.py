"""Loss and gradient of every objective under two and three processes beside those of one process on the same batch.

    python benchmarks/ddp_equality.py --output benchmarks/records/ddp_equality.json

Processes are forked, meet through gloo, and go the way of a training: BatchLoader's shares, Fabric's DDP, synchronised
batch normalisation. Views are the identity, dropout is off and settings are the objective's `deterministic` ones, since
processes draw different numbers. float64, so that what differs is wrong rather than rounded. The check `processes` of
coral_plugin.testing is the same comparison without loader and Fabric.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
import torch.distributed as dist

from coral_plugin.augmentations import build_augmenter
from coral_plugin.data import Modality, ModalityColumn, Split, Task
from coral_plugin.io.files import write_json
from coral_plugin.networks import NetworkSettings
from coral_plugin.registry import OBJECTIVES
from coral_plugin.runs.environment import environment
from coral_plugin.runs.settings import make_settings
from coral_plugin.testing.processes import StepOutcome
from coral_plugin.testing.subject import without_dropout
from coral_plugin.training import processes
from coral_plugin.training.engine import Engine
from coral_plugin.training.fit import synchronise
from coral_plugin.training.loader import BatchLoader
from coral_plugin.training.log import EpochLog
from coral_plugin.training.settings import TrainingSettings
from coral_plugin.training.step import TrainingStep

BATCH = 13  # no multiple of 2 or 3: shares differ by one
# an image encoder has batch normalisation over maps, a projection head over vectors
MODALITIES = (
    Modality(name="table", kind="tabular", shape=(6,)),
    Modality(name="image", kind="image", shape=(1, 8, 8)),
)
TASK = Task(name="label", kind="classification", classes=("a", "b", "c"))
NETWORK = NetworkSettings(width=8, heads=2, head_hidden=8, head_output=8)
SETTINGS = TrainingSettings(batch_size=BATCH, epochs=2, device="cpu", precision="64-true", timeout_seconds=60)


def objectives() -> list[str]:
    """Every registered objective that trains, and COrAL with the term that its first preset leaves out."""
    return [*(name for name in sorted(OBJECTIVES.names()) if OBJECTIVES.get(name).trains), "coral:plus"]


def split() -> Split:
    """Samples of two modalities, some of which lack the image."""
    stream = torch.Generator().manual_seed(0)
    rows = 2 * BATCH
    table = torch.randn(rows, 6, generator=stream)
    image = torch.rand(rows, 1, 8, 8, generator=stream)
    present = torch.rand(rows, generator=stream) > 0.2
    labels = torch.arange(rows) % 3
    return Split({"table": ModalityColumn(table), "image": ModalityColumn(image, present=present)}, {TASK.name: labels})


def engine(name: str, samples: Split, rank: int, world: int) -> Engine:
    """The objects of a training, with views that change nothing and without dropout."""
    torch.manual_seed(0)
    method, _, preset = name.partition(":")
    kind = OBJECTIVES.get(method)
    settings = replace(make_settings(method, "arrays", preset=preset).method, **kind.deterministic)
    objective = kind(MODALITIES, NETWORK, settings)
    objective.prepare((TASK,))
    without_dropout(objective)
    if world > 1:
        synchronise(objective)
    loader = BatchLoader(samples, BATCH, 0, rank, world)
    step = TrainingStep(objective, build_augmenter("none", MODALITIES, "none"), 0, 2 * len(loader), rank, double=True)
    return Engine(processes.fabric(SETTINGS, "cpu"), step, loader, SETTINGS, EpochLog(None))


def one_step(engine: Engine) -> tuple[StepOutcome, list[int]]:
    """The first step, and its samples."""
    batch = engine.loader.batch(0)
    total, values = engine.module(engine.training.prepare(batch, 0))
    engine.fabric.backward(total)
    objective = engine.training.objective
    gradient = {n: torch.zeros_like(p) if p.grad is None else p.grad.clone() for n, p in objective.named_parameters()}
    buffers = {n: b.clone() for n, b in objective.named_buffers() if b.is_floating_point()}
    step = StepOutcome(dict(zip(engine.training.names, values, strict=True)), gradient, buffers)
    return step, batch.index.tolist()


def member(folder: Path, rank: int, world: int, names: Sequence[str]) -> None:
    """One process: every objective, alone first and then together; leaves its differences in the folder."""
    torch.set_num_threads(1)
    os.environ.update(LOCAL_RANK=str(rank), NODE_RANK="0")
    samples, differences = split(), {}
    alone = {name: one_step(engine(name, samples, 0, 1)) for name in names}
    processes.join(folder, rank, world, SETTINGS)
    for name in names:
        (seen, share), (wanted, every) = one_step(engine(name, samples, rank, world)), alone[name]
        differences[name] = {**seen.difference(wanted), "samples": share, "all": every}
    (folder / f"{rank}.json").write_text(json.dumps(differences))
    dist.destroy_process_group()


def measure(names: Sequence[str], world: int) -> dict[str, dict[str, float]]:
    """The largest differences over ``world`` processes, by objective.

    Raises:
        RuntimeError: a process failed, or the processes do not share the batch without overlap.
    """
    context = multiprocessing.get_context("fork")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        members = [context.Process(target=member, args=(folder, rank, world, names)) for rank in range(world)]
        for process in members:
            process.start()
        for process in members:
            process.join()
        if any(process.exitcode for process in members):
            raise RuntimeError(f"a process of {world} ended with {[process.exitcode for process in members]}")
        by_rank = [json.loads((folder / f"{rank}.json").read_text()) for rank in range(world)]
    out = {}
    for name in names:
        shares = [index for rank in by_rank for index in rank[name]["samples"]]
        if sorted(shares) != sorted(by_rank[0][name]["all"]):
            raise RuntimeError(f"{name}: the shares {shares} are not the batch")
        out[name] = {key: max(rank[name][key] for rank in by_rank) for key in ("loss", "gradient", "buffers")}
    return out


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--objectives", nargs="*", default=None, help="names, or NAME:PRESET")
    parser.add_argument("--worlds", nargs="*", type=int, default=[2, 3])
    parser.add_argument("--tolerance", type=float, default=1e-6, help="terms are logged in float32")
    parser.add_argument("--output", type=Path, help="JSON record")
    arguments = parser.parse_args()
    names = arguments.objectives or objectives()
    by_world = {str(world): measure(names, world) for world in arguments.worlds}
    print(
        f"{'objective':<12}" + "".join(f"{f'{w} processes: loss':>20}{'gradient':>12}{'buffers':>12}" for w in by_world)
    )
    for name in names:
        cells = "".join(
            f"{world[name]['loss']:>20.1e}{world[name]['gradient']:>12.1e}{world[name]['buffers']:>12.1e}"
            for world in by_world.values()
        )
        print(f"{name:<12}{cells}")
    worst = max(
        value for world in by_world.values() for differences in world.values() for value in differences.values()
    )
    if arguments.output:
        write_json(
            arguments.output, {"environment": environment(), "tolerance": arguments.tolerance, "worlds": by_world}
        )
    return int(worst > arguments.tolerance)


if __name__ == "__main__":
    sys.exit(main())
