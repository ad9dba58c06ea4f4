"""Encoders side by side, each on a thread of its own.

The operations of a small encoder are too short to be shared by two threads: a training step on MOSI's shapes gains a
fifth from the second one. The encoders of two views and of several pathways do not wait for each other, so here each
runs on one thread, forward and backward. Every number is the one that it would be if they ran one after the other: what
dropout draws is drawn by the calling thread, in that order.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from coral_plugin.data import MultimodalBatch
from coral_plugin.derivatives import refuse_second_derivative, transformed
from coral_plugin.networks.dropout import Drawn, kept
from coral_plugin.networks.precision import autocasting
from coral_plugin.networks.rows import exporting

Result = TypeVar("Result")
# an encoder's share of the work from which on the others do not fill the other threads meanwhile
_UNEVEN = 1.5
# products of a weight and a step, of all encoders together, below which threads wait for each other more than they
# compute: some ten milliseconds of a core, forward and backward
_LEAST = 2**27
# whether the gradient of the same graph may be asked for again; a torch that cannot say it keeps the graph
_keeps_graph = getattr(torch._C._autograd, "_get_current_graph_task_keep_graph", lambda: True)
_allowed = True
_pools: dict[tuple[int, int], ThreadPoolExecutor] = {}


@contextmanager
def one_after_the_other() -> Iterator[None]:
    """Inside, no encoder runs beside another, on this thread and all others."""
    global _allowed
    before, _allowed = _allowed, False
    try:
        yield
    finally:
        _allowed = before


@dataclass(frozen=True)
class EncoderCall:
    """An encoder, a :class:`TokenEncoder`, and the batch and modality whose values it turns into tokens."""

    encoder: Any
    batch: MultimodalBatch
    name: str


def tokenise_ahead(calls: Iterable[EncoderCall]) -> None:
    """Compute tokens side by side, for the calls of ``tokenise`` that follow.

    Where this does not pay, or one of the encoders does not allow it, nothing happens, and ``tokenise`` computes them.
    An encoder allows it whose method ``draws(values, padding)`` returns the shapes and probabilities, in order, for
    which its forward pass asks :func:`kept`, and which has no other source of random numbers and no state that a
    forward pass changes; None forbids it.

    Args:
        calls: Calls of ``tokenise`` to come, in the order in which they come.
    """
    calls = list(calls)
    if not _allowed or not torch.is_grad_enabled() or exporting() or torch.compiler.is_compiling() or transformed():
        return
    if torch.get_num_threads() < 2 or len(calls) < 2 or not all(_suits(call) for call in calls):
        return
    work = [_work(call) for call in calls]
    if sum(work) < _LEAST or max(work) > _UNEVEN * sum(work) / min(torch.get_num_threads(), len(calls)):
        return
    draws = [call.encoder.draws(call.batch[call.name], call.batch.padding.get(call.name)) for call in calls]
    if any(shapes is None for shapes in draws):
        return
    sources = [Drawn() for _ in calls]

    def draw() -> None:
        for shapes, source in zip(draws, sources, strict=True):
            for shape, p in shapes:
                source.put(kept(shape, p))

    def end() -> None:
        for source in sources:
            source.end()

    results = _side_by_side([partial(_encode, *pair) for pair in zip(calls, sources, strict=True)], draw, end)
    parameters = {id(p): p for call in calls for p in _trained(call)}
    tokens = _Joined.apply(
        [_Part(tokens, [id(p) for p in _trained(call)]) for call, (tokens, _) in zip(calls, results, strict=True)],
        list(parameters),
        *parameters.values(),
    )
    for call, part, (_, padding) in zip(calls, tokens, results, strict=True):
        call.batch.lay_by((call.encoder, call.name), (part, padding))


def _suits(call: EncoderCall) -> bool:
    values, encoder = call.batch[call.name], call.encoder
    return (
        values.device.type == "cpu"
        and type(values) is Tensor
        and not values.requires_grad
        and not autocasting(values.device)
        and call.name not in call.batch.present
        and hasattr(encoder, "draws")
        and any(p.requires_grad for p in encoder.parameters())
        and not _hooked(encoder)
    )


def _hooked(module: nn.Module) -> bool:
    """Whether somebody looks into the module, who expects to be called on the calling thread."""
    names = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks", "_compiled_call_impl")
    parts = (*module.modules(), *module.parameters())
    return any(getattr(part, name, None) for part in parts for name in names)


def _work(call: EncoderCall) -> float:
    """Measure of the time that a call takes: weights times steps."""
    values = call.batch[call.name]
    return (
        sum(p.numel() for p in call.encoder.parameters())
        * values.shape[0]
        * (values.shape[1] if values.ndim > 2 else 1)
    )


def _trained(call: EncoderCall) -> list[nn.Parameter]:
    return [p for p in call.encoder.parameters() if p.requires_grad]


def _encode(call: EncoderCall, source: Drawn) -> tuple[Tensor, Tensor | None]:
    with torch.enable_grad(), source.read():
        result: tuple[Tensor, Tensor | None] = call.encoder(call.batch[call.name], call.batch.padding.get(call.name))
    return result


@dataclass
class _Part:
    """Tokens with the graph that leads to them, and the keys of the parameters in it."""

    tokens: Tensor | None
    keys: list[int]

    def backward(self, parameters: dict[int, Tensor], grad: Tensor | None, keep: bool) -> dict[int, Tensor | None]:
        """The gradient of each parameter."""
        if grad is None:
            return {}
        if self.tokens is None:
            raise RuntimeError("The gradient of these tokens was computed already: call backward(retain_graph=True).")
        grads = torch.autograd.grad(
            self.tokens, [parameters[key] for key in self.keys], grad, retain_graph=keep, allow_unused=True
        )
        if not keep:
            self.tokens = None  # memory is free before the other encoders are through
        return dict(zip(self.keys, grads, strict=True))


class _Joined(torch.autograd.Function):
    """Tokens that were computed on other threads, as a function of the parameters."""

    @staticmethod
    def forward(ctx: Any, parts: list[_Part], keys: list[int], *parameters: Tensor) -> tuple[Tensor, ...]:
        ctx.parts, ctx.parameters = parts, dict(zip(keys, parameters, strict=True))
        return tuple(part.tokens.detach() for part in parts if part.tokens is not None)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        refuse_second_derivative(
            "Encoders that run side by side",
            "compute the loss inside of coral_plugin.networks.alongside.one_after_the_other()",
        )
        keep = _keeps_graph()
        pairs = zip(ctx.parts, grads, strict=True)
        results = _side_by_side([partial(part.backward, ctx.parameters, grad, keep) for part, grad in pairs])
        return None, None, *(_sum(result.get(key) for result in results) for key in ctx.parameters)


def _sum(grads: Iterable[Tensor | None]) -> Tensor | None:
    total = None
    for grad in grads:
        if grad is not None:
            total = grad if total is None else total + grad
    return total


def _nothing() -> None:
    """What a step without random numbers draws."""


def _side_by_side(
    tasks: Sequence[Callable[[], Result]],
    meanwhile: Callable[[], None] = _nothing,
    end: Callable[[], None] = _nothing,
) -> list[Result]:
    """Results of the tasks, which share the threads of torch.

    ``meanwhile`` runs on this thread, and then ``end``, whatever has failed, so that no task waits for more.
    """
    threads = torch.get_num_threads()
    share = max(1, threads // len(tasks))
    futures: list[Future[Result]] = []
    try:
        for task in tasks:  # one by one: those that run are waited for where a later one cannot begin
            futures.append(_pool(threads).submit(_with_threads, share, task))  # noqa: PERF401
        meanwhile()
    finally:
        end()
        wait(futures)
        torch.set_num_threads(threads)  # threads that begin later have as many as this one
    return [future.result() for future in futures]


def _with_threads(threads: int, task: Callable[[], Result]) -> Result:
    torch.set_num_threads(threads)  # of this thread
    return task()


def _pool(threads: int) -> ThreadPoolExecutor:
    key = os.getpid(), threads  # threads do not live on in a forked process
    if key not in _pools:
        _pools[key] = ThreadPoolExecutor(threads, thread_name_prefix="coral-encoder")
    return _pools[key]
