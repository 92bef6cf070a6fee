"""The two branches of Dual LoRA Learning: their names and sizes, whatever networks carry them."""

from dataclasses import dataclass

CONSISTENCY = "consistency"
DETAIL = "detail"
"""Names of the branches, and of the stages that train them."""


@dataclass(frozen=True)
class LoraConfig:
    """Where branches are, and how large."""

    targets: tuple[str, ...] = ("unet",)
    """Parts whose layers carry LoRA: ``unet`` of Stable Diffusion; ``body`` and ``decoder`` of a restorer."""
    rank_consistency: int = 8
    rank_detail: int = 8
    train_flow: bool = False
    """Whether the consistency stage trains the flow network too."""

    def __post_init__(self) -> None:
        if unknown := set(self.targets) - {"unet", "body", "decoder"}:
            raise ValueError(f"[lora] targets: {', '.join(sorted(unknown))} is none of unet, body, decoder")

    @property
    def ranks(self) -> dict[str, int]:
        """Rank by branch."""
        return {CONSISTENCY: self.rank_consistency, DETAIL: self.rank_detail}
