"""Make a blind pairwise study of packs, or print what the votes of one say."""

import argparse
import os
from pathlib import Path

from dloral.arguments import positive
from dloral.errors import UserError
from dloral.evaluate.clips import find_no_reference
from dloral.evaluate.methods import name_packs
from dloral.packs import find_pack
from dloral.study.make import PAGE, make_study
from dloral.study.scores import Range, Scores, score
from dloral.study.votes import join, read_votes


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``study``."""
    parser.add_argument("--packs", nargs="+", default=[], help="model packs to compare, by name or folder, two or more")
    parser.add_argument("--clips", type=Path, help="folder of low-quality clips that they restore")
    parser.add_argument("--out", type=Path, help="folder of the study, to be made")
    parser.add_argument("--only", type=lambda text: text.split(","), default=[], help="names of clips, with commas")
    parser.add_argument("--max-frames", type=positive, default=72, help="first frames of each clip that are shown")
    parser.add_argument("--votes", type=Path, nargs="+", help="print the scores of these saved votes instead")
    parser.add_argument("--jobs", type=positive, default=os.cpu_count() or 1, help="threads")


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    if args.votes:
        packs, votes = join([read_votes(path) for path in args.votes])
        print(described(score(packs, votes), len(votes)))
        return
    if len(args.packs) < 2 or args.clips is None or args.out is None:
        raise UserError("give --packs A B …, --clips and --out to make a study, or --votes to score one")
    clips = find_no_reference(args.clips, args.only)
    make_study(
        args.out,
        name_packs([find_pack(pack) for pack in args.packs]),
        clips,
        max_frames=args.max_frames,
        threads=args.jobs,
    )
    pairs = len(args.packs) * (len(args.packs) - 1) // 2
    print(f"{args.out / PAGE}: {len(clips)} clips, {pairs * len(clips)} comparisons; open it in a browser")


def described(scores: Scores, votes: int) -> str:
    """Two tables in Markdown."""
    lines = [
        f"{votes} votes. Scores of Bradley and Terry, mean 0, with 95 % intervals; neither counts half for each.",
        "",
        "| pack | score | preferred |",
        "| --- | --: | --: |",
    ]
    for entry in scores.standings:
        share = f"{entry.points:g} of {entry.votes} ({100 * entry.points / entry.votes:.0f} %)" if entry.votes else "-"
        lines.append(f"| {entry.pack} | {_text(entry.score, '+.2f')} | {share} |")
    lines += ["", "| pair | first | second | neither | chance of the first |", "| --- | --: | --: | --: | --: |"]
    lines += [
        f"| {pair.first}, {pair.second} | {pair.first_votes} | {pair.second_votes} | {pair.neither} "
        f"| {_text(pair.chance, '.2f')} |"
        for pair in scores.pairs
    ]
    return "\n".join(lines)


def _text(value: Range, form: str) -> str:
    return f"{value.value:{form}} [{value.low:{form}}, {value.high:{form}}]"
