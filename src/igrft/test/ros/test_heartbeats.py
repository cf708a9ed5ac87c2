# SPDX-License-Identifier: Apache-2.0
"""What can be said of heartbeats without a graph; that silence stops the arm: nodes/test_control_chain.py."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from igrft.ros.heartbeats import Heartbeats


@pytest.mark.parametrize('entry', ['pulse', 'pulse soon', 'pulse 0.0', 'pulse inf', ' 1.0'])
def test_an_entry_that_says_no_time_is_refused(entry: str) -> None:
    with pytest.raises(ValueError, match=r"write 'topic seconds'"):
        Heartbeats(None, [entry], lambda cause, lost: None)


def test_a_type_that_is_not_installed_is_told_once_and_counts_as_lost_in_an_episode(
    node_with, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = node_with()
    changes: list[tuple[str, bool]] = []
    told: list[str] = []
    beats = Heartbeats(node, ['plc/alive 0.02'], lambda cause, lost: changes.append((cause, lost)))
    monkeypatch.setattr(
        node, 'get_publishers_info_by_topic', lambda topic: [SimpleNamespace(topic_type='plc_msgs/msg/Beat')]
    )
    monkeypatch.setattr(node, 'get_logger', lambda: SimpleNamespace(error=told.append))
    for _ in range(3):
        beats._look()
    assert changes == [] and len(told) == 1 and 'plc_msgs/msg/Beat' in told[0] and "'plc/alive'" in told[0]
    beats.required = True
    while not changes:
        beats._look()
    assert changes == [("heartbeat 'plc/alive'", True)]
