"""The arithmetic of the paper's model at the size of Stable Diffusion 2.1, in PyTorch on a GPU, with random weights.

``reference`` does what the released code does for a pair of frames: both are encoded, the LoRAs are not merged, tensors
have PyTorch's usual layout. ``best`` is what can be had without leaving PyTorch: each frame is encoded once, the LoRAs
are merged (so there are none), channels last, compiled. SpyNet is left out of both (0.006 of some 17 TFLOP); flow is 0.

Not run: no GPU was at hand when it was written.
"""

import time
from collections.abc import Callable
from typing import Any

from clip import Clip
from upscalers import Method, MissingError

from dloral.manifest import GraphSizes
from dloral.tiles import plan_tiles, window_weights

_HEADS, _HEAD_WIDTH = 9, 64
_TILES = GraphSizes(tile=96, overlap=32, min=64, multiple=1)


def reference(clip: Clip) -> Method:
    """Diffusers in half precision, unmerged LoRAs, both frames of a pair encoded."""
    torch = _torch()
    vae, unet, retrieval = _networks(torch)
    _add_loras(unet)

    def restore(previous: Any, current: Any) -> Any:
        before, latent = (vae.encode(picture).latent_dist.mean * 0.18215 for picture in (previous, current))
        return _decode(torch, vae, _restored(torch, unet, retrieval, latent, before))

    return _method(torch, clip, restore)


def best(clip: Clip) -> Method:
    """Merged LoRAs, channels last, compiled, each frame encoded once."""
    torch = _torch()
    vae, unet, retrieval = _networks(torch)
    for network in (vae, unet):
        network.to(memory_format=torch.channels_last)
    unet = torch.compile(unet)
    encode = torch.compile(lambda picture: vae.encode(picture).latent_dist.mean * 0.18215)
    decode = torch.compile(lambda latent: _decode(torch, vae, latent))
    kept: list[Any] = []

    def restore(_previous: Any, current: Any) -> Any:
        latent = encode(current.contiguous(memory_format=torch.channels_last))
        before = kept[-1] if kept else latent
        kept[:] = [latent]
        return decode(_restored(torch, unet, retrieval, latent, before))

    return _method(torch, clip, restore)


def _torch() -> Any:
    try:
        import diffusers  # noqa: F401
        import torch
    except ModuleNotFoundError as error:
        raise MissingError(f"the Python package {error.name} is not installed") from error
    if not torch.cuda.is_available():
        raise MissingError("PyTorch finds no CUDA device")
    return torch


def _networks(torch: Any) -> tuple[Any, Any, Any]:
    """VAE, UNet and the projections of the retrieval, of Stable Diffusion 2.1's and the paper's sizes."""
    from diffusers import AutoencoderKL, UNet2DConditionModel

    levels = (128, 256, 512, 512)
    vae = AutoencoderKL(
        block_out_channels=levels,
        layers_per_block=2,
        down_block_types=("DownEncoderBlock2D",) * len(levels),
        up_block_types=("UpDecoderBlock2D",) * len(levels),
    )
    unet = UNet2DConditionModel(
        in_channels=8,
        attention_head_dim=(5, 10, 20, 20),
        cross_attention_dim=1024,
        use_linear_projection=True,
    )
    width = _HEADS * _HEAD_WIDTH
    retrieval = torch.nn.ModuleDict(
        {name: torch.nn.Conv2d(4, width, 1) for name in ("query", "key", "value")}
        | {"threshold": torch.nn.Conv2d(_HEAD_WIDTH, 1, 1), "out": torch.nn.Conv2d(width, 4, 1)}
    )
    return tuple(network.eval().to("cuda", torch.float16) for network in (vae, unet, retrieval))  # type: ignore[return-value]


def _add_loras(unet: Any) -> None:
    """Two of rank 4 on every linear layer and convolution but those of the time embedding; both are active."""
    from peft import LoraConfig

    layers = [
        name
        for name, module in unet.named_modules()
        if type(module).__name__ in ("Linear", "Conv2d") and "time_emb" not in name
    ]
    for adapter in ("consistency", "quality"):
        unet.add_adapter(LoraConfig(r=4, lora_alpha=8, target_modules=layers), adapter_name=adapter)
    unet.set_adapters(["consistency", "quality"])
    unet.half()


def _restored(torch: Any, unet: Any, retrieval: Any, latent: Any, before: Any) -> Any:
    """x0 of a whole latent: tiles of the reference's rule, blended in fp32."""
    height, width = latent.shape[2:]
    plan = plan_tiles(height, width, _TILES)
    down, across = (
        torch.from_numpy(window_weights(side, 0, "gaussian", down=is_down)).float().cuda()
        for side, is_down in ((plan.height, True), (plan.width, False))
    )
    weights = down[:, None] * across[None]
    total, weight = torch.zeros_like(latent, dtype=torch.float32), torch.zeros(height, width, device="cuda")
    prompt = torch.zeros(1, 77, 1024, device="cuda", dtype=torch.float16)
    for row in plan.rows:
        for column in plan.columns:
            rows, columns = slice(row, row + plan.height), slice(column, column + plan.width)
            current, previous = (_warped(torch, whole[:, :, rows, columns]) for whole in (latent, before))
            fused = current + _retrieved(torch, retrieval, current, previous)
            noise = unet(torch.cat([previous, fused], 1), 1, prompt).sample
            total[:, :, rows, columns] += (fused - noise).float() * weights
            weight[rows, columns] += weights
    return (total / weight).half()


def _warped(torch: Any, latent: Any) -> Any:
    height, width = latent.shape[2:]
    y, x = (torch.linspace(-1, 1, side, device="cuda", dtype=torch.float16) for side in (height, width))
    grid = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1)[None]
    return torch.nn.functional.grid_sample(latent, grid, padding_mode="zeros", align_corners=True)


def _retrieved(torch: Any, retrieval: Any, current: Any, previous: Any) -> Any:
    """A = relu((QᵀK/√64 − t)/3000), then proj(A·V), one head at a time."""
    query = retrieval["query"](current).unflatten(1, (_HEADS, _HEAD_WIDTH))
    key, value = (retrieval[name](previous).unflatten(1, (_HEADS, _HEAD_WIDTH)).flatten(3) for name in ("key", "value"))
    heads = []
    for head in range(_HEADS):
        threshold = retrieval["threshold"](query[:, head]).flatten(2).transpose(1, 2)
        similarity = query[:, head].flatten(2).transpose(1, 2) @ key[:, head] / _HEAD_WIDTH**0.5
        heads.append(value[:, head] @ torch.relu((similarity - threshold) / 3000).transpose(1, 2))
    return retrieval["out"](torch.cat(heads, 1).unflatten(2, current.shape[2:]))


def _decode(torch: Any, vae: Any, latent: Any) -> Any:
    picture = vae.decode(latent / 0.18215).sample
    return ((picture / 2 + 0.5).clamp(0, 1) * 255).round().to(torch.uint8)


def _method(torch: Any, clip: Clip, restore: Callable[[Any, Any], Any]) -> Method:
    frames = torch.from_numpy(clip.frames.copy()).permute(0, 3, 1, 2).pin_memory()

    def picture(at: int) -> Any:
        frame = frames[at % len(frames)][None].cuda(non_blocking=True).half() / 127.5 - 1
        return torch.nn.functional.interpolate(frame, scale_factor=4, mode="bicubic")

    def run(count: int) -> float:
        with torch.inference_mode():
            torch.cuda.synchronize()
            started = time.perf_counter()
            for at in range(count):
                restore(picture(max(at - 1, 0)), picture(at)).cpu()
            return time.perf_counter() - started

    return run
