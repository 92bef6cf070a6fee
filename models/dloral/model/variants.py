"""Variants: which of the two branches of Dual LoRA Learning a model runs with."""

from typing import NamedTuple


class Variant(NamedTuple):
    """Branches that are on.

    On a base of single frames, nothing is taken from the frame before without ``consistency``: the UNet sees [z, z],
    retrieval and flow are off, and ``conv_in`` is the base's. So ``none`` is the base itself, frame by frame. A base
    that sees pairs of frames sees them in every variant.
    """

    consistency: bool
    """Retrieval, the consistency branch's share of ``conv_in``, and C-LoRA."""
    detail: bool
    """D-LoRA."""


VARIANTS = {
    "none": Variant(consistency=False, detail=False),
    "consistency": Variant(consistency=True, detail=False),
    "detail": Variant(consistency=False, detail=True),
    "both": Variant(consistency=True, detail=True),
}
"""Variants by the names that ``export --branches`` takes."""
