"""The page that ``evaluate --html`` writes: what it holds, and that it works in a browser."""

import base64
import io
import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from browser import opened, until
from conftest import REPOSITORY
from PIL import Image
from test_evaluate import FRAMES, write_clip

from dloral import cli
from dloral.evaluate.clips import count_frames
from dloral.evaluate.report import speed
from dloral.evaluate.report.plots import Axis, Point, scatter, ticks
from dloral.evaluate.report.speed import measure_speed

pytestmark = pytest.mark.skipif(
    not (shutil.which("ffmpeg") and shutil.which("ffprobe")), reason="ffmpeg and ffprobe are not installed"
)

PACK = REPOSITORY / "tests" / "packs" / "nearest"
CLIP = "cat & <b>"


class Elements(HTMLParser):
    """All elements of a page: name and attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.all: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.all.append((tag, dict(attrs)))

    def of(self, tag: str) -> list[dict[str, Any]]:
        return [attributes for name, attributes in self.all if name == tag]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, pictures: dict[str, np.ndarray]) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    (folder / "lq").mkdir()
    truth = [np.ascontiguousarray(pictures["cat"][:160, shift : shift + 176]) for shift in range(FRAMES)]
    low = [cv2.resize(frame, (44, 40), interpolation=cv2.INTER_AREA) for frame in truth]
    write_clip(folder / f"{CLIP}.mp4", truth)
    write_clip(folder / "lq" / f"{CLIP}.mild.mp4", low)
    write_clip(folder / "lq" / f"{CLIP}.medium.mp4", [frame // 2 + 60 for frame in low])
    return folder


def evaluate(folder: Path, page: Path, *options: str) -> int:
    fixed = ["--clips", str(folder), "--lq", str(folder / "lq"), "--levels", "mild,medium", "--jobs", "2"]
    fixed += ["--pack", str(PACK), "--no-perceptual", "--html", str(page)]
    return cli.main(["evaluate", *fixed, *options])


@pytest.fixture(scope="module")
def page(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    page = tmp_path_factory.mktemp("page") / "made" / "report.html"
    assert evaluate(folder, page, "--bootstrap", "20") == 0
    return page


def decoded(address: str) -> bytes:
    return base64.b64decode(address.partition("base64,")[2], validate=True)


def test_the_page_is_whole_by_itself(page: Path, tmp_path: Path) -> None:
    assert [path.name for path in page.parent.iterdir()] == ["report.html"]
    elements = Elements(page.read_text())
    addresses = [value for _, attributes in elements.all for key, value in attributes.items() if key in ("src", "href")]
    assert addresses
    assert all(address and address.startswith("data:") for address in addresses)
    videos = elements.of("video")
    assert len(videos) == 2
    (tmp_path / "loop.mp4").write_bytes(decoded(videos[0]["src"]))
    assert count_frames(tmp_path / "loop.mp4") == FRAMES
    # The pictures of the middle frame: LQ, bicubic, lanczos, pack, ground truth at each level, whole.
    shown = [image for image in elements.of("img") if "data-method" in image]
    assert [image["data-method"] for image in shown] == ["LQ", "bicubic", "lanczos", "pack", "ground truth"] * 2
    assert {Image.open(io.BytesIO(decoded(image["src"]))).size for image in shown} == {(176, 160)}
    sliders = [attributes for attributes in elements.of("figure") if attributes.get("class") == "slider"]
    assert [json.loads(slider["data-shown"]) for slider in sliders] == [["bicubic", "pack", "ground truth"]] * 2


def test_pictures_are_those_of_the_frame(page: Path, pictures: dict[str, np.ndarray]) -> None:
    image = next(image for image in Elements(page.read_text()).of("img") if image.get("data-method") == "ground truth")
    shown = np.asarray(Image.open(io.BytesIO(decoded(image["src"])))).astype(int)
    truth = pictures["cat"][:160, FRAMES // 2 : FRAMES // 2 + 176]
    assert np.abs(shown - truth).mean() < 3


def test_names_and_figures_are_text(page: Path, folder: Path, tmp_path: Path) -> None:
    text = page.read_text()
    assert "<h3>cat &amp; &lt;b&gt;</h3>" in text
    assert not Elements(text).of("b")
    table = tmp_path / "table.md"
    assert evaluate(folder, tmp_path / "other.html", "--markdown", str(table)) == 0
    cells = re.findall(r"\d+\.\d\d ", next(line for line in table.read_text().splitlines() if "| pack" in line))
    assert f"<td>{cells[0].strip()}</td>" in text
    assert "Differences from bicubic with their 95 % intervals" in text
    assert "Differences" not in (tmp_path / "other.html").read_text()


def test_without_ground_truth(folder: Path, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    options = ["--lq", str(folder / "lq"), "--only", f"{CLIP}.mild", "--pack", str(PACK), "--html", str(page)]
    assert cli.main(["evaluate", *options]) == 0
    text = page.read_text()
    (slider,) = [a for a in Elements(text).of("figure") if a.get("class") == "slider"]
    assert json.loads(slider["data-shown"]) == ["bicubic", "pack"]
    assert "flicker ↓ against milliseconds a frame" in text
    assert "E*warp against sharpness" not in text


def test_a_folder_is_no_page(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate(folder, tmp_path) == 1
    assert f"is a folder: give a file, such as {tmp_path / 'report.html'}" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_run_that_fails_leaves_no_page(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "lq", tmp_path / "lq")
    version = tmp_path / "lq" / f"{CLIP}.medium.mp4"
    version.unlink()
    write_clip(version, [np.zeros((36, 44, 3), np.uint8)] * FRAMES)
    assert evaluate(folder, tmp_path / "out" / "report.html", "--lq", str(tmp_path / "lq")) == 1
    assert not (tmp_path / "out").exists()


def test_speed_leaves_out_the_first_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 9.0, 9.0, 9.1, 10.0, 10.3, 11.0, 11.2])
    monkeypatch.setattr(speed.time, "perf_counter", lambda: next(clock))
    frames = [np.zeros((3, 5, 3), np.uint8)] * 4
    measured = measure_speed({"a": iter}, frames, "clip", 2)
    assert measured.milliseconds == pytest.approx({"a": 200.0})
    assert measured.size == (5, 3)


def test_points_are_where_their_values_are() -> None:
    points = [Point("a", 1.0, 0.2), Point("<b>", 10.0, 0.4), Point("c", 100.0, 0.3)]
    svg = scatter(points, Axis("time", log=True), Axis("quality"))
    places = [(float(x), float(y)) for x, y in re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)"', svg)]
    (ax, ay), (bx, by), (cx, cy) = places
    assert bx - ax == pytest.approx(cx - bx, abs=0.2)
    assert ay - by == pytest.approx(2 * (ay - cy), abs=0.2)
    assert "&lt;b&gt;" in svg
    assert "<b>" not in svg
    # One method, or several that are equal, give a plot as well.
    for same in ([Point("a", 5.0, 0.0)], [Point("a", 5.0, 1.0), Point("b", 5.0, 1.0)]):
        svg = scatter(same, Axis("time", log=True), Axis("quality"))
        assert "nan" not in svg
        assert svg.count("<circle") == len(same)


@pytest.mark.parametrize(
    ("low", "high", "log"),
    [(0.23, 0.31, False), (-4.0, 17.0, False), (1e-4, 2e-4, False), (2, 21, True), (9, 95, True)],
)
def test_ticks_are_round_and_inside(low: float, high: float, log: bool) -> None:
    values = ticks(low, high, log)
    assert 2 <= len(values) <= 8
    assert all(low <= value <= high for value in values)
    assert all(len(f"{abs(value):.6e}".partition("e")[0].rstrip("0").replace(".", "")) <= 3 for value in values)


def test_the_page_works_in_a_browser(page: Path, tmp_path: Path) -> None:
    with opened(page, tmp_path) as browser:
        from selenium.webdriver import ActionChains, Keys
        from selenium.webdriver.common.by import By

        def visible(selector: str) -> list[Any]:
            return [element for element in browser.find_elements(By.CSS_SELECTOR, selector) if element.is_displayed()]

        assert visible("h2")[0].text == "medium", "the headline's level comes first"
        (stack,) = visible(".stack")
        assert [image.get_attribute("data-method") for image in visible(".stack img.shown")] == [
            "bicubic",
            "pack",
            "ground truth",
        ]
        first, second = visible(".handle")
        first.send_keys(Keys.ARROW_RIGHT)
        assert first.get_attribute("aria-valuenow") == "35"
        for _ in range(40):
            first.send_keys(Keys.ARROW_RIGHT)
        assert first.get_attribute("aria-valuenow") == second.get_attribute("aria-valuenow") == "67"
        ActionChains(browser).drag_and_drop_by_offset(first, -stack.size["width"] // 2, 0).perform()
        moved = sorted(int(handle.get_attribute("aria-valuenow")) for handle in (first, second))
        assert 15 <= moved[0] <= 18
        choice = visible(".choices select")[0]
        choice.send_keys("pack")
        names = [name.text for name in visible(".stack .name")]
        assert names == ["pack", "bicubic", "ground truth"]
        clip = visible(".stack img.shown")[0].value_of_css_property("clip-path")
        assert clip.startswith("inset(0")
        (video,) = visible("video")
        browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", video)
        until(browser, lambda: browser.execute_script("return arguments[0].currentTime", video))
        browser.find_element(By.ID, "level").send_keys("mild")
        assert visible("h2")[0].text == "mild"
        assert len(visible(".stack")) == 1
