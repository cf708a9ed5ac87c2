# SPDX-License-Identifier: Apache-2.0
"""Latched messages as the console's plain states; None stays None: nobody has said anything yet."""

from __future__ import annotations

from igrft.console.state import CheckpointState, DriverState, HelpState, TrainerState
from igrft.types import Mode
from igrft_msgs.msg import Checkpoint, HelpRequest, Intervention, TrainerStatus


def driver_state(message: Intervention | None) -> DriverState | None:
    """`intervention`."""
    if message is None:
        return None
    return DriverState(mode=Mode(message.mode).name.lower(), count=message.count, reason=message.reason)


def trainer_state(message: TrainerStatus | None) -> TrainerState | None:
    """`trainer/status`."""
    if message is None:
        return None
    return TrainerState(
        state=message.state,
        stage=message.stage,
        round=message.round,
        step=message.step,
        total_steps=message.total_steps,
        loss=message.loss,
        effective_sample_size=message.effective_sample_size,
        eta=message.eta,
        message=message.message,
    )


def checkpoint_state(message: Checkpoint | None) -> CheckpointState | None:
    """`checkpoint`."""
    if message is None:
        return None
    return CheckpointState(id=message.id, stage=message.stage, policy=message.policy, step=message.step)


def help_state(message: HelpRequest | None) -> HelpState | None:
    """`help`."""
    if message is None:
        return None
    return HelpState(
        requested=message.requested, score=message.score, threshold=message.threshold, reason=message.reason
    )
