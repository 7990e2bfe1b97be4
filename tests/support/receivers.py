# SPDX-License-Identifier: MIT
"""A receiver of each kind that there is a sink for, all with one face: what one test says of one, it can say of all.

    with RECEIVERS["loki"](home, lambda: authority) as receiver:
        agent({"sink there": receiver.keys})
        receiver.trouble("busy"), receiver.heal(), receiver.everything()

What can go wrong with each is in TROUBLES. A trouble that is not there does not exist for it: a file loses no answer,
and syslog has none.
"""

import contextlib
import json
import os
import signal

from broker import Broker
from frames import Frames
from gate import Gate
from intake import Intake
from intake_dialect import Array, Dialect, Ndjson
from intake_elastic import Elastic
from intake_loki import Loki
from intake_otlp import Otlp
from intake_splunk import Splunk

SECRET = "fedcba9876543210fedcba9876543210"
POISON = "strychnine"
LARGE = 50             # more records than this are too large a body
ANSWERS_LOST = 3       # so many, one after the other
BODY_LINES, CONCURRENCY = 100, 2
IN_FLIGHT = BODY_LINES * CONCURRENCY
QUICK = {"wait": "50ms", "urgent_wait": "20ms", "retry_min": "50ms", "retry_max": "300ms", "clock_wait": "10ms",
         "timeout": "20s", "body_lines": BODY_LINES, "concurrency": CONCURRENCY}

# What it does until heal() is called:
#   dies            in the middle of the next body, and is down then
#   hangs           takes connections and lets them wait
#   busy            says that it cannot just now; of a file: the disk is full
#   slow down       says so, and for how long
#   loses answers   keeps the next bodies, and ends each connection without a word
#   forbids         wants another key, or no topic of ours
#   poison          refuses what holds POISON
#   too large       refuses more than LARGE records at a time
ANSWERS = {"dies", "hangs", "busy", "slow down", "loses answers", "forbids", "poison", "too large"}
TROUBLES = {
    "datadog": ANSWERS, "loki": ANSWERS, "otlp": ANSWERS, "elasticsearch": ANSWERS, "splunk": ANSWERS,
    "http ndjson": ANSWERS, "http array": ANSWERS,
    "mqtt 5": ANSWERS - {"slow down"},
    "mqtt 3.1.1": ANSWERS - {"slow down", "poison", "too large"},  # it can refuse a connection, and no message
    "syslog tcp": {"dies", "hangs"},                               # nobody answers
    "syslog tls": {"dies", "hangs"},
    "syslog unix": {"dies", "hangs"},
    "file": {"busy"},
}


class Receiver:
    """What all have. up() and down() may be called at any time, and everything() too."""

    keys = {}                # of [sink NAME]
    knows_again = False      # keeps a record that comes twice once

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        pass

    def everything(self):
        """Each record that it has, as often as it came, in the order of arrival."""
        raise NotImplementedError

    def unanswered(self):
        """Those that it took without an answer that the sender can be held to."""
        return []


class Web(Receiver):
    """An intake."""

    STEPS = {"dies": {"do": "down"}, "hangs": {"do": "hang", "seconds": 300, "times": -1},
             "busy": {"do": "status", "code": 503, "times": -1},
             "slow down": {"do": "status", "code": 429, "retry_after": 1, "times": -1},
             "loses answers": {"do": "lose", "times": ANSWERS_LOST}}
    POLICIES = {"poison": {"code": 400, "marker": POISON, "body": "error parsing it"},
                "too large": {"code": 413, "entries_over": LARGE}}

    def __init__(self, home, dialect, names_records=False, knows_again=False, **keys):
        """names_records: it says of each that it refuses"""
        dialect.needs_key = True
        self.intake = Intake(api_key=SECRET, dialect=dialect).start()
        self.knows_again, self._names_records = knows_again, names_records
        secret = home / "secret"
        secret.write_text(SECRET)
        secret.chmod(0o600)
        self.keys = {"url": self.intake.url, "api_key_file": secret, "sequence": "all", **QUICK, **keys}

    def __exit__(self, *exc):
        self.intake.stop()

    def up(self):
        self.intake.up()

    def down(self):
        self.intake.down()

    def trouble(self, name):
        if name in self.STEPS:
            self.intake.plan.set([self.STEPS[name]])
        elif name == "forbids":
            self.intake.api_key = "another"
        elif name == "poison" and self._names_records:
            self.intake.dialect.refuses = lambda entry: POISON in entry["message"]
        else:
            self.intake.policies.set([self.POLICIES[name]])

    def heal(self):
        self.intake.plan.set([])
        self.intake.policies.set([])
        self.intake.api_key = SECRET
        self.intake.dialect.refuses = lambda entry: False
        self.up()

    def everything(self):
        return self.intake.everything()

    def unanswered(self):
        return [entry for request in self.intake.requests() if request.stored and not 200 <= request.status < 300
                for entry in request.entries]


class Mqtt(Receiver):
    """mosquitto behind a gate."""

    def __init__(self, home, protocol):
        self.broker = Broker()
        self.gate = Gate(lambda: self.broker.port)
        self.gate.on_death, self.gate.entries_max = self.down, LARGE
        self.gate.is_poison = lambda entry: POISON in entry["message"]
        self.up()
        self.keys = {"type": "mqtt", "address": f"mqtt://127.0.0.1:{self.gate.port}", "protocol": protocol,
                     "client_id": "logboom-test", "sequence": "all", **QUICK}

    def __exit__(self, *exc):
        self.gate.down()
        self.broker.__exit__(*exc)

    def up(self):
        self.broker.up()
        self.gate.up()

    def down(self):
        self.broker.down(signal.SIGKILL)
        self.gate.down()

    def trouble(self, name):
        if name == "hangs":
            return self.broker.down(signal.SIGSTOP)
        self.gate.trouble, self.gate.answers_to_lose = name, ANSWERS_LOST
        if name in ("busy", "forbids"):
            self.gate.cut()

    def heal(self):
        self.gate.trouble = None
        self.broker.down(signal.SIGCONT)

    def everything(self):
        return self.broker.everything()

    def unanswered(self):
        return list(self.gate.unanswered)


class Syslog(Receiver):
    """A receiver of frames."""

    def __init__(self, authority=None, path=None):
        self.frames = Frames(authority and authority.issue(), path)
        self.keys = {"type": "syslog", "address": self.frames.address, **QUICK}
        if authority:
            self.keys["tls_ca"] = authority.ca

    def __exit__(self, *exc):
        self.heal()
        self.frames.close()

    def up(self):
        self.frames.up()

    def down(self):
        self.frames.down()

    def trouble(self, name):
        if name == "hangs":
            self.frames.is_reading.clear()
        else:
            self.frames.is_dying = True

    def heal(self):
        self.frames.is_dying = False
        self.frames.is_reading.set()
        self.up()

    def everything(self):
        return self.frames.everything()


class Kept(Receiver):
    """A file, by a link that leads elsewhere when the disk is full, in a directory that is away when it is down."""

    def __init__(self, home):
        self._dir, self._away = home / "kept", home / "away"
        self._dir.mkdir()
        self._lead_to("lines")
        self.keys = {"type": "file", "path": self._dir / "link", **QUICK}

    def _lead_to(self, target):
        (self._dir / "new").symlink_to(target)
        os.replace(self._dir / "new", self._dir / "link")

    def up(self):
        with contextlib.suppress(FileNotFoundError):
            self._away.rename(self._dir)

    def down(self):
        self._dir.rename(self._away)

    def trouble(self, name):
        self._lead_to("/dev/full")

    def heal(self):
        self.up()
        self._lead_to("lines")

    def everything(self):
        for path in self._dir / "lines", self._away / "lines":
            with contextlib.suppress(FileNotFoundError):
                return [json.loads(line) for line in path.read_text().split("\n")[:-1]]
        return []


RECEIVERS = {
    "datadog": lambda home, authority: Web(home, Dialect(), type="datadog"),
    "loki": lambda home, authority: Web(home, Loki("north"), type="loki", auth="bearer", tenant="north"),
    "otlp": lambda home, authority: Web(home, Otlp(), type="otlp", auth="bearer"),
    "elasticsearch": lambda home, authority: Web(home, Elastic(), True, True, type="elasticsearch", auth="apikey"),
    "splunk": lambda home, authority: Web(home, Splunk(), True, type="splunk"),
    "http ndjson": lambda home, authority: Web(home, Ndjson(), type="http", auth="bearer", format="ndjson"),
    "http array": lambda home, authority: Web(home, Array(), type="http", auth="bearer", format="array"),
    "mqtt 5": lambda home, authority: Mqtt(home, "5"),
    "mqtt 3.1.1": lambda home, authority: Mqtt(home, "3.1.1"),
    "syslog tcp": lambda home, authority: Syslog(),
    "syslog tls": lambda home, authority: Syslog(authority()),
    "syslog unix": lambda home, authority: Syslog(path=home / "sock"),
    "file": lambda home, authority: Kept(home),
}
assert RECEIVERS.keys() == TROUBLES.keys()


def those_with(trouble):
    """The kinds that have this trouble."""
    return [kind for kind, troubles in TROUBLES.items() if trouble in troubles]
