# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import threading

import pytest
from rclpy.executors import SingleThreadedExecutor
from rclpy.task import Future
from std_msgs.msg import Bool

from igrft.ros import qos
from igrft.ros.executor import QuietExecutor, event_driven


def turns(executor, count: int) -> int:
    """Turns through the wait set for ``count`` callbacks."""
    seen = [0]
    nodes = executor.get_nodes

    def counted():
        seen[0] += 1
        return nodes()

    executor.get_nodes = counted
    for _ in range(count):
        executor.spin_once(timeout_sec=5.0)
    return seen[0]


@pytest.fixture(params=[QuietExecutor, SingleThreadedExecutor, event_driven], ids=['quiet', 'rclpy', 'events'])
def executor(request, context):
    made = request.param(context=context)
    yield made
    made.shutdown()


def test_a_callback_costs_one_turn(context, node_with) -> None:
    found = {}
    for kind in (QuietExecutor, SingleThreadedExecutor):
        node, executor, fired = node_with(), kind(context=context), []
        node.create_timer(0.01, lambda fired=fired: fired.append(1))
        executor.add_node(node)
        executor.spin_once(timeout_sec=5.0)
        found[kind] = turns(executor, 20)
        assert len(fired) >= 15
        executor.shutdown()
    assert found[QuietExecutor] <= 22
    assert found[SingleThreadedExecutor] >= 35, 'rclpy has become quiet itself; QuietExecutor can go'


def test_another_thread_wakes_it(executor, node_with) -> None:
    executor.add_node(node_with())
    done = threading.Event()
    thread = threading.Timer(0.05, lambda: executor.create_task(done.set))
    thread.start()
    executor.spin_once(timeout_sec=10.0)
    thread.join()
    assert done.is_set()


def test_what_a_callback_adds_is_served(executor, node_with) -> None:
    node, heard = node_with(), []
    executor.add_node(node)
    publisher = qos.create_publisher(node, Bool, 'late', qos.LATCHED)
    publisher.publish(Bool(data=True))
    once = node.create_timer(0.01, lambda: (once.cancel(), executor.create_task(lambda: heard.append('task'))))
    qos.create_subscription(node, Bool, 'late', heard.append, qos.LATCHED)
    for _ in range(50):
        executor.spin_once(timeout_sec=0.2)
        if len(heard) == 2:
            break
    assert set(map(type, heard)) == {str, Bool}


@pytest.mark.parametrize('executor', [QuietExecutor, SingleThreadedExecutor], indirect=True)
def test_a_waiting_coroutine_goes_on(executor, node_with) -> None:
    node, future, steps = node_with(), Future(), []
    executor.add_node(node)

    async def wait() -> None:
        steps.append('before')
        await future
        steps.append('after')

    executor.create_task(wait)
    node.create_timer(0.02, lambda: future.set_result(None) if not future.done() else None)
    for _ in range(50):
        executor.spin_once(timeout_sec=0.2)
        if len(steps) == 2:
            break
    assert steps == ['before', 'after']
