# SPDX-License-Identifier: Apache-2.0
"""The page in a real browser: pressed, typed at and read as an operator does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import chromium
import pytest
from fake_bridge import IDLE, RECORDING, FakeBridge, episode_samples

from igrft.console.bridge import RefusedError, UnavailableError
from igrft.console.server import ConsoleServer
from igrft.console.state import DriverState, SafetyState

EXECUTABLE = chromium.find()
pytestmark = pytest.mark.skipif(
    EXECUTABLE is None, reason=f'no Chromium is installed (looked for {", ".join(chromium.NAMES)})'
)
LIVE = "document.querySelector('#link').dataset.link === 'live'"
SHIFT_R = {'key': 'R', 'shift': True}


@pytest.fixture(scope='module')
def browser() -> Iterator[chromium.Chromium]:
    with chromium.Chromium(str(EXECUTABLE)) as running:
        yield running


@pytest.fixture
def server(bridge: FakeBridge) -> Iterator[ConsoleServer]:
    running = ConsoleServer(bridge, port=0)
    running.start()
    yield running
    running.close()


@pytest.fixture
def page(browser: chromium.Chromium, server: ConsoleServer) -> Iterator[chromium.Page]:
    tab = browser.page(server.url)
    tab.wait(LIVE)
    yield tab
    tab.close()


def says(selector: str, text: str) -> str:
    return f'document.querySelector("{selector}")?.innerText.includes("{text}")'


def test_shows_the_whole_state(page: chromium.Page, bridge: FakeBridge):
    bridge.history = episode_samples(100)
    bridge.now = RECORDING
    page.wait(says('#driver', 'Policy drives'))
    page.wait(says('#potential-now', f'{bridge.history[-1].potential:.2f}'))
    page.wait("[...document.querySelectorAll('.camera .stale')].every((word) => word.hidden)")
    for selector, text in {
        '#instruction': 'stack the red block on the blue block and the green block on top',
        '#episode-state': 'recording',
        '#clock': '4.6 s',
        '#subtask-count': '2 of 6',
        '#safety': 'Clear',
        '#limited': '12',
        '#trainer': 'Offline RL',
        '#trainer-text': 'step 1280 of 2000, 3 min 14 s left',
        '#loss': '0.0873',
        '#ess': '64 %',
        '#checkpoint': 'sft-3f9ac2',
        '#phase': 'human in the loop 1',
        '#results': '46 % of 50',
        '.hardware': 'does not replace the hardware emergency stop',
    }.items():
        assert text.lower() in page.text(selector).lower(), selector
    colour = page.evaluate(
        "(() => { const c = document.querySelector('.camera canvas');"
        'return [...c.getContext("2d").getImageData(c.width - 1, 0, 1, 1).data].slice(0, 3); })()'
    )
    assert colour == pytest.approx([200, 0, 95], abs=25), 'the corner of the front camera, in RGB'
    assert page.errors == []


def test_an_episode_by_mouse(page: chromium.Page, bridge: FakeBridge):
    page.type('#seed', '77')
    page.click('#start')
    page.wait(says('#episode-state', 'recording'))
    page.click('#mark')
    page.click('#pause')
    page.wait(says('#messages', 'pause'))
    page.click('#success')
    page.wait(says('#clock', 'success'))
    page.wait(says('#failure', 'Last: failure'))
    page.click('#failure')
    page.wait(says('#messages', 'last episode: failure'))
    assert bridge.calls == [
        ('start', 'correction', 77, 'in'),
        ('event', 'mark_subtask'),
        ('event', 'pause'),
        ('finish', 'success'),
        ('label', '', 'failure'),
    ]
    assert page.errors == []


def test_an_episode_by_keyboard_and_the_second_press_that_discards_it(page: chromium.Page, bridge: FakeBridge):
    page.key('n')
    page.wait(says('#episode-state', 'recording'))
    page.key('m')
    page.wait(says('#messages', 'mark_subtask'))
    page.key('d')
    page.wait(says('#messages', 'Press again'))
    assert [call[0] for call in bridge.calls] == ['start', 'event'], 'one press discards nothing'
    page.key('d')
    page.wait(says('#episode-state', 'idle'))
    assert [call[0] for call in bridge.calls] == ['start', 'event', 'discard']


@pytest.mark.parametrize('press', ['mouse', ' ', 'Escape'])
def test_stop_latches_shows_and_is_reset_by_two_presses(page: chromium.Page, bridge: FakeBridge, press: str):
    bridge.now = RECORDING
    page.wait(says('#episode-state', 'recording'))
    page.evaluate("document.querySelector('#success').focus()")  # which the space bar must not press
    if press == 'mouse':
        page.click('#stop')
    else:
        page.key(press)
    page.wait(says('#driver', 'Stopped'))
    page.wait(says('#banner', 'stands still until the stop is reset'))
    assert bridge.calls == [('e_stop',)], 'once a press, and nothing else'
    page.key(**SHIFT_R)
    page.wait(says('#messages', 'Press again'))
    assert bridge.calls == [('e_stop',)], 'one press resets nothing'
    page.click('#reset')
    page.wait("document.querySelector('#banner').hidden")
    assert bridge.calls == [('e_stop',), ('reset_e_stop',)]


def test_stop_works_while_typing_and_over_the_help(page: chromium.Page, bridge: FakeBridge):
    page.evaluate("document.querySelector('#seed').focus()")
    page.key('Escape')
    page.wait("document.querySelectorAll('#messages li').length === 1")
    page.key(**SHIFT_R)  # types into the field
    page.evaluate('document.activeElement.blur()')
    page.key('?')
    page.wait("document.querySelector('#help').open")
    page.key(' ')
    page.wait("document.querySelectorAll('#messages li').length === 2")
    assert bridge.calls == [('e_stop',), ('e_stop',)]


def test_a_stop_that_nobody_confirms_is_called_that(page: chromium.Page, bridge: FakeBridge):
    bridge.failures['e_stop'] = UnavailableError('nobody listens to e_stop')
    page.click('#stop')
    page.wait(says('#messages', 'nobody listens to e_stop Use the hardware stop'))
    page.wait(says('#messages', 'The stop is not confirmed. Use the hardware stop.'))
    assert ('e_stop',) in bridge.calls


def test_refusals_are_shown_in_the_words_of_the_robot(page: chromium.Page, bridge: FakeBridge):
    bridge.failures['start'] = RefusedError('episode 01KA is in progress; stop or discard it first')
    page.click('#start')
    page.wait(says('#messages .error', 'stop or discard it first'))
    page.type('#seed', 'seven')
    page.click('#start')
    page.wait(says('#messages .error', 'seed: '))
    assert len(bridge.calls) == 1, 'a bad seed goes no further than the server'


def test_two_browsers_see_the_same_and_one_leaves(
    browser: chromium.Chromium, page: chromium.Page, server: ConsoleServer, bridge: FakeBridge
):
    other = browser.page(server.url, dark=True)
    other.wait(LIVE)
    assert other.evaluate('document.documentElement.dataset.theme') == 'dark'
    assert page.evaluate('document.documentElement.dataset.theme') == 'light'
    other.click('#start')
    for tab in (page, other):
        tab.wait(says('#episode-state', 'recording'))
    other.close()
    bridge.now = replace(bridge.now, driver=DriverState(mode='correcting', count=2, reason='operator took over'))
    page.wait(says('#driver', 'Human drives'))
    page.call('Page.reload')
    page.wait(f'document.readyState === "complete" && {LIVE}')
    page.wait(says('#driver', 'Human drives'))
    assert bridge.calls == [('start', 'correction', bridge.calls[0][2], 'in')], 'leaving and reloading do nothing'


def test_a_lost_console_is_told_and_found_again(browser: chromium.Chromium, bridge: FakeBridge):
    first = ConsoleServer(bridge, port=0)
    first.start()
    tab = browser.page(first.url)
    tab.wait(LIVE)
    first.close()
    tab.wait(says('#banner', 'No connection to the console'))
    assert tab.evaluate("document.querySelector('#start').disabled")
    assert not tab.evaluate("document.querySelector('#stop').disabled"), 'STOP can always be tried'
    second = ConsoleServer(bridge, port=first.port)
    second.start()
    tab.wait(LIVE)
    tab.wait("document.querySelector('#banner').hidden")
    tab.close()
    second.close()


def test_a_silent_safety_node_is_an_alarm(page: chromium.Page, bridge: FakeBridge):
    bridge.now = replace(IDLE, safety=SafetyState(state='ok', text='ok', silent=True))
    page.wait(says('#banner', 'The safety node is silent. Use the hardware stop.'))
    assert not page.evaluate("document.querySelector('#banner').hidden")


@pytest.mark.parametrize(('width', 'height'), [(1440, 900), (1024, 768), (820, 1180), (390, 844)])
def test_nothing_overflows_and_stop_is_in_sight(
    browser: chromium.Chromium, server: ConsoleServer, bridge: FakeBridge, width: int, height: int
):
    bridge.now = RECORDING
    tab = browser.page(server.url, width, height)
    tab.wait(LIVE)
    tab.wait(says('#driver', 'Policy drives'))
    assert tab.evaluate('document.documentElement.scrollWidth') <= width
    tab.evaluate('window.scrollTo(0, document.documentElement.scrollHeight)')
    top, bottom, tall = tab.evaluate(
        "(() => { const b = document.querySelector('#stop').getBoundingClientRect();"
        'return [b.top, b.bottom, b.height]; })()'
    )
    assert top >= 0 and bottom <= height, 'also at the end of the page'
    assert tall >= 100
    tab.close()
