"""The perceptual distance: it is the network it says it is, and it behaves."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
import onnxruntime  # noqa: E402

from dloral.perceptual import STAGES, BackboneError, PerceptualDistance  # noqa: E402

Degradation = Callable[[np.ndarray, float], np.ndarray]


def tensor(picture: np.ndarray):
    return torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 255


@pytest.fixture(scope="module")
def distance(backbone: Path) -> PerceptualDistance:
    return PerceptualDistance(backbone)


def blur(picture: np.ndarray, sigma: float) -> np.ndarray:
    return cv2.GaussianBlur(picture, (0, 0), sigma, borderType=cv2.BORDER_REFLECT_101)


def noise(picture: np.ndarray, sigma: float) -> np.ndarray:
    values = picture + sigma * np.random.default_rng(0).normal(size=picture.shape)
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def jpeg(picture: np.ndarray, loss: float) -> np.ndarray:
    _, data = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, int(100 - loss)])
    return np.ascontiguousarray(cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1])


def grid(picture: np.ndarray, amplitude: float) -> np.ndarray:
    lines = np.where(np.arange(picture.shape[1]) % 8 == 0, amplitude, 0.0)
    return np.clip(np.rint(picture + lines[None, :, None]), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("name", ["astronaut", "cat", "coffee", "grass"])
@pytest.mark.parametrize(
    ("degradation", "strengths"),
    [
        (blur, [0.6, 1.0, 1.6, 2.4, 4.0]),
        (noise, [2, 4, 8, 16, 32]),
        (jpeg, [10, 40, 60, 80, 90]),
        (grid, [2, 4, 8, 16]),
    ],
)
def test_grows_with_the_strength(
    distance: PerceptualDistance,
    pictures: dict[str, np.ndarray],
    name: str,
    degradation: Degradation,
    strengths: list[float],
) -> None:
    reference = tensor(pictures[name])
    values = [0.0] + [distance(tensor(degradation(pictures[name], s)), reference).item() for s in strengths]
    assert all(b > a + 1e-4 for a, b in pairwise(values)), values


def test_wrong_texture_is_far(distance: PerceptualDistance, pictures: dict[str, np.ndarray]) -> None:
    grass = pictures["grass"]
    elsewhere = np.ascontiguousarray(grass[::-1, ::-1])
    scrambled = np.random.default_rng(1).permutation(grass.reshape(-1, 3)).reshape(grass.shape)
    reference = tensor(grass)
    slightly_soft = distance(tensor(blur(grass, 0.8)), reference).item()
    same_kind = distance(tensor(elsewhere), reference).item()
    other_kind = distance(tensor(scrambled), reference).item()
    assert 0 < slightly_soft < same_kind < other_kind


def test_equal_pictures_symmetry_and_batches(distance: PerceptualDistance, pictures: dict[str, np.ndarray]) -> None:
    a, b = tensor(pictures["cat"]), tensor(pictures["coffee"])
    assert distance(a, a).item() == 0.0
    assert torch.allclose(distance(a, b), distance(b, a))
    both = distance(torch.cat([a, b]), torch.cat([b, b]))
    assert both.shape == (2,)
    assert torch.allclose(both, torch.stack([distance(a, b)[0], distance(b, b)[0]]), atol=1e-6)


def test_gradient_reduces_the_distance(distance: PerceptualDistance, pictures: dict[str, np.ndarray]) -> None:
    reference = tensor(pictures["cat"])
    picture = tensor(blur(pictures["cat"], 1.6)).requires_grad_()
    before = distance(picture, reference)
    (gradient,) = torch.autograd.grad(before.sum(), picture)
    assert torch.isfinite(gradient).all()
    step = 1e-3 * gradient / gradient.abs().mean()
    assert distance(picture.detach() - step, reference).item() < 0.98 * before.item()
    assert not any(buffer.requires_grad for buffer in distance.buffers())
    assert list(distance.parameters()) == []


def test_flat_pictures_have_finite_gradients(distance: PerceptualDistance) -> None:
    picture = torch.zeros(1, 3, 32, 48, requires_grad=True)
    (gradient,) = torch.autograd.grad(distance(picture, torch.ones(1, 3, 32, 48)).sum(), picture)
    assert torch.isfinite(gradient).all()


@pytest.mark.parametrize("size", [(256, 256), (130, 77), (97, 64), (98, 203), (33, 40)])
def test_measure_in_strips_equals_forward(
    distance: PerceptualDistance, pictures: dict[str, np.ndarray], size: tuple[int, int]
) -> None:
    crops = {name: np.ascontiguousarray(p[: size[0], : size[1]]) for name, p in pictures.items()}
    reference = tensor(crops["cat"])
    others = [tensor(jpeg(crops["cat"], 60)), tensor(crops["coffee"]), reference]
    expected = distance(torch.cat(others), reference.expand(3, -1, -1, -1)).tolist()
    assert distance.measure(others, reference) == pytest.approx(expected, rel=1e-5)


def test_features_are_those_of_the_quantised_network(
    distance: PerceptualDistance, backbone: Path, pictures: dict[str, np.ndarray]
) -> None:
    model = onnx.load(backbone)
    for stage in STAGES:
        model.graph.output.append(
            onnx.helper.make_tensor_value_info(f"{stage}_quantized", onnx.TensorProto.UINT8, None)
        )
    scales = {t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer if t.name.endswith("_scale")}
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    picture = tensor(pictures["astronaut"])[..., :224, :224]
    normalised = ((picture - distance.mean) / distance.std).numpy()
    quantised = session.run([f"{stage}_quantized" for stage in STAGES], {"input": normalised})
    for stage, expected, features in zip(STAGES, quantised, distance.features(picture), strict=True):
        values = expected.astype(np.float32) * scales[f"{stage}_scale"]
        assert np.corrcoef(values.ravel(), features.numpy().ravel())[0, 1] > 0.97


def test_says_what_is_wrong(distance: PerceptualDistance, tmp_path: Path) -> None:
    with pytest.raises(BackboneError, match="set DLORAL_SHARED to the folder that holds backbone/mobilenet"):
        PerceptualDistance(tmp_path / "nothing.onnx")
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Relu", ["x"], ["y"])],
        "other",
        [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])],
        [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1])],
    )
    onnx.save(onnx.helper.make_model(graph), tmp_path / "other.onnx")
    with pytest.raises(BackboneError, match="not the expected"):
        PerceptualDistance(tmp_path / "other.onnx")
    with pytest.raises(ValueError, match="B,3,H,W"):
        distance(torch.zeros(1, 3, 8, 64), torch.zeros(1, 3, 8, 64))
