# SPDX-License-Identifier: Apache-2.0
"""What the page needs from the trainer's folders."""

from __future__ import annotations

from typing import Any, Protocol


class RecordError(ValueError):
    """A record that is not there or cannot be read; names the file."""


class Records(Protocol):
    """Checkpoints, learning curves and evaluations on disk. Called from the server's worker threads."""

    def overview(self) -> dict[str, Any]:
        """``checkpoints``: id, stage, round, step, policy, saved [s], newest first; ``runs``: ids with curves, newest
        first; ``stages``: task, stage, successes, n and the Wilson interval low, high.
        """

    def curves(self, run: str) -> dict[str, dict[str, list[float]]]:
        """Tag to ``steps`` and ``values`` of a run.

        Raises:
            RecordError: there is none of that id.
        """

    def checkpoint(self, checkpoint: str) -> str:
        """The folder of a checkpoint.

        Raises:
            RecordError: there is none of that id.
        """
