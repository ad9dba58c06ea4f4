"""Several processes that train together: those this command starts, and those that torchrun or SLURM started."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import torch
import torch.distributed as dist

from coral_plugin.errors import InputError, MachineError
from coral_plugin.training.alone import Alone
from coral_plugin.training.jobs import UnsendableError, error_of, failure_of, write_job
from coral_plugin.training.settings import TrainingSettings
from coral_plugin.training.signals import GRACE, Interrupted, StopRequest, killed_by

T = TypeVar("T")
STORE = "store"
_PEERS_GRACE = 3.0  # seconds for the other processes to write why they end too


def launcher() -> Any:
    """Lightning's environment of the torchrun or SLURM job that this process belongs to; None outside of one."""
    if not {"WORLD_SIZE", "SLURM_NTASKS"} & set(os.environ):
        return None  # Lightning takes seconds to import
    from lightning_fabric.plugins.environments import SLURMEnvironment, TorchElasticEnvironment

    if TorchElasticEnvironment.detect():
        environment: Any = TorchElasticEnvironment()
    elif SLURMEnvironment.detect() and without_srun() is None:
        environment = SLURMEnvironment(auto_requeue=False)
    else:
        return None
    return environment if environment.world_size() > 1 else None


def without_srun() -> str | None:
    """The warning in a SLURM allocation of several tasks in which this process was started alone; None elsewhere.

    A batch script and a notebook have the variables of the whole allocation. ``srun`` alone makes a step, starts its
    tasks, and sets their number in each; an interactive shell is a step of one task.
    """
    tasks = os.environ.get("SLURM_NTASKS", "1")
    if "WORLD_SIZE" in os.environ or tasks == "1":
        return None
    in_step = {"SLURM_STEP_ID", "SLURM_STEPID"} & set(os.environ)
    if os.environ.get("SLURM_STEP_NUM_TASKS", tasks if in_step else "1") != "1":
        return None
    return f"SLURM: started once, without srun, in an allocation of {tasks} tasks: runs alone (docs/distributed.md)"


def fabric(settings: TrainingSettings, accelerator: str) -> Any:
    """Lightning's Fabric for this process: alone, or in the group that it has joined, which DDP keeps in step.

    Where there is nothing for it to do, :class:`coral_plugin.training.alone.Alone` takes its place.
    """
    world = dist.get_world_size() if dist.is_initialized() else 1
    if world == 1 and accelerator == "cpu" and settings.precision == "32-true":
        return Alone()
    from lightning_fabric import Fabric
    from lightning_fabric.plugins.environments import LightningEnvironment
    from lightning_fabric.strategies import DDPStrategy

    if world == 1:
        return Fabric(
            accelerator=accelerator, devices=1, precision=settings.precision, plugins=[LightningEnvironment()]
        )
    outside = launcher()
    local = world if outside is None else _local_size(world)
    # a modality that no sample of a share has leaves parameters without gradient in that process
    strategy = DDPStrategy(find_unused_parameters=True, timeout=timedelta(seconds=settings.timeout_seconds))
    group = Fabric(
        accelerator=accelerator,
        devices=local,
        num_nodes=world // local,
        strategy=strategy,
        precision=settings.precision,
        plugins=[LightningEnvironment() if outside is None else outside],
    )
    group.launch()
    return group


def _local_size(world: int) -> int:
    """Processes of this machine."""
    for name in ("LOCAL_WORLD_SIZE", "SLURM_NTASKS_PER_NODE"):
        if os.environ.get(name, "").isdigit():
            return int(os.environ[name])
    return world // int(os.environ.get("SLURM_NNODES", "1"))


def join_outside(settings: TrainingSettings) -> None:
    """Make this process a member of the group of torchrun or SLURM.

    Raises:
        InputError: ``training.devices`` would start processes too.
    """
    if settings.devices > 1:
        raise InputError(
            "training.devices starts processes, but torchrun or SLURM have started some already; leave it at 1."
        )
    environment = launcher()
    kind = backend(settings)
    if kind == "nccl":
        torch.cuda.set_device(environment.local_rank())
    os.environ["MASTER_ADDR"], os.environ["MASTER_PORT"] = environment.main_address, str(environment.main_port)
    limit = timedelta(seconds=settings.timeout_seconds)
    rank, world = environment.global_rank(), environment.world_size()
    store = next(dist.rendezvous("env://", rank, world, timeout=limit))[0]
    # torchrun --max-restarts keeps its store, with the addresses of processes that are gone
    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    fresh = dist.PrefixStore(f"attempt-{attempt}", store)
    dist.init_process_group(kind, store=fresh, rank=rank, world_size=world, timeout=limit)


def leave() -> bool:
    """End the group once every process is here; returns whether this is process 0."""
    first = dist.get_rank() == 0
    dist.barrier()
    dist.destroy_process_group()
    return first


def first_from(function: Callable[[], T]) -> T:
    """What ``function`` returns in process 0, in every process; where it fails there, all end.

    Raises:
        CoralError: in process 0, what the function raised; the others end silently.
    """
    if not dist.is_initialized():
        return function()
    box: list[Any] = [False, None]
    if dist.get_rank() == 0:
        try:
            box = [True, function()]
        finally:
            dist.broadcast_object_list(box, src=0)
    else:
        dist.broadcast_object_list(box, src=0)
    if not box[0]:
        raise SystemExit(1)
    result: T = box[1]
    return result


def backend(settings: TrainingSettings) -> str:
    """NCCL between GPUs, gloo between CPUs."""
    return "nccl" if settings.device != "cpu" and torch.cuda.is_available() else "gloo"


def train_in_processes(job: Any, settings: TrainingSettings) -> None:
    """Run ``job()`` in ``settings.devices`` new processes of this machine, as ranks of one group.

    Each has a copy of the job. When one dies, the others are killed.

    Args:
        job: Picklable function without arguments.
        settings: Training settings.

    Raises:
        InputError: the job cannot be sent to another process, or what it raised there.
        MachineError: a process died.
        Interrupted: a signal came.
    """
    count = settings.devices
    if backend(settings) == "nccl" and torch.cuda.device_count() < count:
        raise InputError(
            f"training.devices is {count}, but torch sees {torch.cuda.device_count()} GPU(s); "
            f"lower it, or take --device cpu."
        )
    with tempfile.TemporaryDirectory(prefix="coral-") as name, StopRequest() as request:
        folder = Path(name)
        threads = max(1, torch.get_num_threads() // count)
        try:
            write_job(folder, job, threads, settings)
        except UnsendableError as error:
            raise InputError(
                f"training.devices = {count} starts processes, and something given from Python cannot be sent to them "
                f"({error}); define it at the top of a module."
            ) from error
        workers = [_start(folder, rank, count) for rank in range(count)]
        try:
            _wait(workers, request, folder)
            if request.number:
                raise Interrupted(request.number, "after the last step")
        finally:
            for worker in workers:
                worker.kill()
                worker.wait()
                if worker.stdin is not None:
                    worker.stdin.close()


def _start(folder: Path, rank: int, count: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "coral_plugin.training.worker", str(folder), str(rank), str(count)]
    # process 0 alone writes to standard error; the pipe ends when this process does; Ctrl-C reaches this process alone
    with (folder / f"stderr-{rank}").open("wb") as quiet:
        return subprocess.Popen(  # noqa: S603
            command,
            stdin=subprocess.PIPE,
            stdout=quiet,
            stderr=None if rank == 0 else quiet,
            start_new_session=True,
            # DDP warns when it looked for parameters without gradient and found none
            env={"TORCH_CPP_LOG_LEVEL": "ERROR", **os.environ, "LOCAL_RANK": str(rank), "NODE_RANK": "0"},
        )


def _wait(workers: list[subprocess.Popen[bytes]], request: StopRequest, folder: Path) -> None:
    terminated = False
    while True:
        codes = [worker.poll() for worker in workers]
        if any(codes):
            break
        if all(code == 0 for code in codes):
            return
        if request.number and not terminated:
            terminated = True
            for worker in workers:
                worker.terminate()  # which ends one that is not ready for signals yet without a word
        time.sleep(0.02)
    first = next(rank for rank, code in enumerate(codes) if code)
    until = time.monotonic() + (GRACE if request.number else _PEERS_GRACE)
    while time.monotonic() < until and any(worker.poll() is None for worker in workers):
        time.sleep(0.02)
    if request.number:
        texts = [failure_of(folder, rank).get("text", "") for rank in range(len(workers))]
        raise Interrupted(request.number, next((text for text in texts if text.startswith("after")), ""))
    _raise([worker.poll() for worker in workers], first, folder)


def _raise(codes: list[int | None], first: int, folder: Path) -> None:
    """Raise the surest reason: a signal that killed a process, then a CoralError, then the process that ended first."""
    killed = next((rank for rank, code in enumerate(codes) if code is not None and code < 0), None)
    if killed is not None:
        rank, reason = killed, f"was {killed_by(codes[killed] or 0)}"
    else:
        for other in range(len(codes)):
            if (error := error_of(failure_of(folder, other))) is not None:
                raise error
        rank, failure = first, failure_of(folder, first)
        lines = (folder / f"stderr-{rank}").read_text(errors="replace").splitlines()
        last = (
            f"{failure['type']}: {failure['text']}" if failure else next((line for line in reversed(lines) if line), "")
        )
        reason = f"ended with status {codes[rank]} ({last[:200]})"
    raise MachineError(
        f"Process {rank} of {len(codes)} {reason}. The others were ended; --resume goes on from the last checkpoint."
    )


def join(folder: Path, rank: int, count: int, settings: TrainingSettings) -> None:
    """Make this process rank ``rank`` of the group that meets in ``folder``."""
    kind = backend(settings)
    if kind == "nccl":
        torch.cuda.set_device(rank)
    dist.init_process_group(
        kind,
        init_method=f"file://{folder / STORE}",
        rank=rank,
        world_size=count,
        timeout=timedelta(seconds=settings.timeout_seconds),
    )
