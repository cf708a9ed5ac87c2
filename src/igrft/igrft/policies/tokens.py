# SPDX-License-Identifier: Apache-2.0
"""Instructions as token ids: bytes, or a pretrained tokenizer that travels inside the policy's weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from igrft.policies.protocol import PolicyError
from igrft.policies.text import VOCABULARY, byte_ids

FILE = 'tokenizer.json'
"""What a pretrained tokenizer is called in its folder."""


class Bytes(nn.Module):
    """ByT5's ids (:mod:`.text`); nothing to store."""

    size = 0
    vocabulary = VOCABULARY

    def forward(self, texts: Sequence[str], length: int) -> Tensor:
        """Ids of the texts, cut or padded with 0: [B, length]."""
        return torch.tensor([byte_ids(text, length) for text in texts])


class Pretrained(nn.Module):
    """A ``tokenizer.json`` of the `tokenizers` library, kept byte for byte as a buffer of the policy.

    So a checkpoint needs no other file and no hub to read an instruction.

    Attributes:
        size: bytes of the file.
    """

    def __init__(self, size: int) -> None:
        """An empty one, that a checkpoint's weights fill."""
        super().__init__()
        self.size = size
        self.file: Tensor
        self.register_buffer('file', torch.zeros(size, dtype=torch.uint8))
        self._parsed: Any = None

    @classmethod
    def read(cls, path: Path) -> Pretrained:
        """From a ``tokenizer.json``, or the folder that has it.

        Raises:
            PolicyError: naming the file.
        """
        file = path / FILE if path.is_dir() else path
        if not file.is_file():
            raise PolicyError(
                f'{file}: no such file; put the {FILE} of the model that the weights were trained with there, or name '
                'its folder in model.tokenizer'
            )
        data = bytearray(file.read_bytes())
        found = cls(len(data))
        found.file.copy_(torch.frombuffer(data, dtype=torch.uint8))
        try:
            found.tokenizer()
        except PolicyError as error:
            raise PolicyError(f'{file}: {error}') from error
        return found

    def tokenizer(self) -> Any:
        """The parsed tokenizer.

        Raises:
            PolicyError: the stored bytes are none.
        """
        from tokenizers import Tokenizer

        if self._parsed is None:
            try:
                self._parsed = Tokenizer.from_str(bytes(self.file.cpu().numpy()).decode('utf-8'))
            except Exception as error:
                raise PolicyError(f'not a tokenizer: {error}') from error
        return self._parsed

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        self._parsed = None
        super()._load_from_state_dict(*args, **kwargs)

    def token(self, *names: str) -> int:
        """Id of the first of these tokens that the vocabulary has.

        Raises:
            PolicyError: it has none of them.
        """
        for name in names:
            found: int | None = self.tokenizer().token_to_id(name)
            if found is not None:
                return found
        raise PolicyError(f'the tokenizer has no {" or ".join(names)}')

    def rows(self, texts: Sequence[str], length: int, begin: Sequence[int] = ()) -> tuple[Tensor, Tensor]:
        """Ids of the texts after ``begin``, cut or padded on the right: [B, length], and which are real, bool."""
        ids = torch.zeros(len(texts), length, dtype=torch.long)
        real = torch.zeros(len(texts), length, dtype=torch.bool)
        for row, text in enumerate(texts):
            found = [*begin, *self.tokenizer().encode(text, add_special_tokens=False).ids][:length]
            ids[row, : len(found)] = torch.tensor(found)
            real[row, : len(found)] = True
        return ids, real
