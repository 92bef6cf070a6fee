"""Filling a skeleton with random weights of the same mean and deviation: a pack whose pictures mean nothing."""

import json
import shutil
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w
from numpy.typing import NDArray

from dloral.errors import UserError
from dloral.export.folder import digests, fresh_folder
from dloral.skeleton.make import RECIPE


def fill_skeleton(skeleton: Path, out: Path, seed: int = 0) -> int:
    """Write the pack to ``out``, the same for the same ``seed``; returns its bytes of weights.

    Raises :class:`UserError` where ``skeleton`` is none.
    """
    recipe = _recipe(skeleton)
    with fresh_folder(out) as fresh:
        for path in skeleton.iterdir():
            if path.name not in (RECIPE, "pack.toml"):
                shutil.copyfile(path, fresh / path.name)
        for number, (name, graph) in enumerate(sorted(recipe.items())):
            _fill(fresh / f"{name}.data", graph, [seed, number])
        table = tomllib.loads((skeleton / "pack.toml").read_text(encoding="utf-8"))
        table |= {"files": digests(fresh)}
        table.pop("quality", None)
        table.setdefault("provenance", {})["weights"] = f"random, of the same mean and deviation, seed {seed}"
        (fresh / "pack.toml").write_text(tomli_w.dumps(table), encoding="utf-8")
    return sum(graph["bytes"] for graph in recipe.values())


def _recipe(skeleton: Path) -> dict[str, Any]:
    try:
        recipe: dict[str, Any] = json.loads((skeleton / RECIPE).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(f"{skeleton} holds no {RECIPE}: make it with python -m dloral skeleton") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{skeleton / RECIPE} is not as python -m dloral skeleton writes it ({error})") from error
    return recipe


def _fill(path: Path, graph: dict[str, Any], seed: list[int]) -> None:
    if not graph["tensors"]:
        return
    data = np.memmap(path, np.uint8, "w+", shape=(graph["bytes"],))

    def write(numbered: tuple[int, dict[str, Any]]) -> None:
        number, tensor = numbered
        raw = _values(tensor, [*seed, number]).view(np.uint8)
        data[tensor["offset"] : tensor["offset"] + raw.size] = raw

    # NumPy draws without the interpreter's lock.
    with ThreadPoolExecutor() as pool:
        list(pool.map(write, enumerate(graph["tensors"])))
    data.flush()


def _values(tensor: dict[str, Any], seed: list[int]) -> NDArray[Any]:
    values = np.random.default_rng(seed).standard_normal(tensor["count"], dtype=np.float32)
    values *= tensor["deviation"]
    values += tensor["mean"]
    return values.astype(tensor["type"])
