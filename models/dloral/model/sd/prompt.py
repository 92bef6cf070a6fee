"""The prompt's embedding: by the base's own text encoder, or from a file."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from dloral.errors import UserError

TOKENS = 77


def embed_prompt(base: Path, prompt: str, width: int) -> Tensor:
    """The embedding f32 [1, 77, ``width``] that the text encoder of the base folder gives for ``prompt``."""
    for part in ("text_encoder", "tokenizer"):
        if not (base / part).is_dir():
            raise UserError(
                f"{base / part} is missing, and it makes the prompt's embedding: give a base folder that has it, "
                f"or the embedding itself with --prompt-embedding (float32 [1, {TOKENS}, {width}])"
            )
    from transformers import CLIPTextModel, CLIPTokenizer

    try:
        tokenizer = CLIPTokenizer.from_pretrained(base / "tokenizer", local_files_only=True)
        encoder = CLIPTextModel.from_pretrained(base / "text_encoder", local_files_only=True, dtype=torch.float32)
    except (OSError, ValueError, RuntimeError, TypeError) as error:
        raise UserError(f"{base}: its text encoder or tokenizer cannot be read: {error}") from error
    tokens = tokenizer(prompt, padding="max_length", max_length=TOKENS, truncation=True, return_tensors="pt")
    with torch.no_grad():
        embedding = encoder.eval()(tokens.input_ids).last_hidden_state
    return _checked(embedding, width, base / "text_encoder")


def read_embedding(path: Path, width: int) -> Tensor:
    """A prompt's embedding from a NumPy file: float32 [1, 77, ``width``]."""
    if not path.is_file():
        raise UserError(f"no prompt embedding at {path}")
    try:
        values = np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise UserError(f"{path} is not a NumPy file: {error}") from error
    if not isinstance(values, np.ndarray) or values.dtype != np.float32:
        raise UserError(f"{path}: one array of float32 is expected, [1, {TOKENS}, {width}]")
    return _checked(torch.from_numpy(values), width, path)


def _checked(embedding: Tensor, width: int, source: Path) -> Tensor:
    if tuple(embedding.shape) != (1, TOKENS, width):
        wanted = [1, TOKENS, width]
        raise UserError(f"{source}: the embedding is {list(embedding.shape)}; the base's UNet expects {wanted}")
    if not torch.isfinite(embedding).all():
        raise UserError(f"{source}: the prompt's embedding holds values that are not finite")
    return embedding
