"""A base of our own: the averaged weights of its training run."""

from pathlib import Path

from dloral.bases.store import save_base
from dloral.errors import UserError
from dloral.model.bases import NETWORKS
from dloral.train.base_config import OWN
from dloral.train.checkpoint import load_checkpoint

LICENCE = """The weights were trained from nothing by the project dloralvsr and are licensed, as the project is,
under the MIT licence or the Apache Licence 2.0, as you choose.
"""


def base_of_run(run: Path, out: Path) -> None:
    """Write the base; raises :class:`UserError` where ``run`` trained something else."""
    checkpoint = load_checkpoint(run)
    if checkpoint.config.get("architecture") != OWN or checkpoint.config.get("stage") != "base":
        raise UserError(f"{run} is no run of a base: give one of a configuration with stage base, architecture {OWN}")
    prefix = "network."
    network = NETWORKS[OWN]()
    weights = {name.removeprefix(prefix): value for name, value in checkpoint.ema.items() if name.startswith(prefix)}
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise UserError(f"{run} has other layers than the base {OWN} has: it is a run of another version") from error
    save_base(out, OWN, network, LICENCE, {"steps": str(checkpoint.step), "seed": str(checkpoint.seed)})
    print(f"{out}: {OWN}, {sum(value.numel() for value in weights.values()):,} parameters, of {run}")
