"""Where training runs: one CPU, one GPU, or several processes with a GPU each, through ``accelerate``."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Literal, TypeVar

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.optim import Optimizer

from dloral.errors import UserError

T = TypeVar("T")

Precision = Literal["fp32", "bf16", "fp16"]
PRECISIONS: tuple[Precision, ...] = ("fp32", "bf16", "fp16")


class Runtime:
    """Devices, processes and the scaling of fp16's losses. With one process on the CPU it changes no bit.

    Several processes (``accelerate launch -m dloral train …``) each train on batches of their own and average their
    gradients. They are averaged here rather than by ``DistributedDataParallel``, because what is trained changes from
    stage to stage, and is small beside the networks.
    """

    def __init__(self, precision: Precision = "bf16") -> None:
        """``precision``: of the products in mixed precision; fp16 needs a GPU."""
        if precision == "fp16" and not torch.cuda.is_available():
            raise UserError("--precision fp16 needs a GPU: give bf16 or fp32")
        self.precision = precision
        if precision == "fp32":
            # By itself cuDNN rounds the inputs of convolutions to ten bits.
            torch.backends.cudnn.allow_tf32 = False
        self._accelerator = Accelerator(mixed_precision="fp16" if precision == "fp16" else "no")
        self.device = self._accelerator.device
        self.rank, self.processes = self._accelerator.process_index, self._accelerator.num_processes

    @property
    def main(self) -> bool:
        """Whether this process writes checkpoints, logs and the progress bar."""
        return self._accelerator.is_main_process

    def autocast(self) -> AbstractContextManager[object]:
        """Mixed precision for what is computed inside."""
        dtype = torch.float16 if self.precision == "fp16" else torch.bfloat16
        return torch.autocast(self.device.type, dtype, enabled=self.precision != "fp32")

    def main_first(self) -> AbstractContextManager[object]:
        """The main process goes first: it fills caches that the others read."""
        return self._accelerator.main_process_first()

    def wait(self) -> None:
        """Wait until all processes are here."""
        self._accelerator.wait_for_everyone()

    def prepare(self, optimizer: Optimizer) -> Optimizer:
        """The optimiser, with the scaling of fp16's losses if there is one."""
        return self._accelerator.prepare_optimizer(optimizer)

    def place(self, batch: T) -> T:
        """A named tuple of tensors, on this process's device."""
        return type(batch)(*(value.to(self.device, non_blocking=True) for value in batch))  # type: ignore[attr-defined]

    def backward(self, loss: Tensor, parameters: Sequence[nn.Parameter], clip: float) -> Tensor:
        """Gradients of ``loss``, averaged over the processes and clipped to the norm ``clip``; returns their norm."""
        self._accelerator.backward(loss)
        if self.processes > 1:
            self._average(parameters)
        norm = self._accelerator.clip_grad_norm_(parameters, clip)
        assert norm is not None, "only TPUs do not give the norm"
        return norm

    def skipped(self) -> bool:
        """Whether the last step of the optimiser was left out, because fp16's scale was too large."""
        return self._accelerator.optimizer_step_was_skipped

    @torch.no_grad()
    def _average(self, parameters: Sequence[nn.Parameter]) -> None:
        # In one piece: many small tensors would wait for the network one by one.
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
        flat = self._accelerator.reduce(torch.cat([gradient.flatten() for gradient in gradients]), "mean")
        parts = flat.split([gradient.numel() for gradient in gradients])
        for parameter, part in zip(parameters, parts, strict=True):
            parameter.grad = part.reshape(parameter.shape).clone()
