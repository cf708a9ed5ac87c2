# SPDX-License-Identifier: Apache-2.0
"""Instructions as bytes: ByT5's ids (Xue et al. 2022), which need no vocabulary file.

Id = byte + 3; 0 pads, 1 ends the text. Bytes keep the order of words, so "red on blue" and "blue on red" differ.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

PAD = 0
END = 1
OFFSET = 3
VOCABULARY = 256 + OFFSET


def byte_ids(text: str, length: int) -> list[int]:
    """The text's ids, cut or padded to ``length``."""
    ids = [byte + OFFSET for byte in text.encode('utf-8')[: length - 1]] + [END]
    return ids + [PAD] * (length - len(ids))


class TextEncoder(nn.Module):
    """A small convolution over bytes, pooled: instructions to [B, width]."""

    def __init__(self, width: int, length: int = 96, kernel: int = 9) -> None:
        super().__init__()
        self.length = length
        self.embedding = nn.Embedding(VOCABULARY, 16, padding_idx=PAD)
        self.convolution = nn.Conv1d(16, width, kernel, padding=kernel // 2)
        self.output = nn.Linear(width, width)

    def forward(self, instructions: Sequence[str]) -> Tensor:
        """Encode every distinct instruction once, then spread: [B, width]."""
        distinct = sorted(set(instructions))
        ids = torch.tensor([byte_ids(text, self.length) for text in distinct], device=self.output.weight.device)
        hidden = self.convolution(self.embedding(ids).transpose(1, 2))
        present = (ids != PAD)[:, None, :]
        pooled = (torch.relu(hidden) * present).sum(-1) / present.sum(-1).clamp_min(1)
        encoded: Tensor = self.output(pooled)
        if len(distinct) == 1:
            return encoded.expand(len(instructions), -1)
        index = {text: i for i, text in enumerate(distinct)}
        return encoded[torch.tensor([index[text] for text in instructions], device=encoded.device)]
