# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from dataclasses import dataclass

import pytest
from rclpy.parameter import Parameter

from igrft.ros.parameters import Common, ParameterError, declare, parameter


@dataclass(frozen=True)
class Parameters(Common):
    rate: float = parameter(50.0, 'how often', unit='Hz', minimum=1.0, maximum=100.0)
    depth: int = parameter(3, 'how deep', minimum=1)
    names: tuple[str, ...] = parameter((), 'which')
    word: str = parameter('a', 'which one', choices=('a', 'bee'))
    gain: float = parameter(1.0, 'how much', minimum=0.0, maximum=2.0, read_only=False)

    def __post_init__(self) -> None:
        if self.depth > self.rate:
            raise ValueError('depth must not exceed rate')


def test_overrides_arrive_and_are_described(node_with) -> None:
    node = node_with('rate:=5', "names:=['x', 'y']", 'use_sim_time:=true')
    values = declare(node, Parameters)
    assert (values.rate, values.names, values.depth, values.robot) == (5.0, ('x', 'y'), 3, 'sim')
    descriptor = node.describe_parameter('rate')
    assert descriptor.description == '[Hz] how often'
    assert descriptor.read_only
    assert descriptor.floating_point_range[0].to_value == 100.0
    assert node.get_parameter('rate').value == 5.0
    assert node.get_parameter('names').value == ['x', 'y']
    assert node.describe_parameter('word').additional_constraints == 'one of a, bee'


@pytest.mark.parametrize(
    ('override', 'word'),
    [
        ('raet:=5.0', "unknown parameter 'raet'; did you mean 'rate'"),
        ('rate:=500.0', r"'rate' = 500.0 is outside \[1, 100\]"),
        ('rate:=.nan', 'must be finite'),
        ('rate:=fast', "must be float, got str 'fast'"),
        ('depth:=2.5', 'must be int'),
        ('depth:=0', r'outside \[1, unbounded\]'),
        ('lockstep:=1', 'must be bool'),
        ('names:=x', 'must be a list of str'),
        ('names:=[1, 2]', 'must be str, got int'),
        ('word:=be', "did you mean 'bee'"),
        ('depth:=77', 'depth must not exceed rate'),
    ],
)
def test_bad_overrides_are_refused_by_name(node_with, override: str, word: str) -> None:
    with pytest.raises(ParameterError, match=word):
        declare(node_with(override), Parameters)


def test_an_empty_list_is_a_list(node_with) -> None:
    assert declare(node_with('names:=[]'), Parameters).names == ()


def test_changing_while_running(node_with) -> None:
    node, seen = node_with(), []
    declare(node, Parameters, seen.append)

    def change(name: str, value: object):
        return node.set_parameters([Parameter(name, value=value)])[0]

    assert change('gain', 1.5).successful
    assert seen[-1].gain == 1.5
    assert not change('gain', 3.0).successful
    assert not change('rate', 20.0).successful, 'read-only'
    assert len(seen) == 1
