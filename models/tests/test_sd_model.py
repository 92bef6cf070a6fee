"""DLoRAL on Stable Diffusion in PyTorch against the reference's own results."""

import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

torch = pytest.importorskip("torch", reason="the networks need torch: pip install -e 'models[sd]'")
pytest.importorskip("diffusers", reason="the Stable Diffusion model needs diffusers: pip install -e 'models[sd]'")

from diffusers import UNet2DConditionModel  # noqa: E402
from random_sd import UNETS  # noqa: E402
from safetensors.torch import load_file  # noqa: E402
from torch import Tensor, nn  # noqa: E402
from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402
from torch.utils._pytree import tree_leaves  # noqa: E402

from dloral.export.reference import merged_unet, read_base, read_checkpoint, retrieval  # noqa: E402
from dloral.export.reference.merge import retrieval_name  # noqa: E402
from dloral.manifest import GraphSizes  # noqa: E402
from dloral.model.sd import CrossFrameRetrieval, LatentDecoder, LatentEncoder, OneStepUNet, SdRestorer  # noqa: E402
from dloral.model.sd.attention import ExportedAttention  # noqa: E402
from dloral.model.sd.retrieval import Retrieval, blocks_for  # noqa: E402
from dloral.model.warp import flow_warp  # noqa: E402
from dloral.runner import upscale  # noqa: E402
from dloral.tiles import Blender, plan_tiles  # noqa: E402

HERE = Path(__file__).parent / "golden"

pytestmark = pytest.mark.usefixtures("no_gradients")


@pytest.fixture(autouse=True)
def no_gradients() -> Any:
    with torch.no_grad():
        yield


def close(got: Tensor, expected: NDArray[Any], relative: float) -> None:
    """Equal within ``relative`` of the largest value."""
    wanted = torch.from_numpy(expected)
    assert got.shape == wanted.shape
    assert (got - wanted).abs().max() <= relative * wanted.abs().max()


def trained_retrieval(weights: dict[str, Tensor]) -> CrossFrameRetrieval:
    model = CrossFrameRetrieval()
    model.load_state_dict({retrieval_name(key): value for key, value in weights.items()}, strict=False)
    return model.eval()


@pytest.mark.parametrize("blocks", [1, 3, 7])
@pytest.mark.parametrize("case", ["c_cross_attn_16x16", "c_cross_attn_24x20"])
def test_retrieval_is_the_reference_s_in_any_number_of_blocks(case: str, blocks: int) -> None:
    weights = load_file(HERE / case / "weights.safetensors")
    prefix = "" if any(key.startswith("cross_attn_module.") for key in weights) else "cross_attn_module."
    model = trained_retrieval({f"{prefix}{key}": value for key, value in weights.items()}).retrieval
    model.blocks = blocks
    tensors = np.load(HERE / case / "tensors.npz")
    current, aligned = (torch.from_numpy(tensors[name]) for name in ("cur", "prev_aligned"))
    fused = model(current, aligned)
    close(fused, tensors["fused"], 1e-4)
    close(fused - current, tensors["residual"], 1e-4)


def test_blocks_bound_the_memory_of_retrieval() -> None:
    """At a 96×96 tile no tensor of it takes more than 64 MiB; the whole matrix of one head would take 324 MiB."""
    blocks = blocks_for(96 * 96)
    assert blocks == 6
    largest = 0

    class Sizes(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            nonlocal largest
            result = function(*args, **(kwargs or {}))
            if isinstance(result, Tensor):
                largest = max(largest, result.numel() * result.element_size())
            return result

    latent = torch.zeros(1, 4, 96, 96, device="meta")
    with Sizes():
        Retrieval(4, blocks).to("meta")(latent, latent)
    assert 4 * 9216 * 1536 == largest <= 64 * 2**20


@pytest.mark.parametrize("case", ["b_spynet_64x64", "b_spynet_96x80"])
def test_flow_is_the_reference_s(golden: Path, case: str) -> None:
    model = trained_retrieval(load_file(golden / "_weights" / "cfr_used.safetensors"))
    tensors = np.load(golden / case / "tensors.npz")
    current, previous = torch.from_numpy(tensors["ref"]), torch.from_numpy(tensors["supp"])
    close(model.flow(current, previous), tensors["flow"], 1e-4)
    close(model.flow(previous, current), tensors["flow_swapped"], 1e-4)


def test_retrieval_of_a_frame_is_the_reference_s(golden: Path) -> None:
    """Guide, flow, warp, retrieval: from pictures to the UNet's input."""
    model = trained_retrieval(load_file(golden / "_weights" / "cfr_used.safetensors"))
    tensors = np.load(golden / "d_cfr_512x512" / "tensors.npz")
    pictures = torch.from_numpy(tensors["lqs_u8"]).float() / 255 * 2 - 1
    guides = LatentEncoder.guide(guide_only(), pictures)
    close(guides, tensors["lqs_downsample"], 1e-4)
    previous, current = torch.from_numpy(tensors["vae_feat"])[0].split(1)
    flow = model.flow(guides[1:], guides[:1])
    close(flow, tensors["flow_forward"][0], 1e-4)
    warped, fused = model(current, guides[1:], previous, guides[:1])
    close(warped, tensors["aligned"][:, 1], 1e-4)
    close(flow_warp(previous, flow), tensors["aligned"][:, 1], 1e-4)
    close(fused, tensors["fused"][:, 1], 1e-4)
    close(torch.cat([warped, fused], dim=1), tensors["unet_in"], 1e-4)


def guide_only() -> LatentEncoder:
    """An encoder without an autoencoder: only its guide can be asked for."""
    vae = nn.Module()
    vae.encoder = nn.Identity()
    vae.config = type("Config", (), {"scaling_factor": 1.0, "latent_channels": 4})()
    return LatentEncoder(vae)


class Whole:
    """The merged model of the reduced checkpoint."""

    def __init__(self, base_folder: Path, checkpoint_path: Path) -> None:
        base, checkpoint = read_base(base_folder), read_checkpoint(checkpoint_path)
        self.encoder, self.decoder = LatentEncoder(base.vae), LatentDecoder(base.vae)
        cfr = retrieval(base, checkpoint, blocks=2)
        self.restorer: Callable[[float, NDArray[np.float32]], SdRestorer] = lambda strength, prompt: SdRestorer(
            cfr, OneStepUNet(merged_unet(base, checkpoint, strength), torch.from_numpy(prompt))
        )

    def encode(self, frames: NDArray[np.uint8]) -> list[tuple[Tensor, Tensor]]:
        pictures = [torch.from_numpy(upscale(frame)).permute(2, 0, 1)[None] / 255 * 2 - 1 for frame in frames]
        return [self.encoder(picture) for picture in pictures]


@pytest.fixture(scope="module")
def whole(reference_model: tuple[Path, Path]) -> Whole:
    return Whole(*reference_model)


def test_the_whole_model_is_the_reference_s(golden: Path, whole: Whole) -> None:
    tensors = np.load(golden / "f_full_untiled_512x512" / "tensors.npz")
    (previous, current) = whole.encode(tensors["lq_u8"])
    close(torch.cat([previous[0], current[0]]), tensors["latents_scaled"], 2e-4)
    both = whole.restorer(1.0, tensors["prompt_embeds"])
    restored = both(*current, *previous)
    close(torch.cat(both.cfr(*current, *previous), dim=1), tensors["unet_in"], 2e-4)
    assert (restored - torch.from_numpy(tensors["x_denoised_stage1"])).abs().max() <= 1e-3
    picture = whole.decoder(restored).clamp(-1, 1)
    assert (picture[..., ::4, ::4] - torch.from_numpy(tensors["out_stage1_stride4"])).abs().max() <= 1e-3
    assert (picture[..., 208:304, 208:304] - torch.from_numpy(tensors["out_stage1_crop96"])).abs().max() <= 1e-3


def test_tiles_together_are_as_each_alone(golden: Path, whole: Whole) -> None:
    """With CUDA the element gives the restorer several at once."""
    prompt = np.load(golden / "f_full_untiled_512x512" / "tensors.npz")["prompt_embeds"]
    restorer = whole.restorer(1.0, prompt)
    tiles = [torch.randn(3, channels, 64, 66) for channels in (4, 3, 4, 3)]
    alone = [restorer(*(tile[at : at + 1] for tile in tiles)) for at in range(3)]
    close(restorer(*tiles), torch.cat(alone).numpy(), 1e-5)


def test_the_mean_is_taken_where_the_reference_samples(golden: Path, whole: Whole) -> None:
    """The reference encodes a frame twice and draws anew each time; here both give the same."""
    frame = np.load(golden / "f_full_untiled_512x512" / "tensors.npz")["lq_u8"][:1, :64, :64]
    (first,), (second,) = whole.encode(frame), whole.encode(frame)
    assert torch.equal(first[0], second[0])


@pytest.mark.parametrize(("detail_strength", "stage"), [(1.0, 1), (0.0, 0)])
def test_tiles_are_the_reference_s(golden: Path, whole: Whole, detail_strength: float, stage: int) -> None:
    """Stage 0 of the reference's tiled inference is the consistency LoRA alone, stage 1 both."""
    tensors = np.load(golden / "f_full_tiled_704x640_t64_o16" / "tensors.npz")
    previous, current = whole.encode(tensors["lq_u8"])
    restorer = whole.restorer(detail_strength, tensors["prompt_embeds"])
    plan = plan_tiles(88, 80, GraphSizes(tile=64, overlap=16, min=64, multiple=1))
    blender = Blender(plan, "gaussian", 1, 4)
    for row in plan.rows:
        for column in plan.columns:
            place = np.s_[..., row : row + plan.height, column : column + plan.width]
            tile = restorer(*(x[place] for x in (*current, *previous)))
            blender.add(tile[0].numpy(), row, column)
    restored = torch.from_numpy(blender.result()).float()[None]
    assert (restored - torch.from_numpy(tensors[f"x_denoised_stage{stage}"])).abs().max() <= 1e-3
    if stage == 1:
        picture = whole.decoder(restored).clamp(-1, 1)
        assert (picture[..., ::8, ::8] - torch.from_numpy(tensors["out_stage1_stride8"])).abs().max() <= 1e-3


class PeakMemory(TorchDispatchMode):
    """Bytes of the tensors that are alive at once while it is entered, at most."""

    def __init__(self) -> None:
        super().__init__()
        self.peak = self._now = 0
        self._alive: dict[int, weakref.ref[Any]] = {}

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, Tensor):
                self._count(tensor.untyped_storage())
        return result

    def _count(self, storage: Any) -> None:
        key, size = storage._cdata, storage.nbytes()
        if key in self._alive:
            return

        def gone(_: Any) -> None:
            self._now -= size
            del self._alive[key]

        self._alive[key] = weakref.ref(storage, gone)
        self._now += size
        self.peak = max(self.peak, self._now)


@pytest.mark.parametrize("fused", [False, True])
def test_retrieval_adds_little_to_the_memory_of_the_unet(monkeypatch: pytest.MonkeyPatch, fused: bool) -> None:
    """Stable Diffusion 2.1's size at a latent tile of 96×96, with and without fused attention; weights not counted."""
    if fused:
        monkeypatch.setattr(ExportedAttention, "_attend", lambda self, query, *rest, **options: torch.empty_like(query))
    with torch.device("meta"):
        unet = UNet2DConditionModel(use_linear_projection=True, in_channels=8, **UNETS["sd21"])
        prompt = torch.zeros(1, 77, 1024)
        one_step = OneStepUNet(unet, prompt)
        restorer = SdRestorer(CrossFrameRetrieval(blocks=blocks_for(96**2)), one_step)
        latent, guide, pair = (torch.zeros(1, channels, 96, 96) for channels in (4, 3, 8))
        with PeakMemory() as unet_alone:
            one_step(pair)
        with PeakMemory() as whole:
            restorer(latent, guide, latent, guide)
    assert unet_alone.peak > 100e6
    assert whole.peak <= 1.2 * unet_alone.peak
