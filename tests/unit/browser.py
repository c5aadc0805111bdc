"""A real browser without a window, asked over its DevTools protocol: Chromium, or Chrome."""

import base64
import contextlib
import itertools
import json
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_PATIENCE_S = 60


class NavigatedError(Exception):
    """The page has gone elsewhere while it was asked something, as one that leads on does."""


class Page:
    """A page of the browser. ``complaints`` are errors and warnings of its console, ``asked`` the URLs it wanted."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket, self._numbers = socket, itertools.count(1)
        self.complaints: list[str] = []
        self.asked: list[str] = []
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol and return what it says."""
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            said = self._hear()
            if said.get("id") == number:
                if "navigated" in said.get("error", {}).get("message", ""):
                    raise NavigatedError
                assert "error" not in said, said
                return said["result"]

    def open(self, where: Path | str, width: int = 1280, dark: bool = False) -> None:
        """Open a file or a URL at a screen's width in CSS pixels, light or dark, and wait until it is loaded."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 600
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.call("Page.navigate", url=where if isinstance(where, str) else where.absolute().as_uri())
        while self._hear().get("method") != "Page.loadEventFired":
            pass

    def value(self, script: str) -> Any:
        """Return what a JavaScript expression is worth."""
        return self.call("Runtime.evaluate", expression=script, returnByValue=True)["result"]["value"]

    def until(self, script: str) -> None:
        """Wait until a JavaScript expression is true, as on a page that makes itself."""
        deadline = time.monotonic() + _PATIENCE_S
        while time.monotonic() < deadline:
            with contextlib.suppress(NavigatedError):
                if self.value(script):
                    return
            time.sleep(0.1)
        raise AssertionError(f"never so: {script}; the page says: {self.value('document.body.innerText')}")

    def picture(self, path: Path) -> None:
        """Write a picture of the whole page, from top to bottom."""
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))

    def _hear(self) -> dict[str, Any]:
        said = json.loads(self._socket.recv(timeout=_PATIENCE_S))
        match said.get("method"):
            case "Network.requestWillBeSent":
                self.asked.append(said["params"]["request"]["url"])
            case "Runtime.exceptionThrown":
                self.complaints.append(str(said["params"]["exceptionDetails"]))
            case "Runtime.consoleAPICalled":
                self.complaints.append(str(said["params"]["args"]))
            case "Log.entryAdded":
                self.complaints.append(said["params"]["entry"]["text"])
        return said


def program() -> str:
    """Return the browser's program."""
    found = next(filter(None, map(shutil.which, _NAMES)), None)
    assert found, f"no browser: install Chromium (Debian: apt-get install chromium), or put one of {_NAMES} on PATH"
    return found


@contextlib.contextmanager
def browser(folder: Path) -> Iterator[Page]:
    """Start a browser that keeps its files in ``folder``, and yield an empty page of it."""
    options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--remote-debugging-port=0"]
    process = subprocess.Popen(
        [program(), *options, f"--user-data-dir={folder}", "about:blank"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        with connect(_address(folder, process), max_size=None, origin=None) as socket:
            yield Page(socket)
    finally:
        process.terminate()
        process.wait(_PATIENCE_S)


def _address(folder: Path, process: "subprocess.Popen[bytes]") -> str:
    """Return the WebSocket address of the browser's page, once it is there."""
    told = folder / "DevToolsActivePort"
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError, ValueError, StopIteration):
            port = int(told.read_text().splitlines()[0])
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/json") as answer:
                pages = json.loads(answer.read())
            return next(page["webSocketDebuggerUrl"] for page in pages if page["type"] == "page")
        time.sleep(0.1)
    raise AssertionError(f"the browser did not start (exit code {process.poll()})")
