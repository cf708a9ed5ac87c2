# SPDX-License-Identifier: Apache-2.0
"""The real server on a real socket."""

from __future__ import annotations

import json
import socket
import urllib.request

import pytest
from fake_bridge import FakeBridge, FakeRecords

from igrft.console.server import AddressError, ConsoleServer


def test_serves_from_its_own_thread_and_ends(bridge: FakeBridge, recordings):
    server = ConsoleServer(bridge, recordings, FakeRecords(), port=0)
    server.start()
    with urllib.request.urlopen(server.url + 'api/state', timeout=10) as answer:
        assert json.load(answer)['robot'] == 'sim'
    server.close()
    with socket.socket() as probe:
        assert probe.connect_ex((server.host, server.port)) != 0, 'nobody listens any more'


def test_a_port_in_use_is_told_at_once_with_the_remedy(bridge: FakeBridge, recordings):
    first = ConsoleServer(bridge, recordings, FakeRecords(), port=0)
    try:
        with pytest.raises(AddressError, match=f'port {first.port} on 127.0.0.1 is in use.*port:={first.port + 1}'):
            ConsoleServer(bridge, recordings, FakeRecords(), port=first.port)
    finally:
        first.close()


@pytest.mark.parametrize(('host', 'remedy'), [('203.0.113.7', 'choose another host'), ('no.such.invalid', '127.0.0.1')])
def test_an_address_of_another_machine_is_refused(bridge: FakeBridge, recordings, host, remedy):
    with pytest.raises(AddressError, match=remedy):
        ConsoleServer(bridge, recordings, FakeRecords(), host=host, port=0)


def test_any_address_but_loopback_gets_a_token_in_its_url(bridge: FakeBridge, recordings):
    server = ConsoleServer(bridge, recordings, FakeRecords(), host='0.0.0.0', port=0)
    try:
        assert server.is_public
        assert server.url == f'http://{socket.gethostname()}:{server.port}/?token={server.access.token}'
        assert len(server.access.token) >= 20
    finally:
        server.close()
    with pytest.raises(ValueError, match='token'):
        ConsoleServer(bridge, recordings, FakeRecords(), host='0.0.0.0', port=0, token='short')
