"""The schedule of Dual LoRA Learning: which branch is trained at a step, and with which weights.

Consistency and detail stages take turns; behind every switch the weights move to their new values in a straight line.
Numbers and order are those of the reference's training script (``golden/i_schedule``), step by step.
"""

from dataclasses import dataclass
from typing import NamedTuple

from dloral.model.branches import CONSISTENCY, DETAIL


class Weights(NamedTuple):
    """Weights of the scheduled losses at one step."""

    l2: float
    perceptual: float
    csd: float
    """Counts in detail stages only: elsewhere classifier score distillation is not computed."""
    consistency: float


@dataclass(frozen=True)
class Schedule:
    """Boundaries in steps of the reference, times ``scale``; weights as they are in a detail stage."""

    scale: float = 1.0
    first_consistency: int = 5000
    """Last step of the first consistency stage."""
    first_detail: int = 13000
    """Last step of the first detail stage."""
    second_consistency: int = 5000
    """Length of the second consistency stage, behind which all is detail."""
    ramp: int = 1000
    """Steps that a change of weights takes."""
    l2: float = 1.0
    perceptual: float = 2.0
    csd: float = 1.0
    consistency: float = 10.0
    consistency_factor: float = 2.0
    """Factor of ``consistency`` in consistency stages."""
    perceptual_factor: float = 0.02
    """Factor of ``perceptual`` in the first consistency stage; the second one keeps it."""

    def stage(self, step: int) -> str:
        """The branch that is trained at ``step``."""
        return (CONSISTENCY, DETAIL, CONSISTENCY, DETAIL)[self._phase(step / self.scale)]

    def mix(self, step: int) -> float:
        """How far the weights are those of detail stages: 0 before the first switch, 1 behind a ramp to detail."""
        position = step / self.scale
        progress = self._progress(position)
        return (0.0, progress, 1.0 - progress, progress)[self._phase(position)]

    def weights(self, step: int) -> Weights:
        """The weights of the losses at ``step``."""
        mix, second = self.mix(step), self._phase(step / self.scale) > 1
        perceptual = self.perceptual * (1.0 if second else _blend(self.perceptual_factor, 1.0, mix))
        csd = self.csd * (1.0 if second else mix)
        return Weights(self.l2, perceptual, csd, self.consistency * _blend(self.consistency_factor, 1.0, mix))

    def _ends(self) -> tuple[int, int, int]:
        return (self.first_consistency, self.first_detail, self.first_detail + self.second_consistency)

    def _phase(self, position: float) -> int:
        return sum(position > end for end in self._ends())

    def _progress(self, position: float) -> float:
        """Share of the ramp behind the last switch that is done at ``position``."""
        phase = self._phase(position)
        if phase == 0:
            return 1.0
        return min((position - self._ends()[phase - 1]) / self.ramp, 1.0)


def _blend(start: float, end: float, progress: float) -> float:
    return start + (end - start) * progress
