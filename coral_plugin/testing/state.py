"""Checks of what is kept: saved and loaded weights, and copies."""

from __future__ import annotations

import copy
import io
import pickle

import torch

from coral_plugin.data import Modality
from coral_plugin.objectives import Objective
from coral_plugin.testing.expect import expect, expect_same
from coral_plugin.testing.samples import samples
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
    _equal(objective, other, modalities, "of an instance that loaded the weights")


def copies(subject: Subject, modalities: tuple[Modality, ...]) -> None:
    """A deep copy and a pickled one embed and score the same."""
    objective = trained(subject.build(modalities), modalities)
    _equal(objective, copy.deepcopy(objective), modalities, "of a deep copy")
    # own bytes, made two lines up
    _equal(objective, pickle.loads(pickle.dumps(objective)), modalities, "of a pickled copy")  # noqa: S301


def _equal(one: Objective, other: Objective, modalities: tuple[Modality, ...], what: str) -> None:
    batch = samples(modalities, lacking=True)
    expect_same(embedded(other, batch), embedded(one, batch), f"the embedding {what}")
    if one.trains:
        # in training mode, each by itself: the statistics of both move alike
        found = [values_of(terms(each.train(), batch)) for each in (copy.deepcopy(one), copy.deepcopy(other))]
        expect_same(found[1], found[0], f"the terms {what}")
