"""The command line's frame: commands are found, and only what one needs is imported."""

import subprocess
import sys
from pathlib import Path

import pytest

from dloral import cli


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.main(["--help"])
    assert stopped.value.code == 0
    text = capsys.readouterr().out
    assert all(command in text for command in cli.COMMANDS)


@pytest.mark.parametrize("arguments", [[], ["nonsense"], ["evaluate"]])
def test_wrong_usage_is_status_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.main(arguments)
    assert stopped.value.code == 2


def test_missing_package_is_named_with_its_remedy(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = cli.Command("package_that_is_not_there.command", "train", "nothing")
    monkeypatch.setitem(cli.COMMANDS, "train", command)
    with pytest.raises(SystemExit):
        cli.main(["train"])
    text = " ".join(capsys.readouterr().err.split())
    assert "'package_that_is_not_there'" in text
    assert "models[train]" in text


def test_measuring_does_not_need_torch() -> None:
    program = """if True:
        import sys
        sys.modules["torch"] = sys.modules["onnx"] = None
        from dloral import cli
        import dloral.evaluate.command, dloral.runner
        sys.exit(cli.main(["evaluate", "--clips", "nowhere", "--lq", "nowhere"]))
    """
    package = Path(cli.__file__).parents[1]
    result = subprocess.run([sys.executable, "-c", program], cwd=package, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "no clips (*.mp4) in nowhere" in result.stderr
