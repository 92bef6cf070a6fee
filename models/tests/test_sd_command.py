"""``dloral export --base``: prompt, half precision, codec, external weights, the CUDA form, and what it refuses."""

import errno
import json
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the networks need torch: pip install -e 'models[sd]'")
pytest.importorskip("diffusers", reason="the Stable Diffusion model needs diffusers: pip install -e 'models[sd]'")
transformers = pytest.importorskip("transformers", reason="prompts need transformers: pip install -e 'models[sd]'")

import onnx  # noqa: E402
import onnxruntime  # noqa: E402
from diffusers import AutoencoderTiny  # noqa: E402
from random_sd import UNETS, write_model  # noqa: E402

from dloral import cli  # noqa: E402
from dloral.errors import UserError  # noqa: E402
from dloral.export import pack as pack_module  # noqa: E402
from dloral.export import save  # noqa: E402
from dloral.model.sd.prompt import embed_prompt, read_embedding  # noqa: E402
from dloral.runner import PackRunner  # noqa: E402

WIDTH = UNETS["small"]["cross_attention_dim"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Base, checkpoint and prompt of the smallest size, with a text encoder and a codec."""
    folder = tmp_path_factory.mktemp("model")
    write_model(folder, "small")
    write_text_encoder(folder / "base")
    torch.manual_seed(3)
    channels = {"encoder_block_out_channels": (4,) * 4, "decoder_block_out_channels": (4,) * 4}
    AutoencoderTiny(**channels).save_pretrained(folder / "codec")
    return folder


def write_text_encoder(base: Path) -> None:
    """A CLIP of one layer, whose words are letters."""
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    words = ["<|startoftext|>", "<|endoftext|>", *letters, *(f"{letter}</w>" for letter in letters)]
    (base / "tokenizer").mkdir()
    (base / "tokenizer" / "vocab.json").write_text(json.dumps({word: index for index, word in enumerate(words)}))
    (base / "tokenizer" / "merges.txt").write_text("#version: 0.2\n")
    torch.manual_seed(4)
    config = transformers.CLIPTextConfig(
        vocab_size=len(words),
        hidden_size=WIDTH,
        intermediate_size=WIDTH,
        num_hidden_layers=1,
        num_attention_heads=2,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
    )
    transformers.CLIPTextModel(config).save_pretrained(base / "text_encoder")


def arguments(model: Path, out: Path, *options: str) -> list[str]:
    given = ["--base", str(model / "base"), "--checkpoint", str(model / "model.pkl"), "--out", str(out)]
    return ["export", *given, *options]


def operators(path: Path) -> set[tuple[str, str]]:
    return {(node.domain, node.op_type) for node in onnx.load(path, load_external_data=False).graph.node}


def table(pack: Path) -> dict[str, Any]:
    return tomllib.loads((pack / "pack.toml").read_text())


def test_the_extra_sd_is_enough() -> None:
    """It has nothing that reads training data or trains, nor what diffusers takes where it happens to be there."""
    program = """if True:
        import sys
        for package in ("av", "accelerate", "tensorboard", "peft"):
            sys.modules[package] = None
        import dloral.export.command, dloral.export.sd
    """
    package = Path(cli.__file__).parents[1]
    result = subprocess.run([sys.executable, "-c", program], cwd=package, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_half_precision_with_a_prompt_and_external_weights(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The export itself checks each graph against f32: 50 dB at least. 20 kB stand for 1 GiB."""
    monkeypatch.setattr(save, "EXTERNAL_ABOVE", 20_000)
    out = tmp_path / "half"
    assert cli.main(arguments(model, out, "--prompt", "a clear view", "--detail-strength", "0.5")) == 0
    manifest = table(out)
    assert manifest["precision"] == "fp16"
    assert manifest["encoder"]["input"] == "upscaled"
    assert (manifest["restorer"]["tile"], manifest["restorer"]["overlap"]) == (96, 32)
    assert manifest["provenance"]["prompt"] == '"a clear view"'
    assert manifest["provenance"]["detail_strength"] == "0.5"
    assert set(manifest["files"]) == {path.name for path in out.iterdir()} - {"pack.toml"}
    assert "restorer.onnx.data" in manifest["files"]
    assert [path.name for path in tmp_path.iterdir()] == ["half"]
    half = onnx.load(out / "restorer.onnx")
    kinds = {tensor.data_type for tensor in half.graph.initializer}
    assert {onnx.TensorProto.FLOAT16, onnx.TensorProto.FLOAT} <= kinds
    assert not any("lora" in tensor.name for tensor in half.graph.initializer)
    assert single_norms(half.graph)
    (picture,) = PackRunner(out).restore([np.full((40, 30, 3), 90, np.uint8)])
    assert picture.shape == (160, 120, 3)
    assert cli.main(["inspect", str(out)]) == 0
    text = capsys.readouterr().out
    assert all(word in text for word in ("precision: fp16", "a clear view", "restorer.onnx.data", "latent_prev"))


def single_norms(graph: onnx.GraphProto) -> bool:
    """Whether every normalisation and softmax takes what was cast to f32."""
    makers = {name: node for node in graph.node for name in node.output}
    types = {value.name: value.type.tensor_type.elem_type for value in graph.value_info}
    delicate = [
        node for node in graph.node if node.op_type in ("InstanceNormalization", "LayerNormalization", "Softmax")
    ]
    inputs = [node.input[0] for node in delicate]
    assert len(inputs) > 10
    return all(name in makers and types.get(name) == onnx.TensorProto.FLOAT for name in inputs)


def test_a_codec_and_the_form_for_cuda(model: Path, tmp_path: Path) -> None:
    """Its operators are for CUDA alone; that its fused attention is right is checked on the CPU, which has that one."""
    out = tmp_path / "cuda"
    options = ("--codec", str(model / "codec"), "--target", "cuda", "--tile", "64", "--overlap", "16")
    prompt = ("--prompt-embedding", str(model / "prompt.npy"))
    assert cli.main(arguments(model, out, *options, *prompt)) == 0
    manifest = table(out)
    assert manifest["provenance"]["codec"] == "codec, in place of the base's autoencoder"
    assert manifest["provenance"]["target"] == "cuda"
    assert manifest["provenance"]["prompt"] == "embedding prompt.npy"
    found = operators(out / "restorer.onnx")
    fused = {("com.microsoft", name) for name in ("MultiHeadAttention", "GroupNorm", "NhwcConv")}
    assert fused <= found
    assert ("", "InstanceNormalization") not in found
    assert ("", "Softmax") not in found
    assert manifest["restorer"]["batch"] == "free"
    assert ("", "InstanceNormalization") not in operators(out / "decoder.onnx")


@pytest.mark.parametrize("any_batch", [False, True])
@pytest.mark.parametrize("constant_keys", [False, True])
def test_fused_attention_is_attention(tmp_path: Path, constant_keys: bool, any_batch: bool) -> None:
    from dloral.export.cuda import fuse_attention
    from dloral.export.save import save_graph
    from dloral.model.sd.attention import ExportedAttention

    torch.manual_seed(0)
    attention = attention_block(ExportedAttention(), constant_keys=constant_keys)
    rows = torch.randn(2 if any_batch else 1, 37, 16)
    free = (0, 1) if any_batch else (1,)
    program = torch.onnx.export(
        attention,
        (rows,),
        dynamo=True,
        opset_version=18,
        input_names=["rows"],
        output_names=["out"],
        dynamic_shapes=(dict.fromkeys(free, torch.export.Dim.DYNAMIC),),
        verbose=False,
    )
    model = program.model
    save_graph(model, tmp_path / "plain.onnx")
    assert fuse_attention(model) == 1
    save_graph(model, tmp_path / "fused.onnx")
    assert ("com.microsoft", "MultiHeadAttention") in operators(tmp_path / "fused.onnx")
    assert ("", "Softmax") not in operators(tmp_path / "fused.onnx")
    rows = np.random.default_rng(0).normal(0, 1, (3 if any_batch else 1, 50, 16)).astype(np.float32)
    results = [
        onnxruntime.InferenceSession(tmp_path / f"{name}.onnx", providers=["CPUExecutionProvider"]).run(
            None, {"rows": rows}
        )[0]
        for name in ("plain", "fused")
    ]
    np.testing.assert_allclose(results[0], results[1], atol=1e-5)


def attention_block(processor: Any, *, constant_keys: bool) -> Any:
    from diffusers.models.attention_processor import Attention

    class Block(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attention = Attention(16, 16 if constant_keys else None, heads=2, dim_head=8, processor=processor)
            self.register_buffer("prompt", torch.randn(1, 7, 16))

        def forward(self, rows: Any) -> Any:
            return self.attention(rows, encoder_hidden_states=self.prompt if constant_keys else None)

    return Block().eval()


def test_the_text_encoder_makes_the_prompt(model: Path) -> None:
    plain, other = (embed_prompt(model / "base", text, WIDTH) for text in ("", "a house"))
    assert plain.shape == other.shape == (1, 77, WIDTH)
    assert not torch.equal(plain, other)
    with pytest.raises(UserError, match=r"expects \[1, 77, 24\]"):
        embed_prompt(model / "base", "", 24)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.zeros((1, 77, WIDTH)), "float32 is expected"),
        (np.zeros((77, WIDTH), np.float32), r"expects \[1, 77"),
        (np.full((1, 77, WIDTH), np.inf, np.float32), "not finite"),
    ],
)
def test_a_wrong_embedding_is_an_error(tmp_path: Path, values: Any, words: str) -> None:
    np.save(tmp_path / "prompt.npy", values)
    with pytest.raises(UserError, match=words):
        read_embedding(tmp_path / "prompt.npy", WIDTH)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--tile", "32"), "at least 64"),
        (("--detail-strength", "nan"), "a number is expected"),
        (("--tile", "64", "--overlap", "40"), "half of --tile"),
        (("--prompt", "x", "--prompt-embedding", "prompt.npy"), "exclude each other"),
        (("--prompt-embedding", "nowhere.npy"), "no prompt embedding"),
        (("--codec", "nowhere"), "config.json is missing"),
        (("--branches", "consistency"), "leave --branches out; --detail-strength 0 gives consistency alone"),
    ],
)
def test_wrong_options_say_so(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], words: str
) -> None:
    assert cli.main(arguments(model, tmp_path / "pack", *options)) == 1
    assert words in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_base_without_text_encoder_asks_for_an_embedding(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_model(tmp_path, "small")
    assert cli.main(arguments(tmp_path, tmp_path / "pack")) == 1
    assert "--prompt-embedding" in capsys.readouterr().err


def test_a_full_disk_leaves_the_old_pack(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "pack"
    out.mkdir()
    (out / "pack.toml").write_text("old")

    def full(module: Any, path: Path, *rest: Any, **options: Any) -> None:
        path.write_bytes(b"half a graph")
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(pack_module, "_export", full)
    assert cli.main(arguments(model, out)) == 1
    assert "No space left on device" in capsys.readouterr().err
    assert (out / "pack.toml").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["pack"]
