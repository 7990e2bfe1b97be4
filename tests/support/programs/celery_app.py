# SPDX-License-Identifier: MIT
"""A Celery application whose broker is the folder $QUEUE: celery -A celery_app worker, and

    celery_app.py       sends one task that works and one that raises
"""

import os

import celery

queue = os.environ["QUEUE"]
app = celery.Celery("celery_app", broker="filesystem://")
app.conf.broker_transport_options = {"data_folder_in": queue, "data_folder_out": queue, "processed_folder": queue,
                                     "polling_interval": 0.05}


@app.task
def measure(litres):
    return litres * 2


@app.task
def drain(tank):
    raise LookupError(f"no tank is called {tank}")


if __name__ == "__main__":
    measure.delay(3)
    drain.delay("south")
