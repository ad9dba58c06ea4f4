"""Lightning's Trainer trains to the weights of the engine, and refuses what would make other ones."""

import re

import pytest
import torch
from pytorch_lightning.callbacks import GradientAccumulationScheduler, ModelCheckpoint
from pytorch_lightning.plugins import MixedPrecision

from coral_plugin.errors import DivergedError, InputError
from coral_plugin.evaluation.features import embed_split
from coral_plugin.lightning import MultimodalDataModule, ObjectiveModule

from .weights import largest_difference


@pytest.mark.parametrize("objective", ["coral", "comm", "infmasking", "factorcl", "supervised"])
def test_two_epochs_give_the_weights_and_the_log_of_the_engine(objective, data, trainer, tiny, engine):
    ours = engine(objective)
    module = ObjectiveModule(data, objective, **tiny)
    made = trainer()
    made.fit(module, data)
    difference = largest_difference(ours.objective, module.objective)
    print(f"{objective}: largest difference of a weight {difference}")
    assert difference == 0
    last = ours.run.histories[41][-1]
    logged = {key: value.item() for key, value in made.callback_metrics.items()}
    assert {"loss/total", "learning_rate", "skipped"} <= set(logged)
    assert logged == pytest.approx({key: last[key] for key in logged}, rel=1e-6)


def test_schedule_clipping_seed_and_augmentation_are_those_of_the_engine(data, trainer, tiny, engine):
    chosen = {
        "training__schedule": "cosine",
        "training__gradient_clip": 0.05,
        "training__learning_rate": 1e-2,
        "augmentations": {"table": "noise", "series": "drop"},
    }
    module = ObjectiveModule(data, seed=7, **tiny, **chosen)
    trainer(max_epochs=3).fit(module, data)
    assert largest_difference(engine(epochs=3, seeds=7, **chosen).objective, module.objective) == 0
    unclipped = engine(epochs=3, seeds=7, **{**chosen, "training__gradient_clip": 0.0})
    assert largest_difference(unclipped.objective, module.objective) > 1e-4


def test_half_precision_is_that_of_the_engine(data, trainer, tiny, engine):
    module = ObjectiveModule(data, "comm", **tiny)
    trainer(precision="bf16-mixed").fit(module, data)
    assert largest_difference(engine("comm", training__precision="bf16-mixed").objective, module.objective) == 0


def test_the_clipping_of_the_trainer_wins(data, trainer, tiny, engine):
    module = ObjectiveModule(data, training__gradient_clip=9.0, **tiny)
    trainer(gradient_clip_val=0.05).fit(module, data)
    assert largest_difference(engine(training__gradient_clip=0.05).objective, module.objective) == 0
    seen = []
    by_value = ObjectiveModule(data, **tiny)
    by_value.on_before_zero_grad = lambda _: seen.extend(
        p.grad.abs().max().item() for p in by_value.parameters() if p.grad is not None
    )
    trainer(gradient_clip_val=1e-3, gradient_clip_algorithm="value").fit(by_value, data)
    assert max(seen) == pytest.approx(1e-3)


def test_a_scaler_of_half_precision_leaves_clipped_gradients_unscaled(data, trainer, tiny):
    norms = []
    module = ObjectiveModule(data, "comm", training__gradient_clip=0.5, **tiny)
    module.on_before_zero_grad = lambda _: norms.extend(
        [torch.nn.utils.get_total_norm([p.grad for p in module.parameters() if p.grad is not None]).item()]
        if any(p.grad is not None for p in module.parameters())
        else []
    )
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    trainer(plugins=[MixedPrecision("16-mixed", "cpu", scaler)]).fit(module, data)
    assert norms
    assert max(norms) == pytest.approx(0.5, abs=1e-3)


def test_the_trained_method_embeds(data, trainer, tiny):
    module = ObjectiveModule(data, **tiny)
    state = torch.random.get_rng_state()
    assert torch.equal(state, torch.random.get_rng_state())
    trainer().fit(module, data)
    parts = embed_split(module.objective, data.data.test)
    assert {name: part.shape for name, part in parts.items()} == {
        "shared": (8, 8),
        "unique/table": (8, 4),
        "unique/series": (8, 4),
    }


@pytest.mark.filterwarnings("ignore:.*callbacks used to create the checkpoint")
def test_a_training_stopped_within_an_epoch_goes_on_to_the_same_weights(data, trainer, tmp_path, tiny):
    whole = ObjectiveModule(data, **tiny)
    keep = ModelCheckpoint(tmp_path, filename="{step}", every_n_train_steps=1, save_top_k=-1)
    trainer(max_epochs=3, callbacks=[keep], enable_checkpointing=True).fit(whole, data)
    assert (tmp_path / "step=4.ckpt").is_file()  # the first step of the second epoch
    resumed = ObjectiveModule(data, **tiny)
    trainer(max_epochs=3).fit(resumed, data, ckpt_path=tmp_path / "step=4.ckpt")
    assert largest_difference(whole, resumed) == 0
    loaded = ObjectiveModule.load_from_checkpoint(tmp_path / "step=9.ckpt", data=data)
    assert loaded.settings == whole.settings
    assert largest_difference(loaded, whole) == 0


def test_a_named_data_set_brings_its_recipe(trainer):
    data = MultimodalDataModule("digits", modalities=("top", "bottom"))
    module = ObjectiveModule(data, "clip", training__batch_size=512, network__width=8)
    assert module.settings.dataset == "digits"
    assert [modality.name for modality in module.objective.modalities] == ["top", "bottom"]
    trainer(max_steps=1, max_epochs=None).fit(module, data)


def test_a_loss_that_is_not_finite_ends_the_training(data, trainer, tiny):
    module = ObjectiveModule(data, **tiny)
    spoil(module, at=4)
    message = r"^The gradient is not finite at step 4 of epoch 1 \(.*samples \[.*\]\.?.*on_nonfinite=skip\.$"
    with pytest.raises(DivergedError, match=message):
        trainer().fit(module, data)


def test_or_its_step_is_skipped_as_in_the_engine(data, trainer, monkeypatch, tiny, engine):
    module = ObjectiveModule(data, training__on_nonfinite="skip", **tiny)
    spoil(module, at=4)
    made = trainer()
    made.fit(module, data)
    assert made.callback_metrics["skipped"] == 1
    assert made.callback_metrics["loss/total"].isfinite()
    from coral_plugin.objectives.coral import Coral

    spoil_class(monkeypatch, Coral, at=4)
    assert largest_difference(engine(training__on_nonfinite="skip").objective, module.objective) == 0


def spoil(module, at):
    """Make the gradient of step ``at`` infinite."""
    module.objective.loss = spoiled(module.objective.loss, at)


def spoil_class(monkeypatch, cls, at):
    original, calls = cls.loss, [0]

    def loss(self, step):
        calls[0] += 1
        return with_infinite_gradient(self, original(self, step), calls[0] - 1 == at)

    monkeypatch.setattr(cls, "loss", loss)


def spoiled(original, at):
    calls = [0]

    def loss(step):
        calls[0] += 1
        return with_infinite_gradient(original.__self__, original(step), calls[0] - 1 == at)

    return loss


def with_infinite_gradient(objective, terms, now):
    if now:
        weight = next(objective.parameters()).sum()
        terms["total"] = terms["total"] + (weight - weight.detach()).abs().sqrt()  # 0, of infinite slope
    return terms


@pytest.mark.parametrize(
    ("chosen", "line"),
    [
        ({"training__epochs": 3}, "training.epochs is up to the Trainer of Lightning (max_epochs); leave it out"),
        ({"training.devices": 2}, "training.devices is up to the Trainer of Lightning (devices and strategy)"),
        ({"source__kinds": {}}, "source.kinds is a setting of the data; give it to MultimodalDataModule."),
        ({"objective": "concat_raw"}, "concat_raw has nothing to train"),
        ({"objective": "corl"}, "Did you mean 'coral'"),
        ({"training__batch_size": 1}, "training.batch_size must be at least 2"),
        ({"width": 3}, "no argument 'width'"),
        ({"seeds": (41, 42)}, "ObjectiveModule has no argument 'seeds': a module has one seed; say seed=..."),
        ({"modalities": ("a",)}, "ObjectiveModule has no argument 'modalities': give them to MultimodalDataModule"),
        ({"epochs": 3}, "ObjectiveModule has no argument 'epochs': say Trainer(max_epochs=...)"),
    ],
)
def test_settings_that_are_refused(data, chosen, line):
    with pytest.raises(InputError, match=re.escape(line)):
        ObjectiveModule(data, **chosen)


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"accumulate_grad_batches": 2}, "accumulate_grad_batches must be 1"),
        ({"callbacks": [GradientAccumulationScheduler({1: 2})]}, "accumulate_grad_batches must be 1"),
        ({"precision": "64-true"}, "Trainer(precision='64-true'): take one of 32-true, bf16-mixed, 16-mixed."),
        ({"max_epochs": -1}, "Schedules need the number of steps; give Trainer(max_epochs=...) or max_steps."),
    ],
)
def test_trainers_that_are_refused(data, trainer, options, line, tiny):
    with pytest.raises(InputError, match=re.escape(line)):
        trainer(**options).fit(ObjectiveModule(data, **tiny), data)
