"""CMU-MultimodalSDK's computational sequences, from ``.csd`` files or from mmsdk's own objects."""

from .dataset import Mmsdk, MmsdkSettings, from_mmsdk

__all__ = ["Mmsdk", "MmsdkSettings", "from_mmsdk"]
