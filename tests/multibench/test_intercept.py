"""A script's train(...) under another objective, against the double and the real checkout."""

import inspect
import json
import signal
import threading

import pytest
import torch
import yaml
from torch import nn
from torch.utils.data import DataLoader, WeightedRandomSampler

from coral_plugin.errors import InputError
from coral_plugin.multibench import intercept
from coral_plugin.multibench.head import fit_head
from coral_plugin.multibench.intercept import install
from coral_plugin.multibench.model import RepresentationModel
from coral_plugin.multibench.record import ScriptRun
from coral_plugin.registry import OBJECTIVES
from coral_plugin.training.signals import Interrupted

TINY = {
    "network.width": 16,
    "network.heads": 2,
    "network.head_hidden": 16,
    "network.head_output": 8,
    "training.device": "cpu",
    "training.batch_size": 16,
}
PREFIXES = ("torch.", "training_structures.", "unimodals.", "fusions.", "utils.", "coral_plugin.")


@pytest.fixture
def run_of(tmp_path):
    def make(objective="coral", **changes):
        folder = tmp_path / changes.pop("at", "run")
        folder.mkdir(exist_ok=True)
        chosen = {**TINY, **changes.pop("chosen", {})}
        values = {"objective": objective, "epochs": 1, "seed": 3, "quiet": True, "chosen": chosen}
        return ScriptRun(**{**values, "script": tmp_path / "script.py", "folder": folder, **changes})

    return make


def load(path):
    """As h1's stand-in for torch.load does it: an allow-list of classes."""
    unknown = torch.serialization.get_unsafe_globals_in_checkpoint(path)
    assert all(name.startswith(PREFIXES) for name in unknown), unknown
    return torch.load(path)


def late_fusion(bench, packed, **changes):
    """MultiBench's affect_late_fusion, smaller."""
    train_loader, valid_loader = packed
    encoders = [bench.model("GRU", d, 9, has_padding=True) for d in (4, 3, 6)]
    options = {"task": "regression", "is_packed": True, "save": "lf.pt", "objective": nn.L1Loss(), **changes}
    return bench.training.train(
        encoders, bench.fusion("Concat"), bench.model("MLP", 27, 8, 1), train_loader, valid_loader, 5, **options
    )


def two_tables(bench, loaders, **changes):
    encoders = [bench.model("MLP", 4, 8, 6), bench.model("MLP", 3, 8, 6)]
    shape = {"outputs": 2, **changes}
    head = bench.model("MLP", 12, 8, shape.pop("outputs"))
    return bench.training.train(encoders, bench.fusion("Concat"), head, *loaders, 5, **shape)


def test_packed_regression(bench, packed, run_of, tmp_path):
    with install(run_of()):
        assert late_fusion(bench, packed) is None
    model = load("lf.pt")
    found = bench.training.single_test(model, packed[1], True, nn.L1Loss(), "posneg-classification")
    assert found["Accuracy"] > 0.8
    bench.training.test(model, packed[1], is_packed=True, criterion=nn.L1Loss(), task="regression", no_robust=True)
    record = json.loads((tmp_path / "run" / "head.json").read_text())
    assert (record["task"], record["metric"], record["head"], record["saved"]) == (
        "regression",
        "loss",
        "frozen",
        "lf.pt",
    )
    assert record["features"] == 16 + 3 * 8
    config = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    assert (config["objective"], config["dataset"], config["seeds"]) == ("coral", "dataloaders", [3])
    assert {"metrics.json", "metrics.csv", "data.json", "environment.json"} <= {
        path.name for path in (tmp_path / "run").iterdir()
    }
    assert (tmp_path / "run" / "seed-3" / "model.safetensors").is_file()


def test_positional_classification_and_robustness_dictionaries(bench, positional, run_of, capsys):
    loaders = positional((5,), (6, 4), (1, 16, 16))
    encoders = [bench.model("MLP", 5, 8, 7), bench.model("GRU", 4, 9, flatten=True), bench.model("LeNet", 1, 4, 3)]
    with install(run_of("comm")):
        bench.training.train(
            encoders, bench.fusion("Concat"), bench.model("MLP", 7 + 54 + 32, 8, 2), *loaders, 5, save="deep/er.pt"
        )
    model = load("deep/er.pt")
    assert bench.training.single_test(model, loaders[1])["Accuracy"] > 0.9
    noisy = {"timeseries": [loaders[1]] * 11}  # as many levels as its table has for mimic
    bench.training.test(model, noisy, dataset="mimic 7")
    assert "timeseries" in capsys.readouterr().out
    names = [modality.name for modality in model.batches.modalities]
    assert names == ["table_1", "series_2", "image_3"]


@pytest.mark.parametrize(
    ("target", "task", "loss", "shape"),
    [
        ("labels", "multilabel", nn.BCEWithLogitsLoss(), (3,)),
        ("float", "regression", nn.MSELoss(), (1,)),
        ("float", "classification", nn.CrossEntropyLoss(), (2,)),
        ("class", "classification", nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0])), (2,)),
        ("class", "classification", lambda pred, truth, args: pred.sum(), (2,)),
    ],
)
def test_tasks(bench, positional, run_of, target, task, loss, shape):
    loaders = positional((4,), (3,), target=target)
    with install(run_of()):
        two_tables(bench, loaders, task=task, objective=loss, outputs=shape[0])
    model = load("best.pt")
    batch = next(iter(loaders[1]))
    assert model(batch[:-1]).shape == (len(batch[-1]), *shape)
    kind = task if task != "regression" else "posneg-classification"
    criterion = nn.MSELoss() if task == "regression" else nn.BCEWithLogitsLoss() if task == "multilabel" else loss
    if not isinstance(criterion, nn.Module):
        criterion = nn.CrossEntropyLoss()
    found = bench.training.single_test(model, loaders[1], criterion=criterion, task=kind)
    assert min(found.values()) > 0.85


def test_outputs_by_step(bench, positional, run_of):
    loaders = positional((5, 3), (5, 4), target="steps")
    encoders = [bench.model("GRU", 3, 8), bench.model("GRU", 4, 8)]
    fusion = bench.fusion("ConcatWithLinear", 16, 2, concat_dim=2)
    with install(run_of()):
        bench.training.train(
            encoders, fusion, bench.model("Identity"), *loaders, 5, task="regression", objective=nn.MSELoss()
        )
    model = load("best.pt")
    assert model(next(iter(loaders[1]))[:-1]).shape == (8, 5, 2)
    assert bench.training.single_test(model, loaders[1], criterion=nn.MSELoss(), task="regression")["MSE"] < 0.1


@pytest.mark.parametrize("objective", [name for name in OBJECTIVES.names() if name != "supervised"])
def test_every_objective(opened, positional, run_of, objective):
    with install(run_of(objective)):
        two_tables(opened, positional((4,), (3,)))
    assert opened.training.single_test(load("best.pt"), positional((4,), (3,))[1])["Accuracy"] > 0.8


def test_batch_of_one_zeros_and_length_zero(opened, packed, run_of):
    with install(run_of()):
        late_fusion(opened, packed)
    model = load("lf.pt")
    values, lengths = next(iter(packed[1]))[:2]
    whole = model([values, lengths])
    alone = model([[v[:1, : int(n[0])] for v, n in zip(values, lengths, strict=True)], [n[:1] for n in lengths]])
    assert torch.allclose(alone, whole[:1], atol=1e-5)
    empty = model([[torch.zeros_like(v) for v in values], [torch.zeros_like(n) for n in lengths]])
    assert empty.isfinite().all()
    longer = model([[torch.cat([v, torch.zeros_like(v)], 1) for v in values], lengths])
    assert torch.allclose(longer, whole, atol=1e-5)
    assert set(model.represent([values, lengths])) == {"shared", *(f"unique/series_{i}" for i in (1, 2, 3))}


def test_a_second_training_has_a_folder_of_its_own(opened, positional, run_of, tmp_path):
    with install(run_of()):
        two_tables(opened, positional((4,), (3,)), save="one.pt")
        two_tables(opened, positional((4,), (3,)), save="two.pt")
    assert (tmp_path / "run" / "head.json").is_file()
    assert (tmp_path / "run" / "train-2" / "head.json").is_file()
    assert load("two.pt")


def test_the_same_seed_gives_the_same_model(opened, packed, run_of):
    outputs = []
    for at in ("one", "two"):
        torch.manual_seed(0)
        with install(run_of(at=at)):
            late_fusion(opened, packed)
        outputs.append(load("lf.pt")(packed_batch(packed)))
    assert torch.equal(*outputs)


def packed_batch(packed):
    values, lengths, _, _ = packed[0].collate_fn([packed[0].dataset[i] for i in range(5)])
    return [values, lengths]


def test_fine_tuning_is_no_worse_on_valid(opened, packed, run_of, tmp_path):
    with install(run_of(head="finetuned", epochs=3)):
        late_fusion(opened, packed, optimtype=torch.optim.AdamW, lr=0.01)
    record = json.loads((tmp_path / "run" / "head.json").read_text())
    assert record["head"] == "finetuned"
    assert record["valid"] <= record["valid_frozen"]
    assert 0 <= record["best_epoch"] <= 3
    found = opened.training.single_test(load("lf.pt"), packed[1], True, nn.L1Loss(), "regression")
    assert found["MSE"] == pytest.approx(record["valid"], rel=1e-4)


def test_interrupted_nothing_is_saved_and_resume_goes_on_to_the_same(opened, packed, run_of, monkeypatch, tmp_path):
    (stale := tmp_path / "stale.pt").write_text("an older model")
    torch.manual_seed(0)
    stopped = run_of(at="stopped", epochs=4)
    with monkeypatch.context() as patch:
        interrupt_after(patch, steps=5)
        with install(stopped), pytest.raises(Interrupted):
            late_fusion(opened, packed, save=str(stale))
    assert stale.read_text() == "an older model"
    torch.manual_seed(1)  # what the script draws anew is replaced by the checkpoint
    with install(run_of(at="stopped", epochs=4, resume=True)):
        late_fusion(opened, packed, save="resumed.pt")
    torch.manual_seed(0)
    with install(run_of(at="whole", epochs=4)):
        late_fusion(opened, packed, save="whole.pt")
    inputs = packed_batch(packed)
    assert torch.equal(load("resumed.pt")(inputs), load("whole.pt")(inputs))


def interrupt_after(patch, steps):
    """Ctrl-C in the middle of the training."""
    from coral_plugin.training.step import TrainingStep

    seen = []
    prepare = TrainingStep.prepare

    def counted(self, batch, step):
        seen.append(step)
        if len(seen) == steps:
            signal.raise_signal(signal.SIGINT)
        return prepare(self, batch, step)

    assert threading.current_thread() is threading.main_thread()
    patch.setattr(TrainingStep, "prepare", counted)


def test_a_finished_run_is_not_trained_again(opened, packed, run_of, monkeypatch):
    with install(run_of()):
        late_fusion(opened, packed)
    before = load("lf.pt")(packed_batch(packed))

    def train_again(*_, **__):
        raise AssertionError("trained again")

    monkeypatch.setattr("coral_plugin.runs.start.train", train_again)
    with install(run_of(resume=True)):
        late_fusion(opened, packed)
    assert torch.equal(load("lf.pt")(packed_batch(packed)), before)


def test_a_failure_leaves_the_file_as_it_was(opened, positional, run_of, monkeypatch, tmp_path):
    path = tmp_path / "best.pt"
    path.write_text("an older model")

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", fail)
    with install(run_of()), pytest.raises(Exception, match=r"(?i)no space"):
        two_tables(opened, positional((4,), (3,)), save=str(path))
    assert path.read_text() == "an older model"
    assert [each.name for each in path.parent.iterdir() if "best" in each.name] == ["best.pt"]


def test_epochs_are_the_scripts_own_at_most_the_presets(run_of):
    def epochs(script, **changes):
        return intercept._settings(run_of(**{"epochs": None, **changes}), script).training.epochs

    assert (epochs(20), epochs(1000), epochs(1000, epochs=300)) == (20, 100, 300)
    assert epochs(20, chosen={"training.epochs": 7}) == 7


def test_an_encoder_that_is_chosen_by_name_wins(opened, positional, run_of, tmp_path):
    with install(run_of(chosen={"network.encoders": {"table_1": "mlp(hidden=8)"}})):
        two_tables(opened, positional((4,), (3,)))
    model = load("best.pt")
    kinds = [type(e.encoder).__name__ for e in model.objective.shared.encoders.values()]
    assert kinds == ["MLP", "MultiBenchEncoder"]


def test_kinds_can_be_told(opened, positional, run_of):
    loaders = positional((6,), (3,))
    encoders = [opened.model("MLP", 6, 8, 6), opened.model("MLP", 3, 8, 6)]
    with install(run_of(chosen={"source.kinds": {"table_1": "timeseries"}})):
        opened.training.train(encoders, opened.fusion("Concat"), opened.model("MLP", 12, 8, 2), *loaders, 5)
    model = load("best.pt")
    assert model.batches.modalities[0].shape == (6, 1)
    assert opened.training.single_test(model, loaders[1])["Accuracy"] > 0.8


def test_weighted_samplers_weigh_the_head(opened, positional, run_of, monkeypatch):
    train_loader, valid_loader = positional((4,), (3,))
    weights = torch.zeros(48)
    weights[:10] = 1.0
    weighted = DataLoader(train_loader.dataset, 8, sampler=WeightedRandomSampler(weights, 48))
    seen = []
    monkeypatch.setattr(intercept, "fit_head", lambda train, *rest: (seen.append(train), fit_head(train, *rest))[1])
    with install(run_of()):
        two_tables(opened, (weighted, valid_loader))
    features, truth = seen[0]
    assert len(features) == len(truth) == 48
    assert len(features.unique(dim=0)) <= 10


def test_train_is_the_original_again_and_keeps_its_signature(opened, run_of):
    original = opened.training.train
    with install(run_of()):
        assert opened.training.train is not original
        assert inspect.signature(opened.training.train) == inspect.signature(original)
        with pytest.raises(TypeError, match="missing a required argument: 'fusion'"):
            opened.training.train([])
        with pytest.raises(TypeError, match="unexpected keyword argument 'colour'"):
            opened.training.train([], None, None, [], [], 1, colour="red")
    assert opened.training.train is original


@pytest.mark.parametrize(
    ("objective", "call", "said"),
    [
        ("coral", "one", r"coral needs at least two modalities, got 1 \(table_1\)"),
        ("coral", "width", r"own network fails on its first batch \(.*\); its samples have shapes \(4,\), \(3,\)"),
        ("coral", "packed", r"is_packed=True, but the batches of its loader come with no lengths"),
        ("coral", "few", r"has 1 encoders for 2 modalities"),
        ("coral", "empty", r"train loader has no batches"),
        ("coral", "labels", r"does not fit outputs of shape \(B, 2\) and labels of shape \(8, 3\)"),
        ("coral", "nan", r"script: train, batch 0, modality 0 holds .* no 32-bit float holds"),
        ("corel", "fine", r"Unknown objective 'corel'\. Did you mean 'coral'\?"),
    ],
)
def test_mistakes_are_one_line(opened, positional, run_of, tmp_path, objective, call, said):
    loaders = positional((4,), (3,), target="labels" if call == "labels" else "class")
    encoders = [opened.model("MLP", 5 if call == "width" else 4, 8, 6), opened.model("MLP", 3, 8, 6)]
    outputs = 12
    if call == "one":
        loaders, encoders, outputs = positional((4,)), encoders[:1], 6
    if call == "few":
        encoders = encoders[:1]
    if call == "empty":
        loaders = [[], loaders[1]]
    if call == "nan":
        for row in loaders[0].dataset:
            row[0][0] = float("nan")
    fusion, head = opened.fusion("Concat"), opened.model("MLP", outputs, 8, 2)
    with pytest.raises(InputError, match=said) as caught, install(run_of(objective)):
        opened.training.train(encoders, fusion, head, *loaders, 5, is_packed=call == "packed", save="no.pt")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "no.pt").exists()
    assert not (tmp_path / "run" / "config.yaml").exists()


def test_torchrun_is_refused(opened, positional, run_of, monkeypatch):
    for name, value in (("WORLD_SIZE", "2"), ("RANK", "0"), ("LOCAL_RANK", "0"), ("TORCHELASTIC_RUN_ID", "x")):
        monkeypatch.setenv(name, value)
    for name in ("GROUP_RANK", "LOCAL_WORLD_SIZE"):
        monkeypatch.setenv(name, "1")
    with install(run_of()), pytest.raises(InputError, match="works in one process"):
        two_tables(opened, positional((4,), (3,)))


def test_the_model_says_what_does_not_fit(opened, positional, run_of):
    with install(run_of()):
        two_tables(opened, positional((4,), (3,)))
    model = load("best.pt")
    assert isinstance(model, RepresentationModel)
    with pytest.raises(InputError, match=r"trained on 2 modalities \(table_1, table_2\), got 1"):
        model([torch.zeros(2, 4)])
    with pytest.raises(InputError, match=r"Samples of table_2 have shape \(5,\); the model was trained on \(3,\)"):
        model([torch.zeros(2, 4), torch.zeros(2, 5)])
