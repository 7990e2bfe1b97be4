# SPDX-License-Identifier: MIT
"""A service that logs as the logging cookbook has it: a queue, and behind it a SysLogHandler. Prints nothing.

    syslog_service.py SOCKET [FORMAT]
"""

import logging
import logging.handlers
import queue
import sys


class Valve:
    def turn(self, by):
        raise ValueError(f"cannot turn by {by}")


def main(path, layout="%(name)s[%(process)d]: %(message)s"):
    waiting = queue.Queue()
    handler = logging.handlers.SysLogHandler(address=path, facility=logging.handlers.SysLogHandler.LOG_LOCAL3)
    handler.setFormatter(logging.Formatter(layout))
    listener = logging.handlers.QueueListener(waiting, handler)
    log = logging.getLogger("pumps")
    log.setLevel(logging.DEBUG)
    log.addHandler(logging.handlers.QueueHandler(waiting))
    listener.start()
    for level in "debug", "info", "warning", "error", "critical":
        getattr(log, level)("this is %s", level)
    try:
        Valve().turn(7)
    except ValueError:
        log.exception("valve is stuck")
    listener.stop()


main(*sys.argv[1:])
