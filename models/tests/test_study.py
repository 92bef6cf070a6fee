"""Blind studies: what is made, how votes are taken in a browser, and the scores."""

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from browser import opened, until
from conftest import REPOSITORY
from test_evaluate import write_clip

from dloral import cli
from dloral.errors import UserError
from dloral.evaluate.clips import count_frames, read_frames
from dloral.runner import PackRunner
from dloral.study.scores import score, strengths
from dloral.study.votes import FORMAT, Vote, join, read_votes

needs_ffmpeg = pytest.mark.skipif(
    not (shutil.which("ffmpeg") and shutil.which("ffprobe")), reason="ffmpeg and ffprobe are not installed"
)

FRAMES = 5
PACK = REPOSITORY / "tests" / "packs" / "nearest"


def table(**changes: Any) -> dict[str, Any]:
    vote = {"clip": "a", "left": "x", "right": "y", "choice": "left"}
    return {
        "format": FORMAT,
        "study": "s",
        "sitting": "1",
        "voter": "",
        "packs": ["x", "y"],
        "votes": [vote],
    } | changes


def saved(folder: Path, name: str, **changes: Any) -> Path:
    path = folder / f"{name}.json"
    path.write_text(json.dumps(table(**changes)))
    return path


def votes(first: str, second: str, won: int, lost: int, neither: int = 0, clip: str = "a") -> list[Vote]:
    """Votes on a pair, on each side in turn."""
    chosen = [first] * won + [second] * lost + [None] * neither
    sides = [(first, second) if at % 2 else (second, first) for at in range(len(chosen))]
    return [
        Vote(clip, left, right, "neither" if pack is None else "left" if pack == left else "right")
        for pack, (left, right) in zip(chosen, sides, strict=True)
    ]


def test_scores_of_two_packs_are_the_odds() -> None:
    result = score(["x", "y"], votes("x", "y", 6, 2, 3))
    best, worst = result.standings
    assert (best.pack, best.points, best.votes) == ("x", 7.5, 11)
    assert best.score.value == pytest.approx(np.log(8.0 / 4.0) / 2)  # half a vote is added on each side
    assert worst.score.value == pytest.approx(-best.score.value)
    (pair,) = result.pairs
    assert (pair.first, pair.first_votes, pair.second_votes, pair.neither) == ("x", 6, 2, 3)
    assert pair.chance.value == pytest.approx(8.0 / 12.0)
    assert pair.chance.low < pair.chance.value < pair.chance.high


def test_scores_of_several_packs_are_those_of_the_model() -> None:
    true = np.array([0.9, 0.1, -1.0])
    chance = 1.0 / (1.0 + np.exp(true[None] - true[:, None]))
    points = 1e6 * chance * (1.0 - np.eye(3))
    assert strengths(points[None])[0] == pytest.approx(true, abs=1e-4)
    # Packs that never met are compared through a third.
    ranked = score(["x", "y", "z"], [*votes("x", "y", 8, 2), *votes("y", "z", 8, 2)]).standings
    assert [entry.pack for entry in ranked] == ["x", "y", "z"]


def test_a_pack_that_always_wins_has_a_score() -> None:
    best = score(["x", "y"], votes("x", "y", 12, 0)).standings[0]
    assert best.pack == "x"
    assert np.isfinite([best.score.value, best.score.low, best.score.high]).all()


def test_intervals_are_over_clips() -> None:
    """Ten votes that agree on each clip and not between clips are no sign of anything."""
    split = [vote for n in range(6) for vote in votes("x", "y", *((10, 0) if n % 2 else (0, 10)), clip=str(n))]
    (pair,) = score(["x", "y"], split).pairs
    assert pair.chance.value == pytest.approx(0.5)
    assert pair.chance.low < 0.25
    assert pair.chance.high > 0.75
    mixed = [vote for n in range(6) for vote in votes("x", "y", 5, 5, clip=str(n))]
    (pair,) = score(["x", "y"], mixed).pairs
    assert 0.3 < pair.chance.low < pair.chance.high < 0.7


def test_votes_are_joined_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    early = saved(tmp_path, "early")
    late = saved(tmp_path, "late", votes=table()["votes"] * 3)
    other = saved(tmp_path, "other", sitting="2")
    packs, joined = join([read_votes(path) for path in (late, early, other)])
    assert packs == ("x", "y")
    assert len(joined) == 4
    assert cli.main(["study", "--votes", str(late), str(early), str(other)]) == 0
    text = capsys.readouterr().out
    assert text.startswith("4 votes.")
    assert "| x | +1.10 [" in text  # log(4.5 / 0.5) / 2
    assert "4 of 4 (100 %)" in text
    assert "| x, y | 4 | 0 | 0 | 0.90 [0.90, 0.90] |" in text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "holds no votes"),
        ("[]", "holds no votes"),
        (json.dumps(table(format="votes 2")), "holds no votes"),
        (json.dumps(table(votes=[{"clip": "a"}])), "damaged votes: 'left'"),
        (json.dumps(table(packs=["x", "z"])), "x and y are not two of x, z"),
        (json.dumps(table(votes=[table()["votes"][0] | {"choice": "both"}])), "'both' is not one of"),
        (json.dumps(table(votes=None)), "damaged votes"),
        (json.dumps(table(study=3)), "3 is not text"),
        (json.dumps(table(votes=[])), "there are no votes"),
    ],
)
def test_bad_votes_are_refused(content: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "votes.json"
    path.write_text(content)
    assert cli.main(["study", "--votes", str(path)]) == 1
    assert message in capsys.readouterr().err


def test_votes_of_several_studies_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="several studies"):
        join([read_votes(saved(tmp_path, "a")), read_votes(saved(tmp_path, "b", study="t"))])


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory, pictures: dict[str, np.ndarray]) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    for name in ("cat", "coffee"):
        frames = [np.ascontiguousarray(pictures[name][:160, shift : shift + 176]) for shift in range(FRAMES + 3)]
        write_clip(
            folder / f"{name}.mp4", [cv2.resize(frame, (44, 40), interpolation=cv2.INTER_AREA) for frame in frames]
        )
    return folder


@pytest.fixture(scope="module")
def packs(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("packs")
    for name in ("secret-one", "secret-two", "secret-three"):
        shutil.copytree(PACK, folder / name)
    return [str(folder / name) for name in ("secret-one", "secret-two", "secret-three")]


def make(clips: Path, packs: list[str], out: Path, *options: str) -> int:
    fixed = ["--clips", str(clips), "--max-frames", str(FRAMES), "--jobs", "2"]
    return cli.main(["study", "--packs", *packs, *fixed, "--out", str(out), *options])


@pytest.fixture(scope="module")
def study(clips: Path, packs: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("made") / "study"
    assert make(clips, packs, out) == 0
    return out


@needs_ffmpeg
def test_a_study_is_made(study: Path, clips: Path) -> None:
    described = json.loads((study / "study.json").read_text())
    assert described["packs"] == ["secret-one", "secret-two", "secret-three"]
    assert [clip["name"] for clip in described["clips"]] == ["cat", "coffee"]
    used = [video for clip in described["clips"] for video in clip["videos"]]
    assert len(set(used)) == 6
    assert {study / video for video in used} == set((study / "videos").iterdir())
    assert not any("secret" in video or "cat" in video for video in used), "a name must not tell"
    video = study / described["clips"][0]["videos"][1]
    assert count_frames(video) == FRAMES
    restored = list(PackRunner(PACK).restore(list(read_frames(clips / "cat.mp4"))[:FRAMES]))
    for frame, wanted in zip(read_frames(video), restored, strict=True):
        assert np.abs(frame.astype(int) - wanted).mean() < 4  # H.264 and 4:2:0


@needs_ffmpeg
def test_a_study_may_be_made_anew_but_nothing_else_is_overwritten(
    clips: Path, packs: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "study"
    assert make(clips, packs[:2], out, "--only", "cat") == 0
    before = (out / "study.json").read_text()
    assert make(clips, packs[:2], out, "--only", "cat") == 0
    assert (out / "study.json").read_text() != before
    (out / "study.json").unlink()
    assert make(clips, packs[:2], out) == 1
    assert "exists and is not a study" in capsys.readouterr().err


@needs_ffmpeg
def test_a_study_that_fails_leaves_nothing(
    clips: Path, packs: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "made" / "study"
    (tmp_path / "clips").mkdir()
    for clip in clips.iterdir():
        shutil.copy(clip, tmp_path / "clips")
    (tmp_path / "clips" / "dog.mp4").write_bytes(b"no video")
    for clip_folder, given, message in [
        (tmp_path / "clips", packs, "dog.mp4 is not a video"),
        (clips, packs[:1], "give --packs A B"),
        (clips, [packs[0], packs[0]], "folders with names of their own"),
        (clips, [packs[0], str(tmp_path / "nowhere")], "not a model pack"),
        (tmp_path, packs, "no clips"),
    ]:
        assert make(clip_folder, given, out) == 1
        assert message in capsys.readouterr().err
        assert not out.exists()
        assert not out.parent.exists() or not list(out.parent.iterdir())


@needs_ffmpeg
def test_people_vote_in_a_browser(study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    downloads = tmp_path / "votes"
    downloads.mkdir()
    with opened(study / "index.html", downloads) as browser:
        from selenium.webdriver import Keys
        from selenium.webdriver.common.by import By

        def ready() -> Any:
            return until(browser, lambda: browser.execute_script("return ready"))

        def press(key: str) -> None:
            ready()
            browser.find_element(By.TAG_NAME, "body").send_keys(key)

        def progress() -> Any:
            return browser.find_element(By.ID, "progress").text

        assert browser.find_element(By.ID, "total").text == "6"
        browser.find_element(By.ID, "voter").send_keys("Ann B.")
        browser.find_element(By.ID, "begin").click()
        press("z")
        assert browser.execute_script("return pair.classList.contains('zoomed')")
        press(Keys.ARROW_LEFT)
        ready()
        assert progress() == "2 of 6"
        press(Keys.BACKSPACE)
        ready()
        assert progress() == "1 of 6"
        ready()
        browser.find_element(By.CSS_SELECTOR, "[data-choice=right]").click()
        for key in (Keys.ARROW_DOWN, Keys.ARROW_RIGHT):
            press(key)
        assert "secret" not in browser.find_element(By.TAG_NAME, "body").text
        browser.find_element(By.CSS_SELECTOR, "#vote .save").click()
        file = downloads / "votes-Ann_B_.json"
        until(browser, file.is_file)
    half = read_votes(file)
    assert half.voter == "Ann B."
    assert [vote.choice for vote in half.votes] == ["right", "neither", "right"]
    other = saved(tmp_path, "other", study="another")
    with opened(study / "index.html", downloads) as browser:
        browser.find_element(By.ID, "resume").send_keys(str(other))
        until(
            browser, lambda: browser.find_element(By.ID, "message").text == "other.json holds votes of another study."
        )
        browser.find_element(By.ID, "resume").send_keys(str(file))
        until(browser, lambda: progress() == "4 of 6")
        for _ in range(3):
            press(Keys.ARROW_LEFT)
        results = browser.find_element(By.ID, "results")
        until(browser, results.is_displayed)
        assert "Votes: 6; sittings: 1" in results.text
        browser.find_element(By.ID, "others").send_keys(str(file))
        until(browser, lambda: "here already" in browser.find_element(By.ID, "message").text)
        file.unlink()
        browser.find_element(By.CSS_SELECTOR, "#results .save").click()
        until(browser, file.is_file)
        second = json.loads(file.read_text()) | {"sitting": "second"}
        (tmp_path / "second.json").write_text(json.dumps(second))
        browser.find_element(By.ID, "others").send_keys(str(tmp_path / "second.json"))
        until(browser, lambda: "Votes: 12; sittings: 2" in results.text)
        trial, names = many(), ["x", "y", "z"]
        shown = browser.execute_script("return scored(...arguments)", [asdict(vote) for vote in trial], names, 2000)
    whole = read_votes(file)
    assert [vote.choice for vote in whole.votes[:3]] == ["right", "neither", "right"]
    # Each pair of each clip once.
    assert len({(vote.clip, frozenset((vote.left, vote.right))) for vote in whole.votes}) == 6
    same_scores(shown, score(names, trial, 2000))
    assert cli.main(["study", "--votes", str(file), str(tmp_path / "second.json")]) == 0
    assert capsys.readouterr().out.startswith("12 votes.")


def many() -> list[Vote]:
    """Votes on three packs over eight clips, which the people do not agree on."""
    rng = np.random.default_rng(3)
    drawn = []
    for clip in range(8):
        for first, second, chance in (("x", "y", 0.6), ("x", "z", 0.8), ("z", "y", 0.3)):
            won = int(rng.binomial(6, np.clip(chance + rng.normal(0.0, 0.2), 0.0, 1.0)))
            drawn += votes(first, second, won, 6 - won, neither=1, clip=str(clip))
    return drawn


def same_scores(shown: dict[str, Any], wanted: Any) -> None:
    """The page's arithmetic and Python's give the same; intervals up to the draw."""
    ours = {entry.pack: entry for entry in wanted.standings}
    for entry in shown["standings"]:
        assert entry["score"]["value"] == pytest.approx(ours[entry["pack"]].score.value, abs=1e-6)
        assert (entry["points"], entry["votes"]) == (ours[entry["pack"]].points, ours[entry["pack"]].votes)
        assert entry["score"]["low"] == pytest.approx(ours[entry["pack"]].score.low, abs=0.1)
        assert entry["score"]["high"] == pytest.approx(ours[entry["pack"]].score.high, abs=0.1)
    chances = {frozenset((pair.first, pair.second)): pair for pair in wanted.pairs}
    for pair in shown["pairs"]:
        own = chances[frozenset((pair["first"], pair["second"]))]
        value = own.chance.value if own.first == pair["first"] else 1.0 - own.chance.value
        assert pair["chance"]["value"] == pytest.approx(value, abs=1e-6)
        assert pair["neither"] == own.neither
        assert (pair["firstVotes"], pair["secondVotes"]) == (own.first_votes, own.second_votes)
