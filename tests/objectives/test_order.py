"""Whether the order of a series' steps counts: by default yes, with the papers' encoders of their data sets no."""

import numpy as np
import pytest
import torch

from coral_plugin import fit
from coral_plugin.data import Modality, MultimodalBatch
from coral_plugin.networks.factory import default_encoder
from coral_plugin.registry import DATASETS, OBJECTIVES
from coral_plugin.runs.recipe import network_for
from coral_plugin.runs.settings import make_settings

STEPS, LENGTHS = 9, torch.tensor([9, 5, 7, 2])
PAIR = (
    Modality(name="vision", kind="sequence", shape=(STEPS, 4)),
    Modality(name="text", kind="sequence", shape=(STEPS, 6)),
)


def batches(modality):
    """A batch, and the same with the valid steps of one modality in reverse."""
    generator = torch.Generator().manual_seed(0)
    padding = torch.arange(STEPS) >= LENGTHS[:, None]
    values = {m.name: torch.randn(4, *m.shape, generator=generator) for m in PAIR}
    values = {name: value.masked_fill(padding[..., None], 0) for name, value in values.items()}
    place = torch.where(padding, torch.arange(STEPS), LENGTHS[:, None] - 1 - torch.arange(STEPS))
    turned = dict(values)
    turned[modality] = values[modality].gather(1, place[..., None].expand_as(values[modality]))
    masks = dict.fromkeys(values, padding)
    return MultimodalBatch(values, masks), MultimodalBatch(turned, masks)


def moves(objective, dataset, modality):
    """Greatest change of the representation where the steps of ``modality`` are turned round."""
    settings = make_settings(objective, dataset)
    torch.manual_seed(0)
    network = network_for(settings, [m.name for m in PAIR])
    model = OBJECTIVES.get(objective)(PAIR, network, settings.method).eval()
    with torch.no_grad():
        before, after = (torch.cat(list(model.embed(batch).values()), dim=1) for batch in batches(modality))
    return (before - after).abs().amax(dim=1)


@pytest.mark.parametrize("modality", ["vision", "text"])
@pytest.mark.parametrize("dataset", ["arrays", "dataloaders", "mmsdk"])
@pytest.mark.parametrize("objective", ["coral", "comm", "clip"])
def test_by_default_the_order_of_valid_steps_counts(objective, dataset, modality):
    assert (moves(objective, dataset, modality) > 1e-3).all()


@pytest.mark.parametrize("dataset", ["mosi", "mosei", "humor", "sarcasm"])
@pytest.mark.parametrize("objective", ["coral", "comm"])
def test_the_papers_networks_are_blind_to_it(objective, dataset):
    assert (moves(objective, dataset, "vision") < 1e-5).all()


def test_only_the_papers_data_sets_name_the_encoder_without_position_codes():
    blind = [
        name for name in DATASETS.names()
        if "affect_transformer" in DATASETS.get(name).recipe.get("network.encoders", {}).values()
    ]  # fmt: skip
    assert sorted(blind) == ["humor", "mosei", "mosi", "sarcasm"]
    assert default_encoder(PAIR[0]) == "affect_transformer(positions=True)"


def test_arrays_of_a_user_are_told_apart_by_their_order():
    generator = np.random.default_rng(0)
    arrays = {name: generator.normal(size=(8, 6, 3)).astype(np.float32) for name in ("one", "two")}
    for name in arrays:
        arrays[name][::2, 4:] = 0  # of different lengths
    small = {"network__head_hidden": 8, "network__head_output": 8, "training__batch_size": 8}
    found = fit(arrays, seeds=(1,), epochs=1, quiet=True, kinds=dict.fromkeys(arrays, "sequence"), **small)
    turned = {name: values.copy() for name, values in arrays.items()}
    turned["one"][:, :4] = arrays["one"][:, 3::-1]
    assert np.abs(found.embed(arrays) - found.embed(turned)).max(axis=1).min() > 1e-3


def test_a_file_without_a_modality_that_the_recipe_names():
    settings = make_settings("coral", "mosi", network__encoders={"vision": "gru", "txet": "gru"})
    # what the recipe says of others stays; a name that is written wrongly is refused where the networks are built
    blind = "affect_transformer"
    assert settings.network.encoders == {"vision": "gru", "audio": blind, "text": blind, "txet": "gru"}
    assert network_for(settings, ["vision", "text"]).encoders == {"vision": "gru", "text": blind, "txet": "gru"}
