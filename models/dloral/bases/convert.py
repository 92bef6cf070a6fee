"""From ncnn's layers to the weights of our networks, which list their layers in the same order."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from dloral.bases.ncnn_file import Layer
from dloral.errors import UserError


def load_layers(network: nn.Module, layers: list[Layer], name: str) -> None:
    """Give ``network`` the weights of ``layers``, one after the other.

    Raises :class:`UserError` where the files are of another network: another number, order or size of layers.
    """
    places = list(_places(network))
    if len(places) != len(layers):
        raise UserError(f"{name}: {len(places)} layers with weights are needed and the files hold {len(layers)}")
    for (place, parameters), layer in zip(places, layers, strict=True):
        values = {"weight": layer.weight if layer.slope is None else layer.slope, "bias": layer.bias}
        for key, parameter in parameters.items():
            value = values[key]
            if value is None or value.shape != tuple(parameter.shape):
                found = "nothing" if value is None else str(list(value.shape))
                raise UserError(
                    f"{name}: {place}.{key} has the shape {list(parameter.shape)}, and {layer.name} of the files has "
                    f"{found}: they are of another network"
                )
            with torch.no_grad():
                parameter.copy_(torch.from_numpy(value))


def _places(network: nn.Module) -> Iterator[tuple[str, dict[str, Tensor]]]:
    for place, module in network.named_modules():
        parameters = dict(module.named_parameters(recurse=False))
        if parameters:
            yield place, parameters
