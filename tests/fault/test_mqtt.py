# SPDX-License-Identifier: MIT
"""An MQTT broker as the sink: mosquitto, plain, by TLS, with certificates and passwords.

The story: a fleet talks MQTT anyway, and its log lines go the same way. A message is a body, and the broker's
acknowledgment is its delivery. The broker is killed, is frozen, refuses us; the device is killed, and the broker tells
everybody.
"""

import contextlib
import json
import os
import random
import signal
import socket
import ssl
from collections import Counter
from pathlib import Path

import pytest

from broker import PROGRAM, Broker
from conftest import ROOMY, wait_until
from fire import feed, sink_of, wait_state
from lines import assert_books_balance, assert_exactly, book, by_number, line, lines, numbers, prove_ring
from receivers import Mqtt

MESSAGE_MAX = 96 * 1024
TOPIC, STATUS = "logs/testhost/all", "logs/testhost/status"

pytestmark = pytest.mark.skipif(not os.path.exists(PROGRAM), reason="no mosquitto (make deps)")


@pytest.fixture
def broker():
    with Broker() as running:
        yield running


def sink_to(broker, **more):
    return {"agent": {"hostname": "testhost"}, **ROOMY,
            "sink fleet": {"type": "mqtt", "address": broker.address, "client_id": "logboom-test", "wait": "50ms",
                           "urgent_wait": "20ms", "retry_min": "50ms", "retry_max": "300ms", "clock_wait": "10ms",
                           "timeout": "20s", "sequence": "all", **more}}


def with_tls(broker, authority, **more):
    return sink_to(broker, tls_ca=authority.ca, **more)


def arrived(broker, count):
    wait_until(lambda: set(range(count)) <= set(numbers(broker.entries())), what=f"{count} lines are at the broker")


def cpu_s(agent):
    fields = Path(f"/proc/{agent.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def prove(agent, broker, count):
    """Each line, once."""
    arrived(broker, count)
    wait_until(lambda: book(agent)["pending"] == 0)
    assert_exactly(numbers(prove_ring(broker.everything()).values()), range(count))
    assert_exactly(numbers(broker.entries()), range(count))
    assert_books_balance(agent.status())
    assert book(agent)["delivered"] == count


def prove_but_for(agent, broker, count, bodies_twice):
    """Each line; and no more bodies came twice than acknowledgments can have been lost."""
    arrived(broker, count)
    wait_until(lambda: book(agent)["pending"] == 0)
    assert_exactly(numbers(by_number(broker.everything()).values()), range(count))
    assert_books_balance(agent.status())
    assert book(agent)["delivered"] == count
    times = Counter(numbers(broker.entries()))
    again = {n for n, many in times.items() if many > 1}
    touched = [message for message in broker.bodies() if again & set(numbers(message.entries()))]
    assert sum(times.values()) - len(times) <= 1000 * bodies_twice and len(touched) <= 4 * bodies_twice, \
        f"{len(again)} lines came twice, in {len(touched)} messages"


@pytest.mark.parametrize("compression", ["zstd", "gzip", "none"])
@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
def test_lines_arrive_once_and_in_order(agent, broker, protocol, compression):
    a = agent(sink_to(broker, protocol=protocol, compression=compression))
    feed(a, lines(0, 5000, "of text " * 10))
    a.flush()
    prove(a, broker, 5000)
    assert numbers(broker.entries()) == list(range(5000))
    assert {message.topic for message in broker.bodies()} == {TOPIC}
    assert broker.clients() == [("logboom-test", 5 if protocol == "5" else 2)]
    told = {(message.content_type, message.user.get("encoding")) for message in broker.bodies()}
    packed = None if compression == "none" else compression
    assert told == {("application/x-ndjson", packed) if protocol == "5" else (None, None)}
    magic = {"zstd": b"\x28\xb5\x2f\xfd", "gzip": b"\x1f\x8b", "none": b"{"}[compression]
    assert all(message.payload.startswith(magic) for message in broker.bodies())


def test_no_message_is_larger_than_brokers_take(agent, broker):
    """Text that does not pack, in lines of all sizes."""
    a = agent(sink_to(broker, compression="zstd"))
    dice = random.Random(1)
    text = b"".join(line(n, "".join(chr(dice.randrange(0x21, 0x7e)) for _ in range(dice.choice([50, 500, 20000]))))
                    for n in range(300))
    feed(a, text)
    a.flush()
    prove(a, broker, 300)
    sizes = [len(message.payload) for message in broker.bodies()]
    assert max(sizes) <= MESSAGE_MAX and max(sizes) > MESSAGE_MAX / 2, sizes


def test_a_line_that_does_not_fit_alone_is_told_of_and_the_others_arrive(agent, broker):
    sections = sink_to(broker, compression="none")
    sections["capture"] = {"max_line": "128K", "join_bytes": "128K"}
    a = agent(sections)
    feed(a, line(0) + line(1, "x" * 120000) + line(2))
    wait_until(lambda: book(a)["rejected"] == 1 and book(a)["pending"] == 0, what="it is refused alone")
    assert set(numbers(broker.entries())) == {0, 2}
    assert_books_balance(a.status())


def test_by_tls_and_with_a_certificate_of_our_own(agent, authority):
    ours = authority.issue(["DNS:device"])
    with Broker("mqtts", authority.issue(), clients=True) as broker:
        a = agent(with_tls(broker, authority, protocol="5", tls_cert=ours.chain, tls_key=ours.key))
        feed(a, lines(0, 500))
        a.flush()
        prove(a, broker, 500)
        answer = a.client("ping")
        assert answer.returncode == 0, answer.stdout + answer.stderr


def test_by_a_name_the_certificate_is_of_that_name(agent, authority):
    """What is connected to is an address; what is checked is the name."""
    with Broker("mqtts", authority.issue(["DNS:localhost"])) as broker:
        a = agent(with_tls(broker, authority) | {"sink fleet": with_tls(broker, authority)["sink fleet"] | {
            "address": f"mqtts://localhost:{broker.port}"}})
        feed(a, lines(0, 50))
        a.flush()
        prove(a, broker, 50)
        assert a.client("ping").returncode == 0


@pytest.mark.parametrize("names", [["DNS:somebody.else"], ["DNS:localhost"]])
def test_a_broker_whom_nobody_vouches_for_gets_nothing(agent, authority, names):
    with Broker("mqtts", authority.issue(names)) as broker:
        a = agent(with_tls(broker, authority))  # by address, which is not in it
        feed(a, lines(0, 5))
        state = wait_state(a, "away")
        assert "certificate" in state["last_error"], state
        assert book(a)["pending"] == 5 and not broker.bodies() and not broker.clients()


@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
def test_a_wrong_password_pauses_and_loses_nothing(agent, runtime, protocol):
    key = runtime.parent / "password"
    key.write_text("wrong\n")
    key.chmod(0o600)
    with Broker(user="device", password="right") as broker:
        a = agent(sink_to(broker, protocol=protocol, user="device", api_key_file=key))
        feed(a, lines(0, 20))
        state = wait_state(a, "paused")
        assert "refuses us" in state["last_error"] and "right" not in a.log and "wrong" not in a.log
        answer = a.client("ping")
        assert answer.returncode != 0 and "refuses us" in answer.stdout + answer.stderr
        assert "HTTP" not in answer.stdout + answer.stderr
        assert book(a)["pending"] == 20
        key.write_text("right\n")
        a.reload()
        a.flush()
        prove(a, broker, 20)


@pytest.fixture
def secure(authority):
    with Broker("mqtts", authority.issue()) as running:
        yield running


def test_a_broker_killed_in_mid_flight_costs_nothing(agent, secure, authority):
    broker = secure
    a = agent(with_tls(broker, authority, body_bytes="16K", concurrency=2))
    kills = 4
    for kill in range(kills):
        feeder = a.pipe("-s", "app")
        feeder.stdin.write(lines(kill * 4000, kill * 4000 + 4000, "of text " * 8))
        feeder.stdin.close()
        wait_until(lambda: book(a)["delivered"] > kill * 4000)
        broker.down(signal.SIGKILL)
        assert feeder.wait(60) == 0
        wait_state(a, "away")
        broker.up()
    a.flush()
    prove_but_for(a, broker, kills * 4000, bodies_twice=kills * 2)


def test_a_frozen_broker_is_given_up_and_costs_nothing(agent, secure, authority):
    broker = secure
    a = agent(with_tls(broker, authority, timeout="1s"))
    feed(a, lines(0, 100))
    a.flush()
    arrived(broker, 100)
    broker.down(signal.SIGSTOP)
    feed(a, lines(100, 3000, "of text " * 60))
    state = wait_state(a, "away")
    assert "timed out" in state["last_error"], state
    assert book(a)["delivered"] == 100
    before = cpu_s(a)
    wait_until(lambda: sink_of(a)["failures"] >= 4, what="it was tried again and again")  # by TLS: in a handshake
    assert cpu_s(a) - before < 0.5, "whoever waits does nothing"
    broker.down(signal.SIGCONT)
    a.flush()
    wait_until(lambda: book(a)["pending"] == 0)
    arrived(broker, 3000)
    assert_exactly(numbers(by_number(broker.everything()).values()), range(3000))
    assert_books_balance(a.status())


def test_kills_of_the_agent_lose_nothing_and_the_broker_tells(agent, broker):
    a = agent(sink_to(broker))
    for kill in range(4):
        feed(a, lines(kill * 400, kill * 400 + 400))
        wait_until(lambda: book(a)["delivered"] > kill * 400)
        wait_until(lambda: broker.statuses()[-1:] == [1], what="it is online")
        a.kill9()
        wait_until(lambda: broker.statuses()[-1:] == [0], what="the will is published")
        a.start()
    a.flush()
    arrived(broker, 1600)
    assert_exactly(numbers(by_number(broker.everything()).values()), range(1600))


def test_who_stops_in_good_order_says_so(agent, broker):
    a = agent(sink_to(broker))
    feed(a, lines(0, 10))
    a.flush()
    wait_until(lambda: broker.statuses() == [1])
    birth = next(m for m in broker._messages if m.topic == STATUS)
    assert set(json.loads(birth.payload)) == {"online", "version"}
    assert a.term() == 0
    wait_until(lambda: broker.statuses() == [1, 0])
    assert "disconnected." in broker.log().split("logboom-test")[-1], "not by the will: it has said goodbye"


def test_without_a_status_topic_nothing_is_said(agent, broker):
    a = agent(sink_to(broker, status_topic="off"))
    feed(a, lines(0, 10))
    a.flush()
    a.kill9()
    prove_topics = {message.topic for message in broker._messages}
    assert prove_topics == {TOPIC} and broker.statuses() == []


def test_ping_tells_whether_it_can_be_reached_and_publishes_nothing(agent, broker):
    a = agent(sink_to(broker, wait="1h", urgent_wait="1h"))  # what the agent tells of itself waits
    told = []
    for _ in range(3):  # by the welcome, then over the connection that is there
        answer = a.client("ping")
        assert answer.returncode == 0, answer.stdout + answer.stderr
        told.append(answer.stdout)
    assert all(step in told[0] for step in ("resolve", "connect", "answer")) and "HTTP" not in told[0], told
    assert all("is there" in text for text in told)
    assert not broker.bodies() and len(broker.clients()) == 1
    broker.down()
    assert a.client("ping").returncode != 0
    broker.up()
    assert a.client("ping").returncode == 0


@pytest.mark.parametrize("status_topic", ["elsewhere/{host}/status", "logs/{host}/status"])
def test_a_topic_that_is_forbidden_pauses_and_loses_nothing(agent, runtime, status_topic):
    rules = runtime.parent / "rules"
    rules.write_text("topic write elsewhere/#\n")
    with Broker(more=f"acl_file {rules}") as broker:
        a = agent(sink_to(broker, status_topic=status_topic))
        feed(a, lines(0, 20))
        state = wait_state(a, "paused")
        assert "Not authorized" in state["last_error"], state
        assert ("status_topic" in state["last_error"]) == status_topic.startswith("logs")
        assert book(a)["pending"] == 20
        a.sections["sink fleet"].update(topic="elsewhere/{host}", status_topic="elsewhere/{host}/status")
        a.reload()
        a.flush()
        prove(a, broker, 20)
        assert {message.topic for message in broker.bodies()} == {"elsewhere/testhost"}


def test_no_more_is_out_than_the_broker_takes(agent):
    """MQTT 5 lets it say so: one message at a time, and a smaller one. Who does more is thrown out."""
    with Broker(more="max_inflight_messages 1\nmax_packet_size 60000") as broker:
        a = agent(sink_to(broker, protocol="5", compression="none", concurrency=8, body_bytes="96K"))
        for number in range(8):
            feed(a, lines(number * 1000, number * 1000 + 1000, "of text " * 10), service=f"app{number}")
        a.flush()
        arrived(broker, 8000)
        assert_exactly(numbers(broker.entries()), range(8000))
        assert_books_balance(a.status())
        assert max(len(message.payload) for message in broker.bodies()) < 60000
        assert "connection" not in a.log and len(broker.clients()) == 1, "it was never thrown out"


def test_a_size_over_which_the_broker_hangs_up_is_learnt_though_our_birth_has_no_answer_yet(agent, runtime):
    """Each connection begins with the birth, and the body that is too large is right behind it."""
    with Mqtt(runtime.parent, "5") as receiver:
        receiver.trouble("too large")
        a = agent({**ROOMY, "sink fleet": receiver.keys})
        for number in range(4):
            feed(a, lines(number * 100, number * 100 + 100), service=f"app{number}")
        arrived(receiver.broker, 400)
        assert "too large: at most" in a.log and a.log.count("next try in") <= 4
        assert_exactly(numbers(receiver.everything()), range(400))


def test_a_slow_side_that_waits_for_a_name_goes_on(agent, broker):
    """A name that nobody knows: what asks is a thread of its own."""
    a = agent(sink_to(broker) | {"sink fleet": sink_to(broker)["sink fleet"] | {
        "address": "mqtt://nobody.invalid:1883"}})
    feed(a, lines(0, 5))
    state = wait_state(a, "away")
    assert "name" in state["last_error"], state
    assert book(a)["pending"] == 5


def connections(broker):
    """Sockets of this machine that are connected to where the device comes by."""
    return [row for row in Path("/proc/net/tcp").read_text().split("\n") if f":{broker.port:04X} 01 " in row]


@pytest.mark.waits
def test_a_connection_that_died_in_silence_is_noticed(agent, broker):
    """Nothing is to be sent, and the broker is frozen: the ping has no answer. It pings in time, so that is not why."""
    a = agent(sink_to(broker, keepalive="5s"))
    feed(a, lines(0, 10))
    a.flush()
    wait_until(lambda: broker.log().count("Received PINGREQ from logboom-test") >= 2, what="it pings")
    assert connections(broker) and broker.statuses() == [1]
    broker.down(signal.SIGSTOP)
    wait_until(lambda: not connections(broker), what="it hangs up")
    broker.down(signal.SIGCONT)
    feed(a, lines(10, 20))
    a.flush()
    prove(a, broker, 20)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_the_handshake_names_the_broker(agent, broker, authority, host):
    """AWS IoT takes nobody who does not say whom he wants. An address is no name (RFC 6066)."""
    names = []
    context = authority.issue().context()
    context.sni_callback = lambda sock, name, of: names.append(name)
    with socket.create_server(("127.0.0.1", 0)) as server:
        section = with_tls(broker, authority)["sink fleet"] | {"address": f"mqtts://{host}:{server.getsockname()[1]}"}
        a = agent(with_tls(broker, authority) | {"sink fleet": section})
        feed(a, lines(0, 5))
        server.settimeout(30)
        with contextlib.suppress(ssl.SSLError, OSError):
            context.wrap_socket(server.accept()[0], server_side=True).close()
        assert names == [host if host == "localhost" else None]
        wait_state(a, "away")
