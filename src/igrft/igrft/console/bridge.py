# SPDX-License-Identifier: Apache-2.0
"""What the page needs from the robot's side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from igrft.console.state import Component, ConsoleState, Sample
from igrft.types import Float32, TeleopInput, UInt8


class CommandError(Exception):
    """A command that was not carried out; its text is shown to the operator."""

    status = 500


class RefusedError(CommandError):
    """The node that was asked said no."""

    status = 409


class UnavailableError(CommandError):
    """The node that should be asked is not there."""

    status = 503


class UnansweredError(CommandError):
    """The node that was asked did not answer in time; whether it did the thing is not known."""

    status = 504


@dataclass(frozen=True, slots=True)
class Frame:
    """A camera's newest picture.

    Attributes:
        sequence: changes with every picture.
        stamp: acquisition time [s].
        pixels: [H, W, 3] uint8 RGB.
    """

    sequence: int
    stamp: float
    pixels: UInt8


class Bridge(Protocol):
    """The robot's side of the console. Called from the server's thread; nothing here may block, but ``frame``.

    The commands are carried out when they return, and raise :class:`CommandError` when they were not.
    """

    def state(self) -> ConsoleState:
        """How things are now."""

    def samples(self, after: int) -> Sequence[Sample]:
        """The plots' newest points with a sequence greater than ``after``, oldest first."""

    def watch(self, watched: bool) -> None:
        """Whether any browser looks; pictures and samples may cost nothing while none does."""

    def frame(self, camera: str, after: int) -> Frame | None:
        """The newest picture, None where it is not newer than the sequence ``after``. Runs in a worker thread."""

    def health(self) -> Sequence[Component]:
        """What every node says of itself (``/diagnostics``), the worst first; nothing while no browser looks."""

    def openings(self) -> Float32 | None:
        """The grippers' commanded openings [n_arms], None while nobody commands them."""

    def drive(self, teleop: TeleopInput) -> None:
        """Hand the on-screen pad's input to the arbiter, stamped now."""

    async def train(self, stage: str, round_number: int, parent: str) -> str:
        """Begin to train a stage from a checkpoint folder, '' being the stage's default parent."""

    async def stop_training(self) -> str:
        """Have the running training save its state and stop."""

    async def serve(self, checkpoint: str) -> str:
        """Have the policy serve a checkpoint folder."""

    async def start(self, kind: str, seed: int, split: str) -> str:
        """Begin an episode; returns its id."""

    async def finish(self, outcome: str) -> str:
        """End the running episode with the operator's outcome; returns its path."""

    async def discard(self) -> str:
        """End the running episode and keep nothing of it."""

    async def label(self, episode: str, outcome: str) -> str:
        """Set the outcome of a finished episode, '' being the last."""

    async def event(self, name: str) -> str:
        """Press a button of the operator: mark_subtask, pause, dismiss_help."""

    async def e_stop(self) -> str:
        """Latch the software stop."""

    async def reset_e_stop(self) -> str:
        """Release the software stop, where the safety node allows it."""
