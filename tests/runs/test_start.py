"""What a run says of itself before it trains."""

from coral_plugin.runs.settings import make_settings
from coral_plugin.runs.start import training_line


def test_a_single_epoch_step_or_sample_is_no_plural():
    settings = make_settings("coral", "digits", training__epochs=1, training__batch_size=64, training__device="cpu")
    assert "; 1 epoch of 1 step, 1 sample each; CPU with" in training_line(settings, 1, 1, 1234, None)
    assert "; 1 epoch of 2 steps, 64 samples each; " in training_line(settings, 129, 2, 1234, None)
