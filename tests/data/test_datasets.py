"""Data sets whose items are read by index: what they give is what the same arrays give, and bad items are named."""

import pickle
from collections.abc import Mapping

import numpy as np
import pytest
import torch
from torch.utils.data import Dataset

from coral_plugin import fit
from coral_plugin.data import from_arrays, from_datasets
from coral_plugin.errors import InputError
from coral_plugin.training.loader import BatchLoader

FAST = {"network__width": 8, "network__heads": 2, "training__batch_size": 8, "quiet": True}


class Counted(Dataset):
    """Items of some arrays, and how often each was read."""

    def __init__(self, arrays, split="train", form=dict):
        self.arrays = {k.removeprefix(f"{split}/"): v for k, v in arrays.items() if k.startswith(f"{split}/")}
        self.form, self.reads = form, []

    def __len__(self):
        return len(next(iter(self.arrays.values())))

    def __getitem__(self, number):
        self.reads.append(number)
        row = {key: array[number] for key, array in self.arrays.items()}
        return row if self.form is dict else tuple(row.values())


class Feature:
    names = ("cat", "dog")


class HuggingFaceLike:
    """What ``datasets.Dataset`` shows of itself: rows are dictionaries of Python's lists and numbers, columns named."""

    def __init__(self, columns, features):
        self.columns, self.features, self.column_names = columns, features, list(columns)

    def __len__(self):
        return len(next(iter(self.columns.values())))

    def __getitem__(self, key):
        if isinstance(key, str):
            return self.columns[key]
        return {name: column[key] for name, column in self.columns.items()}


@pytest.fixture
def others(tiny_arrays):
    return {key: array for key, array in tiny_arrays.items() if not key.startswith("train/")}


def assert_same_batches(split, other):
    for index in (torch.tensor([3, 0, 7]), torch.tensor([5])):
        batch, wanted = split.batch(index), other.batch(index)
        assert list(batch) == list(wanted)
        assert all(torch.equal(batch[name], wanted[name]) for name in wanted)
        assert all(torch.equal(batch.padding[name], mask) for name, mask in wanted.padding.items())
        assert all(torch.equal(batch.targets[name], target) for name, target in wanted.targets.items())


@pytest.mark.parametrize("form", [dict, tuple])
def test_batches_and_statistics_are_those_of_the_same_arrays(tiny_arrays, others, form):
    wanted = from_arrays(tiny_arrays)
    names = ["table", "series", "image"]
    data = from_datasets(
        {"train": Counted(tiny_arrays, form=form), **others}, modalities=names if form is tuple else None
    )
    assert [(m.name, m.kind, m.shape, m.bounds) for m in data.modalities] == [
        (m.name, m.kind, m.shape, m.bounds) for m in wanted.modalities
    ]
    for modality, same in zip(data.modalities, wanted.modalities, strict=True):
        assert modality.mean == pytest.approx(same.mean, rel=1e-12)
        assert modality.std == pytest.approx(same.std, rel=1e-12)
    assert data.tasks == wanted.tasks
    assert data.notes == wanted.notes
    assert_same_batches(data.train, wanted.train)
    assert_same_batches(data.test, wanted.test)


def test_statistics_are_of_all_items_though_kinds_are_recognised_on_some(monkeypatch):
    monkeypatch.setattr("coral_plugin.data.datasets._MOST_ITEMS", 16)
    values = np.random.default_rng(0).normal(50, 3, (700, 4)) + np.arange(4)
    data = from_datasets({"train": Counted({"train/a": values})})
    assert data.notes[0] == "how train is read was decided on 16 of its 700 items, scale on all of them"
    single = values.astype(np.float32).astype(np.float64)
    assert data.modalities[0].mean == pytest.approx(single.mean(axis=0), rel=1e-13)
    assert data.modalities[0].std == pytest.approx(single.std(axis=0), rel=1e-12)
    assert data.modalities[0].bounds == (values.astype(np.float32).min(), values.astype(np.float32).max())


def test_values_far_from_zero_keep_their_digits():
    values = 1.7e9 + np.random.default_rng(0).normal(size=(50, 2))
    data, wanted = from_datasets({"train": Counted({"train/a": values})}), from_arrays({"train/a": values})
    assert data.modalities[0].offset is not None
    assert data.modalities[0].std == pytest.approx(wanted.modalities[0].std, rel=1e-6)
    assert_same_batches(data.train, wanted.train)


def test_series_of_several_lengths_keep_all_their_steps():
    rng = np.random.default_rng(0)
    series = [rng.normal(size=(3 + number % 5, 2)) for number in range(30)]
    series[0][-1] = 0  # a step of zeros is no padding where lengths are known
    items = [{"a": one, "b": rng.normal(size=3)} for one in series]
    data = from_datasets({"train": items})
    assert data.modalities[0].kind == "sequence"
    assert data.modalities[0].shape == (7, 2)
    assert data.train.columns["a"].lengths.tolist() == [len(one) for one in series]
    alone = data.train.batch(torch.tensor([0]))["a"]
    assert alone.shape == (1, 3, 2)
    assert torch.equal(data.train.batch(torch.tensor([4, 0]))["a"][1, :3], alone[0])


def test_columns_of_hugging_face_are_read_by_row_with_their_class_names(others):
    rng = np.random.default_rng(0)
    rows = {"pixels": rng.integers(0, 256, (20, 8, 8, 3), dtype=np.uint8).tolist(), "lab": rng.normal(size=20).tolist()}
    train = HuggingFaceLike({**rows, "label": [0, 1] * 10}, {"label": Feature()})
    test = HuggingFaceLike({**rows, "label": [1, 0] * 10}, {"label": Feature()})
    data = from_datasets({"train": train, "test": test})
    assert [(m.name, m.kind, m.shape) for m in data.modalities] == [
        ("pixels", "image", (3, 8, 8)),
        ("lab", "tabular", (1,)),
    ]
    assert data.tasks[0].classes == ("cat", "dog")
    assert len(data.valid) == 3
    assert not isinstance(train, Mapping)
    assert fit(train, epochs=1, **FAST).embed({"lab": np.zeros((2, 1))}).shape[0] == 2


def test_a_value_that_is_none_is_a_missing_modality():
    rng = np.random.default_rng(0)
    items = [{"a": rng.normal(size=3), "b": None if number % 4 == 0 else rng.normal(size=2)} for number in range(300)]
    data = from_datasets({"train": items})
    assert data.train.presence()["b"].tolist() == [number % 4 != 0 for number in range(300)]
    batch = data.train.batch(torch.tensor([0, 1, 4, 8]))
    assert batch.present["b"].tolist() == [False, True, False, False]
    assert data.train.batch(torch.tensor([0, 4]))["b"].tolist() == [[0, 0], [0, 0]]
    kept = np.array([item["b"] for item in items if item["b"] is not None])
    assert data.modalities[1].mean == pytest.approx(kept.astype(np.float32).mean(axis=0, dtype=np.float64))
    assert any("of 300 samples of train some lack a modality: b in 75" in note for note in data.notes)


def test_items_of_a_batch_are_read_once_for_all_modalities(tiny_arrays, others):
    train = Counted(tiny_arrays)
    data = from_datasets({"train": train, **others})
    train.reads.clear()
    data.train.batch(torch.tensor([4, 2]))
    assert train.reads == [4, 2]


def test_several_processes_read_every_sample_once(tiny_arrays, others):
    train = Counted(tiny_arrays)
    data = from_datasets({"train": train, **others})
    train.reads.clear()
    for rank in range(2):
        split = pickle.loads(pickle.dumps(data.train))
        loader = BatchLoader(split, 8, seed=3, rank=rank, world=2)
        train.reads += [int(number) for batch in loader for number in batch.index]
    assert sorted(train.reads) == list(range(24))


def test_training_and_resumption_are_those_of_the_same_arrays_to_the_bit(tiny_arrays, others, tmp_path):
    items = {"train": Counted(tiny_arrays), **others}
    held = fit(tiny_arrays, epochs=2, seeds=1, **FAST)
    straight = fit(items, epochs=2, seeds=1, output=tmp_path / "straight", **FAST)
    for (name, weight), other in zip(
        straight.objective.state_dict().items(), held.objective.state_dict().values(), strict=True
    ):
        assert torch.allclose(weight, other, atol=1e-6), name
    # the same folder, of which the result is taken away, goes on from its checkpoint
    (tmp_path / "straight" / "seed-1" / "result.json").unlink()
    again = fit(items, epochs=2, seeds=1, output=tmp_path / "straight", resume=True, **FAST)
    assert all(map(torch.equal, again.objective.state_dict().values(), straight.objective.state_dict().values()))


def bad(change):
    rng = np.random.default_rng(0)
    items = [
        {"a": rng.normal(size=3), "s": rng.normal(size=(5, 2)), "p": rng.integers(0, 255, (3, 8, 8))} for _ in range(40)
    ]
    change(items[17])
    return items


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda item: item.update(a=np.zeros(4)), r"item 17: a has shape \(4,\), the first item has \(3,\)"),
        (lambda item: item.update(s=np.zeros((5, 3))), r"item 17: s has shape \(5, 3\), the first item has \(5, 2\)"),
        (lambda item: item["a"].put(1, np.nan), "item 17: a holds values that are not finite"),
        (lambda item: item.pop("s"), "item 17 lacks s; give None where it has no such modality"),
        (lambda item: item.update(z=1), "item 17 has z, which the first item lacks"),
        (lambda item: item.update(a="text"), "item 17: a is of type <U4"),
        (lambda item: item.update(a=None, s=None, p=None), "item 17 has no modality at all"),
    ],
)
@pytest.mark.parametrize("looked_at", [8, 1024])
def test_a_bad_item_is_named_in_one_line(change, message, looked_at, monkeypatch):
    monkeypatch.setattr("coral_plugin.data.datasets._MOST_ITEMS", looked_at)
    with pytest.raises(InputError, match=message) as caught:
        from_datasets({"train": bad(change)})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda item: item.update(s=np.zeros((4, 2))), r"item 17: s has shape \(4, 2\).*kinds=\{'s': 'sequence'\}"),
        (lambda item: item.update(p=item["p"] / 255), "item 17: p is of another type"),
    ],
)
def test_what_the_first_items_decided_binds_the_others(change, message, monkeypatch):
    monkeypatch.setattr("coral_plugin.data.datasets._MOST_ITEMS", 8)
    with pytest.raises(InputError, match=message):
        from_datasets({"train": bad(change)})


def test_items_that_change_when_they_are_read_again_are_refused():
    class Random(Counted):
        def __getitem__(self, number):
            return {"a": np.random.default_rng().normal(size=3)}

    with pytest.raises(InputError, match=r"item 0 differs when it is read again.*augmentations"):
        fit(Random({"train/a": np.zeros((5, 3))}))


def test_an_item_that_cannot_be_read_is_named():
    class Broken(Counted):
        def __getitem__(self, number):
            if number == 3:
                raise OSError("disk failed")
            return super().__getitem__(number)

    with pytest.raises(InputError, match="arrays: train, item 3 cannot be read: disk failed"):
        fit(Broken({"train/a": np.random.default_rng(0).normal(size=(9, 2))}))


@pytest.mark.parametrize("key", ["fine_label", "y", "target"])
def test_a_label_under_another_name_is_no_modality(key):
    items = [{"a": np.ones(3) * number, key: number % 2} for number in range(8)]
    with pytest.raises(
        InputError, match=f"{key} would be read as a modality; where it is the label, say label='{key}'"
    ):
        from_datasets({"train": items})
    data = from_datasets({"train": items * 3}, label=key)
    assert [m.name for m in data.modalities] == ["a"]
    assert data.tasks[0].classes == ("0", "1")


def test_items_may_be_tensors_of_any_type_and_palette_pictures():
    image = pytest.importorskip("PIL.Image")
    colours = np.random.default_rng(0).integers(0, 255, (6, 8, 8, 3), dtype=np.uint8)
    items = [
        {"a": torch.ones(3, requires_grad=True), "b": torch.ones(2, dtype=torch.bfloat16), "c": torch.tensor(1.5),
         "picture": image.fromarray(values).convert("P")}
        for values in colours
    ]  # fmt: skip
    data = from_datasets({"train": items})
    assert {m.name: m.shape for m in data.modalities} == {"a": (3,), "b": (2,), "c": (1,), "picture": (3, 8, 8)}
