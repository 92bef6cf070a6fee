"""The networks of the bases: restorers of one picture by four, Real-ESRGAN's (Wang et al., ICCVW 2021) and our own.

Each is an encoder, a body (the prior) and a decoder (what enlarges), so that they take the place of SD's VAE and UNet.
The latent of Real-ESRGAN's is the first convolution's output, 64 channels at the input's resolution.
"""

from collections.abc import Callable

from dloral.model.bases.compact import Compact
from dloral.model.bases.rrdb import Rrdb
from dloral.model.bases.tiny import Tiny

Restorer = Compact | Rrdb | Tiny

NETWORKS: dict[str, Callable[[], Restorer]] = {"compact": Compact, "rrdb": Rrdb, "tiny": Tiny}
"""By the base's name, at their published sizes."""

__all__ = ["NETWORKS", "Compact", "Restorer", "Rrdb", "Tiny"]
