#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The house rules that no compiler checks: who includes whom, contracts in headers, sizes, licence lines.

    lint_tree.py [ROOT]     prints file:line: text for each fault; exit 1 when there is one

The rules are those of ARCHITECTURE.md ("Rooms"). They are judged on #include lines and on the layout that
clang-format gives, so no C is parsed.
"""

import re
import sys
from pathlib import Path

FUNCTION_LINES_MAX = 60
FILE_LINES_MAX = 500

# A room may include its own headers and those of these rooms.
MAY_INCLUDE = {
    "common": set(),
    "cli": {"common"},
    "store": {"common"},
    "shape": {"common", "store"},
    "capture": {"common", "store", "shape"},
    "ship": {"common", "store", "sinks"},
    "sinks": {"common", "store", "ship"},
    "wear": {"common"},
    "control": {"common", "capture", "shape", "store", "ship", "sinks", "wear"},
    "offline": {"common", "capture", "shape", "store", "ship", "sinks", "wear"},
    "top": {"common", "capture", "shape", "store", "ship", "sinks", "wear", "control", "offline"},
}
# file -> a header that it may include against its room's rule
EXCEPTIONS = {"agent/ship/spool_work.h": {"agent/wear/ledger.h"}}
# Rooms whose files must not know of each other, and the one file that orders them.
SIBLINGS = {"shape": "pipeline", "sinks": "registry"}
# What a step or a sink has no business with: a step sees no file descriptor, a sink no socket.
FOREIGN = {
    "shape": {"fcntl.h", "sys/socket.h", "sys/epoll.h", "curl/curl.h"},
    "sinks": {"sys/socket.h", "sys/epoll.h", "netdb.h", "curl/curl.h"},
    "cli": {"curl/curl.h", "zstd.h", "zlib.h", "ini.h"},
}

INCLUDE = re.compile(r'^\s*#\s*include\s+["<]([^">]+)[">]')
faults = []


def fault(path, line, text):
    faults.append(f"{path}:{line}: {text}")


def room_of(path):
    """The room of a path relative to the root, or None for what has none (tests)."""
    parts = path.split("/")
    if parts[0] == "common":
        return "common"
    if parts[0] != "agent":
        return None
    if len(parts) == 2:
        return "top"
    return "sinks" if "sinks" in parts else parts[1]


def check_includes(root, path, lines):
    room = room_of(path)
    if room is None:
        return
    if room not in MAY_INCLUDE:
        fault(path, 1, f"no such room: {room}")
        return
    for number, line in enumerate(lines, 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        header = match.group(1)
        if header in FOREIGN.get(room, ()):
            fault(path, number, f"{room}/ must not need <{header}>")
        target = room_of(header)
        if target is None:
            if ((root / path).parent / header).exists():
                fault(path, number, f'include "{header}" by its path from the top')
            continue
        if target != room and target not in MAY_INCLUDE[room] and header not in EXCEPTIONS.get(path, ()):
            fault(path, number, f"{room}/ must not include {target}/ ({header})")
        if target == room and room in SIBLINGS:
            check_sibling(root, path, number, room, header)


def check_sibling(root, path, number, room, header):
    """Within a room of siblings: own header, or one that has no .c of its own (a shared contract). The file that
    orders them may be several, by what its name begins with."""
    own, other = Path(path).stem, Path(header).stem
    shared = not (root / header).with_suffix(".c").exists()
    if own != other and not own.startswith(SIBLINGS[room]) and not shared:
        fault(path, number, f"{room}/{own} must not include its sibling {header}")


def check_contracts(path, lines):
    """Each prototype has a comment directly above it, or stands in a group that has one.

    Inline functions are left out: they show what they do.
    """
    covered = depth = 0
    in_comment = in_macro = pending = False
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if in_comment or text.startswith(("/*", "//")):
            in_comment = text.startswith("/*") and "*/" not in text or in_comment and "*/" not in text
            covered = True
            continue
        if in_macro or text.startswith("#"):
            in_macro = text.endswith("\\")
            continue
        if not text:
            covered = pending = False
            continue
        if depth == 0 and not pending and re.match(r"^(?!typedef\b|static inline\b|_Static_assert\b)[A-Za-z_].*\(", line):
            if not covered:
                fault(path, number, "a prototype without its contract above it")
            pending = not text.endswith((";", "{", "}"))
        elif pending:
            pending = not text.endswith((";", "{", "}"))
        elif depth == 0 and not text.startswith("}"):
            covered = False
        depth += line.count("{") - line.count("}")


# A word of a contract, and the blanks that part it from what is said of it.
ITEM = re.compile(r"\S (?:returns|calls|errors|seed|now_ns|to|ret_\w+|size|text|path|config|len|root|level|seconds)  +\S")


def check_items(path, lines):
    """Of a contract each item has a line of its own: clang-format runs them together where one is too long."""
    for number, line in enumerate(lines, 1):
        if line.startswith(" * ") and ITEM.search(re.sub(r"^ \*   \w[\w, ]*?  +", "", line)):
            fault(path, number, "two items of a contract in one line")


def check_sizes(path, lines):
    if len(lines) > FILE_LINES_MAX:
        fault(path, len(lines), f"{len(lines)} lines; a file stops at {FILE_LINES_MAX}")
    start = None
    for number, line in enumerate(lines, 1):
        if line == "{":
            start = number
        elif line == "}" and start:
            if number - start + 1 > FUNCTION_LINES_MAX:
                fault(path, start, f"a function of {number - start + 1} lines; {FUNCTION_LINES_MAX} fit a screen")
            start = None


def main():
    root = Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
    for top in ("agent", "common", "tests"):
        for file in sorted((root / top).rglob("*.[ch]")):
            path = file.relative_to(root).as_posix()
            lines = file.read_text(errors="replace").splitlines()
            if not any("SPDX-License-Identifier: MIT" in line for line in lines[:3]):
                fault(path, 1, "no SPDX line")
            check_sizes(path, lines)
            check_includes(root, path, lines)
            if file.suffix == ".h" and top != "tests":
                check_contracts(path, lines)
                check_items(path, lines)
    print("\n".join(faults), end="\n" if faults else "")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
