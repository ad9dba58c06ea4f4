"""Small files in the true formats of MultiBench's data sets, of any size; :mod:`.everything` writes all of them.

Each was fed to MultiBench's own loader (``test_formats.py``, with a checkout), mmsdk's to mmsdk's.
"""

from .avmnist_arrays import avmnist, bank
from .csd_hdf5 import csd, sequences
from .enrico_folder import enrico
from .imdb_hdf5 import RELEASED, imdb
from .multibenchplus_files import plus
from .pickles import affect, mimic, save
from .push_hdf5 import push
from .robotics_hdf5 import robotics
from .stocks_csv import FOOD, stocks

__all__ = [
    "FOOD",
    "RELEASED",
    "affect",
    "avmnist",
    "bank",
    "csd",
    "enrico",
    "imdb",
    "mimic",
    "plus",
    "push",
    "robotics",
    "save",
    "sequences",
    "stocks",
]
