"""Probes: how well simple models predict a task from fixed features."""

from coral_plugin.evaluation.probe.probes import fit_probe, probe
from coral_plugin.evaluation.probe.settings import ProbeSettings

__all__ = ["ProbeSettings", "fit_probe", "probe"]
