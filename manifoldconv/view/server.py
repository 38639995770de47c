"""The life of the viewer: an address of its own, a page for each browser, and an end."""

from __future__ import annotations

import contextlib
import io
import ipaddress
import os
import socket
import sys
import threading
import webbrowser
from collections.abc import Callable
from typing import Any

from manifoldconv.errors import GeometryError
from manifoldconv.view import model
from manifoldconv.view.display import Display
from manifoldconv.view.model import State, Workbench
from manifoldconv.view.page import Page

FIRST_PORT, PORTS = 8080, 20


class Server:
    """A running viewer.

    Args:
        workbench, display: what is shown.
        state: with which every page begins.
        host: the address to listen at; 127.0.0.1 is reached from this machine only.
        port: None: the first free one from 8080.
        dark: the colours of the page.
        say: how things that happen later are told.

    Raises:
        ValueError: for a port in use or an address that is not this machine's.
        ImportError: where viser is not installed.
    """

    def __init__(
        self,
        workbench: Workbench,
        display: Display,
        state: State,
        *,
        host: str = "127.0.0.1",
        port: int | None = None,
        dark: bool = False,
        say: Callable[[str], None] = print,
    ) -> None:
        viser = _viser()
        self.workbench, self.display, self.state, self.dark, self.say = workbench, display, state, dark, say
        self.host, self.port = host, free_port(host, port)
        self.pages: dict[int, Page] = {}
        with contextlib.redirect_stdout(io.StringIO()):  # its own banner
            self.viser = viser.ViserServer(host=host, port=self.port, verbose=False)
        self.port = self.viser.get_port()
        self.viser.on_client_connect(self._welcome)
        self.viser.on_client_disconnect(self._farewell)
        self._preparing = threading.Thread(target=self._prepare, daemon=True)
        self._preparing.start()

    @property
    def url(self) -> str:
        """Where a browser finds it."""
        shown = "127.0.0.1" if self.host in ("0.0.0.0", "::") else self.host
        return f"http://{f'[{shown}]' if ':' in shown else shown}:{self.port}"

    def stop(self) -> None:
        """Send every browser away and give the port back."""
        self.workbench.stop()
        for page in list(self.pages.values()):
            page.leave()
        with contextlib.redirect_stdout(io.StringIO()):  # its own farewell
            self.viser.stop()
        self._preparing.join(timeout=10.0)

    def _welcome(self, client: Any) -> None:
        self.pages[client.client_id] = Page(client, self.workbench, self.display, self.state, self.dark)

    def _farewell(self, client: Any) -> None:
        page = self.pages.pop(client.client_id, None)
        if page is not None:
            page.leave()
        if not self.pages:
            self.say(
                "The browser has gone; the viewer goes on. Open the page again, or press Ctrl-C to end it."
            )

    def _prepare(self) -> None:
        """The first response, before a browser asks for it; what goes wrong is said when one does."""
        with contextlib.suppress(GeometryError, MemoryError, model.Interrupted):
            self.workbench.prepare(self.state)


def free_port(host: str, port: int | None) -> int:
    """The port, or the first free one from 8080 where none is given.

    Raises:
        ValueError: for one in use, or out of range, or an address that is not this machine's.
    """
    if port is not None and not 1 <= port <= 65535:
        raise ValueError(f"--port must be a number from 1 to 65535; got {port}")
    try:
        family = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)[0][0]
    except OSError:
        raise ValueError(
            f"--host {host}: no such address; take 127.0.0.1 (this machine only) or 0.0.0.0 (all)"
        ) from None
    wanted = range(FIRST_PORT, FIRST_PORT + PORTS) if port is None else (port,)
    for candidate in wanted:
        with socket.socket(family, socket.SOCK_STREAM) as trial:
            if os.name == "posix":
                trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # past connections do not count
            try:
                trial.bind((host, candidate))
            except OSError as error:
                if port is not None:
                    raise ValueError(
                        f"port {port} on {host} cannot be had ({error.strerror}); take another with --port, or leave "
                        "--port away for the first free one"
                    ) from None
                continue
            return candidate
    raise ValueError(
        f"no port from {FIRST_PORT} to {FIRST_PORT + PORTS - 1} can be had on {host}; name one with --port"
    )


def reaches_others(host: str) -> bool:
    """Whether other machines may reach the address."""
    with contextlib.suppress(ValueError):
        return not ipaddress.ip_address(host).is_loopback
    return host != "localhost"


def open_in_browser(url: str) -> bool:
    """Open the page in the person's browser; False where there is none to open."""
    windows = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if sys.platform.startswith("linux") and not windows:
        return False  # what would open there is a text browser, in this terminal
    try:
        return webbrowser.open(url)
    except webbrowser.Error:
        return False


def _viser() -> Any:
    try:
        import viser
    except ImportError:
        raise ImportError(
            "the viewer needs viser, which is not installed: pip install 'manifoldconv[view]'; for a picture without "
            "a browser take --screenshot FILE"
        ) from None
    return viser
