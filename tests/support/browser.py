# SPDX-License-Identifier: MIT
"""A headless Chromium that shows one page, asked over its debugging pipe: sizes, colours, pictures, print.

The pipe is file descriptors 3 and 4 of the browser; messages are JSON and end with NUL. Windows of a headless
browser are not narrower than some 500 pixels, so the size of the page is emulated, which is what a phone is here.
"""

import base64
import contextlib
import fcntl
import json
import os
import select
import shutil
import signal
import subprocess
import tempfile
import time

PATIENCE_S = 60
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage",
         "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
         "--disable-default-apps", "--no-default-browser-check", "--host-resolver-rules=MAP * ~NOTFOUND",
         "--remote-debugging-pipe", "about:blank"]


class Browser:
    """With Browser() as b: b.show(path, width=390, dark=True); b.value("document.title")"""

    @staticmethod
    def is_there():
        return shutil.which("chromium") is not None

    def __init__(self):
        self.home = tempfile.mkdtemp(prefix="logboom-browser-")
        self.number, self.rest, self.requests, self.session = 0, b"", [], None
        hears, self.to = self._pipe()
        self.back, says = self._pipe()
        try:
            self.process = subprocess.Popen(
                ["/bin/bash", "-c", f'exec chromium "$@" 3<&{hears} 4>&{says}', "bash", f"--user-data-dir={self.home}",
                 *FLAGS], pass_fds=(hears, says), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL, env={**os.environ, "HOME": self.home}, start_new_session=True)
        finally:
            os.close(hears)
            os.close(says)
        try:
            target = self._call("Target.createTarget", url="about:blank")["targetId"]
            self.session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
            for domain in "Page", "Network", "Runtime":
                self._call(f"{domain}.enable")
        except BaseException:
            self.close()
            raise

    @staticmethod
    def _pipe():
        """A pipe whose ends are neither 3 nor 4 already."""
        low = os.pipe()
        high = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in low]
        for end in low:
            os.close(end)
        return high

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """End it, and what it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        os.close(self.to)
        os.close(self.back)
        shutil.rmtree(self.home, ignore_errors=True)

    def _read(self, end):
        """The next message."""
        while b"\0" not in self.rest:
            if not select.select([self.back], [], [], max(0, end - time.monotonic()))[0]:
                raise TimeoutError("the browser does not answer")
            data = os.read(self.back, 1 << 20)
            if not data:
                raise EOFError("the browser is gone")
            self.rest += data
        message, _, self.rest = self.rest.partition(b"\0")
        message = json.loads(message)
        if message.get("method") == "Network.requestWillBeSent":
            self.requests.append(message["params"]["request"]["url"])
        return message

    def _call(self, method, **params):
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.to, json.dumps(message).encode() + b"\0")
        end = time.monotonic() + PATIENCE_S
        while True:
            answer = self._read(end)
            if answer.get("id") == self.number:
                assert "error" not in answer, (method, answer["error"])
                return answer["result"]

    def look(self, width, height=900, dark=False, media=""):
        """From now on the page is so wide, in such light, on "screen" or "print"."""
        self._call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
                   mobile=width < 600)
        self._call("Emulation.setEmulatedMedia", media=media,
                   features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])

    def show(self, path, width=1200, **how):
        """Load a file and wait until it is there."""
        self.look(width, **how)
        self.requests.clear()
        self._call("Page.navigate", url=f"file://{path}")
        end = time.monotonic() + PATIENCE_S
        while self.value("document.readyState + location.pathname") != f"complete{path}":
            assert time.monotonic() < end, "the page is not loaded"
            time.sleep(0.02)

    def value(self, expression):
        """What a line of JavaScript comes to; a page's own policy does not forbid the debugger this."""
        answer = self._call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def picture(self, top=0, height=None, scale=1):
        """The page as PNG, or a part of it."""
        width, whole = self.value("[innerWidth, document.documentElement.scrollHeight]")
        clip = {"x": 0, "y": top, "width": width, "height": height or whole - top, "scale": scale}
        return base64.b64decode(self._call("Page.captureScreenshot", format="png", captureBeyondViewport=True,
                                           clip=clip)["data"])

    def pdf(self):
        """The page as it is printed on A4."""
        return base64.b64decode(self._call("Page.printToPDF", paperWidth=8.27, paperHeight=11.69,
                                           preferCSSPageSize=True)["data"])
