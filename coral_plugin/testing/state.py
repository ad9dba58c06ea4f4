"""Checks of what is kept: saved and loaded weights, and copies."""

from __future__ import annotations

import copy
import io
import pickle

import torch

from coral_plugin.data import Modality
from coral_plugin.objectives import Objective
from coral_plugin.testing.expect import expect, expect_same
from coral_plugin.testing.samples import make_samples
from coral_plugin.testing.subject import Subject, embedded, terms, trained, values_of


def saved_weights(subject: Subject, modalities: tuple[Modality, ...]) -> None:
    """After ``prepare`` and loading a saved ``state_dict``, another instance embeds and scores the same."""
    objective = trained(subject.build(modalities), modalities)
    file = io.BytesIO()
    torch.save(objective.state_dict(), file)
    file.seek(0)
    other = subject.build(modalities, seed=1)
    state = torch.load(file, weights_only=True)
    expect(list(state) == list(other.state_dict()), "a state_dict with the same names in every instance", list(state))
    other.load_state_dict(state)
    _expect_equal(objective, {"an instance that loaded the weights": other}, modalities)


def copies(subject: Subject, modalities: tuple[Modality, ...]) -> None:
    """A deep copy and a pickled one embed and score the same."""
    objective = trained(subject.build(modalities), modalities)
    # own bytes
    pickled = pickle.loads(pickle.dumps(objective))  # noqa: S301
    _expect_equal(objective, {"a deep copy": copy.deepcopy(objective), "a pickled copy": pickled}, modalities)


def _expect_equal(one: Objective, others: dict[str, Objective], modalities: tuple[Modality, ...]) -> None:
    batch = make_samples(modalities, missing=True)
    parts = embedded(one, batch)
    # in training mode, each once: what they keep moves alike
    wanted = values_of(terms(one.train(), batch)) if one.trains else {}
    for what, other in others.items():
        expect_same(embedded(other, batch), parts, f"the embedding of {what}")
        if one.trains:
            expect_same(values_of(terms(other.train(), batch)), wanted, f"the terms of {what}")
