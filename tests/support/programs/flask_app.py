# SPDX-License-Identifier: MIT
"""A Flask application, for gunicorn: one page works, one raises, one raises while it handles an exception."""

import os

import flask

if os.environ.get("FAIL_AT_IMPORT"):
    raise RuntimeError("no pump is configured")

app = flask.Flask(__name__)
TANKS = {"north": 12}


@app.get("/ok")
def ok():
    return "fine\n"


@app.get("/tank/<name>")
def tank(name):
    return {"litres": TANKS[name]}


@app.get("/chain")
def chain():
    try:
        return {"litres": TANKS["south"]}
    except KeyError as error:
        raise ValueError("the tank is:\n  not there") from error
