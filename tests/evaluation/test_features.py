import numpy as np
import pytest
import torch

from coral_plugin.data import Modality, ModalityColumn, Split
from coral_plugin.evaluation.features import embed_split, project_parts
from coral_plugin.networks import NetworkSettings
from coral_plugin.objectives.comm import Comm, CommSettings
from coral_plugin.objectives.coral import Coral, CoralSettings

MODALITIES = tuple(Modality(name=name, kind="tabular", shape=(5,)) for name in ("a", "b"))
NETWORK = NetworkSettings(width=8, heads=2, head_hidden=8, head_output=8)


@pytest.mark.parametrize("lacking", [False, True])
def test_projected_parts_of_embedded_samples_are_the_same_and_the_encoders_rest(lacking, monkeypatch):
    torch.manual_seed(0)
    present = torch.arange(300) % 3 > 0 if lacking else None
    split = Split(
        {"a": ModalityColumn(torch.randn(300, 5), present=present), "b": ModalityColumn(torch.randn(300, 5))}, {}
    )
    coral = Coral(MODALITIES, NETWORK, CoralSettings(), {})
    parts, wanted = embed_split(coral, split), embed_split(coral, split, projected=True)
    monkeypatch.setattr(coral, "embed", None)
    projected = project_parts(coral, parts, split)
    assert list(projected) == list(wanted)
    assert all(np.array_equal(projected[name], wanted[name]) for name in wanted)


def test_another_method_embeds_again():
    torch.manual_seed(0)
    split = Split({m.name: ModalityColumn(torch.randn(20, 5)) for m in MODALITIES}, {})
    comm = Comm(MODALITIES, NETWORK, CommSettings(), {})
    wanted = embed_split(comm, split, projected=True)
    projected = project_parts(comm, embed_split(comm, split), split)
    assert all(np.array_equal(projected[name], wanted[name]) for name in wanted)
