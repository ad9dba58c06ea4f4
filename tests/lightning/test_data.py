"""The data module: what it takes, and what it refuses in one line."""

import re

import pytest
import torch
from pytorch_lightning import LightningModule

from coral_plugin.data import from_arrays
from coral_plugin.errors import InputError
from coral_plugin.lightning import MultimodalDataModule, ObjectiveModule


def test_arrays_with_and_without_splits_and_a_data_set(arrays):
    plain = {name: values for name, values in arrays.items() if name.startswith("train/")}
    flat = {name.removeprefix("train/"): values for name, values in plain.items() if not name.endswith("labels")}
    module = MultimodalDataModule(flat, labels=plain["train/labels"], kinds={"series": "sequence"})
    assert module.dataset == "arrays"
    assert [task.kind for task in module.data.tasks] == ["classification"]
    data = from_arrays(arrays)
    assert MultimodalDataModule(data).data is data


def test_an_epoch_has_every_sample_once_with_padding(data, trainer, tiny):
    seen = []
    module = ObjectiveModule(data, **tiny)
    original = module.training_step
    module.training_step = lambda batch, batch_idx: (seen.append(batch), original(batch, batch_idx))[1]
    trainer(max_epochs=1).fit(module, data)
    assert torch.cat([batch.index for batch in seen]).sort().values.tolist() == list(range(24))
    assert [batch.size for batch in seen] == [10, 10, 4]
    assert all(batch.padding["series"].any() for batch in seen)


@pytest.mark.parametrize(
    ("dataset", "options", "line"),
    [
        ("mosy", {}, "Did you mean 'mosi'"),
        ("digits", {"labels": [1]}, "labels, kinds and task are for arrays; digits has its own."),
        ("digits", {"batch_size": 2}, "MultimodalDataModule has no argument 'batch_size'"),
        ("digits", {"source__x": 2}, "Unknown source setting 'x'"),
        ({"a": [[1.0]]}, {"data": "x.npz"}, "are for a data set that is named, not for arrays."),
        (3, {}, "{name: array or data frame, ...}, a map-style data set, MultimodalData"),
    ],
)
def test_arguments_that_are_refused(dataset, options, line):
    with pytest.raises(InputError, match=re.escape(line)):
        MultimodalDataModule(dataset, **options)


def test_a_module_of_another_kind_is_refused(data, trainer):
    class Other(LightningModule):
        def training_step(self, batch):
            return None

        def configure_optimizers(self):
            return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))])

    with pytest.raises(InputError, match="makes batches for an ObjectiveModule"):
        trainer().fit(Other(), data)
