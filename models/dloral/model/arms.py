"""Arms: which of the two branches of Dual LoRA Learning a model runs with."""

from typing import NamedTuple


class Arm(NamedTuple):
    """Branches that are on.

    On a base of single frames, nothing is taken from the frame before without ``consistency``: the UNet sees [z, z],
    retrieval and flow are off, and ``conv_in`` is the base's. So ``none`` is the base itself, frame by frame. A base
    that sees pairs of frames sees them in every arm.
    """

    consistency: bool
    """Retrieval, the consistency branch's share of ``conv_in``, and C-LoRA."""
    detail: bool
    """D-LoRA."""


ARMS = {
    "none": Arm(consistency=False, detail=False),
    "consistency": Arm(consistency=True, detail=False),
    "detail": Arm(consistency=False, detail=True),
    "both": Arm(consistency=True, detail=True),
}
"""Arms by the names that ``export --branches`` takes."""
