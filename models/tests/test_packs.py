"""Packs by name."""

from pathlib import Path

import pytest

from dloral.errors import UserError
from dloral.packs import SHIPPED, VARIABLE, find_pack


def test_names_are_found_where_they_count_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for pack in ("first/small", "second/small", "second/large"):
        (tmp_path / pack).mkdir(parents=True)
        (tmp_path / pack / "pack.toml").write_text("")
    monkeypatch.setenv(VARIABLE, f"{tmp_path / 'first'}:{tmp_path / 'second'}")
    monkeypatch.chdir(tmp_path)
    assert find_pack("small") == tmp_path / "first/small"
    assert find_pack("large") == tmp_path / "second/large"
    assert find_pack("tiny") == SHIPPED / "tiny"
    assert find_pack("second/small") == Path("second/small")
    with pytest.raises(UserError, match=r"no model 'huge': there are large, small, tiny"):
        find_pack("huge")
