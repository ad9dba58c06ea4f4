"""CMU-MultimodalSDK's computational sequences, from ``.csd`` files or from mmsdk's own objects."""

from .dataset import Mmsdk, from_mmsdk
from .samples import MmsdkSettings

__all__ = ["Mmsdk", "MmsdkSettings", "from_mmsdk"]
