"""Shapes in a safetensors file, and what is none."""

import pytest
from safetensors.torch import save_file
from torch import nn

from coral_plugin.io.safetensors import saved_shapes
from coral_plugin.training.weights import shapes_of


def test_shapes_are_those_of_the_module_and_of_its_file(tmp_path):
    module = nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(5))
    save_file(module.state_dict(), tmp_path / "m.safetensors")
    expected = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    assert saved_shapes(tmp_path / "m.safetensors") == expected
    assert shapes_of(lambda: nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(5))) == expected


@pytest.mark.parametrize("content", [b"", b"\xff" * 8 + b"{}", (2).to_bytes(8, "little") + b"[]"])
def test_what_is_no_safetensors_file(tmp_path, content):
    (tmp_path / "m").write_bytes(content)
    with pytest.raises(ValueError, match=r"cut off|no table"):
        saved_shapes(tmp_path / "m")
