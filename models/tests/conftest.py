"""What several tests use."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from cluster import find_program, make_clip, restored_at_once

from dloral.shared import backbone_path, shared_folder

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


@pytest.fixture(scope="session")
def golden() -> Path:
    """Results of the reference's own code that are too large to be kept here."""
    path = shared_folder() / "golden"
    if not path.is_dir():
        pytest.skip(f"the reference's results are not at {path} (DLORAL_SHARED names the folder of shared material)")
    return path


@pytest.fixture(scope="session")
def reference_model(golden: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Base folder and ``model.pkl`` of the reference's own making, reduced in width, with random weights."""
    checkpoint = tmp_path_factory.mktemp("reference") / "model.pkl"
    subprocess.run([sys.executable, golden / "f_model" / "assemble_pkl.py", checkpoint], check=True)
    return golden / "f_model" / "base", checkpoint


@pytest.fixture(scope="session")
def core() -> list[str]:
    """The command line of the element's core."""
    if shutil.which("cargo") is None:
        pytest.skip("cargo, which builds the core, is not there")
    command = ["cargo", "run", "--quiet", "--example", "restore_raw", "--"]
    subprocess.run([*command, "--help"], cwd=REPOSITORY, check=True, stdout=subprocess.DEVNULL)
    return command


@pytest.fixture(scope="session")
def program() -> str:
    """The program dloralvsr."""
    return find_program()


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory, program: str) -> Path:
    """40 frames with sound, and B-frames, so that packets are not in the order of their times."""
    return make_clip(tmp_path_factory.mktemp("clip") / "in.mp4", "-c:v", "libx264", "-bf", "2")


@pytest.fixture(scope="session")
def at_once(clip: Path, program: str) -> list[str]:
    """Hashes of the clip's frames, restored by one run."""
    return restored_at_once(clip, program)
