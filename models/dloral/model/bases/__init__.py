"""The networks of the bases: restorers of one picture by four, Real-ESRGAN's (Wang et al., ICCVW 2021).

Each is an encoder (the first convolution), a body (the prior) and a decoder (what enlarges), so that they take the
place of SD's VAE and UNet: the latent is the first convolution's output, 64 channels at the input's resolution.
"""

from collections.abc import Callable

from dloral.model.bases.compact import Compact
from dloral.model.bases.dense import Dense
from dloral.model.bases.rrdb import Rrdb

Restorer = Compact | Dense | Rrdb

NETWORKS: dict[str, Callable[[], Restorer]] = {"compact": Compact, "dense": Dense, "rrdb": Rrdb}
"""By the base's name, at their published sizes."""

__all__ = ["NETWORKS", "Compact", "Dense", "Restorer", "Rrdb"]
