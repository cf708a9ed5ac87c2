# SPDX-License-Identifier: Apache-2.0
"""The control chain as real processes over DDS: whatever dies or lies upstream, the arm gets a zero twist."""

from __future__ import annotations

from array import array

import numpy as np
import pytest
from chain_rig import Rig, stamp_of
from std_msgs.msg import Bool, Header
from std_srvs.srv import Trigger

from igrft_msgs.msg import Command, Intervention, SafetyStatus, Teleop


def test_faults_in_real_time(rig_of) -> None:
    rig, arbiter, safety = rig_of('lockstep:=false', 'blend_time:=0.0')

    # A policy that falls silent: its chunk runs out, the arm stands, grippers as they are.
    rig.episode()
    rig.drive()
    rig.clear()
    rig.until(rig.stands, 'zero twist after the chunk has run out')
    rig.until(lambda: rig.drives(Command.SOURCE_HOLD), 'recorded as nobody')
    rig.until(lambda: len(rig.received['gripper/command']) > 0, 'the gripper is told again')
    assert rig.received['gripper/command'][-1].opening[0] == pytest.approx(0.5)

    # NaN in a chunk: refused, and asked for again.
    rig.clear()
    rig.publish('policy/action_chunk', rig.chunk(float('nan'), rig.node.get_clock().now().to_msg()))
    rig.until(lambda: len(rig.received['policy/request']) > 0, 'a fresh chunk is asked for')
    rig.drive()

    # Takeover: the chunk is dropped, the operator's twist is the next that moves.
    rig.operator(-0.2, engaged=True)
    rig.until(lambda: rig.mode() == Intervention.MODE_CORRECTING, 'takeover')
    rig.until(lambda: rig.twists()[-1].twist.linear.x == pytest.approx(-0.2), "the operator's twist")
    assert rig.received['intervention'][-1].count == 1
    rig.until(lambda: rig.drives(Command.SOURCE_HUMAN), 'recorded as the operator')

    # NaN from the operator's device: never on the wire; his silence is a zero twist.
    rig.operator(float('nan'), engaged=True)
    rig.clear()
    rig.until(rig.stands, 'zero twist for a NaN input')

    # Release: asks for a chunk from an observation after the release, and takes no older one.
    rig.operator(-0.2, engaged=True)
    rig.until(lambda: rig.twists()[-1].twist.linear.x == pytest.approx(-0.2), 'input is good again')
    before_release = rig.node.get_clock().now().to_msg()
    rig.clear()
    rig.operator(0.0, engaged=False)
    rig.until(lambda: len(rig.received['policy/request']) > 0, 'a fresh chunk is asked for')
    request = rig.received['policy/request'][0].header.stamp
    assert (request.sec, request.nanosec) > (before_release.sec, before_release.nanosec)
    rig.publish('policy/action_chunk', rig.chunk(0.3, before_release))
    rig.drive(0.15)
    assert all(t.twist.linear.x != pytest.approx(0.3) for t in rig.twists())

    # Emergency stop: latched, and only reset when it is released and nobody asks for motion.
    rig.publish('e_stop', Bool(data=True))
    rig.until(lambda: rig.state() == SafetyStatus.STATE_E_STOP and rig.stands(), 'emergency stop')
    rig.until(lambda: rig.mode() == Intervention.MODE_HOLD, 'the arbiter holds')
    assert not call(rig).success
    # The page stops, too, and neither releases the other's.
    rig.publish('console/e_stop', Bool(data=True))
    rig.publish('e_stop', Bool(data=False))
    rig.until(lambda: "'console/e_stop'" in call(rig).message, 'the page alone')
    rig.publish('e_stop', Bool(data=True))
    rig.publish('console/e_stop', Bool(data=False))
    rig.until(lambda: "'e_stop'" in call(rig).message, 'the button alone')
    rig.publish('e_stop', Bool(data=False))
    rig.until(lambda: call(rig).success, 'reset')
    rig.until(lambda: rig.mode() == Intervention.MODE_PAUSED, 'paused after a reset')

    # The arbiter dies: the safety node stands by itself.
    rig.idle()
    rig.episode()
    rig.drive()
    rig.clear()
    arbiter.kill()
    rig.until(lambda: rig.state() == SafetyStatus.STATE_STALE and rig.stands(), 'zero twist')
    rig.until(lambda: rig.drives(Command.SOURCE_HOLD), 'recorded as nobody')

    everything = [v for m in rig.twists() for v in (m.twist.linear.x, m.twist.angular.z)]
    assert np.isfinite(everything).all()
    rig.clear()
    assert safety.end() == 0
    rig.until(rig.stands, 'a last zero twist when the safety node ends')


def test_every_way_to_stop_and_the_one_way_back(rig_of) -> None:
    rig, *_ = rig_of('lockstep:=false', 'blend_time:=0.0', "heartbeats:=['pulse 2.0']")
    stop = rig.node.create_client(Trigger, 'safety_node/e_stop')
    rig.until(stop.service_is_ready, 'the stop service')
    pulse = rig.node.create_publisher(Header, 'pulse', 10)
    beat = rig.node.create_timer(0.05, lambda: pulse.publish(Header()))

    # The page's pad drives while another device lies still and says so; an unknown frame is not believed.
    rig.episode()
    rig.drive()
    rig.operator(-0.2, engaged=True, device='console')
    idle = Teleop(device='spacemouse', connected=True, action=array('f', [0.0] * 7))
    lies = rig.node.create_timer(0.02, lambda: rig.publish('teleop/command', idle))
    rig.until(lambda: rig.mode() == Intervention.MODE_CORRECTING, 'the pad takes over')
    rig.clear()
    rig.until(lambda: sum(t.twist.linear.x == pytest.approx(-0.2) for t in rig.twists()) > 20, 'twists go on')
    assert not any(m.mode == Intervention.MODE_AUTONOMOUS for m in rig.received['intervention'])
    rig.clear()
    rig.teleop.header.frame_id = 'tool0'
    rig.until(rig.stands, 'a twist in another frame moves nothing')
    assert {round(t.twist.linear.x, 3) for t in rig.twists()} <= {-0.2, 0.0}, 'a stop, not a ramp'
    rig.teleop.header.frame_id = 'base_link'
    lies.cancel()

    # The service stops; under a pushed pad it is not reset, and afterwards nothing moves by itself.
    rig.until(lambda: rig.twists()[-1].twist.linear.x != 0.0 or rig.mode() != Intervention.MODE_CORRECTING, 'drives')
    assert call(rig, stop).success
    rig.until(lambda: rig.state() == SafetyStatus.STATE_E_STOP and rig.stands(), 'stopped by the service')
    rig.until(lambda: 'asks for motion' in call(rig).message, 'no reset under a pushed pad')
    rig.operator(0.0, engaged=False, device='console')
    rig.until(lambda: call(rig).success, 'reset at rest')
    rig.until(lambda: rig.mode() == Intervention.MODE_PAUSED and rig.stands(), 'paused')

    # A heartbeat that the configuration names falls silent.
    beat.cancel()
    rig.until(lambda: rig.state() == SafetyStatus.STATE_E_STOP, 'stopped by the silence')
    assert "heartbeat 'pulse'" in rig.received['safety/status'][-1].text
    assert 'still asserted' in call(rig).message
    beat.reset()
    rig.until(lambda: call(rig).success, 'reset when it beats again')


def call(rig: Rig, client=None) -> Trigger.Response:
    future = (client or rig.reset).call_async(Trigger.Request())
    rig.until(future.done, 'the service answers')
    return future.result()


def test_lockstep_answers_every_tick_once_whatever_the_order(rig_of) -> None:
    rig, *_ = rig_of('lockstep:=true', 'replan_steps:=2')
    rig.sense(stamp_of(0))
    rig.episode()

    def answered(tick: int) -> bool:
        return any(m.header.stamp == stamp_of(tick) for m in rig.received['gripper/command'])

    for tick in range(6):
        human = tick == 3
        teleop = Teleop(device='test', connected=True, engaged=human, action=array('f', [-0.1, 0, 0, 0, 0, 0, 1]))
        teleop.header.stamp = stamp_of(tick)
        chunk = rig.chunk(0.01 * (tick + 1), stamp_of(tick))

        def say(tick: int = tick, teleop: Teleop = teleop) -> None:
            if tick % 2:
                rig.publish('teleop/command', teleop)
                rig.sense(stamp_of(tick))
            else:
                rig.sense(stamp_of(tick))
                rig.publish('teleop/command', teleop)

        say()
        if tick in (0, 2, 4):  # at the start, after two steps, and afresh after the takeover
            requests = rig.received['policy/request']
            rig.until(lambda requests=requests: len(requests) > 0, f'request of tick {tick}', say)
            assert not answered(tick)
            assert {r.header.stamp.nanosec for r in requests} == {stamp_of(tick).nanosec}
            requests.clear()
            rig.publish('policy/action_chunk', chunk)
        rig.until(lambda tick=tick: answered(tick), f'answer of tick {tick}', say)
        rig.received['policy/request'].clear()

    rig.until(lambda: len(rig.received['executed_action']) == 6, 'six executed actions')
    executed = rig.received['executed_action']
    assert [m.header.stamp for m in executed] == [stamp_of(tick) for tick in range(6)]
    assert [m.source for m in executed] == [0, 0, 0, 1, 0, 0]
    assert [m.chunk_step for m in executed] == [0, 1, 0, -1, 0, 1]
    assert [m.action[0] for m in executed] == pytest.approx([0.01, 0.01, 0.03, -0.1, 0.05, 0.05])

    # The cell did not hear the answer and says its tick again: same answer, executed once.
    rig.clear()
    rig.sense(stamp_of(5))
    rig.until(lambda: answered(5), 'the answer again', lambda: rig.sense(stamp_of(5)))
    # What is executed is told after it is sent: a second time would be heard before the next tick's.
    teleop = Teleop(device='test', connected=True, engaged=True, action=array('f', [-0.1, 0, 0, 0, 0, 0, 1]))
    teleop.header.stamp = stamp_of(6)

    def say_on() -> None:
        rig.publish('teleop/command', teleop)
        rig.sense(stamp_of(6))

    say_on()
    rig.until(lambda: rig.received['executed_action'], 'the next tick', say_on)
    assert [m.header.stamp for m in rig.received['executed_action']] == [stamp_of(6)]
