# SPDX-License-Identifier: Apache-2.0
"""`igrft bench takeover`: how fast the operator gets the arm, loses it and stops it, over real processes and DDS."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import random
import signal
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from igrft.bench import takeover as figures
from igrft.bench.takeover_graph import MODEL, Graph
from igrft.config import RobotConfig, named
from igrft.devices.fake_hid_process import FakeHidProcess
from igrft.startup import go_first
from igrft.types import Mode, Source

DOMAIN = 99
"""ROS domain of the measurement where the environment names none."""
PUSH = {'x': 0.6, 'yaw': -0.4}
"""the deflection of a takeover"""
LOSSES = ('cable pulled', 'reports fall silent', 'teleop_node frozen')
START = 300.0
"""[s] until every process must be up; importing torch on a busy machine takes its time"""
SEAM = 0.19
"""[s] after a driver's first command that belong to the seam: the arbiter's `hand_over`, less than a tick"""


class Trial:
    """The events, one method each; latencies gather in :attr:`seconds` and :attr:`shares`."""

    def __init__(self, hand: FakeHidProcess, graph: Graph, probe: Any) -> None:
        self._hand = hand
        self._graph = graph
        self._probe = probe
        self._robot = named('robots', 'sim', RobotConfig)
        self._random = random.Random(0)
        self._pause = threading.Event()
        host, _, port = graph.console.partition(':')
        self._console = http.client.HTTPConnection(host, int(port), timeout=10)
        self.seconds: dict[str, list[float]] = defaultdict(list)
        self.shares: list[float] = []
        self.stops = 0
        """Times that the arm was stopped within a seam."""
        self.lost = 0
        """Takeovers that ended because the machine held the device's reports up, and not by letting go."""

    def warm_up(self) -> None:
        """Until everything runs; the first of everything is slow and is not counted."""
        self._wait_for_policy(0.0, START)
        for event in (self.take_over, *(lambda kind=kind: self.lose(kind) for kind in LOSSES), self.stop):
            event()
        self.seconds.clear()
        self.shares.clear()
        self.stops = self.lost = 0

    def take_over(self) -> None:
        """Push, drive, let go."""
        pushed, driven = self._engage()
        self.seconds['device event → command out'].append(driven.received - pushed)
        self._seam(driven.received, driven)
        released = self._hand.hold({})
        if self._probe.mode((Mode.AUTONOMOUS, Mode.PAUSED)) is Mode.PAUSED:
            self.lost += 1
            self._resume()
            return
        fresh = self._wait_for_policy(released)
        waited = fresh.received - released
        self.seconds['release → fresh policy command'].append(waited)
        self.seconds['inference'].append(self._probe.inference)
        beyond = max(waited - self._probe.inference, 0.0)
        self.seconds['release → fresh policy command, beyond inference'].append(beyond)
        self._seam(released, fresh)

    def lose(self, kind: str) -> None:
        """The input is lost while the operator drives; then everything as before."""
        self._drive()
        if kind == 'cable pulled':
            lost = self._hand.unplug()
        elif kind == 'reports fall silent':
            lost = self._hand.silence()
        else:
            lost = self._freeze()
        self.seconds[f'{kind} → zero twist'].append(self._stands(lost) - lost)
        if kind == 'teleop_node frozen':
            self._graph.signal('teleop_node', signal.SIGCONT)
        self._hand.plug()
        self._hand.hold({})
        if self._probe.mode((Mode.PAUSED, Mode.AUTONOMOUS)) is Mode.PAUSED:
            self._resume()

    def stop(self) -> None:
        """STOP in the console while the operator drives; reset, and on."""
        self._drive()
        # The server closes a connection that is idle; a browser would have opened another by now.
        self._console.close()
        self._console.connect()
        pressed = time.monotonic()
        self._post('/api/e_stop')
        self.seconds['STOP in the console → zero twist'].append(self._stands(pressed) - pressed)
        self._hand.hold({})
        self._probe.mode((Mode.HOLD,))
        while not self._post('/api/e_stop/reset'):  # as long as the push is remembered
            self._pause.wait(0.1)
        self._probe.mode((Mode.PAUSED,))
        self._resume()

    def transport(self) -> None:
        """One look at the bare transport."""
        self.seconds['transport'].append(self._probe.round_trip())

    def _engage(self) -> tuple[float, Any]:
        # At no fixed phase of the control period.
        self._pause.wait(self._random.uniform(0.02, 0.12))
        pushed = self._hand.hold(PUSH)
        return pushed, self._probe.command(pushed, lambda sent: sent.source is Source.HUMAN, 'the operator drives')

    def _drive(self) -> None:
        """Push until the servo gets the operator's twist."""
        pushed, _ = self._engage()
        full = PUSH['x'] * 0.25 * 0.8
        self._probe.twist(pushed, lambda sent: sent.twists[0, 0] > full, "the operator's twist")

    def _freeze(self) -> float:
        self._graph.signal('teleop_node', signal.SIGSTOP)
        return time.monotonic()

    def _stands(self, since: float) -> float:
        return float(self._probe.twist(since, lambda sent: not sent.moves, 'a zero twist').received)

    def _wait_for_policy(self, since: float, patience: float = 20.0) -> Any:
        def drives(sent: Any) -> bool:
            return bool(sent.source is Source.POLICY and sent.moves)

        return self._probe.command(since, drives, 'the policy drives', patience)

    def _resume(self) -> None:
        """The policy on again. A press also pauses it, where the mode has changed meanwhile: then once more."""
        self._hand.hold({})
        while self._probe.mode((Mode.AUTONOMOUS, Mode.PAUSED)) is Mode.PAUSED:
            self._hand.hold({}, ['MENU'])
            self._pause.wait(0.1)
            self._hand.hold({})
            self._pause.wait(0.4)
        self._wait_for_policy(time.monotonic(), 60.0)

    def _seam(self, change: float, driver: Any) -> None:
        """The steps from the last command before a change (monotonic) [s] through the new driver's first ones.

        Where the input came too late meanwhile the arm was stopped, which is meant to be a step: that one is counted
        by itself.
        """
        sent = self._probe.commands(change - 0.1, driver.received + SEAM)
        first = max((i for i, one in enumerate(sent) if one.received < change), default=0)
        seam = [one for one in sent[first:] if one.stamp <= driver.stamp + SEAM]
        stops = [i for i, one in enumerate(seam) if i and one.source is Source.HOLD and seam[i - 1].moves]
        self.stops += len(stops)
        parts = [seam[begin:end] for begin, end in zip([0, *stops], [*stops, len(seam)], strict=True)]
        steps = [[figures.Step(one.stamp, one.twists) for one in part] for part in parts]
        period = 1.0 / self._robot.control_rate
        self.shares.append(max(figures.largest_step(part, self._robot.limits, period) for part in steps))

    def _post(self, path: str) -> bool:
        self._console.request('POST', path, body='{}', headers={'content-type': 'application/json'})
        answer = self._console.getresponse()
        answer.read()
        return answer.status == 200


def command(
    events: Annotated[int, typer.Option(min=3, help='of each kind: takeovers, losses of the input, stops')] = 500,
    out: Annotated[Path, typer.Option(help='folder of results.json and results.md')] = Path(
        'docs/benchmarks/takeover'
    ),
) -> None:
    """Takeover, loss of the input and STOP: from the device's report to the command, beside the bare transport."""
    from igrft.cli.bench import commit
    from igrft.ros.takeover_probe import TakeoverProbe, domain_of

    version = commit()
    domain = domain_of(DOMAIN)
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        graph = Graph(folder, domain)
        hand = FakeHidProcess(graph.device, MODEL)
        stack.callback(hand.close)
        stack.enter_context(graph)
        go_first()  # who measures must not be late himself; the processes above have priorities of their own
        probe = stack.enter_context(TakeoverProbe(domain))
        trial = Trial(hand, graph, probe)
        trial.warm_up()
        with typer.progressbar(list(_order(events)), label='events') as progress:
            for kind in progress:
                try:
                    trial.transport()
                    _event(trial, kind)()
                except (KeyboardInterrupt, TimeoutError) as error:
                    typer.echo(f'ended early, the rows hold what was measured until now: {error!r}', err=True)
                    break
    baseline = trial.seconds.pop('transport')
    rows = [figures.row(figure, values, baseline, version) for figure, values in trial.seconds.items()]
    rows.append(figures.ramp_row(trial.shares, trial.stops, trial.lost, version))
    out.mkdir(parents=True, exist_ok=True)
    text = figures.table(rows)
    raw = json.dumps(rows, indent=1, ensure_ascii=False) + '\n'
    for name, content in (('results.json', raw), ('results.md', text)):
        partial = out / f'.{name}.partial'
        partial.write_text(content)
        os.replace(partial, out / name)
    typer.echo(text)


def _order(events: int) -> Iterator[str]:
    """The kinds in turn, so that all of them see the same machine."""
    for index in range(events):
        yield 'take over'
        yield LOSSES[index % len(LOSSES)]
        yield 'stop'


def _event(trial: Trial, kind: str) -> Callable[[], None]:
    if kind == 'take over':
        return trial.take_over
    return trial.stop if kind == 'stop' else lambda: trial.lose(kind)
