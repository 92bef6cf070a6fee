"""A result that takes the place of an earlier one: what else was in its folder stays."""

from pathlib import Path

import pytest

from dloral.errors import UserError
from dloral.export.folder import fresh_folder


def pack(folder: Path, *graphs: str) -> None:
    with fresh_folder(folder) as fresh:
        for graph in graphs:
            (fresh / graph).write_text("new")
        names = "\n".join(f'"{graph}" = "digest"' for graph in graphs)
        (fresh / "pack.toml").write_text(f"[files]\n{names}\n")


def test_cards_stay_and_old_graphs_go(tmp_path: Path) -> None:
    folder = tmp_path / "pack"
    pack(folder, "decoder.onnx", "decoder.int8.onnx")
    (folder / "MODEL_CARD.md").write_text("of a person's")
    pack(folder, "decoder.onnx")
    assert sorted(path.name for path in folder.iterdir()) == ["MODEL_CARD.md", "decoder.onnx", "pack.toml"]
    (folder / "pack.toml").write_text("damaged")
    pack(folder, "encoder.onnx")
    assert sorted(path.name for path in folder.iterdir()) == ["MODEL_CARD.md", "encoder.onnx", "pack.toml"]
    assert [path.name for path in tmp_path.iterdir()] == ["pack"]


def test_votes_stay_in_a_study(tmp_path: Path) -> None:
    for _ in range(2):
        with fresh_folder(tmp_path / "study", "study.json", "a study", ("videos",)) as fresh:
            (fresh / "videos").mkdir()
            (fresh / "study.json").write_text("{}")
        (tmp_path / "study" / "votes.json").write_text("votes")
        (tmp_path / "study" / "videos" / "old.mp4").write_text("old")
    with fresh_folder(tmp_path / "study", "study.json", "a study", ("videos",)) as fresh:
        (fresh / "study.json").write_text("{}")
    assert sorted(path.name for path in (tmp_path / "study").iterdir()) == ["study.json", "votes.json"]


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("precious")
    with pytest.raises(UserError, match="is not a pack"), fresh_folder(tmp_path):
        pass
    assert (tmp_path / "notes.txt").read_text() == "precious"
