"""Where material lies that is used for training and measuring but is not part of the repository."""

import os
from pathlib import Path


def shared_folder() -> Path:
    """The folder of shared material: ``$DLORAL_SHARED``, else ``shared`` beside the repository. It need not exist."""
    named = os.environ.get("DLORAL_SHARED")
    return Path(named) if named else Path(__file__).resolve().parents[3] / "shared"


def backbone_path() -> Path:
    """The default place of the network behind the perceptual distance."""
    return shared_folder() / "backbone" / "mobilenet_v2_quant.onnx"
