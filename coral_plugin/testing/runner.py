"""The checks by name, one at a time or all of them."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch

from coral_plugin.data import Modality
from coral_plugin.networks import NetworkSettings
from coral_plugin.networks.factory import EncoderLike
from coral_plugin.objectives import Objective
from coral_plugin.registry import suggest
from coral_plugin.testing import contract, invariance, learning, presence, state
from coral_plugin.testing.expect import ContractError
from coral_plugin.testing.processes import processes
from coral_plugin.testing.subject import Subject

Check = Callable[[], None]

_OF_THE_CLASS = (contract.settings, contract.presets, contract.construction, contract.needs_labels)
_OF_THE_EMBEDDING = (
    contract.parts,
    contract.subsets,
    invariance.evaluation,
    invariance.batch_independence,
    invariance.padding_values,
    invariance.padding_length,
    invariance.missing_values,
    invariance.unchanged,
    state.saved_weights,
    state.copies,
)
_OF_THE_LOSS = (
    learning.loss_terms,
    learning.progress,
    learning.gradient,
    learning.learning,
    learning.two_samples,
    learning.rare_modality,
    presence.missing_samples,
    learning.half_precision,
    invariance.seeded,
)


def list_checks() -> list[str]:
    """Names of all checks, in the order in which they run.

    Example:
        >>> [name for name, check in objective_checks("clip", skip=list_checks()[4:])]  # those of the class alone
        ['settings', 'presets', 'construction', 'needs_labels']
    """
    every: tuple[Callable[..., None], ...] = (*_OF_THE_CLASS, *_OF_THE_EMBEDDING, *_OF_THE_LOSS, processes)
    return [check.__name__ for check in every]


def objective_checks(
    objective: type[Objective] | str,
    *,
    settings: Any = None,
    network: NetworkSettings | None = None,
    modalities: Iterable[int | tuple[Modality, ...]] | None = None,
    encoders: Mapping[str, EncoderLike] | None = None,
    skip: Iterable[str] = (),
) -> Iterator[tuple[str, Check]]:
    """The checks that apply to an objective, each as its name and a function without arguments; none runs yet.

    For pytest: ``@pytest.mark.parametrize(("name", "check"), list(objective_checks(Mine)))``. The arguments are those
    of :func:`check_objective`.
    """
    left_out = set(skip)
    for name in left_out:
        if name not in list_checks():
            raise suggest(name, list_checks(), "check")
    subject = Subject.of(objective, settings, network, None if modalities is None else tuple(modalities), encoders)
    trains = subject.kind.trains
    once = (*_OF_THE_CLASS, *((processes,) if trains else ()))
    for check in (*_OF_THE_CLASS, *_OF_THE_EMBEDDING, *((*_OF_THE_LOSS, processes) if trains else ())):
        if check.__name__ not in left_out:
            run = _once if check in once else _for_each
            yield check.__name__, partial(run, check, subject)


def check_objective(
    objective: type[Objective] | str,
    *,
    settings: Any = None,
    network: NetworkSettings | None = None,
    modalities: Iterable[int | tuple[Modality, ...]] | None = None,
    encoders: Mapping[str, EncoderLike] | None = None,
    skip: Iterable[str] = (),
) -> None:
    """Check that an objective keeps the contract of :class:`~coral_plugin.objectives.Objective`, on made-up data.

    Takes some seconds on a CPU, and starts two processes for one of the checks.

    Args:
        objective: A class, or a registered name.
        settings: An instance of its ``Settings``; the defaults if None.
        network: Settings of the networks; tiny ones if None.
        modalities: Numbers of modalities (the first of ``words``, ``image``, ``table``, ``series``), or tuples of
            modalities; ``min_modalities`` and 2, 3 and 4 if None. It is checked with each but those that it refuses
            with an :class:`InputError`.
        encoders: Encoders by modality; tiny ones where neither these nor ``network`` name one.
        skip: Names of checks to leave out (:func:`list_checks`).

    Raises:
        AssertionError: a check fails; says which, what was expected, and what was found.
        InputError: an unknown objective or check.
    """
    checks = objective_checks(
        objective, settings=settings, network=network, modalities=modalities, encoders=encoders, skip=skip
    )
    for _, check in checks:
        check()


def _once(check: Callable[[Subject], None], subject: Subject) -> None:
    _run(partial(check, subject), f"Check {check.__name__!r} of {subject.kind.__name__}")


def _for_each(check: Callable[[Subject, tuple[Modality, ...]], None], subject: Subject) -> None:
    what = f"Check {check.__name__!r} of {subject.kind.__name__}"
    claimed: list[tuple[Modality, ...]] = []
    _run(lambda: claimed.extend(subject.claimed), what)
    for modalities in claimed:
        names = ", ".join(modality.name for modality in modalities)
        _run(partial(check, subject, modalities), f"{what} with {names}")


def _run(check: Check, what: str) -> None:
    """The check with the caller's random numbers left alone; whatever it raises becomes an ``AssertionError``."""
    with torch.random.fork_rng(devices=[]):
        try:
            check()
        except ContractError as error:
            raise AssertionError(f"{what}: {error}") from error
        except Exception as error:  # a stranger's objective may raise anything
            last = traceback.extract_tb(error.__traceback__)[-1]
            place = f"{Path(last.filename).name}, line {last.lineno}: {last.line}"
            raise AssertionError(
                f"{what}: expected no error; found {type(error).__name__}{f': {error}' if str(error) else ''} ({place})"
            ) from error
