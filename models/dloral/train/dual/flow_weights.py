"""Published weights of SpyNet, as the reference starts from them."""

from pathlib import Path

from dloral.errors import UserError
from dloral.export.reference.merge import retrieval_name
from dloral.model.sd.flow import SpyNet
from dloral.tensors import load_tensors


def load_flow(flow: SpyNet, path: Path) -> None:
    """Load a SpyNet file of mmcv's naming (``basic_module.LEVEL.basic_module.LAYER.conv.weight``) into ``flow``.

    Raises :class:`UserError` that names the first tensor which is missing or of another shape.
    """
    table = load_tensors(path)
    table = table.get("state_dict", table)
    tensors = {retrieval_name(f"spynet.{key}").removeprefix("flow."): value for key, value in table.items()}
    state = flow.state_dict()
    for name, expected in state.items():
        if name in ("mean", "deviation"):
            continue
        if name not in tensors or tensors[name].shape != expected.shape:
            found = list(tensors[name].shape) if name in tensors else "none"
            raise UserError(f"{path}: SpyNet's {name} is {list(expected.shape)}, and {found} was found")
    flow.load_state_dict({name: tensors.get(name, value) for name, value in state.items()})
