# SPDX-License-Identifier: Apache-2.0
"""Who may use the page: loopback freely, any other address with a token, no foreign web site in either case."""

from __future__ import annotations

import ipaddress
import secrets
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

from starlette.datastructures import Headers, QueryParams
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MIN_TOKEN = 16
"""Least characters of a token that somebody chose."""

HEADERS = {
    # `self` covers the page's own WebSocket; blob: are the decoded camera pictures.
    'content-security-policy': "default-src 'self'; img-src 'self' blob: data:; frame-ancestors 'none'",
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    'cache-control': 'no-cache',
}


def is_loopback(host: str) -> bool:
    """Whether an address or name can be reached from this machine only."""
    if host == 'localhost':
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True)
class Access:
    """The rules of one server.

    Attributes:
        token: what a browser must know; '' where the server listens on loopback only.
        cookie: where the browser keeps it. Cookies are shared by the ports of a host, hence one name a port.
    """

    token: str = ''
    cookie: str = 'igrft_console'

    @classmethod
    def for_address(cls, host: str, port: int, token: str = '') -> Access:
        """The rules for a listening address; off loopback a token is made where none is given.

        Raises:
            ValueError: the token is too short to be one.
        """
        if token and len(token) < MIN_TOKEN:
            raise ValueError(
                f'token: {len(token)} characters, at least {MIN_TOKEN} are needed; leave it empty to get one'
            )
        if not token and not is_loopback(host):
            token = secrets.token_urlsafe(18)
        return cls(token, f'igrft_console_{port}')

    def knows_token(self, given: str) -> bool:
        """Compares in constant time."""
        return not self.token or secrets.compare_digest(given.encode(), self.token.encode())

    def refusal(self, scope: Scope) -> tuple[int, str] | None:
        """Why a request may not pass: status and text, None when it may."""
        headers = Headers(scope=scope)
        host = headers.get('host', '')
        if not self.token and not is_loopback(urlsplit(f'//{host}').hostname or ''):
            # A foreign name that resolves to 127.0.0.1 would let its web page in here.
            return 403, f"host '{host}': this console serves localhost only"
        origin = headers.get('origin')
        if origin is not None and urlsplit(origin).netloc != host:
            return 403, f"origin '{origin}' is not this console; open the page from the address it is served at"
        if not self.knows_token(self._presented(scope, headers)):
            return 401, 'This console needs its token: open the address that console_node printed when it started.'
        return None

    def _presented(self, scope: Scope, headers: Headers) -> str:
        scheme, _, bearer = headers.get('authorization', '').partition(' ')
        if scheme.lower() == 'bearer':
            return bearer
        in_address = QueryParams(scope.get('query_string', b'')).get('token')
        if in_address is not None:
            return in_address
        try:
            morsel = SimpleCookie(headers.get('cookie', '')).get(self.cookie)
        except CookieError:
            return ''
        return morsel.value if morsel else ''


class Guard:
    """ASGI middleware: applies the rules to every request and WebSocket, adds the security headers."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope['type'] not in ('http', 'websocket'):
            await self._app(scope, receive, send)
            return
        refusal = self._access.refusal(scope)
        if scope['type'] == 'websocket':
            if refusal:
                # Closed before it is accepted: the server answers with a plain 403.
                await send({'type': 'websocket.close', 'code': 1008, 'reason': refusal[1]})
                return
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message['type'] == 'http.response.start':
                own = message.get('headers', [])
                named = {name for name, _ in own}
                added = ((name.encode(), value.encode()) for name, value in HEADERS.items())
                message['headers'] = [*own, *(header for header in added if header[0] not in named)]
            await send(message)

        answer = self._refuse(*refusal) if refusal else self._remember(scope)
        await (answer or self._app)(scope, receive, with_headers)

    @staticmethod
    def _refuse(status: int, text: str) -> Response:
        return PlainTextResponse(text + '\n', status)

    def _remember(self, scope: Scope) -> Response | None:
        """The address with the token in it opens the page once, then the cookie does."""
        if not self._access.token or scope['method'] != 'GET' or 'token' not in QueryParams(scope['query_string']):
            return None
        response = RedirectResponse('/', 303)
        response.set_cookie(self._access.cookie, self._access.token, httponly=True, samesite='strict')
        return response
