"""Reading what the reference publishes: its checkpoint ``model.pkl`` on a Stable Diffusion base folder."""

from dloral.export.reference.base import Base, read_base, read_codec
from dloral.export.reference.checkpoint import ReferenceCheckpoint, read_checkpoint
from dloral.export.reference.merge import merged_unet, retrieval

__all__ = ["Base", "ReferenceCheckpoint", "merged_unet", "read_base", "read_checkpoint", "read_codec", "retrieval"]
