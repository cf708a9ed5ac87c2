# SPDX-License-Identifier: Apache-2.0
"""An installed Chromium over its DevTools protocol: enough to press, read and take pictures, with no dependency."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import tempfile
import urllib.request
from pathlib import Path
from typing import Any

from websockets.sync.client import connect

NAMES = ('chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable')
PATIENCE = 20.0
"""[s] until a browser or a page that does not answer is given up."""


def find() -> str | None:
    """The path of an installed Chromium, None without one."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Chromium:
    """A headless browser with a profile that is thrown away."""

    def __init__(self, executable: str) -> None:
        self._profile = tempfile.TemporaryDirectory(prefix='igrft_chromium_', ignore_cleanup_errors=True)
        options = [
            '--headless=new',
            '--disable-gpu',
            '--no-first-run',
            '--disable-background-networking',
            '--disable-dev-shm-usage',
            '--hide-scrollbars',
            '--remote-debugging-port=0',
            f'--user-data-dir={self._profile.name}',
        ]
        if os.geteuid() == 0:
            options.append('--no-sandbox')  # Chromium refuses to run as root with it
        self._process = subprocess.Popen(
            [executable, *options, 'about:blank'], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
        )
        self._port = self._listening()

    def _listening(self) -> int:
        assert self._process.stderr is not None
        said = []
        for line in self._process.stderr:
            said.append(line)
            if 'DevTools listening on' in line:
                return int(line.rsplit(':', 1)[1].split('/')[0])
        raise RuntimeError('Chromium did not start: ' + ''.join(said[-5:]))

    def page(self, url: str, width: int = 1440, height: int = 900, dark: bool = False, scale: float = 1.0) -> Page:
        """A new tab of its own browser window's size, with the preferred colour scheme."""
        request = urllib.request.Request(f'http://127.0.0.1:{self._port}/json/new?about:blank', method='PUT')
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            target = json.load(answer)
        page = Page(target['webSocketDebuggerUrl'])
        page.call('Page.enable')
        page.call('Runtime.enable')
        page.call('Network.enable')
        page.call(
            'Emulation.setDeviceMetricsOverride', width=width, height=height, deviceScaleFactor=scale, mobile=False
        )
        scheme = {'name': 'prefers-color-scheme', 'value': 'dark' if dark else 'light'}
        page.call('Emulation.setEmulatedMedia', features=[scheme])
        page.call('Page.navigate', url=url)
        page.wait("document.readyState === 'complete' && location.href !== 'about:blank'")
        return page

    def __enter__(self) -> Chromium:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(timeout=PATIENCE)
        assert self._process.stderr is not None
        self._process.stderr.close()
        self._profile.cleanup()


class Page:
    """One tab."""

    def __init__(self, address: str) -> None:
        self._socket = connect(address, max_size=None, open_timeout=PATIENCE)
        self._number = 0
        self.errors: list[str] = []
        """Exceptions, console errors and failed loads of the page."""

    def call(self, method: str, **parameters: Any) -> Any:
        """One DevTools command and its result."""
        self._number += 1
        self._socket.send(json.dumps({'id': self._number, 'method': method, 'params': parameters}))
        while True:
            message = json.loads(self._socket.recv(timeout=PATIENCE))
            if message.get('id') == self._number:
                if 'error' in message:
                    raise RuntimeError(f'{method}: {message["error"]["message"]}')
                return message['result']
            self._note(message)

    def _note(self, message: dict[str, Any]) -> None:
        parameters = message.get('params', {})
        if message.get('method') == 'Runtime.exceptionThrown':
            details = parameters['exceptionDetails']
            self.errors.append(details.get('exception', {}).get('description', details['text']))
        elif message.get('method') == 'Runtime.consoleAPICalled' and parameters['type'] == 'error':
            self.errors.append(str(parameters['args']))
        elif message.get('method') == 'Network.responseReceived' and parameters['response']['status'] >= 400:
            self.errors.append(f'{parameters["response"]["status"]} {parameters["response"]["url"]}')

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression, awaited where it is a promise."""
        result = self.call('Runtime.evaluate', expression=expression, awaitPromise=True, returnByValue=True)
        if 'exceptionDetails' in result:
            raise RuntimeError(result['exceptionDetails'].get('exception', {}).get('description', expression))
        return result['result'].get('value')

    def wait(self, condition: str) -> None:
        """Until a JavaScript condition holds; looks at every drawn frame."""
        milliseconds = int(PATIENCE * 500)
        script = f"""new Promise((done) => {{
            const end = performance.now() + {milliseconds};
            const look = () =>
                ({condition}) ? done(true) : performance.now() > end ? done(false) : setTimeout(look, 15);
            look();
        }})"""
        for _ in range(2):  # a navigation throws the first promise away
            try:
                held = self.evaluate(script)
            except RuntimeError as error:
                if 'context' not in str(error) and 'navigated' not in str(error):
                    raise
                continue
            break
        if not held:
            raise AssertionError(f'never became true: {condition}; the page says: {self.text("body")[:600]}')

    def text(self, selector: str) -> str:
        """The visible text of an element."""
        return str(self.evaluate(f'document.querySelector({json.dumps(selector)})?.innerText ?? ""'))

    def click(self, selector: str) -> None:
        """A real mouse click in the middle of an element."""
        self.evaluate(f'document.querySelector({json.dumps(selector)}).scrollIntoView({{block: "nearest"}})')
        box = self.evaluate(
            f'(() => {{ const b = document.querySelector({json.dumps(selector)}).getBoundingClientRect();'
            ' return [b.x + b.width / 2, b.y + b.height / 2]; })()'
        )
        for kind in ('mousePressed', 'mouseReleased'):
            self.call('Input.dispatchMouseEvent', type=kind, x=box[0], y=box[1], button='left', clickCount=1)

    def key(self, key: str, shift: bool = False) -> None:
        """A real key press."""
        text = key if len(key) == 1 else None
        options: dict[str, Any] = {'key': key, 'modifiers': 8 if shift else 0}
        self.call('Input.dispatchKeyEvent', type='keyDown', **options, **({'text': text} if text else {}))
        self.call('Input.dispatchKeyEvent', type='keyUp', **options)

    def type(self, selector: str, text: str) -> None:
        """Type into a field."""
        self.evaluate(f'document.querySelector({json.dumps(selector)}).focus()')
        self.call('Input.insertText', text=text)

    def screenshot(self, path: Path, quality: int | None = None) -> None:
        """What the tab shows, as PNG."""
        data = self.call('Page.captureScreenshot', format='png')['data']
        path.write_bytes(base64.b64decode(data))

    def close(self) -> None:
        """Close the tab."""
        self.call('Page.close')
        self._socket.close()
