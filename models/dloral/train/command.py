"""Train a model: ``python -m dloral train --config tiny-base --data CACHE --out runs/base``."""

import argparse
from pathlib import Path
from typing import Any

import torch

from dloral.arguments import positive, refuse_given
from dloral.errors import UserError
from dloral.shared import backbone_path
from dloral.train.base import BaseTask
from dloral.train.base_config import BaseConfig, base_from_table
from dloral.train.checkpoint import has_checkpoint, load_checkpoint
from dloral.train.config import parse_config
from dloral.train.dual.config import RESTORERS, DualConfig, dual_from_table
from dloral.train.loop import Trainer
from dloral.train.runtime import PRECISIONS, Runtime
from dloral.train.task import Places, Task


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``train``."""
    parser.add_argument("--config", required=True, help="name in models/configs, or path of a .toml file")
    parser.add_argument(
        "--data",
        type=Path,
        nargs="+",
        required=True,
        help="the teacher's cache; of a Stable Diffusion base folders of videos and pictures",
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of the run; a run in it is resumed")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--base", type=Path, help="frozen base of branches: a folder of dloral base, or of Stable Diffusion"
    )
    parser.add_argument("--prompt", default="", help="text for the base's text encoder, of a Stable Diffusion base")
    parser.add_argument("--prompt-embedding", type=Path, help="NumPy file, float32 [1,77,D], in place of --prompt")
    parser.add_argument("--negative-embedding", type=Path, help="that of the empty prompt, for score distillation")
    parser.add_argument(
        "--flow",
        type=Path,
        help="flow to start from: SpyNet's weights (mmcv's file); of a restorer the run of a base, or a pack",
    )
    parser.add_argument("--init", type=Path, help="run or checkpoint whose weights to start from")
    parser.add_argument("--until", type=int, help="step to stop at; the schedule stays that of the configuration")
    parser.add_argument("--precision", choices=PRECISIONS, default="bf16", help="of products; fp16 needs a GPU")
    parser.add_argument("--backbone", type=Path, default=backbone_path(), help="network of the perceptual loss")
    parser.add_argument("--interval", type=positive, default=200, help="steps between checkpoints")
    parser.add_argument("--workers", type=int, default=1, help="processes that make training data")
    parser.add_argument("--threads", type=int, default=0, help="threads of the training itself; 0: all cores")


def run(args: argparse.Namespace) -> None:
    """Train until the configured number of steps."""
    if args.threads:
        torch.set_num_threads(args.threads)
    config = parse_config(args.config, _configuration)
    places = Places(args.data, args.out, args.backbone)
    torch.manual_seed(args.seed)
    task: Task
    if isinstance(config, DualConfig):
        task = _dual_task(config, args, places)
        if args.init is not None and load_checkpoint(args.init).base != task.base:
            raise UserError(f"{args.init} holds no branches of the base that --base names: branches start from those")
    else:
        wrong = ("base", "flow", "prompt", "prompt_embedding", "negative_embedding")
        refuse_given(args, wrong, f"is for branches, and {args.config} trains none: --init starts from other weights")
        task = BaseTask(config, places)
    trainer = Trainer(task, args.out, args.seed, Runtime(args.precision))
    if args.init is not None:
        trainer.start_from(args.init)
    trainer.run(args.interval, args.workers, args.until)


def _dual_task(config: DualConfig, args: argparse.Namespace, places: Places) -> Task:
    if config.architecture in RESTORERS:
        refuse_given(args, ("prompt", "prompt_embedding", "negative_embedding"), "is for a Stable Diffusion base")
        return _restorer_task(config, args, places)
    if args.base is None:
        raise UserError("the branches are trained on a base: give its folder, in diffusers' layout, with --base")
    try:
        from dloral.train.dual.sd import Prompts, SdDual
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] == "dloral":
            raise
        raise UserError(
            f"Stable Diffusion needs the Python package {error.name!r}: in a checkout, pip install -e 'models[sd]'"
        ) from error
    prompts = Prompts(args.prompt, args.prompt_embedding, args.negative_embedding)
    return SdDual(config, args.base, prompts, places, args.flow)


def _restorer_task(config: DualConfig, args: argparse.Namespace, places: Places) -> Task:
    from dloral.bases.store import load_base as load_restorer
    from dloral.train.dual.based import BasedDual
    from dloral.train.dual.flow_source import flow_weights

    if args.base is None:
        raise UserError("the branches are trained on a base: give its folder, made by dloral base, with --base")
    if args.flow is None and args.init is None and not has_checkpoint(args.out):
        raise UserError(
            "the branches need a flow network that knows motion, and nothing here trains one: start from one with "
            "--flow, as from that of the pack tiny (--flow tiny), or from another run with --init"
        )
    flow = None if args.flow is None else flow_weights(args.flow)
    return BasedDual(config, load_restorer(args.base), flow, places)


def _configuration(table: dict[str, Any]) -> DualConfig | BaseConfig:
    return dual_from_table(table) if table.get("stage") == "dual" else base_from_table(table)
