"""Recipes: lines with names in braces, run one after the other, resumed, and refused where they differ."""

import argparse
import subprocess
from pathlib import Path

import pytest

pytest.importorskip("tomli_w", reason="recipes keep what is done as TOML: pip install -e 'models[train]'")

from dloral import cli
from dloral.recipe import command
from dloral.recipe.steps import FOLDER, Recipe, load_recipe

RECIPE = """
steps = [
    "inspect {out}/first",
    "evaluate --pack {out}/first --clips {clips} --lq {lq}",
    "inspect {out}/second --data {data}",
]
"""


class Runs:
    """In the place of the processes: what they were given, and which one fails."""

    def __init__(self) -> None:
        self.commands: list[list[str]] = []
        self.failing: str | None = None

    def __call__(self, arguments: list[str], *, check: bool) -> subprocess.CompletedProcess[bytes]:
        self.commands.append(arguments[3:])
        return subprocess.CompletedProcess(arguments, 3 if arguments[3] == self.failing else 0)

    def names(self) -> list[str]:
        return [words[0] for words in self.commands]


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> Runs:
    runs = Runs()
    monkeypatch.setattr(command.subprocess, "run", runs)
    return runs


@pytest.fixture
def recipe(tmp_path: Path) -> list[str]:
    path = tmp_path / "own.toml"
    path.write_text(RECIPE)
    return ["recipe", str(path), "--data", "a b", "c", "--clips", "V", "--lq", "L", "--out", str(tmp_path / "out")]


def test_names_stand_for_what_is_given(recipe: list[str], runs: Runs, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert cli.main(recipe) == 0
    assert runs.commands == [
        ["inspect", f"{out}/first"],
        ["evaluate", "--pack", f"{out}/first", "--clips", "V", "--lq", "L"],
        ["inspect", f"{out}/second", "--data", "a b", "c"],
    ]


def test_the_same_command_goes_on_with_the_step_that_failed(
    recipe: list[str], runs: Runs, capsys: pytest.CaptureFixture[str]
) -> None:
    runs.failing = "evaluate"
    assert cli.main(recipe) == 1
    assert "step 2 of 3 ended with status 3" in capsys.readouterr().err
    assert runs.names() == ["inspect", "evaluate"]
    runs.failing = None
    assert cli.main(recipe) == 0
    assert runs.names() == ["inspect", "evaluate", "evaluate", "inspect"]
    assert cli.main(recipe) == 0
    assert len(runs.commands) == 4, "nothing is left to do"


def test_other_arguments_are_refused_where_steps_are_done(
    recipe: list[str], runs: Runs, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(recipe) == 0
    count = len(runs.commands)
    assert cli.main([*recipe, "--clips", "W"]) == 1
    assert "step 2" in capsys.readouterr().err
    assert len(runs.commands) == count


def test_a_damaged_record_is_refused(
    recipe: list[str], runs: Runs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(recipe) == 0
    (tmp_path / "out" / "recipe.toml").write_text("done = [")
    assert cli.main(recipe) == 1
    assert "recipe.toml is not as" in capsys.readouterr().err


def test_what_a_recipe_needs_is_asked_for(tmp_path: Path, runs: Runs, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "own.toml"
    path.write_text(RECIPE)
    assert cli.main(["recipe", str(path), "--out", str(tmp_path / "out")]) == 1
    assert "needs --clips, --data, --lq" in capsys.readouterr().err
    assert runs.commands == []
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("steps = [", "no TOML file"),
        ("steps = []", "has to hold"),
        ("steps = [1]", "has to hold"),
        ("a = 1", "hold"),
        ("steps = ['a {b']", "cannot be read"),
        ("steps = ['a \"b']", "cannot be read"),
    ],
)
def test_a_file_that_is_no_recipe(tmp_path: Path, text: str, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "own.toml"
    path.write_text(text)
    assert cli.main(["recipe", str(path), "--out", str(tmp_path / "out")]) == 1
    assert says in capsys.readouterr().err


def test_an_unknown_name_lists_those_that_are_known(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["recipe", "nonsense", "--out", str(tmp_path)]) == 1
    assert "small" in capsys.readouterr().err


@pytest.mark.parametrize("name", [path.stem for path in sorted(FOLDER.glob("*.toml"))])
def test_the_commands_of_this_repository_take_their_arguments(name: str) -> None:
    recipe: Recipe = load_recipe(name)
    for arguments in recipe.commands({key: ["x"] for key in recipe.names()}):
        parser = argparse.ArgumentParser()
        cli.importlib.import_module(cli.COMMANDS[arguments[0]].module).add_arguments(parser)
        parser.parse_args(arguments[1:])
