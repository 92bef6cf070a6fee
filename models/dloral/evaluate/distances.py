"""Distances by networks' features, as functions of u8 pictures: that of the losses, and one that no loss uses."""

from pathlib import Path
from typing import TYPE_CHECKING

from dloral.errors import UserError
from dloral.evaluate.measure import Distance, Picture

if TYPE_CHECKING:
    from dloral.perceptual import PerceptualDistance
    from dloral.squeezenet import SqueezeNetDistance


def load_distances(backbone: Path | None, squeezenet: Path | None, *, perceptual: bool) -> dict[str, Distance]:
    """Those that are wanted, by their keys. Raises :class:`UserError` where a package or a file is missing."""
    distances = {"perceptual": _perceptual(backbone)} if perceptual else {}
    if squeezenet is not None:
        distances["squeezenet"] = _squeezenet(squeezenet)
    return distances


def _perceptual(backbone: Path | None) -> Distance:
    try:
        from dloral.perceptual import BackboneError, PerceptualDistance
    except ModuleNotFoundError as error:
        raise UserError(
            f"the perceptual distance needs the Python package {error.name!r}: pip install it, or add --no-perceptual"
        ) from error
    try:
        return _of_pictures(PerceptualDistance(backbone))
    except BackboneError as error:
        raise UserError(f"{error}; or leave the perceptual distance out with --no-perceptual") from error


def _squeezenet(path: Path) -> Distance:
    try:
        from dloral.squeezenet import SqueezeNetDistance
    except ModuleNotFoundError as error:
        raise UserError(f"--squeezenet needs the Python package {error.name!r}: pip install it") from error
    return _of_pictures(SqueezeNetDistance(path))


def _of_pictures(distance: "PerceptualDistance | SqueezeNetDistance") -> Distance:
    import torch

    # Frames are measured in parallel; threads inside each measurement would only compete.
    torch.set_num_threads(1)

    def measure(pictures: list[Picture], truth: Picture) -> list[float]:
        tensors = [torch.tensor(p).permute(2, 0, 1)[None].float() / 255 for p in (*pictures, truth)]
        return distance.measure(tensors[:-1], tensors[-1])

    return measure
