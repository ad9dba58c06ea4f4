"""What stands in for torchvision, and a torchvision that does not import."""

import importlib
import sys
import textwrap

import numpy as np
import pytest
import torch
from PIL import Image

from coral_plugin.errors import PluginError
from coral_plugin.multibench import multibench
from coral_plugin.multibench.shims import vision
from coral_plugin.multibench.shims.image_transforms import Compose, Normalize, Resize, ToTensor
from coral_plugin.multibench.shims.missing import broken
from coral_plugin.multibench.shims.resnet import ResNet
from coral_plugin.multibench.shims.vgg import VGG

# trainable parameters as torchvision's documentation gives them for its weights
PUBLISHED = {
    "vgg11": 132_863_336,
    "vgg11_bn": 132_868_840,
    "vgg16": 138_357_544,
    "vgg16_bn": 138_365_992,
    "vgg19": 143_667_240,
    "resnet18": 11_689_512,
    "resnet50": 25_557_032,
}


@pytest.fixture
def lines():
    return []


@pytest.fixture
def models(double, lines):
    with multibench(double, say=lines.append) as scope:
        if "torchvision-absent" not in scope.shims:
            pytest.skip("torchvision is installed here")
        yield importlib.import_module("torchvision.models")


@pytest.mark.parametrize("name", PUBLISHED)
def test_networks_have_the_published_size_and_shape(models, name):
    with torch.device("meta"):  # shapes without numbers
        network = getattr(models, name)()
        assert network(torch.empty(2, 3, 64, 64)).shape == (2, 1000)
    assert sum(parameter.numel() for parameter in network.parameters()) == PUBLISHED[name]


def test_parts_have_the_names_that_multibench_touches():
    with torch.device("meta"):
        vgg, resnet, deep = VGG(11, normalised=True), ResNet(18), ResNet(50)
    assert {"features.0.weight", "features.1.running_mean", "classifier.6.bias"} <= set(vgg.state_dict())
    assert vgg.classifier[6].in_features == 4096
    assert [type(layer).__name__ for layer in vgg.features[:4]] == ["Conv2d", "BatchNorm2d", "ReLU", "MaxPool2d"]
    names = {"conv1.weight", "bn1.bias", "layer1.0.conv2.weight", "layer2.0.downsample.1.running_var", "fc.bias"}
    assert names <= set(resnet.state_dict())
    assert {"layer1.0.conv3.weight", "layer4.2.bn3.bias"} <= set(deep.state_dict())
    assert deep.layer2[0].conv2.stride == (2, 2)


def test_a_residual_network_computes_and_trains():
    torch.manual_seed(0)
    network = ResNet(18, num_classes=3)
    out = network(torch.randn(2, 3, 32, 32))
    out.sum().backward()
    assert out.isfinite().all()
    assert network.conv1.weight.grad.abs().sum() > 0


def test_weights_that_are_not_there_are_said(models, lines):
    models.resnet18(pretrained=True, num_classes=2)
    models.resnet18(pretrained=True, num_classes=2)
    assert len(lines) == 1
    assert "resnet18 with weights from ImageNet" in lines[0]
    assert "random" in lines[0]


def test_weights_in_torchs_cache_are_used(models, lines, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    torch.manual_seed(3)
    known = ResNet(18)
    torch.save(known.state_dict(), tmp_path / "checkpoints" / "resnet18-0000abcd.pth")
    assert torch.equal(models.resnet18(pretrained=True).fc.weight, known.fc.weight)
    assert lines == []


def test_data_sets_of_torchvision_say_that_it_is_not_installed(models):
    datasets = importlib.import_module("torchvision").datasets
    with pytest.raises(PluginError, match=r"torchvision\.datasets\.CIFAR100"):
        datasets.CIFAR100("folder")


def test_transforms_are_what_they_say():
    pixels = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
    tensor = Compose([ToTensor(), Normalize((0.5,) * 3, (0.25,) * 3)])(Image.fromarray(pixels))
    assert tensor.shape == (3, 4, 6)
    assert torch.allclose(tensor[2, 1, 4], torch.tensor((pixels[1, 4, 2] / 255 - 0.5) / 0.25, dtype=torch.float32))
    assert ToTensor()(np.ones((4, 6), dtype=np.float32)).shape == (1, 4, 6)
    flat = Image.new("RGB", (10, 20), (7, 8, 9))
    resized = Resize((5, 3))(flat)
    assert resized.size == (3, 5)
    assert np.asarray(resized).reshape(-1, 3).tolist() == [[7, 8, 9]] * 15


def fake(tmp_path, monkeypatch, name, files):
    for file, text in files.items():
        path = tmp_path / name / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
    monkeypatch.syspath_prepend(str(tmp_path))


BROKEN = {
    "__init__.py": """
        import torch
        @torch.library.register_fake("torchvision::nms")
        def nms(dets, scores, threshold):
            return dets
    """,
    "models.py": "def resnet18(pretrained=False):\n    return 'theirs'\n",
}


def test_a_torchvision_without_its_operators_imports(double, tmp_path, monkeypatch):
    """As the wheel of PyPI beside a CPU build of PyTorch, which says that torchvision::nms does not exist."""
    if "torchvision" in sys.modules:
        pytest.skip("torchvision is imported already")
    fake(tmp_path, monkeypatch, "torchvision", BROKEN)
    assert "torchvision::nms does not exist" in broken("torchvision")
    assert "torchvision" not in sys.modules  # nothing half imported
    monkeypatch.setattr(vision, "_reason", [])
    monkeypatch.setattr(vision, "_kept", {})
    for _ in range(2):
        with multibench(double) as scope:
            assert "torchvision::nms does not exist" in scope.shims["torchvision-operators"]
            assert "torchvision-absent" not in scope.shims
            assert importlib.import_module("torchvision.models").resnet18() == "theirs"
        assert not [name for name in sys.modules if name.startswith("torchvision")]
        with pytest.raises(AttributeError):
            torch.ops.torchvision.nms  # noqa: B018


def test_weights_that_cannot_be_fetched_are_said(double, tmp_path, monkeypatch, lines):
    model = """
        from urllib.error import URLError
        def resnet18(pretrained=False):
            if pretrained:
                raise URLError("no network")
            return "random"
    """
    builders = "".join(f"{name} = resnet18\n" for name in (*PUBLISHED, "vgg19_bn") if name != "resnet18")
    fake(tmp_path, monkeypatch, "torchvision", {"__init__.py": "", "models.py": textwrap.dedent(model) + builders})
    with multibench(double, say=lines.append) as scope:
        assert "pretrained-weights" in scope.shims
        assert importlib.import_module("torchvision.models").vgg19(pretrained=True) == "random"
    assert "vgg19" in lines[0]
    for name in [name for name in sys.modules if name.startswith("torchvision")]:
        del sys.modules[name]
