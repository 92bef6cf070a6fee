"""The restorer of our own training on a Stable Diffusion base, with branches merged."""

from torch import Tensor

from dloral.errors import UserError
from dloral.export.reference.base import Base
from dloral.model.branches import LoraConfig
from dloral.model.sd.dual import (
    SingleFrameSdRestorer,
    branch_state,
    branched_restorer,
    frozen_weights,
    merged_sd_restorer,
)
from dloral.model.sd.restorer import SdRestorer
from dloral.model.variants import Variant
from dloral.train.checkpoint import Checkpoint
from dloral.train.dual.fingerprint import fingerprint
from dloral.train.tables import build_part


def trained_restorer(
    checkpoint: Checkpoint, base: Base, prompt: Tensor, variant: Variant, blocks: int, detail_strength: float = 1.0
) -> SdRestorer | SingleFrameSdRestorer:
    """The averaged weights of ``checkpoint`` on ``base``, the detail branch at ``detail_strength``.

    Raises :class:`UserError` if they were trained on another base.
    """
    if checkpoint.config.get("architecture") != "sd":
        raise UserError(
            "--base is a Stable Diffusion folder, and the checkpoint is of branches on a restorer: give its base"
        )
    lora = build_part(LoraConfig, checkpoint.config["lora"], "lora")
    restorer = branched_restorer(base, lora, prompt, blocks)
    if fingerprint(frozen_weights(restorer, base.vae)) != checkpoint.base:
        raise UserError(f"the checkpoint's branches were trained on another base than {base.folder}: give that one")
    if wrong := branch_state(restorer).keys() ^ checkpoint.ema.keys():
        raise UserError(f"the checkpoint does not fit {base.folder}: {min(wrong)} is in one of them only")
    restorer.load_state_dict(checkpoint.ema, strict=False)
    return merged_sd_restorer(restorer, variant, detail_strength)
