# SPDX-License-Identifier: Apache-2.0
"""Cuts what a child writes into whole lines, so that the lines of many children can mix.

A child that believes in its terminal redraws: a progress bar goes back to the start of its line,
a table of bars moves the cursor up. Redrawing is meaningless among other children's lines, so the
moves are dropped and a redrawn region is shown as ordinary lines, at most once in `interval`
seconds and once more in its final state. Colours are kept. Nothing that scrolled is lost.
"""

from __future__ import annotations

import codecs
import re
import time
from collections.abc import Callable

_TOKEN = re.compile(
    r'\x1b\[(?P<args>[0-9;?]*)(?P<final>[@-~])|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)'
    r'|(?P<newline>\r?\n)|(?P<return>\r)|(?P<text>[^\x1b\r\n]+|\x1b)')
# A sequence that the next read may complete.
_UNFINISHED = re.compile(r'(?:\x1b(?:\[[0-9;?]*|\][^\x07\x1b]*\x1b?)?|\r)\Z')
_COLOURS = re.compile(r'\x1b\[[0-9;]*m')


class LineAssembler:
    """Feeds on bytes, emits lines without their ends.

    Args:
        emit: takes a line.
        interval: least time between two pictures of a redrawn region [s].
        clock: monotonic time [s].
    """

    def __init__(
        self,
        emit: Callable[[str], None],
        *,
        interval: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._emit = emit
        self._interval = interval
        self._clock = clock
        self._decoder = codecs.getincrementaldecoder('utf-8')(errors='replace')
        self._rest = ''
        self._line = ''
        self._region: list[str] = []
        self._redraw_left = 0
        self._at_start = False
        # Between cursor-up moves and the text that follows them.
        self._moving = False
        self._shown: list[str] = []
        self._shown_at = float('-inf')

    def feed(self, data: bytes) -> None:
        """Take what was read; emits the lines that are complete."""
        text = self._rest + self._decoder.decode(data)
        unfinished = _UNFINISHED.search(text)
        self._rest = text[unfinished.start():] if unfinished else ''
        self._consume(text[:len(text) - len(self._rest)])

    def close(self) -> None:
        """Emit what is left: a last line without its end, a region as it was last drawn."""
        self._consume(self._rest + self._decoder.decode(b'', final=True))
        self._rest = ''
        lines = [*self._region, self._line] if self._visible(self._line) else self._region
        self._region, self._line = [], ''
        for line in lines:
            self._emit(line)

    def _consume(self, text: str) -> None:
        for match in _TOKEN.finditer(text):
            if match['newline']:
                self._end_line()
            elif match['return']:
                self._at_start = True
            elif match['text']:
                if self._at_start and not self._moving:
                    self._retire()
                self._at_start = self._moving = False
                self._line += match['text']
            elif match['final'] == 'm':
                self._line += match[0]
            elif match['final'] == 'A':
                up = self._redraw_left if self._moving else 0
                self._retire()
                self._redraw_left = up + int(match['args'] or 1)
                self._moving = True
            elif match['final'] == 'K' and match['args'] == '2' and not self._moving:
                self._retire()

    def _end_line(self) -> None:
        self._at_start = self._moving = False
        line, self._line = self._line, ''
        if self._redraw_left:
            self._redraw_left -= 1
            self._region.append(line)
            return
        lines, self._region = [*self._region, line], []
        for each in lines:
            self._emit(each)

    def _retire(self) -> None:
        """The current line is about to be drawn over: show its region if it is time."""
        self._at_start = False
        self._redraw_left = 0
        lines = [line for line in (*self._region, self._line) if self._visible(line)]
        self._region, self._line = [], ''
        if lines and lines != self._shown and self._clock() - self._shown_at >= self._interval:
            self._shown, self._shown_at = lines, self._clock()
            for line in lines:
                self._emit(line)

    @staticmethod
    def _visible(line: str) -> bool:
        return bool(_COLOURS.sub('', line).strip())
