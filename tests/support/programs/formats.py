# SPDX-License-Identifier: MIT
"""Logs each level and one exception in each format of a list, to the stream that is named.

    formats.py stdout|stderr
"""

import logging
import sys

FORMATS = [
    ("%", logging.BASIC_FORMAT),
    ("%", "%(asctime)s %(levelname)s %(message)s"),
    ("%", "%(asctime)s - %(name)s - %(levelname)s - %(message)s"),
    ("%", "%(asctime)s [%(levelname)s] %(name)s: %(message)s"),
    ("%", "%(asctime)s,%(msecs)d %(name)s %(levelname)s %(message)s"),
    ("%", "[%(asctime)s] {%(filename)s:%(lineno)d} %(levelname)s - %(message)s"),
    ("%", "[%(levelname)s] %(message)s"),
    ("%", "%(levelname)s: %(message)s"),
    ("%", "%(levelname)-8s %(name)-12s %(message)s"),
    ("%", "%(asctime)s %(process)d %(threadName)s %(levelname)s %(module)s.%(funcName)s:%(lineno)d %(message)s"),
    ("%", "%(asctime)s | %(levelname)-8s | %(name)s:%(funcName)s:%(lineno)d - %(message)s"),
    ("%", "%(asctime)s %(name)-12s %(levelname)-8s %(message)s"),
    ("%", "%(asctime)s %(relativeCreated)6d %(threadName)s %(levelname)s %(message)s"),
    ("%", "%(asctime)s (%(threadName)-10s) %(levelname)s: %(message)s"),
    ("%", "%(asctime)s:%(levelname)s:%(name)s:%(message)s"),
    ("%", "%(asctime)s %(name)s[%(process)d] %(levelname)s %(message)s"),
    ("%", "%(levelname)s - %(asctime)s - %(name)s - %(message)s"),
    ("{", "{levelname} {asctime} {module} {process:d} {thread:d} {message}"),
    ("{", "{asctime} [{levelname:^8}] {name}: {message}"),
    ("{", "[{asctime}] {levelname:<8} {message}"),
    ("$", "$asctime $levelname $name $message"),
    ("$", "${levelname}:${name}:${message}"),
    ("%", "%(name)-12s: %(levelname)-8s %(message)s"),
    ("%", "%(name)s: %(levelname)s: %(message)s"),
    ("%", "%(name)s - %(levelname)s - %(message)s"),
]
# No stamp in front, and a small letter behind the level: it may be running text.
UNSURE = [
    ("%", "%(levelname)s %(message)s"),
]
LEVELS = "debug", "info", "warning", "error", "critical"


def raise_it():
    raise KeyError("north")


def main(stream):
    for number, (style, layout) in enumerate(FORMATS + UNSURE):
        log = logging.getLogger(f"plant.n{number}")
        handler = logging.StreamHandler(getattr(sys, stream))
        handler.setFormatter(logging.Formatter(layout, style=style))
        log.addHandler(handler)
        log.setLevel(logging.DEBUG)
        for level in LEVELS:
            getattr(log, level)("format %d at %s", number, level)
        try:
            raise_it()
        except KeyError:
            log.exception("format %d raised", number)


if __name__ == "__main__":
    main(sys.argv[1])
