# SPDX-License-Identifier: Apache-2.0
"""The control chain with help_node, as real processes: a call for help stops the arm until somebody comes."""

from __future__ import annotations

from array import array
from collections.abc import Callable

import pytest
from chain_rig import Process, stamp_of

from igrft.control.help_calibration import Calibration
from igrft.ros import qos
from igrft_msgs.msg import Command, HelpRequest, Intervention, Teleop, TeleopEvent


def usual(folder, threshold: float = 1.0) -> str:
    """A calibration by hand: draws that lie further apart than 0.5 call the operator."""
    made = Calibration(checkpoint='c1', task='block_stacking', alpha=0.1, threshold=threshold,
                       scales={'disagreement': 0.5}, episodes=9, scale_episodes=1)  # fmt: skip
    return str(made.save(folder))


def test_a_call_for_help_stops_the_arm_until_somebody_comes(rig_of, tmp_path) -> None:
    rig, *_ = rig_of('lockstep:=false', 'blend_time:=0.0', 'help_reaction:=wait')
    calls: list[HelpRequest] = []
    qos.create_subscription(rig.node, HelpRequest, 'help', calls.append, qos.LATCHED)
    events = qos.create_publisher(rig.node, TeleopEvent, 'teleop/event', qos.EVENT)
    help_node = Process('help_node', f'calibration:={usual(tmp_path)}', 'quiet:=0.0')
    try:
        rig.until(lambda: 'help_node' in rig.node.get_node_names(), 'help_node up')
        rig.until(lambda: rig.publishers['policy/action_chunk'].get_subscription_count() == 2, 'chunks heard')
        rig.until(lambda: events.get_subscription_count() >= 3, 'events heard')

        def answered(disagreement: float) -> None:
            requests = rig.received['policy/request']
            if requests:
                chunk = rig.chunk(0.1, requests.pop().header.stamp)
                chunk.disagreement, chunk.value = disagreement, float('nan')
                rig.publish('policy/action_chunk', chunk)

        def until(condition: Callable[[], bool], what: str, disagreement: float) -> None:
            def looked() -> bool:
                answered(disagreement)
                return condition()

            rig.until(looked, what)

        def requested() -> bool:
            return bool(calls) and calls[-1].requested

        rig.episode()
        until(lambda: any(t.twist.linear.x > 0.05 for t in rig.twists()) and bool(calls), 'the policy drives', 0.2)
        assert not requested() and calls[-1].threshold == 1.0
        assert calls[-1].score == pytest.approx(0.4)

        # The draws disagree: the operator is called, the arm stands.
        until(lambda: requested() and rig.mode() == Intervention.MODE_PAUSED, 'a call', 2.0)
        assert 'the draws disagree' in calls[-1].reason and calls[-1].score > 1.0
        assert 'waits for help' in rig.received['intervention'][-1].reason
        rig.clear()
        rig.until(rig.stands, 'the arm stands')

        # Somebody looks and says that it may go on.
        event = TeleopEvent(device='test', event='dismiss_help')
        event.header.stamp = rig.node.get_clock().now().to_msg()
        events.publish(event)
        rig.until(lambda: rig.mode() == Intervention.MODE_AUTONOMOUS and not requested(), 'it goes on')

        # It calls again; this time somebody takes over.
        until(lambda: requested() and rig.mode() == Intervention.MODE_PAUSED, 'another call', 2.0)
        rig.operator(-0.2, engaged=True)
        rig.until(lambda: rig.mode() == Intervention.MODE_CORRECTING and not requested(), 'taken over')
        assert calls[-1].reason == 'taken over' and rig.received['intervention'][-1].count == 1
        rig.operator(0.0, engaged=False)

        # Who calls may die: the policy drives on.
        help_node.kill()
        until(lambda: rig.drives(Command.SOURCE_POLICY), 'the policy drives', 0.2)
    finally:
        help_node.kill()


def test_without_a_calibration_nobody_is_called_and_the_remedy_is_told(rig_of, tmp_path) -> None:
    rig, *_ = rig_of('lockstep:=true', 'help_reaction:=slow')
    calls: list[HelpRequest] = []
    qos.create_subscription(rig.node, HelpRequest, 'help', calls.append, qos.LATCHED)
    help_node = Process('help_node', f'episodes_dir:={tmp_path}', 'lockstep:=true')
    try:
        rig.until(lambda: rig.publishers['policy/action_chunk'].get_subscription_count() == 2, 'chunks heard')
        rig.sense(stamp_of(0))
        rig.episode()
        teleop = Teleop(device='test', connected=True, action=array('f', [0.0] * 7))
        teleop.header.stamp = stamp_of(0)

        def say() -> None:
            rig.sense(stamp_of(0))
            rig.publish('teleop/command', teleop)
            if rig.received['policy/request']:
                rig.publish('policy/action_chunk', rig.chunk(0.1, stamp_of(0)))

        say()
        rig.until(lambda: rig.drives(Command.SOURCE_POLICY), 'the tick is answered once its chunk is judged', say)
        rig.until(lambda: bool(calls), 'the judgement', say)
        assert not calls[-1].requested and 'igrft calibrate-help' in calls[-1].reason
        assert f'{tmp_path}/checkpoints/c1/help-block_stacking.json' in calls[-1].reason
        assert calls[-1].header.stamp == stamp_of(0)
    finally:
        help_node.kill()
