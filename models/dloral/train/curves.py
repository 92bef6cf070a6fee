"""The losses of a run as curves, for TensorBoard."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from torch.utils.tensorboard import SummaryWriter

from dloral.errors import UserError


class Curves:
    """Curves in a run's folder. Raises :class:`UserError` where they cannot be written, as on a full disk."""

    def __init__(self, out: Path, step: int) -> None:
        """Go on at ``step``: what a run that was stopped has drawn beyond it is taken back."""
        self._out, self._step = out, step
        with self._writing():
            self._writer = SummaryWriter(str(out), purge_step=step + 1)

    def add(self, losses: Mapping[str, float], step: int) -> None:
        """Draw the losses of a step."""
        self._step = step
        with self._writing():
            for name, value in losses.items():
                self._writer.add_scalar(f"loss/{name}", value, step)

    def close(self) -> None:
        """Write what has not been written yet."""
        with self._writing():
            self._writer.close()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise UserError(
                f"the curves of step {self._step} could not be written to {self._out} ({error}); the last checkpoint "
                f"is kept: make room, and give the same command again"
            ) from error
