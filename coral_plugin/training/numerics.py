"""Switches of torch that a training sets and gives back: deterministic algorithms, compiled networks."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator

import torch
from torch import nn

from coral_plugin.errors import InputError, MachineError, one_line


@contextlib.contextmanager
def deterministic(wanted: bool) -> Iterator[None]:
    """Inside, torch uses deterministic algorithms only; the former setting comes back.

    Raises:
        InputError: an operation has no deterministic algorithm.
    """
    if not wanted:
        yield
        return
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    benchmark = torch.backends.cudnn.benchmark
    # cuBLAS reads it when the first handle is made
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False
    try:
        yield
    except RuntimeError as error:
        if "deterministic" not in str(error):
            raise
        what = one_line(error, 400).partition(", but you set")[0]
        raise InputError(
            f"training.deterministic: {what}. Leave the setting out, or train on another device."
        ) from error
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
        torch.backends.cudnn.benchmark = benchmark


@contextlib.contextmanager
def compiled(module: nn.Module, wanted: bool) -> Iterator[None]:
    """Inside, the networks in ``module`` are compiled; names of weights stay.

    A module that holds a list or mapping of networks is not compiled itself, but these are: it may choose, mask and
    draw. Nor is one inside them whose attribute ``compiles`` is False.

    Raises:
        MachineError: there is no C++ compiler, or it fails.
    """
    if not wanted:
        yield
        return
    check_compiler(next(module.parameters()).device)
    networks = list(_networks(module))
    left_out = {part for network in networks for part in network.modules() if not getattr(part, "compiles", True)}
    for part in left_out:
        part.forward = torch.compiler.disable(part.forward)
    for network in networks:
        network.compile()
    try:
        yield
    except Exception as error:
        if type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
            what = one_line(error, 160).partition(" Command:")[0]
            raise MachineError(
                f"training.compile: the networks cannot be compiled ({what}). Leave the setting out."
            ) from error
        raise
    finally:
        for network in networks:
            network._compiled_call_impl = None
        for part in left_out:
            del part.forward  # that of its class comes back


def check_compiler(device: torch.device) -> None:
    """Refuse to compile for the CPU without a C++ compiler.

    Raises:
        MachineError: none is found.
    """
    compilers = (os.environ.get("CXX", ""), "c++", "g++", "clang++")
    if device.type == "cpu" and not any(shutil.which(compiler) for compiler in compilers if compiler):
        raise MachineError(
            "training.compile needs a C++ compiler (g++ or clang++), and none is found; install one, or leave it out."
        )


def _networks(module: nn.Module) -> Iterator[nn.Module]:
    for child in module.children():
        if any(isinstance(module, nn.ModuleDict | nn.ModuleList) for module in (child, *child.children())):
            yield from _networks(child)
        else:
            yield child
