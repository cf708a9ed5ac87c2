# SPDX-License-Identifier: Apache-2.0
"""A node's process: how it starts, ends, and what it says when it cannot."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from .conftest import DOMAIN

NODE = """
import sys
from dataclasses import dataclass
from igrft.ros.lifecycle import Lifecycle, autostart_parameter
from igrft.ros.parameters import Common, declare, parameter
from igrft.ros.runtime import spin

@dataclass(frozen=True)
class Parameters(Common):
    fail: str = parameter('', 'where to fail')
    autostart: bool = autostart_parameter()

class Probe(Lifecycle):
    def __init__(self):
        super().__init__('probe')
        self.parameters = declare(self, Parameters)
        if self.parameters.fail == 'init':
            raise ValueError('no such robot')
        if self.parameters.fail == 'defect':
            raise TypeError('a defect')
        print('ready', flush=True)

    def configure(self):
        if self.parameters.fail == 'configure':
            raise OSError('weights are missing')
        print('configure', flush=True)

    def activate(self):
        print('activate', flush=True)

    def deactivate(self):
        assert self.context.ok(), 'the context still lives, so a last message can be sent'
        print('deactivate', flush=True)

    def cleanup(self):
        print('cleanup', flush=True)

sys.exit(spin(Probe))
"""


def start(*parameters: str) -> subprocess.Popen:
    words = [word for parameter in parameters for word in ('-p', parameter)]
    return subprocess.Popen(
        [sys.executable, '-c', NODE, '--ros-args', *words],
        env={**os.environ, 'ROS_DOMAIN_ID': str(DOMAIN)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def read_until(process: subprocess.Popen, word: str) -> None:
    for line in process.stdout:
        if line.strip() == word:
            return
    pytest.fail(f'{word} was never said: {process.stderr.read()}')


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_in_order(number) -> None:
    process = start()
    read_until(process, 'activate')
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 0, err
    assert out.split() == ['deactivate', 'cleanup']
    assert 'Traceback' not in err


def test_without_autostart_it_waits_for_its_manager() -> None:
    process = start('autostart:=false')
    read_until(process, 'ready')
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=20)
    assert (process.returncode, out) == (0, '')


@pytest.mark.parametrize(
    ('parameter', 'text'),
    [
        ('fail:=init', 'no such robot'),
        ('fail:=configure', 'configure: weights are missing'),
        ('fial:=x', "unknown parameter 'fial'; did you mean 'fail'?"),
    ],
)
def test_what_cannot_start_says_so_in_a_line(parameter: str, text: str) -> None:
    process = start(parameter)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 1
    assert text in err
    assert 'Traceback' not in err


def test_a_defect_comes_with_its_traceback() -> None:
    process = start('fail:=defect')
    _, err = process.communicate(timeout=20)
    assert process.returncode == 1
    assert 'Traceback' in err
    assert 'TypeError: a defect' in err
