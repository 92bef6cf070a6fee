"""A base folder in diffusers' layout: configurations of UNet and autoencoder, and the autoencoder's weights."""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, AutoencoderTiny, UNet2DConditionModel
from safetensors import SafetensorError, safe_open

from dloral.errors import UserError
from dloral.model.sd.unet import check_configuration

WEIGHTS = "diffusion_pytorch_model.safetensors"


@dataclass(frozen=True)
class Base:
    """Stable Diffusion 2.1-base, or another with the same layout."""

    folder: Path
    unet_config: dict[str, Any]
    vae: AutoencoderKL

    @property
    def latent_channels(self) -> int:
        """Channels of a latent."""
        return int(self.vae.config.latent_channels)

    @property
    def prompt_width(self) -> int:
        """Width D of a prompt embedding [1, 77, D]."""
        return int(self.unet_config["cross_attention_dim"])

    def empty_unet(self) -> UNet2DConditionModel:
        """The UNet that takes two latents, without memory for its weights."""
        with torch.device("meta"):
            return UNet2DConditionModel.from_config(self.unet_config | {"in_channels": 2 * self.latent_channels})

    @contextlib.contextmanager
    def unet_weights(self) -> Iterator[Any]:
        """The base's own UNet weights, opened and not read; None where the folder has none."""
        path = self.folder / "unet" / WEIGHTS
        if not path.is_file():
            yield None
            return
        with _safely(path, "safetensors"), safe_open(path, framework="pt") as weights:
            yield weights


def read_base(folder: Path) -> Base:
    """Read a base folder; raises :class:`UserError` that names what is missing or wrong."""
    config = _configuration(UNet2DConditionModel, folder, "unet")
    check_configuration(config)
    vae = _autoencoder(AutoencoderKL, folder, "vae")
    # Both 8 and as DLoRAL's checkpoints have it: the pack's latents are eight times smaller than its pictures.
    _check_factor(vae, folder)
    return Base(folder, config, vae)


def read_codec(folder: Path, base: Base) -> AutoencoderTiny:
    """Read an autoencoder (TAESD and its kind) that encodes to and decodes from the base's latents."""
    codec = _autoencoder(AutoencoderTiny, folder, "")
    channels = int(codec.config.latent_channels)
    if channels != base.latent_channels:
        raise UserError(
            f"{folder}: its latents have {channels} channels, the base's {base.latent_channels}: "
            "a codec has to be made for the base's latents"
        )
    return codec


def _configuration(kind: Any, folder: Path, part: str) -> dict[str, Any]:
    where = folder / part / "config.json"
    if not where.is_file():
        raise UserError(f"{where} is missing: a base or codec is a folder in diffusers' layout")
    with _safely(where, "a configuration of diffusers"):
        config = dict(kind.load_config(folder / part, local_files_only=True))
    made = config.get("_class_name")
    if made != kind.__name__:
        raise UserError(f"{where}: it is for a {made}, and a {kind.__name__} is expected")
    return config


def _autoencoder(kind: Any, folder: Path, part: str) -> Any:
    _configuration(kind, folder, part)
    if not (folder / part / WEIGHTS).is_file():
        raise UserError(f"{folder / part / WEIGHTS} is missing: the weights of the autoencoder are expected there")
    with _safely(folder / part, f"an {kind.__name__}"):
        model, report = kind.from_pretrained(
            folder / part, local_files_only=True, torch_dtype=torch.float32, output_loading_info=True
        )
    for problem in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        if report[problem]:
            raise UserError(f"{folder / part / WEIGHTS}: {problem.replace('_', ' ')}: {report[problem][0]}")
    return model.eval().requires_grad_(requires_grad=False)


def _check_factor(vae: AutoencoderKL, folder: Path) -> None:
    factor = 2 ** (len(vae.config.block_out_channels) - 1)
    if factor != 8:
        raise UserError(f"{folder / 'vae' / 'config.json'}: it reduces pictures by {factor}; 8 is expected")


@contextlib.contextmanager
def _safely(path: os.PathLike[str], wanted: str) -> Iterator[None]:
    try:
        yield
    except (SafetensorError, ValueError, RuntimeError, OSError, TypeError) as error:
        raise UserError(f"{path} cannot be read as {wanted}: {error}") from error
