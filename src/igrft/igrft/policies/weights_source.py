# SPDX-License-Identifier: Apache-2.0
"""Where pretrained weights come from: a local folder, or a repository of the Hugging Face hub."""

from __future__ import annotations

import re
from pathlib import Path

from igrft.policies.protocol import PolicyError

HUB_ID = re.compile(r'\w[\w.-]*/\w[\w.-]*')
FILES = ['*.json', '*.safetensors', '*.model']
"""What is fetched of a repository; nothing in them is code."""


def locate(name: str, field: str) -> Path:
    """The folder of a pretrained model.

    Args:
        name: path of a folder, or ``owner/name`` on the hub, which is downloaded once and then read from the cache.
        field: of the configuration, for the error.

    Raises:
        PolicyError: no such folder; or the hub cannot be reached and the cache does not have it.
    """
    path = Path(name).expanduser()
    if path.is_dir():
        return path
    if not HUB_ID.fullmatch(name):
        raise PolicyError(f"{field}: '{name}': no such folder, and not an owner/name of the Hugging Face hub")
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, allow_patterns=FILES))
    except (OSError, ValueError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise PolicyError(
            f"{field}: '{name}' is no folder here, not in the hub's cache, and cannot be downloaded ({reason}). On a "
            f'machine with a network: hf download {name} --local-dir {name.split("/")[1]}; copy that folder here and '
            f'name it in {field}'
        ) from error


def locate_tokenizer(name: str) -> Path:
    """A tokenizer's file or folder, by path or hub name, see :func:`locate`."""
    path = Path(name).expanduser()
    return path if path.is_file() else locate(name, 'model.tokenizer')
