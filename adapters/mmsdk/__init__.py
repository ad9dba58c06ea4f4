"""CMU-MultimodalSDK's computational sequences, from ``.csd`` files or from mmsdk's own objects."""

from .dataset import MmsdkSettings, from_mmsdk, load

__all__ = ["MmsdkSettings", "from_mmsdk", "load"]
