#!/usr/bin/env python3
"""Make evaluate-page.jpg and study-page.jpg: what the pages of ``evaluate --html`` and ``study`` look like.

The clips are pans over pictures that come with scikit-image: the astronaut (NASA, public domain) and the cat (CC0).

    python docs/make_page_pictures.py

Needs the package `dloral` with its extra `test`, and the programs ffmpeg, chromium and chromedriver.
"""

import io
import subprocess
import tempfile
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait
from skimage import data

from dloral.cli import main as dloral

REPOSITORY = Path(__file__).resolve().parents[1]
FRAMES = 24
SIZE = (1280, 1180)


def main() -> None:
    """Make the clips, both pages and their pictures."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        for part in ("truth", "low"):
            (folder / part).mkdir()
        write_clip(folder, "astronaut", data.astronaut()[:384])
        write_clip(folder, "cat", data.chelsea()[:288])
        tiny, nearest = REPOSITORY / "models" / "tiny", REPOSITORY / "tests" / "packs" / "nearest"
        page, study = folder / "report.html", folder / "study"
        # Without the perceptual distance, whose network is not in the repository.
        clips = ["--clips", str(folder / "truth"), "--lq", str(folder / "low"), "--levels", "medium"]
        run(["evaluate", *clips, "--pack", str(tiny), "--no-perceptual", "--html", str(page)])
        run(["study", "--packs", str(tiny), str(nearest), "--clips", str(folder / "low"), "--out", str(study)])
        options = webdriver.ChromeOptions()
        options.binary_location = "/usr/bin/chromium"
        for argument in ("--headless=new", "--no-sandbox", f"--window-size={SIZE[0]},{SIZE[1]}"):
            options.add_argument(argument)
        browser = webdriver.Chrome(options=options, service=webdriver.ChromeService("/usr/bin/chromedriver"))
        try:
            picture_report(browser, page)
            picture_study(browser, study / "index.html")
        finally:
            browser.quit()


def run(arguments: list[str]) -> None:
    """Run a command of the package; its message is on the terminal if it fails."""
    if dloral(arguments):
        raise SystemExit(1)


def write_clip(folder: Path, name: str, picture: np.ndarray) -> None:
    """A pan from left to right, and its low-quality version of a quarter of the size, noisy and coded."""
    rng = np.random.default_rng(0)
    width = (picture.shape[1] - FRAMES) // 8 * 8
    frames = [np.ascontiguousarray(picture[:, shift : shift + width]) for shift in range(FRAMES)]
    low = [cv2.resize(frame, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA) for frame in frames]
    noisy = [np.clip(frame + rng.normal(0.0, 4.0, frame.shape) + 0.5, 0, 255).astype(np.uint8) for frame in low]
    encode(folder / "truth" / f"{name}.mp4", frames, "4")
    encode(folder / "low" / f"{name}.medium.mp4", noisy, "24")


def encode(path: Path, frames: list[np.ndarray], crf: str) -> None:
    """H.264 in RGB."""
    height, width = frames[0].shape[:2]
    command = ["ffmpeg", "-v", "error", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-i", "-"]
    command += ["-c:v", "libx264rgb", "-crf", crf, str(path)]
    subprocess.run(command, input=b"".join(frame.tobytes() for frame in frames), check=True)


def picture_report(browser: webdriver.Chrome, page: Path) -> None:
    """The plots, and the slider of the first clip."""
    browser.get(page.as_uri())
    plots = browser.find_element(By.CSS_SELECTOR, ".plots")
    browser.execute_script("arguments[0].scrollIntoView()", plots)
    save(browser, "evaluate-page.jpg")


def picture_study(browser: webdriver.Chrome, page: Path) -> None:
    """A pair to choose from."""
    browser.set_window_size(SIZE[0], 760)
    browser.get(page.as_uri())
    browser.find_element(By.ID, "begin").click()
    WebDriverWait(browser, 30).until(lambda _: browser.execute_script("return ready && videos[0].currentTime > 0.2"))
    save(browser, "study-page.jpg")


def save(browser: webdriver.Chrome, name: str) -> None:
    """What the window shows."""
    picture = Image.open(io.BytesIO(browser.get_screenshot_as_png())).convert("RGB")
    picture.save(REPOSITORY / "docs" / name, quality=85, optimize=True)


if __name__ == "__main__":
    main()
