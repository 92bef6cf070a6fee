"""The schedule of Dual LoRA Learning against the reference's, step by step."""

import csv
from pathlib import Path

import pytest

from dloral.model.branches import CONSISTENCY, DETAIL
from dloral.train.schedule import Schedule

GOLDEN = Path(__file__).parent / "golden" / "i_schedule"


@pytest.mark.parametrize("table", ["schedule_boundaries", "schedule_every_250"])
def test_is_the_reference_s(table: str) -> None:
    schedule = Schedule()
    rows = list(csv.DictReader((GOLDEN / f"{table}.csv").open(encoding="utf-8")))
    assert len(rows) > 20
    for row in rows:
        step = int(row["global_step"])
        assert schedule.stage(step) == (DETAIL if row["stage"] == "1" else CONSISTENCY), step
        names = ("lambda_l2", "lambda_lpips", "lambda_vsd", "lambda_consistency")
        assert schedule.weights(step) == tuple(float(row[name]) for name in names), step


def test_scale_shortens_every_stage_alike() -> None:
    whole, short = Schedule(), Schedule(scale=0.1)
    for step in range(0, 24000, 10):
        assert short.stage(step // 10) == whole.stage(step), step
        assert short.weights(step // 10) == pytest.approx(whole.weights(step)), step


def test_mix_goes_in_straight_lines_from_stage_to_stage() -> None:
    schedule = Schedule()
    assert [schedule.mix(step) for step in (0, 5000, 5500, 6000, 13000, 13250, 14000, 18000, 18500, 30000)] == [
        pytest.approx(value) for value in (0.0, 0.0, 0.5, 1.0, 1.0, 0.75, 0.0, 0.0, 0.5, 1.0)
    ]
