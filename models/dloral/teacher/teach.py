"""Runs the teacher."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dloral.errors import UserError
from dloral.teacher.cache import reduce

Frames = NDArray[np.uint8]


def taught(network: nn.Module, clean: Frames, device: torch.device) -> Frames:
    """The output of ``network`` for the reduction of ``clean`` u8 [T, H, W, 3]; raises :class:`UserError` for NaN."""
    lq = torch.from_numpy(np.ascontiguousarray(reduce(clean).transpose(0, 3, 1, 2))).to(device).float() / 255.0
    lq = lq.contiguous(memory_format=torch.channels_last)
    # Half the time of float32, and at most two levels from it.
    with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16):
        restored: Tensor = network(lq).float()
    if not bool(torch.isfinite(restored).all()):
        raise UserError("the teacher gives values that are not finite: its weights are damaged, make the base anew")
    pictures = (restored.clamp(0.0, 1.0) * 255.0).round().to(torch.uint8)
    return pictures.permute(0, 2, 3, 1).cpu().numpy()
