# SPDX-License-Identifier: MIT
"""The ways in which a Python program says that something went wrong, one by name.

    mishaps.py NAME
"""

import asyncio
import concurrent.futures
import ctypes
import faulthandler
import gc
import logging
import multiprocessing
import os
import sys
import threading
import time
import warnings


def fail(what="pump 3 is dry"):
    raise RuntimeError(what)


def uncaught():
    try:
        fail()
    except RuntimeError as error:
        raise SystemError("the plant stops") from error


def thread():
    worker = threading.Thread(target=fail, name="pump")
    worker.start()
    worker.join()


def task():
    async def main():
        lost = asyncio.create_task(work())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        del lost
        gc.collect()

    async def work():
        fail()

    asyncio.run(main())


def process():
    worker = multiprocessing.Process(target=fail)
    worker.start()
    worker.join()


def pool():
    with concurrent.futures.ProcessPoolExecutor(1) as workers:
        workers.submit(fail).result()


def crowd():
    """Four at a time: their lines mix, but each is whole."""
    workers = [multiprocessing.Process(target=fail, args=(f"pump {n} is dry",)) for n in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def group():
    raise ExceptionGroup("two pumps", [ValueError("one"), KeyError("two")])


def captured():
    logging.basicConfig()
    logging.captureWarnings(True)
    warnings.warn("the valve is old", UserWarning, stacklevel=1)


def warned():
    warnings.warn("the valve is old", UserWarning, stacklevel=1)


def unformatted():
    logging.basicConfig()
    logging.getLogger("plant").error("%d litres", "many")


def unraisable():
    class Valve:
        def __del__(self):
            fail()

    Valve()


def syntax():
    exec(compile("valve = = 3\n", "plant.conf", "exec"))


def segfault():
    faulthandler.enable()
    print("about to look", flush=True)
    ctypes.string_at(0)


def abort():
    faulthandler.enable()
    os.abort()


def interrupt():
    os.kill(os.getpid(), 2)
    time.sleep(5)


def loguru():
    from loguru import logger

    logger.info("all is well")
    try:
        fail()
    except RuntimeError:
        logger.exception("pump stopped")


def structlog():
    import structlog

    log = structlog.get_logger()
    log.info("all is well", litres=3)
    log.warning("tank is low", litres=1)


if __name__ == "__main__":
    globals()[sys.argv[1]]()
