# SPDX-License-Identifier: MIT
"""Reads what callgrind wrote: which function of which file and object spent how many instructions, and on whom.

The format is that of the manual ("Callgrind Format Specification"): a position line "fn=(7) name" sets what the
cost lines after it belong to, "calls=" makes the next cost line the inclusive price of a call, and a name is told
once, then only its number.
"""

import collections
import re

POSITION = re.compile(r"(fl|fi|fe|fn|ob|cfn|cfi|cfl|cob)=(\(\d+\))?\s*(.*)")
NAMES_OF = {"fl": "file", "fi": "file", "fe": "file", "cfi": "file", "cfl": "file", "fn": "fn", "cfn": "fn",
            "ob": "object", "cob": "object"}

# A function, by its object, its source file ("???" without debug information) and its name.
Function = collections.namedtuple("Function", "object file name")


class Profile:
    """own[function]: instructions of its own; calls[caller, callee]: inclusive instructions of the calls."""

    def __init__(self, path):
        self.own = collections.Counter()
        self.calls = collections.Counter()
        self._names = {"file": {}, "fn": {}, "object": {}}
        self._at = {"ob": "", "fl": "", "fn": ""}
        with open(path, errors="replace") as file:
            self._read(file)

    def _read(self, file):
        callee = {}
        is_call = False
        for line in file:
            position = POSITION.match(line)
            if position:
                self._move(*position.groups(), callee)
            elif line.startswith("calls="):
                is_call = True
            elif line[0].isdigit() or line[0] in "+-*":
                cost = int(line.split()[1])
                if is_call:
                    self.calls[Function(**self._here()), self._callee(callee)] += cost
                    callee, is_call = {}, False
                else:
                    self.own[Function(**self._here())] += cost

    def _move(self, kind, number, name, callee):
        names = self._names[NAMES_OF[kind]]
        if number and name:
            names[number] = name
        name = names[number] if number else name
        if kind[0] == "c":
            callee["cfl" if kind == "cfi" else kind] = name
        elif kind not in ("fi", "fe"):  # inlined code is its caller's: that is where one would have to change it
            self._at[kind] = name

    def _here(self):
        return {"object": self._at["ob"], "file": self._at["fl"], "name": self._at["fn"]}

    def _callee(self, callee):
        """Where a call names no object or file, they are those of the caller."""
        return Function(callee.get("cob", self._at["ob"]), callee.get("cfl", self._at["fl"]), callee["cfn"])
