"""The tables and figures of the papers.

``published.yaml`` holds the numbers that the papers print (read by :mod:`.published`), ``targets.yaml`` the grids that
reproduce them (:mod:`.targets`); :mod:`.protocol` decides which of the numbers may be shown beside ours. Trifeature at
the papers' scale and at a small one is in :mod:`.trifeature`, COrAL's masking and orthogonality in :mod:`.ablation`.
"""
