# SPDX-License-Identifier: Apache-2.0
"""How the output of many children becomes lines of one log."""

from __future__ import annotations

import pytest

launch = pytest.importorskip('launch')
if 'stand_in' not in str(launch.__file__):
    pytest.skip('a real launch is installed', allow_module_level=True)

from hypothesis import given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from launch._lines import LineAssembler  # noqa: E402


def lines_of(*chunks: bytes) -> list[str]:
    """Return the lines that `chunks` make, one chunk a second, a redrawn picture every 5 s at most."""
    found: list[str] = []
    now = 0.0
    assembler = LineAssembler(found.append, interval=5.0, clock=lambda: now)
    for chunk in chunks:
        assembler.feed(chunk)
        now += 1.0
    assembler.close()
    return found


def test_partial_lines_wait_and_the_last_one_is_not_lost() -> None:
    assert lines_of(b'one\ntw', b'o\r', b'\nthree') == ['one', 'two', 'three']


PLAIN = st.text(st.characters(exclude_categories=['Cs'], exclude_characters='\r\n\x1b'), min_size=1)


@given(st.lists(PLAIN, min_size=1), st.data())
def test_cutting_the_stream_anywhere_changes_nothing(texts: list[str], data: st.DataObject) -> None:
    stream = '\n'.join(texts).encode()
    cut = data.draw(st.integers(0, len(stream)))
    expected = '\n'.join(texts).split('\n')
    if not expected[-1].strip():
        expected.pop()
    assert lines_of(stream[:cut], stream[cut:]) == expected


def test_colours_stay_and_titles_go() -> None:
    assert lines_of(b'\x1b]0;title\x07\x1b[31', b'mred\x1b[0m\n') == ['\x1b[31mred\x1b[0m']


def test_a_bar_drawn_over_itself_is_shown_now_and_then_and_at_its_end() -> None:
    frames = [f'\r\x1b[2Kbar {i}%'.encode() for i in range(0, 101, 10)]
    assert lines_of(*frames, b'\ndone\n') == ['bar 0%', 'bar 50%', 'bar 100%', 'done']


def test_lines_printed_above_a_live_table_are_not_lost() -> None:
    def frame(i: int) -> bytes:
        return f'a {i}\nb {i}'.encode()

    back = b'\r\x1b[2K\x1b[1A\x1b[2K'
    shown = lines_of(
        frame(0), back + frame(1), back + b'a log line\n' + frame(2), back + frame(3) + b'\n', b'end\n')
    assert shown.count('a log line') == 1
    assert shown[-3:] == ['a 3', 'b 3', 'end']
