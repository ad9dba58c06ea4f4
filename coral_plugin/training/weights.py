"""The weights of networks, counted and refused before memory is taken for more than this machine has."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from coral_plugin import machine
from coral_plugin.errors import InputError, one_line
from coral_plugin.training.randomness import own_random_state

Network = TypeVar("Network", bound=nn.Module)
_COPIES = 4  # weights, gradients and two moments of AdamW
_BYTES = 4  # of a number
_MAKERS = (torch.empty, torch.zeros, torch.ones, torch.rand, torch.randn)


def parameters_that_fit(build: Callable[[], nn.Module]) -> int:
    """Number of parameters of the networks that ``build`` makes; torch's global random state is restored.

    Raises:
        InputError: their training does not fit into the memory of this machine.

    >>> parameters_that_fit(lambda: nn.Linear(3, 5))
    20
    """
    available = machine.memory()
    with own_random_state():
        networks = None if available is None else built_within(build, available // (_BYTES * _COPIES))
        if networks is None:
            refuse_too_large(build)
            networks = build()
    return sum(parameter.numel() for parameter in networks.parameters())


def built_within(build: Callable[[], Network], most: int) -> Network | None:
    """What ``build`` makes; None where its tensors would hold more than ``most`` numbers, which are then never held.

    Networks could be measured on torch's device ``meta``, too, where they take no memory, but each calculation there
    needs torch's compiler, which takes as long to import as torch itself.

    >>> built_within(lambda: nn.Linear(3, 5), most=20)
    Linear(in_features=3, out_features=5, bias=True)
    >>> built_within(lambda: nn.Linear(2**40, 5), most=20)
    """
    try:
        with _Room(most):
            return build()
    except _NoRoomError:
        return None


class OtherShapesError(ValueError):
    """Weights have other names or shapes than the networks that should hold them."""


def built_with(build: Callable[[], Network], shapes: Mapping[str, tuple[int, ...]]) -> Network:
    """What ``build`` makes, whose weights must have the names and ``shapes`` of a file.

    Raises:
        OtherShapesError: they have not; no memory was taken for more, since those of a damaged record may be anything.

    >>> built_with(lambda: nn.Linear(3, 1), {"weight": (1, 3), "bias": (1,)})
    Linear(in_features=3, out_features=1, bias=True)
    """
    # twice as many: what is calculated on the way counts too
    networks = built_within(build, 2 * sum(map(math.prod, shapes.values())))
    if networks is not None:
        _refuse_other_shapes({name: tuple(tensor.shape) for name, tensor in networks.state_dict().items()}, shapes)
        return networks
    if (expected := shapes_of(build)) is not None:
        _refuse_other_shapes(expected, shapes)
    return build()


def _refuse_other_shapes(expected: Mapping[str, tuple[int, ...]], saved: Mapping[str, tuple[int, ...]]) -> None:
    if expected != saved:
        name = next(name for name in {**expected, **saved} if expected.get(name) != saved.get(name))
        place = f"has shape {saved[name]}" if name in saved else "is missing"
        wanted = expected.get(name, "nothing of it")
        raise OtherShapesError(f"{name} {place} there, the settings and data say {wanted}")


class _NoRoomError(BaseException):
    """The networks have more weights than they may; nobody who catches the errors of an encoder catches it."""


class _Room(TorchFunctionMode):
    """Inside, tensors are created as long as they hold no more than ``left`` numbers together."""

    def __init__(self, left: int) -> None:
        super().__init__()
        self.left = left

    def __torch_function__(self, function: Any, types: Any, arguments: Any = (), named: Any = None) -> Any:
        del types
        named = named or {}
        if function in _MAKERS:
            try:
                # which needs no calculation there
                sizes = {"size": named["size"]} if "size" in named else {}
                self.left -= torch.empty(*arguments, **sizes, device="meta").numel()
            except RuntimeError as error:
                raise _NoRoomError from error  # more than can be counted, or sizes that are none
            if self.left < 0:
                raise _NoRoomError
        return function(*arguments, **named)


def shapes_of(build: Callable[[], nn.Module]) -> dict[str, tuple[int, ...]] | None:
    """Names and shapes of the weights of what ``build`` makes, without memory for them.

    None for networks that calculate with their weights while they are built, of which it cannot be known.

    Raises:
        InputError: sizes that no tensor can have.
    """
    try:
        with own_random_state(), torch.device("meta"):
            state = build().state_dict()
    except (RuntimeError, InputError) as error:
        if "overflow" in str(error).lower():
            why = one_line(error)
            raise InputError(f"The networks are larger than any memory: {why}.") from error
        if "meta" in str(error):
            return None
        raise
    return {name: tuple(tensor.shape) for name, tensor in state.items()}


def refuse_too_large(build: Callable[[], nn.Module]) -> None:
    """Refuse networks whose training does not fit into the memory of this machine.

    Raises:
        InputError: they do not.
    """
    need = _BYTES * _COPIES * sum(math.prod(shape) for shape in (shapes_of(build) or {}).values())
    available = machine.memory()
    if available is not None and need > available:
        raise InputError(
            f"To train these networks takes {need / 2**30:.1f} GiB or more for weights, gradients and moments; this "
            f"machine has {available / 2**30:.1f}. Choose a smaller width, head or encoder."
        )
