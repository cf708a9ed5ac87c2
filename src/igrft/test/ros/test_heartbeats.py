# SPDX-License-Identifier: Apache-2.0
"""What can be said of heartbeats without a graph; that silence stops the arm: nodes/test_control_chain.py."""

from __future__ import annotations

import pytest

from igrft.ros.heartbeats import Heartbeats


@pytest.mark.parametrize('entry', ['pulse', 'pulse soon', 'pulse 0.0', 'pulse inf', ' 1.0'])
def test_an_entry_that_says_no_time_is_refused(entry: str) -> None:
    with pytest.raises(ValueError, match=r"write 'topic seconds'"):
        Heartbeats(None, [entry], lambda cause, lost: None)
