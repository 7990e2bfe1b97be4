# SPDX-License-Identifier: MIT
"""The remote hand: commands by the broker of an MQTT sink.

The story: a device in a field misbehaves, and nobody can log in. Whoever may publish to its command topic asks it for
what it holds, has it say more for ten minutes, asks how it is. Somebody hostile may publish there, too, or a fool; the
broker is killed, the device is away.
"""

import contextlib
import itertools
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest

from broker import PROGRAM, Broker
from conftest import BUILD, ROOMY, Intake, wait_until
from fire import feed
from intake_dialect import Ndjson
from lines import assert_books_balance, book, line, lines, numbers

COMMAND, REPLY, STATUS = "logs/testhost/command", "logs/testhost/reply", "logs/testhost/status"

pytestmark = pytest.mark.skipif(not os.path.exists(PROGRAM), reason="no mosquitto (make deps)")


@pytest.fixture
def broker():
    with Broker() as running:
        yield running


def hand(broker, sections=None, **remote):
    """A device that hears, and has much to say that is held."""
    return {"agent": {"hostname": "testhost"}, **ROOMY, "throttle": {"min_level": "warning"},
            "remote": {"enabled": "yes", "rate": "100/s", **remote},
            "sink fleet": {"type": "mqtt", "address": broker.address, "client_id": "logboom-test", "wait": "50ms",
                           "urgent_wait": "20ms", "retry_min": "50ms", "retry_max": "300ms", "clock_wait": "10ms",
                           "timeout": "20s", "sequence": "all"}, **(sections or {})}


def with_protocol(broker, protocol, **remote):
    sections = hand(broker, **remote)
    sections["sink fleet"]["protocol"] = protocol
    return sections


def state(agent):
    return agent.status()["remote"]


def hears(agent):
    wait_until(lambda: (state(agent) or {}).get("state") == "subscribed", what="it hears")
    return agent


def replies(broker, id=None):
    told = [json.loads(message.payload) for message in broker.on("/reply")]
    return [one for one in told if id is None or one["id"] == id]


_ids = itertools.count(1)


def ask(broker, command, expect=True, **members):
    """Publish a command, and give its answer."""
    id = f"t{next(_ids)}"
    broker.publish(COMMAND, json.dumps({"id": id, "command": command, "who": "the test", **members}))
    return answer_to(broker, id, expect)


def answer_to(broker, id, expect=True):
    wait_until(lambda: replies(broker, id), what=f"{id} is answered")
    reply = replies(broker, id)[-1]
    assert reply["ok"] == expect and reply["host"] == "testhost", reply
    return reply


def told(broker):
    """Records that tell of commands."""
    return [entry for entry in broker.everything() if entry["logboom"].get("alert") == "remote"]


def one_told(broker, **members):
    def found():
        return [entry for entry in told(broker) if members.items() <= entry["logboom"].items()]

    wait_until(found, what=f"it is told: {members}")
    return found()[0]


@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
def test_status_and_wear_answer_as_the_client_does(agent, broker, protocol):
    sections = with_protocol(broker, protocol)
    a = hears(agent({**sections, "wear": {"sample": "1s"}}))
    reply = ask(broker, "status")
    assert set(reply) == {"id", "command", "host", "ok", "outcome", "status"}
    assert set(reply["status"]) == set(a.status()) and reply["status"]["pid"] == a.process.pid
    wear = json.loads(a.client("wear", "--json").stdout)
    reply = ask(broker, "wear")
    assert set(reply["wear"]) == set(wear)
    message = broker.on("/reply")[-1]
    assert not message.is_retained
    assert message.content_type == ("application/json" if protocol == "5" else None)


def test_a_status_that_would_be_too_long_is_without_services(agent, broker):
    a = hears(agent(hand(broker)))
    clients = [a.pipe("-s", f"service-{number}") for number in range(110)]
    for client in clients:
        client.communicate(line(0, level="INFO"), timeout=60)
    assert len(a.ask("status json")) > 96 * 1024
    reply = ask(broker, "status")
    assert reply["reduced"] is True and reply["status"]["books"]["services"] == {}
    assert reply["status"]["books"]["all"]["in"]["lines"] >= 110
    assert max(len(message.payload) for message in broker.on("/reply")) <= 96 * 1024


def test_wear_that_nobody_looks_at_is_refused(agent, broker):
    hears(agent(hand(broker, {"wear": {"sample": "off"}})))
    assert "wear is not looked at" in ask(broker, "wear", expect=False)["outcome"]


def test_context_sends_what_is_held(agent, broker):
    a = hears(agent(hand(broker)))
    feed(a, lines(0, 20, level="INFO"), service="checkout")
    wait_until(lambda: a.status()["books"]["services"]["checkout"]["held"]["lines"] == 20)
    reply = ask(broker, "context", service="checkout")
    assert reply["lines"] == 20
    wait_until(lambda: numbers(broker.entries()) == list(range(20)), what="they are at the broker")
    assert all(entry["logboom"]["context"] for entry in broker.entries())
    assert ask(broker, "context", service="checkout")["lines"] == 0, "once"
    assert_books_balance(a.status())


def test_a_level_is_another_for_a_while_and_then_ends(agent, broker):
    a = hears(agent(hand(broker)))
    feed(a, line(0, level="INFO"), service="checkout")
    feed(a, line(1, level="INFO"), service="other")
    reply = ask(broker, "level", service="checkout", level="info", **{"for": "3s"})
    assert "3s" in reply["outcome"]
    assert state(a)["levels"]["checkout"]["level"] == "info" and 0 < state(a)["levels"]["checkout"]["left_s"] <= 3
    assert "checkout has the level info" in a.client("status").stdout
    feed(a, line(2, level="INFO") + line(3, level="DEBUG"), service="checkout")
    feed(a, line(4, level="INFO"), service="other")
    wait_until(lambda: numbers(broker.entries()) == [2], what="more of that service is sent, and of no other")
    wait_until(lambda: state(a)["levels"] == {}, what="it is over")
    feed(a, line(5, level="INFO") + line(6, level="WARNING"), service="checkout")
    a.flush()
    wait_until(lambda: {2, 6} <= set(numbers(broker.entries())))
    context = [entry for entry in broker.entries() if numbers([entry]) == [5]]
    assert not context, "info is held again"


def test_a_level_can_be_less_and_taken_back(agent, broker):
    a = hears(agent(hand(broker)))
    feed(a, line(0, level="WARNING"), service="checkout")
    ask(broker, "level", service="checkout", level="error", **{"for": "1h"})
    feed(a, line(1, level="WARNING"), service="checkout")
    wait_until(lambda: a.status()["books"]["services"]["checkout"]["held"]["lines"] == 1)
    ask(broker, "level", service="checkout", level="error", **{"for": "0s"})
    assert state(a)["levels"] == {}
    feed(a, line(2, level="WARNING"), service="checkout")
    wait_until(lambda: set(numbers(broker.entries())) == {0, 2})


def test_a_level_does_not_outlive_the_agent_and_writes_no_file(agent, broker):
    a = hears(agent(hand(broker)))
    feed(a, line(0, level="INFO"), service="checkout")
    ini = {path: path.read_bytes() for path in a.ini.parent.glob("*.ini")}
    ask(broker, "level", service="checkout", level="debug", **{"for": "1h"})
    a.reload()
    hears(a)
    assert state(a)["levels"]["checkout"]["level"] == "debug", "a reload is no end"
    a.restart()
    hears(a)
    assert state(a)["levels"] == {}
    assert {path: path.read_bytes() for path in a.ini.parent.glob("*.ini")} == ini


def test_each_is_told_in_a_record_of_who_asked(agent, broker):
    a = hears(agent(hand(broker)))
    feed(a, line(0, level="INFO"), service="checkout")
    ask(broker, "level", service="checkout", level="debug", **{"for": "10m"})
    entry = one_told(broker, command="level")
    assert entry["service"] == "logboom" and entry["status"] == "notice"
    mark = entry["logboom"]
    assert mark["kind"] == "alert" and mark["refused"] is False and mark["who"] == "the test"
    assert (mark["topic"], mark["service"], mark["level"], mark["for_ms"]) == (COMMAND, "checkout", "debug", 600000)
    assert "level checkout debug 10m" in entry["message"] and "the test" in entry["message"]
    ask(broker, "context", service="nobody", expect=False)
    entry = one_told(broker, command="context")
    assert entry["status"] == "warning" and "no service of this name" in entry["logboom"]["outcome"]


BAD = [
    (b"", "one JSON object"),
    (b"status", "one JSON object"),
    (b'{"id":"1","command":"status"}{}', "one JSON object"),
    (b'{"id":"1","command":"status"', "one JSON object"),
    (b'{"id":"1","command":"status","who":"' + b"x" * 600 + b'"}', "at most 512 bytes"),
    (b'{"command":"status"}', "needs an id"),
    (b'{"id":"1"}', "needs a command"),
    (b'{"id":"1","command":"reboot"}', "no such command"),
    (b'{"id":"a b","command":"status"}', "id takes"),
    (b'{"id":"1","command":"status","path":"/etc/passwd"}', "knows id, command"),
    (b'{"id":"1","command":"status","service":"x"}', "take nothing"),
    (b'{"id":"1","command":"context","service":"../etc$(reboot)"}', "name of a service"),
    (b'{"id":"1","command":"context","service":"never-heard-of"}', "no service of this name"),
    (b'{"id":"1","command":"level","service":"app","level":"loud","for":"1m"}', "no such level"),
    (b'{"id":"1","command":"level","service":"app","level":"debug"}', "service, level and for"),
    (b'{"id":"1","command":"level","service":"app","level":"debug","for":"2d"}', "max_for"),
    (b'{"id":"1","command":"status","expires":1}', "expire"),
]


def test_what_is_no_command_is_refused_with_a_reason(agent, broker):
    a = hears(agent(hand(broker)))
    feed(a, line(0, level="INFO"))
    for number, (payload, reason) in enumerate(BAD):
        broker.publish(COMMAND, payload)
        wait_until(lambda: len(replies(broker)) == number + 1, what=f"an answer to {payload[:60]}")
        reply = replies(broker)[-1]
        assert not reply["ok"] and reason in reply["outcome"], (payload, reply)
    assert (state(a)["done"], state(a)["refused"]) == (0, len(BAD))
    assert state(a)["levels"] == {}


def test_what_the_configuration_does_not_name_is_refused(agent, broker):
    a = hears(agent(hand(broker, commands="status", max_for="1m")))
    feed(a, line(0, level="INFO"))
    assert "[remote] commands" in ask(broker, "wear", expect=False)["outcome"]
    assert "[remote] commands" in ask(broker, "level", expect=False, service="app", level="debug",
                                      **{"for": "1s"})["outcome"]
    ask(broker, "status")


def test_what_is_retained_is_refused_whenever_it_comes(agent, broker):
    """One that waits at the broker would be carried out at each connection."""
    broker.publish(COMMAND, json.dumps({"id": "old", "command": "status"}), retain=True)
    a = hears(agent(hand(broker)))
    assert "retained" in answer_to(broker, "old", expect=False)["outcome"]
    broker.publish(COMMAND, json.dumps({"id": "new", "command": "status"}), retain=True)
    assert "retained" in answer_to(broker, "new", expect=False)["outcome"]
    assert state(a)["done"] == 0


def test_what_comes_twice_is_done_once(agent, broker):
    a = hears(agent(hand(broker)))
    for expected in (True, False, False):
        broker.publish(COMMAND, json.dumps({"id": "same", "command": "status"}))
        wait_until(lambda: len(replies(broker)) == state(a)["done"] + state(a)["refused"])
        answer_to(broker, "same", expected)
    assert state(a)["done"] == 1 and "taken already" in replies(broker)[-1]["outcome"]


def test_a_flood_costs_few_answers_and_few_records(agent, broker):
    """At 6 a minute: five are taken at once, one refusal is answered, the rest is counted."""
    a = hears(agent(hand(broker, rate="6/min")))
    for number in range(300):
        broker.publish(COMMAND, json.dumps({"id": f"f{number}", "command": "status"}))
    wait_until(lambda: state(a)["done"] + state(a)["refused"] + state(a)["lost"] >= 300, what="all are looked at")
    one_told(broker, outcome="more commands come than [remote] rate allows")
    assert 5 <= state(a)["done"] <= 8 and state(a)["silent"] >= 285 - state(a)["lost"]
    assert len(replies(broker)) <= 12 and len(told(broker)) <= 12
    feed(a, lines(0, 100, level="WARNING"))
    wait_until(lambda: len(numbers(broker.entries())) == 100, what="lines go their way")
    assert_books_balance(a.status())


def test_nobody_chooses_where_it_answers(agent, broker):
    """Correlation Data goes back, Response Topic is not looked at."""
    hears(agent(hand(broker)))
    broker.publish(COMMAND, json.dumps({"id": "c", "command": "status"}), correlation=b"\x00\x01mine",
                   response_topic="somewhere/else")
    answer_to(broker, "c")
    assert broker.on("/reply")[-1].correlation == b"\x00\x01mine" and not broker.on("/else")
    broker.publish(COMMAND, json.dumps({"id": "d", "command": "status"}), correlation=b"x" * 65)
    assert "correlation" in answer_to(broker, "d", expect=False)["outcome"]


def test_without_remote_nothing_is_subscribed_to(agent, broker):
    sections = hand(broker)
    sections["remote"]["enabled"] = "no"
    a = agent(sections)
    feed(a, line(0, level="WARNING"))
    a.flush()
    broker.publish(COMMAND, json.dumps({"id": "x", "command": "status"}))
    feed(a, line(1, level="WARNING"))
    a.flush()
    assert state(a) is None and not replies(broker) and not told(broker)
    assert "Received SUBSCRIBE from logboom-test" not in broker.log()


@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
def test_turned_off_it_leaves_no_subscription_behind(agent, broker, protocol):
    a = hears(agent(with_protocol(broker, protocol)))
    a.sections["remote"]["enabled"] = "no"
    a.reload()
    feed(a, line(0, level="WARNING"))
    a.flush()
    wait_until(lambda: "Received UNSUBSCRIBE from logboom-test" in broker.log(), what="the old one is ended")
    broker.publish(COMMAND, json.dumps({"id": "x", "command": "status"}))
    feed(a, line(1, level="WARNING"))
    a.flush()
    assert state(a) is None and not replies(broker)
    a.sections["remote"]["enabled"] = "yes"
    a.reload()
    hears(a)
    ask(broker, "status")


@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
def test_what_is_asked_while_the_device_is_away_is_done_when_it_comes(agent, broker, protocol):
    a = hears(agent(with_protocol(broker, protocol)))
    a.kill9()
    wait_until(lambda: broker.statuses()[-1:] == [0])
    broker.publish(COMMAND, json.dumps({"id": "meanwhile", "command": "status"}))
    if protocol == "5":
        broker.publish(COMMAND, json.dumps({"id": "stale", "command": "status"}), expires_s=1)
        wait_until(lambda: b"stale" in b"".join(m.payload for m in broker.on("/command")))
        time.sleep(2)  # the broker's clock
    a.start()
    answer_to(broker, "meanwhile")
    hears(a)
    assert not replies(broker, "stale"), "with MQTT 5 the broker itself throws away what has expired"


@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
def test_a_broker_that_is_killed_is_found_again(agent, broker, protocol):
    """Nothing is to be sent: it connects all the same, and hears."""
    a = hears(agent(with_protocol(broker, protocol)))
    ask(broker, "status")
    for _ in range(2):
        broker.down(signal.SIGKILL)
        wait_until(lambda: state(a)["state"] == "connecting", what="it is away")
        broker.up()
        hears(a)
        ask(broker, "status")
    assert_books_balance(a.status())


def test_a_device_that_hears_stays_connected(agent, broker):
    a = hears(agent(hand(broker)))
    wait_until(lambda: broker.statuses() == [1])
    broker.down()
    wait_until(lambda: state(a)["state"] == "connecting")
    broker.up()
    hears(a)
    wait_until(lambda: broker.statuses()[-1:] == [1], what="online again, with nothing to send")


def test_a_topic_that_may_not_be_read_is_said_and_lines_go_their_way(agent, runtime):
    rules = runtime.parent / "rules.json"
    rules.write_text(json.dumps({"defaultACLAccess": {"publishClientSend": True, "publishClientReceive": True,
                                                      "subscribe": False, "unsubscribe": True},
                                 "clients": [], "groups": [], "roles": []}))
    plugin = next(Path("/usr/lib").glob("*/mosquitto_dynamic_security.so"))  # an acl_file lets everybody subscribe
    with Broker(more=f"plugin {plugin}\nplugin_opt_config_file {rules}") as broker:
        a = agent(hand(broker))
        wait_until(lambda: (state(a) or {}).get("state") == "refused", what="the broker refuses")
        assert a.log.count("refuses to let us hear commands") == 1
        assert "remote: refused" in a.client("status").stdout
        feed(a, lines(0, 100, level="WARNING"))
        wait_until(lambda: len(numbers(broker.entries())) == 100)
        assert_books_balance(a.status())


class Rude(threading.Thread):
    """A broker of 3.1.1 that takes lines, and hangs up on who subscribes, as AWS IoT does where a policy says no; or
    sends one command to who subscribes, and hangs up over the answer, as over a message that is too long."""

    def __init__(self, command=None):
        self.command, self.replies = command, 0
        super().__init__(daemon=True)
        self.server = socket.create_server(("127.0.0.1", 0))
        self.address = f"mqtt://127.0.0.1:{self.server.getsockname()[1]}"
        self.connects, self.subscribes, self.bodies = 0, [], 0
        self.start()

    def run(self):
        while True:
            try:
                sock, _ = self.server.accept()
            except OSError:
                return
            with sock, sock.makefile("rb") as stream, contextlib.suppress(OSError, IndexError):
                self.serve(sock, stream)

    def serve(self, sock, stream):
        while True:
            kind, length, shift = stream.read(1)[0], 0, 0
            while True:
                more = stream.read(1)[0]
                length |= (more & 127) << shift
                shift += 7
                if more < 128:
                    break
            packet = stream.read(length)
            if kind >> 4 == 1:
                self.connects += 1
                sock.sendall(b"\x20\x02\x00\x00")
            elif kind >> 4 == 3:  # a publication: acknowledged
                at = 2 + int.from_bytes(packet[:2], "big")
                if packet[2:at].endswith(b"/reply"):
                    self.replies += 1
                    return
                self.bodies += packet[2:at].endswith(b"/all")
                sock.sendall(b"\x40\x02" + packet[at:at + 2])
            elif kind >> 4 == 8:
                self.subscribes.append(time.monotonic())
                if not self.command:
                    return
                sock.sendall(b"\x90\x03" + packet[:2] + b"\x01")
                if len(self.subscribes) == 1:
                    topic = len(COMMAND).to_bytes(2, "big") + COMMAND.encode()
                    body = topic + b"\x00\x07" + self.command
                    sock.sendall(b"\x32" + bytes([len(body)]) + body)


def test_a_broker_that_hangs_up_over_a_subscription_has_the_lines_all_the_same(agent):
    broker = Rude()
    sections = hand(broker)
    sections["sink fleet"].update(protocol="3.1.1", retry_max="20s")
    a = agent(sections)
    wait_until(lambda: (state(a) or {}).get("state") == "refused", what="that is what it is")
    feed(a, lines(0, 100, level="WARNING"))
    wait_until(lambda: book(a)["delivered"] == 100, what="lines go their way")
    assert a.log.count("refuses to let us hear commands") == 1
    wait_until(lambda: len(broker.subscribes) >= 3, what="it asks again")
    assert all(after - before > 1 for before, after in itertools.pairwise(broker.subscribes)), "seldom"
    broker.server.close()


def test_an_answer_that_a_broker_hangs_up_over_is_given_up(agent):
    broker = Rude(b'{"id":"7","command":"status"}')
    sections = hand(broker)
    sections["sink fleet"]["protocol"] = "3.1.1"
    a = agent(sections)
    wait_until(lambda: broker.replies == 3, what="it is said three times")
    hears(a)
    feed(a, lines(0, 100, level="WARNING"))
    wait_until(lambda: book(a)["delivered"] == 100, what="lines go their way")
    assert broker.replies == 3
    broker.server.close()


def acl_of_the_example():
    text = (Path(__file__).parents[2] / "conf/examples/mqtt.ini").read_text()
    rules = [row[1:].strip() for row in text.split("\n") if re.match(r"#     (pattern|user operator|topic)|#$", row)]
    return "\n".join(rules).strip() + "\n"


def test_the_acl_of_the_example_lets_a_device_do_what_it_must_and_not_ask_itself(agent, runtime):
    """The rules of conf/examples/mqtt.ini, for a device that has a password."""
    rules = runtime.parent / "rules"
    rules.write_text(acl_of_the_example())
    key = runtime.parent / "password"
    key.write_text("right\n")
    key.chmod(0o600)
    with Broker(user="testhost", password="right", more=f"acl_file {rules}") as broker:
        sections = hand(broker)
        sections["sink fleet"].update(user="testhost", api_key_file=key)
        a = hears(agent(sections))
        ask(broker, "status")
        feed(a, line(0, level="WARNING"))
        wait_until(lambda: numbers(broker.entries()) == [0])
        subprocess.run(["mosquitto_pub", "-h", "127.0.0.1", "-p", str(broker.port), "-u", "testhost", "-P", "right",
                        "-i", "thief", "-q", "1", "-t", COMMAND, "-m", '{"id":"stolen","command":"status"}'], timeout=30)
        ask(broker, "status")
        assert not replies(broker, "stolen"), "what a device knows is not enough to ask it"


def test_the_broker_may_be_one_of_several_sinks(agent, broker):
    with Intake(dialect=Ndjson()) as first:
        sections = hand(broker, {"sink first": {"type": "http", "url": first.url, "wait": "50ms", "clock_wait": "10ms"}})
        sections["sink fleet"].update(min_level="error", primary="no")
        a = hears(agent(sections))
        feed(a, lines(0, 3))
        ask(broker, "context", service="app")
        wait_until(lambda: numbers(first.entries()) == [0, 1, 2], what="the first gets what was held")
        feed(a, line(3, level="ERROR"))
        wait_until(lambda: numbers(broker.entries()) == [3], what="the broker gets errors alone")
        one_told(broker, command="context")
        reply = ask(broker, "status")
        assert [sink["name"] for sink in reply["status"]["sinks"]] == ["first", "fleet"]
        a.sections["sink fleet"]["topic"] = "logs/{host}/errors"
        a.reload()
        ask(hears(a) and broker, "status")


def test_a_heartbeat_is_retained_where_the_birth_was(agent, broker):
    a = hears(agent(hand(broker, {"heartbeat": {"interval": "1s"}})))
    feed(a, lines(0, 10, level="WARNING"))
    a.flush()
    wait_until(lambda: [beat for beat in broker.beats() if beat["delivered"] >= 10], what="it tells of what it sent")
    beat = broker.beats()[-1]
    assert beat["online"] == 1 and {"version", "up_s", "pending", "delivered", "lost"} <= set(beat)
    assert set(beat) <= {"online", "version", "timestamp", "up_s", "pending", "delivered", "lost"}
    a.kill9()
    wait_until(lambda: broker.statuses()[-1:] == [0], what="the will takes its place")


def test_status_and_metrics_count(agent, broker, runtime):
    a = hears(agent(hand(broker, {"metrics": {"listen": f"unix:{runtime}/metrics.sock"}})))
    ask(broker, "status")
    ask(broker, "context", expect=False, service="nobody")
    assert {"state": "subscribed", "topic": COMMAND, "done": 1, "refused": 1, "silent": 0, "lost": 0,
            "levels": {}} == state(a)
    text = a.client("status").stdout
    assert f"remote: subscribed to {COMMAND}, 1 commands done, 1 refused" in text
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as sock:
        sock.connect(f"{runtime}/metrics.sock")
        sock.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        page = b"".join(iter(lambda: sock.recv(65536), b"")).decode()
    assert 'logboom_remote_commands_total{outcome="done"} 1\n' in page and "logboom_remote_subscribed 1\n" in page


@pytest.mark.parametrize("sections, reason", [
    ({"sink x": {"type": "file", "path": "/dev/null"}}, "needs a [sink] of type mqtt"),
    ({"sink x": {"type": "mqtt", "address": "mqtt://b:1883"}, "remote": {"command_topic": "logs/{host}/all"}},
     "hear itself"),
    ({"sink x": {"type": "mqtt", "address": "mqtt://b:1883"}, "remote": {"reply_topic": "logs/{host}/command"}},
     "hear itself"),
    ({"sink x": {"type": "mqtt", "address": "mqtt://b:1883"}, "remote": {"command_topic": "logs/+/x"}}, "no + and #"),
    ({"sink x": {"type": "mqtt", "address": "mqtt://b:1883"}, "remote": {"commands": "status shell"}},
     "context level status wear"),
    ({"sink x": {"type": "mqtt", "address": "mqtt://b:1883"}, "remote": {"rate": "off"}}, "rate"),
])
def test_a_configuration_that_cannot_be_is_named(agent, sections, reason):
    remote = {"enabled": "yes", **sections.get("remote", {})}
    a = agent({"agent": {"hostname": "testhost"}, **sections, "remote": remote}, start=False)
    a.write_ini()
    done = subprocess.run([BUILD / "logboomd", "-c", a.ini, "-t"], text=True, capture_output=True, timeout=60)
    assert done.returncode == 2 and reason in done.stderr, done.stderr
