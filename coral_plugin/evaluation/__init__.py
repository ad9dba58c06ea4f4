"""Evaluation of frozen representations.

``features`` embeds, ``probe/`` fits and scores (its penalty: ``probe/penalty``), ``scoring`` scores every part,
``raw_baseline`` the raw features, ``metrics`` knows every metric (``multibench_figures`` those of MultiBench alone),
``disentanglement``, ``missing``, ``robustness/`` and ``complexity`` measure more, ``tables/`` and ``pictures/`` show
it.
"""
