"""Hostile input: kinds as data by surface, one runner, and the targets of the fuzzer."""
