"""Probes: how well simple models predict a task from fixed features."""

from coral_plugin.evaluation.probe.probes import FittedProbe, ProbeScore, ProbeSettings, fit_probe, probe

__all__ = ["FittedProbe", "ProbeScore", "ProbeSettings", "fit_probe", "probe"]
