"""Probes: how well simple models predict a task from fixed features."""

from coral_plugin.evaluation.probe.probes import FittedProbe, ProbeScore, fit_probe, probe
from coral_plugin.evaluation.probe.settings import ProbeSettings

__all__ = ["FittedProbe", "ProbeScore", "ProbeSettings", "fit_probe", "probe"]
