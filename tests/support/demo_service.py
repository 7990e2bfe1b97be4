#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A small service as people write them: logging, print, and now and then a traceback.

    demo_service.py NAME SECONDS LINES_PER_S

It knows nothing of logboom.
"""

import logging
import random
import sys
import time

log = logging.getLogger("sensors")


def read_sensor(number):
    """One reading; every hundredth one fails."""
    value = 20 + 5 * random.random()
    if number % 100 == 99:
        raise TimeoutError(f"sensor {number % 8} did not answer in 250 ms")
    return value


def main():
    name, seconds, rate = sys.argv[1], float(sys.argv[2]), float(sys.argv[3])
    random.seed(name)
    logging.basicConfig(level=logging.DEBUG, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    started = time.monotonic()
    print(f"{name} starts", flush=True)
    for number in range(int(seconds * rate)):
        try:
            value = read_sensor(number)
        except TimeoutError:
            log.exception("reading %d failed", number)
            continue
        if number % 50 == 0:
            print(f"heartbeat of {name}: {number} readings", flush=True)
        elif value > 24.8:
            log.warning("sensor %d is warm: %.2f C", number % 8, value)
        else:
            log.info("sensor %d reads %.2f C (trace %016x)", number % 8, value, random.getrandbits(64))
        time.sleep(max(0.0, started + number / rate - time.monotonic()))
    print(f"{name} stops", flush=True)


if __name__ == "__main__":
    main()
