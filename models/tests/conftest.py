"""What several tests use."""

from pathlib import Path

import numpy as np
import pytest

from dloral.shared import backbone_path

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def backbone() -> Path:
    path = backbone_path()
    if not path.is_file():
        pytest.skip(f"the perceptual backbone is not at {path} (DLORAL_SHARED names the folder of shared material)")
    return path


@pytest.fixture(scope="session")
def pictures() -> dict[str, np.ndarray]:
    """Natural pictures of scikit-image, RGB u8 [256,256,3]."""
    data = pytest.importorskip("skimage.data")
    grass = np.repeat(data.grass()[:256, :256, None], 3, axis=2)
    return {
        "astronaut": np.ascontiguousarray(data.astronaut()[:256, 120:376]),
        "cat": np.ascontiguousarray(data.chelsea()[20:276, 100:356]),
        "coffee": np.ascontiguousarray(data.coffee()[60:316, 150:406]),
        "grass": np.ascontiguousarray(grass),
    }
