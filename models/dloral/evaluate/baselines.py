"""Baselines: small public upscalers that a user could take on a CPU instead. They work frame by frame."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dloral.errors import UserError

Picture = NDArray[np.uint8]

SCALE = 4
_REALESRGAN = "RealESRGAN_General_x4_v3"
_OPENCV_FILES = {"fsrcnn": "FSRCNN_x4.pb", "espcn": "ESPCN_x4.pb"}


def make_baseline(name: str, folder: Path, threads: int) -> Callable[[Picture], Picture]:
    """The upscaler ``name`` (realesrgan, fsrcnn or espcn) from its files in ``folder``."""
    if name == "realesrgan":
        return _realesrgan(folder, threads)
    return _dnn_superres(name, _existing(folder / _OPENCV_FILES[name]))


def _realesrgan(folder: Path, threads: int) -> Callable[[Picture], Picture]:
    try:
        import ncnn
    except ModuleNotFoundError as error:
        raise UserError("the method realesrgan needs the Python package ncnn: pip install ncnn") from error
    net = ncnn.Net()
    net.opt.num_threads = threads or ncnn.get_big_cpu_count()
    net.load_param(str(_existing(folder / f"{_REALESRGAN}.param")))
    net.load_model(str(_existing(folder / f"{_REALESRGAN}.bin")))

    def upscale(frame: Picture) -> Picture:
        planes = np.ascontiguousarray(frame.transpose(2, 0, 1), np.float32) / 255
        with net.create_extractor() as extractor:
            extractor.input("data", ncnn.Mat(planes))
            status, output = extractor.extract("output")
        if status != 0:
            raise UserError(f"ncnn could not run {_REALESRGAN} on a frame of {frame.shape[1]} by {frame.shape[0]}")
        values = np.asarray(output).transpose(1, 2, 0) * 255
        return np.ascontiguousarray(values.round().clip(0, 255).astype(np.uint8))

    return upscale


def _dnn_superres(name: str, path: Path) -> Callable[[Picture], Picture]:
    module: Any = getattr(cv2, "dnn_superres", None)
    if module is None:
        raise UserError(
            f"the method {name} needs opencv-contrib-python-headless in the place of opencv-python-headless: "
            "pip uninstall opencv-python-headless, then pip install opencv-contrib-python-headless"
        )
    network = module.DnnSuperResImpl_create()
    network.readModel(str(path))
    network.setModel(name, SCALE)

    def upscale(frame: Picture) -> Picture:
        # OpenCV wants blue first.
        return np.ascontiguousarray(network.upsample(np.ascontiguousarray(frame[..., ::-1]))[..., ::-1])

    return upscale


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise UserError(f"--baselines: there is no {path}")
    return path
