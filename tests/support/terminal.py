# SPDX-License-Identifier: MIT
"""A real terminal: a shell in a tmux of its own, typed to and looked at."""

import os
import re
import shutil
import subprocess
import time


class Terminal:
    """With Terminal(dir, 80, 24, env) as t: t.type("ls\\n"); t.wait(lambda: "x" in t.text)"""

    def __init__(self, directory, width, height, env):
        self.socket = str(directory / "tmux.sock")
        self.width, self.height = width, height
        # tmux itself needs UTF-8; what runs in it has the locale that env says.
        self.env = {**os.environ, "LC_ALL": "C.UTF-8", "TERM": "xterm-256color"}
        self.env.pop("TMUX", None)
        try:
            self._begin(env)
        except BaseException:
            self.close()
            raise

    def _begin(self, env):
        inside = ["env", *(f"{name}={value}" for name, value in env.items()), "PS1=$ ", "bash", "--norc", "--noprofile"]
        self._tmux("new-session", "-d", "-x", str(self.width), "-y", str(self.height), "-s", "t", *inside)
        self._tmux("set-option", "-g", "window-size", "manual")
        self.wait(lambda: self.lines[0] == "$", what="the shell is there")

    @staticmethod
    def is_there():
        return shutil.which("tmux") is not None

    def _tmux(self, *args):
        done = subprocess.run(["tmux", "-S", self.socket, "-f", "/dev/null", *args], env=self.env, text=True,
                              capture_output=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def close(self):
        """Hang up on what runs in it."""
        subprocess.run(["tmux", "-S", self.socket, "kill-server"], env=self.env, capture_output=True, timeout=60)

    def type(self, text):
        """Type text as it is; \\n is the Enter key."""
        for part in re.split(r"(\n)", text):
            if part == "\n":
                self.press("Enter")
            elif part:
                self._tmux("send-keys", "-t", "t", "-l", part)

    def press(self, *keys):
        """Press keys by their names: Escape, C-c, Right."""
        self._tmux("send-keys", "-t", "t", *keys)

    def resize(self, width, height):
        self.width, self.height = width, height
        self._tmux("resize-window", "-t", "t", "-x", str(self.width), "-y", str(self.height))

    @property
    def lines(self):
        """What is to be seen, line by line, blanks at the ends of lines cut."""
        return [line.rstrip() for line in self._tmux("capture-pane", "-p", "-t", "t").split("\n")[:self.height]]

    @property
    def text(self):
        return "\n".join(self.lines)

    @property
    def styled(self):
        """The same with escape sequences for colours."""
        return self._tmux("capture-pane", "-p", "-e", "-t", "t")

    def flag(self, name):
        """One of tmux's words on the pane: alternate_on, cursor_flag."""
        return self._tmux("display-message", "-p", "-t", "t", "#{%s}" % name).strip()

    def wait(self, claim, seconds=30, what=None):
        """Until claim() holds; what is on the screen is told when it does not."""
        end = time.monotonic() + seconds
        while not claim():
            if time.monotonic() > end:
                raise AssertionError(f"not within {seconds} s: {what or 'the claim'}\n{self.text}")
            time.sleep(0.05)
