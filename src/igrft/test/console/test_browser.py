# SPDX-License-Identifier: Apache-2.0
"""Every page in a real browser: pressed, typed at and read as an operator does."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import chromium
import pytest
from chromium import LIVE, says
from fake_bridge import IDLE, RECORDING, FakeBridge, FakeRecords, episode_samples

from igrft.console.bridge import RefusedError, UnavailableError
from igrft.console.recordings import Recordings
from igrft.console.server import ConsoleServer
from igrft.console.state import Component, DriverState, HelpState, SafetyState
from igrft.episodes.catalog import iterate

pytestmark = pytest.mark.skipif(bool(chromium.missing()), reason=chromium.missing())
PATIENCE = 20_000
"""[ms] until what should be seen is given up"""


@pytest.fixture(scope='module')
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright, chromium.launched(playwright) as running:
        yield running


@pytest.fixture
def server(bridge: FakeBridge, recordings, pad) -> Iterator[ConsoleServer]:
    running = ConsoleServer(bridge, recordings, FakeRecords(), pad, port=0)
    running.start()
    yield running
    running.close()


def opened(browser: Any, url: str, width: int = 1440, height: int = 900, **options: Any) -> Any:
    """A page of a browser of its own, whose errors are kept."""
    page = browser.new_context(viewport={'width': width, 'height': height}, **options).new_page()
    page.set_default_timeout(PATIENCE)
    page.errors = []
    page.on('pageerror', lambda error: page.errors.append(str(error)))
    page.goto(url)
    page.wait_for_function(LIVE)
    return page


@pytest.fixture
def page(browser: Any, server: ConsoleServer) -> Iterator[Any]:
    tab = opened(browser, server.url)
    yield tab
    assert tab.errors == []
    tab.context.close()


def test_shows_the_whole_state(page, bridge: FakeBridge):
    bridge.history = episode_samples(100)
    bridge.now = RECORDING
    says(page, '#driver', 'Policy drives')
    says(page, '#potential-now', f'{bridge.history[-1].potential:.2f}')
    page.wait_for_function("() => [...document.querySelectorAll('.camera .stale')].every((word) => word.hidden)")
    for selector, text in {
        '#instruction': 'stack the red block on the blue block and the green block on top',
        '#episode-state': 'recording',
        '#clock': '4.6 s',
        '#subtask-count': '2 of 6',
        '#safety': 'Clear',
        '#limited': '12',
        '#trainer-word': 'Offline RL',
        '#trainer-text': 'step 1280 of 2000, 3 min 14 s left',
        '#loss': '0.0873',
        '#ess': '64 %',
        '#checkpoint': 'sft-3f9ac2',
        '#phase': 'human in the loop 1',
        '#results': '46 % of 50',
        '.hardware': 'does not replace the hardware emergency stop',
    }.items():
        says(page, selector, text)
    colour = page.evaluate(
        "() => { const c = document.querySelector('.camera canvas');"
        'return [...c.getContext("2d").getImageData(c.width - 1, 0, 1, 1).data].slice(0, 3); }'
    )
    assert colour == pytest.approx([200, 0, 95], abs=25), 'the corner of the front camera, in RGB'


def test_an_episode_by_mouse(page, bridge: FakeBridge):
    page.fill('#seed', '77')
    page.click('#start')
    says(page, '#episode-state', 'recording')
    page.click('#mark')
    page.click('#pause')
    says(page, '#messages', 'pause')
    page.click('#success')
    says(page, '#clock', 'success')
    says(page, '#failure', 'Last: failure')
    page.click('#failure')
    says(page, '#messages', 'last episode: failure')
    assert bridge.calls == [
        ('start', 'correction', 77, 'in'),
        ('event', 'mark_subtask'),
        ('event', 'pause'),
        ('finish', 'success'),
        ('label', '', 'failure'),
    ]


def test_an_episode_by_keyboard_and_the_second_press_that_discards_it(page, bridge: FakeBridge):
    page.keyboard.press('n')
    says(page, '#episode-state', 'recording')
    page.keyboard.press('m')
    says(page, '#messages', 'mark_subtask')
    page.keyboard.press('d')
    says(page, '#messages', 'Press again')
    assert [call[0] for call in bridge.calls] == ['start', 'event'], 'one press discards nothing'
    page.keyboard.press('d')
    says(page, '#episode-state', 'idle')
    assert [call[0] for call in bridge.calls] == ['start', 'event', 'discard']


@pytest.mark.parametrize('where', ['1', '2', '3', '4'])
@pytest.mark.parametrize('press', ['mouse', ' ', 'Escape'])
def test_stop_latches_on_every_page_and_is_reset_by_two_presses(page, bridge: FakeBridge, press: str, where: str):
    bridge.now = RECORDING
    says(page, '#episode-state', 'recording')
    page.keyboard.press(where)
    page.evaluate("document.querySelector('#success').focus()")  # which the space bar must not press
    if press == 'mouse':
        page.click('#stop')
    else:
        page.keyboard.press(press)
    says(page, '#driver', 'Stopped')
    says(page, '#banner', 'stands still until the stop is reset')
    assert bridge.calls == [('e_stop',)], 'once a press, and nothing else'
    page.keyboard.press('Shift+R')
    says(page, '#messages', 'Press again')
    assert bridge.calls == [('e_stop',)], 'one press resets nothing'
    page.click('#reset')
    page.wait_for_selector('#banner', state='hidden')
    assert bridge.calls == [('e_stop',), ('reset_e_stop',)]


def test_stop_works_while_typing_and_over_the_help(page, bridge: FakeBridge):
    page.focus('#seed')
    page.keyboard.press('Escape')
    page.wait_for_function("() => document.querySelectorAll('#messages li').length === 1")
    page.keyboard.press('Shift+R')  # types into the field
    page.evaluate('document.activeElement.blur()')
    page.keyboard.press('?')
    page.wait_for_selector('#shortcuts[open]')
    page.keyboard.press(' ')
    page.wait_for_function("() => document.querySelectorAll('#messages li').length === 2")
    assert bridge.calls == [('e_stop',), ('e_stop',)]


def test_a_stop_that_nobody_confirms_is_called_that(page, bridge: FakeBridge):
    bridge.failures['e_stop'] = UnavailableError('nobody listens to e_stop')
    page.click('#stop')
    says(page, '#messages', 'nobody listens to e_stop Use the hardware stop')
    says(page, '#messages', 'The stop is not confirmed. Use the hardware stop.')
    assert ('e_stop',) in bridge.calls


def test_refusals_are_shown_in_the_words_of_the_robot(page, bridge: FakeBridge):
    bridge.failures['start'] = RefusedError('episode 01KA is in progress; stop or discard it first')
    page.click('#start')
    says(page, '#messages .error', 'stop or discard it first')
    page.fill('#seed', 'seven')
    page.click('#start')
    says(page, '#messages .error', 'seed: ')
    assert len(bridge.calls) == 1, 'a bad seed goes no further than the server'


def test_a_wanted_driver_is_seen_and_heard_on_every_page_until_it_is_answered(page, bridge: FakeBridge):
    page.click('#theme')  # browsers are silent until somebody has touched the page
    bridge.now = replace(RECORDING, help=HelpState(requested=True, score=3.1, threshold=2.0, reason='not seen before'))
    says(page, '#wanted', 'Driver wanted. not seen before')
    page.wait_for_function('() => Number(document.body.dataset.called) >= 1')
    assert page.title().startswith('● Driver wanted')
    page.keyboard.press('4')
    assert page.is_visible('#wanted')
    page.keyboard.press('h')
    says(page, '#messages', 'dismiss_help')
    assert bridge.calls == [('event', 'dismiss_help')]
    bridge.now = RECORDING
    page.wait_for_selector('#wanted', state='hidden')


def test_a_held_pad_drives_and_leaving_it_stops(page, bridge: FakeBridge):
    bridge.now = replace(RECORDING, pad=True)
    box = page.wait_for_selector('#pad-move').bounding_box()
    page.mouse.move(box['x'] + box['width'] / 2, box['y'] + box['height'] / 2)
    page.mouse.down()
    page.mouse.move(box['x'] + box['width'] / 2, box['y'] + 2)
    says(page, '#pad-word', 'You drive.')
    while not (bridge.driven and bridge.driven[-1].action[0] > 0.1):
        page.evaluate('1')  # forward; each evaluation lets the browser go on
    page.mouse.up()
    while bridge.driven[-1].engaged:
        page.evaluate('1')
    assert bridge.driven[-1].connected, 'let go, and not lost'
    assert {t.device for t in bridge.driven} == {'console'}


def test_a_closed_browser_that_held_the_pad_is_gone(browser, server: ConsoleServer, bridge: FakeBridge, page):
    bridge.now = replace(RECORDING, pad=True)
    other = opened(browser, server.url)
    box = other.wait_for_selector('#pad-lift').bounding_box()
    other.mouse.move(box['x'] + box['width'] / 2, box['y'] + 2)
    other.mouse.down()
    while not (bridge.driven and bridge.driven[-1].action[2] > 0.1):
        other.evaluate('1')
    other.context.close()
    while bridge.driven[-1].engaged:
        page.evaluate('1')
    assert not bridge.driven[-1].action[:6].any()


def test_an_episode_is_found_replayed_and_labelled_anew(browser, bridge: FakeBridge, shelf: Path, tmp_path, pad):
    root = Path(shutil.copytree(shelf, tmp_path / 'shelf'))
    bridge.failures['label'] = UnavailableError('no recorder')
    server = ConsoleServer(bridge, Recordings(root), FakeRecords(), pad, port=0)
    server.start()
    page = opened(browser, server.url)
    page.keyboard.press('2')
    says(page, '#shelf-count', '2 shown, 2 successful')
    page.select_option('#filter-kind', 'correction')
    says(page, '#shelf-count', '1 shown')
    page.click('#shelf a')
    says(page, '#replay-title', 'correction 1')
    page.wait_for_function(
        "() => [...document.querySelectorAll('#replay img')].length === 2"
        " && [...document.querySelectorAll('#replay img')].every((image) => image.naturalWidth === 128)"
    )
    says(page, '#who', 'policy drives')
    page.locator('#scrub').fill('7')
    says(page, '#when', '0.7 s')
    says(page, '#who', 'human drives')
    page.wait_for_function("() => document.querySelector('#replay img').src.endsWith('/front/7.jpg')")
    page.keyboard.press('ArrowLeft')
    says(page, '#when', '0.6 s')
    page.keyboard.press('k')
    says(page, '#when', '1.1 s')  # it played to the end
    page.keyboard.press('f')
    says(page, '#messages', 'failure')
    says(page, '#replay-facts', 'failure says console')
    assert {e.meta.outcome.value for e in iterate(root)} == {'success', 'failure'}
    assert page.errors == []
    page.context.close()
    server.close()


def test_a_stage_is_started_stopped_and_a_checkpoint_served(page, bridge: FakeBridge):
    bridge.now = replace(IDLE, trainer=replace(RECORDING.trainer, state='idle'))
    page.keyboard.press('3')
    says(page, '#stages', '46 % of 50')
    says(page, '#curves', 'Policy loss')
    page.select_option('#train-stage', 'hil')
    page.fill('#train-round', '3')
    page.select_option('#train-parent', 'offline_rl-9c7dcbad')
    page.click('#train')
    says(page, '#now-word', 'Human in the loop, round 3')
    page.click('#train-stop')
    says(page, '#messages', 'Press again')
    page.click('#train-stop')
    says(page, '#now-word', 'idle')
    page.click('#checkpoints li[data-id="sft-c9fc83eb"] button')
    says(page, '#serving', 'sft-c9fc83eb drives')
    says(page, '#checkpoints li[aria-current] button', 'Serving')
    assert bridge.calls == [
        ('train', 'hil', 3, '/data/checkpoints/offline_rl-9c7dcbad'),
        ('stop_training',),
        ('serve', '/data/checkpoints/sft-c9fc83eb'),
    ]


def test_health_shows_the_worst_first_and_counts_it_on_every_page(page, bridge: FakeBridge):
    bridge.components = [
        Component(node='camera_node', name='stream', level='error', text='no picture', values={'rate [Hz]': '0.0'}),
        Component(node='arbiter_node', name='arbiter', level='ok', text='hold'),
    ]
    says(page, '#health-badge', '1')
    page.click('.rail a[href="#health"]')
    says(page, '#health-word', 'One needs a look')
    says(page, '#components section:first-child', 'no picture')
    says(page, '#components section:first-child', 'rate [Hz]')
    assert 'no picture' not in page.inner_text('#components section:last-child'), 'what is well comes last'
    bridge.components = bridge.components[1:]
    says(page, '#health-word', 'All is well')


def test_two_browsers_see_the_same_and_one_leaves(browser, page, server: ConsoleServer, bridge: FakeBridge):
    other = opened(browser, server.url, color_scheme='dark')
    assert other.evaluate('document.documentElement.dataset.theme') == 'dark'
    assert page.evaluate('document.documentElement.dataset.theme') == 'light'
    other.click('#start')
    for tab in (page, other):
        says(tab, '#episode-state', 'recording')
    other.context.close()
    bridge.now = replace(bridge.now, driver=DriverState(mode='correcting', count=2, reason='operator took over'))
    says(page, '#driver', 'Human drives')
    page.reload()
    page.wait_for_function(LIVE)
    says(page, '#driver', 'Human drives')
    assert bridge.calls == [('start', 'correction', bridge.calls[0][2], 'in')], 'leaving and reloading do nothing'


def test_a_lost_console_is_told_and_found_again(browser, bridge: FakeBridge, recordings):
    first = ConsoleServer(bridge, recordings, FakeRecords(), port=0)
    first.start()
    tab = opened(browser, first.url)
    first.close()
    says(tab, '#banner', 'No connection to the console')
    assert tab.is_disabled('#start')
    assert not tab.is_disabled('#stop'), 'STOP can always be tried'
    second = ConsoleServer(bridge, recordings, FakeRecords(), port=first.port)
    second.start()
    tab.wait_for_function(LIVE)
    tab.wait_for_selector('#banner', state='hidden')
    tab.context.close()
    second.close()


def test_a_silent_safety_node_is_an_alarm(page, bridge: FakeBridge):
    assert not page.is_visible('#banner')
    bridge.now = replace(IDLE, safety=SafetyState(state='ok', text='ok', silent=True))
    says(page, '#banner', 'The safety node is silent. Use the hardware stop.')
    assert page.is_visible('#banner')


@pytest.mark.parametrize(('width', 'height'), [(1440, 900), (1024, 768), (820, 1180), (390, 844)])
def test_nothing_overflows_and_stop_is_in_sight(
    browser, server: ConsoleServer, bridge: FakeBridge, width: int, height: int, shelf: Path
):
    bridge.now = replace(RECORDING, pad=True)
    bridge.components = [Component(node='arbiter_node', name='arbiter', level='warn', text='a long word ' * 20)]
    tab = opened(browser, server.url, width, height)
    episode = next(iterate(shelf)).meta.id
    for page in ('drive', f'episodes/{episode}', 'trainer', 'health'):
        tab.evaluate('(page) => { location.hash = page; }', page)
        tab.wait_for_selector(f'#{page.split("/")[0]}:not([hidden])')
        assert tab.evaluate('document.documentElement.scrollWidth') <= width, page
        tab.evaluate('window.scrollTo(0, document.documentElement.scrollHeight)')
        top, bottom, tall = tab.evaluate(
            "() => { const b = document.querySelector('#stop').getBoundingClientRect();"
            'return [b.top, b.bottom, b.height]; }'
        )
        assert top >= 0 and bottom <= height, f'{page}: also at the end of the page'
        assert tall >= (100 if page == 'drive' or width < 860 else 70)
    tab.context.close()


@pytest.mark.parametrize(('width', 'height'), [(1440, 900), (1280, 800), (1024, 768), (820, 1180)])
def test_who_drives_by_the_pad_sees_the_cameras(
    browser, server: ConsoleServer, bridge: FakeBridge, width: int, height: int
):
    bridge.now = replace(RECORDING, pad=True)
    tab = opened(browser, server.url, width, height)
    tab.wait_for_selector('#pad-lift')
    tab.wait_for_selector('.camera')
    low, high = tab.evaluate(
        "() => ['#pad-move', '#pad-lift', '.camera'].map((s) => document.querySelector(s).getBoundingClientRect())"
        '.reduce(([low, high], b) => [Math.max(low, b.bottom), Math.min(high, b.top)], [0, 1e9])'
    )
    assert high >= 0 and low <= height
    tab.context.close()
