"""Whether a network of ours gives what ncnn gives with the same files."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from dloral.errors import UserError

SIZE = (40, 56)
"""Height and width of the picture that both restore."""
LEVEL = 1.0 / 255.0


def prove(network: nn.Module, param: Path, numbers: Path) -> float:
    """Largest difference on a picture of edges, slopes and noise, in levels of 255; ncnn computes in float32.

    Raises :class:`UserError` where it is a level or more, or ncnn cannot read the files.
    """
    picture = _picture()
    with torch.inference_mode():
        ours = network(torch.from_numpy(picture)[None])[0].numpy()
    difference = float(np.abs(ours - _run(picture, param, numbers)).max())
    # Not `>`: a difference that is not a number is none to pass.
    if not difference < LEVEL:
        levels = difference / LEVEL
        raise UserError(f"{param}: ncnn's result differs by {levels:.2f} levels: the network is another one")
    return difference / LEVEL


def _picture() -> NDArray[np.float32]:
    rng = np.random.default_rng(5)
    y, x = np.mgrid[0 : SIZE[0], 0 : SIZE[1]].astype(np.float32)
    planes = [x / SIZE[1], ((x // 5 + y // 7) % 2), np.hypot(x - 28, y - 20) / 40]
    noise = rng.normal(0.0, 0.04, (3, *SIZE))
    return np.clip(np.stack(planes) * 0.8 + 0.1 + noise, 0.0, 1.0).astype(np.float32)


def _run(picture: NDArray[np.float32], param: Path, numbers: Path) -> NDArray[np.float32]:
    import ncnn

    net = ncnn.Net()
    for option in ("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic", "use_bf16_storage"):
        setattr(net.opt, option, False)
    net.opt.num_threads = 1
    if net.load_param(str(param)) != 0 or net.load_model(str(numbers)) != 0:
        raise UserError(f"ncnn cannot read {param} and {numbers.name}")
    with net.create_extractor() as extractor:
        extractor.input("data", ncnn.Mat(picture))
        status, output = extractor.extract("output")
        if status != 0:
            raise UserError(f"ncnn cannot run {param}")
        return np.array(output, np.float32)
