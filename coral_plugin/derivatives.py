"""Where a hand-written backward pass can be used, and what each has to say first."""

from __future__ import annotations

from collections.abc import Callable

import torch

from coral_plugin.errors import InputError


def refuse_second_derivative(what: str, instead: str = "") -> None:
    """Refuse, in a backward pass, that it is recorded to be differentiated once more.

    torch's ``once_differentiable`` passes silently where the incoming gradient is a constant, and the second derivative
    then lacks this part.

    Args:
        what: Subject of the sentence, as "The fused GRU".
        instead: Advice for whoever wants the second derivative.

    Raises:
        InputError: the backward pass runs with ``create_graph``.

    Example:
        >>> refuse_second_derivative("The network", "choose network(fused=False)")
        Traceback (most recent call last):
            ...
        coral_plugin.errors.InputError: The network cannot be differentiated twice: choose network(fused=False).
        >>> with torch.no_grad():  # as in every backward pass without create_graph
        ...     refuse_second_derivative("The network")
    """
    if torch.is_grad_enabled():
        raise InputError(f"{what} cannot be differentiated twice{f': {instead}' if instead else ''}.")


def transformed() -> bool:
    """Whether ``torch.func`` transforms what runs here (``grad``, ``vmap``, ...): no hand-written derivative can."""
    active: Callable[[], bool] = getattr(torch._C, "_are_functorch_transforms_active", bool)
    return active()
