# SPDX-License-Identifier: MIT
"""Real programs under `logboom run`, as Debian 12 has them.

The story: somebody puts `logboom run --` in front of gunicorn, uvicorn, Django, Celery or a script of their own. What
these say becomes the records a reader expects: an access line is info, an exception is one record with its kind and
stack, a crash is critical, and the end of the program is told behind its last line.
"""

import contextlib
import importlib.util
import os
import re
import signal
import socket
import subprocess
import urllib.error
import urllib.request

import pytest

from conftest import ROOT, wait_until
from filesink import FileSink, lines_of
from lines import PYTHON, end

PROGRAMS = ROOT / "tests" / "support" / "programs"
HEADER = "Traceback (most recent call last):"


@pytest.fixture
def out(runtime):
    return FileSink(runtime)


@pytest.fixture
def a(agent, out):
    """The agent; what it runs finds the programs, and leaves no bytecode beside them."""
    made = agent(out.sections)
    made.env.update(PYTHONPATH=str(PROGRAMS), PYTHONDONTWRITEBYTECODE="1", C_FORCE_ROOT="1")
    made.env.pop("PYTHONUNBUFFERED", None)
    return made


def configure(agent, **sections):
    agent.sections.update(sections)
    agent.write_ini()
    agent.restart()


def needs(*modules):
    """Skip where one of these is not installed."""
    for name in modules:
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"no {name} (make deps)")


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def status_of(port, path):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=60) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def answers(port):
    with contextlib.suppress(OSError):
        return status_of(port, "ok") == 200
    return False


@contextlib.contextmanager
def serving(agent, port, *command, **env):
    """A server below `logboom run -s web`; stopped by SIGTERM at the end, and its records are then in the file."""
    agent.env.update(env)
    server = agent.popen("run", "-s", "web", "--", *map(str, command), cwd=PROGRAMS, stdin=subprocess.DEVNULL)
    try:
        wait_until(lambda: server.poll() is not None or answers(port), what="the server answers")
        assert server.poll() is None
        yield server
    finally:
        server.send_signal(signal.SIGTERM)
        end(server)
    agent.flush()


def faults(entries):
    """The records that hold a traceback; whatever else is there is no piece of one."""
    found = [entry for entry in entries if "error" in entry]
    for entry in entries:
        if entry not in found:
            assert HEADER not in entry["message"] and '  File "' not in entry["message"], entry
    for entry in found:
        assert entry["status"] in ("error", "critical") and entry["error"]["stack"].count(HEADER) >= 1, entry
        assert lines_of(entry) == entry["message"].count("\n") + 1 and "cut" not in entry["logboom"]
    return found


def access(entries, path):
    return [entry for entry in entries if re.search(rf'"GET /{path} HTTP/1.1"', entry["message"]) and "error" not in entry]


# ---- servers ----


def test_gunicorn_with_flask(a, out):
    needs("gunicorn", "flask")
    port = free_port()
    with serving(a, port, "gunicorn", "--bind", f"127.0.0.1:{port}", "--workers", "2", "--access-logfile", "-", "flask_app:app"):
        assert [status_of(port, path) for path in ("ok", "tank/north", "tank/south", "chain")] == [200, 200, 500, 500]
    entries = out.entries("web")
    one, two = faults(entries)
    assert one["message"].split("\n")[0].endswith("ERROR in app: Exception on /tank/south [GET]")
    assert (one["error"]["kind"], one["error"]["message"]) == ("KeyError", "'south'")
    assert "in dispatch_request" in one["error"]["stack"]
    assert (two["error"]["kind"], two["error"]["message"]) == ("ValueError", "the tank is:\n  not there")
    assert two["error"]["stack"].count(HEADER) == 2 and one["error"]["fingerprint"] != two["error"]["fingerprint"]
    for path in "ok", "tank/north", "tank/south", "chain":
        assert {e["status"] for e in access(entries, path)} == {"info"}, path
    boot = [e for e in entries if "[INFO]" in e["message"]]
    assert {e["status"] for e in boot} == {"info"} and any("Booting worker" in e["message"] for e in boot)
    ended, = out.own("exit")
    assert ended["logboom"]["code"] == 0 and ended["status"] == "info"


def test_gunicorn_whose_application_cannot_be_imported(a, out):
    needs("gunicorn", "flask")
    a.env["FAIL_AT_IMPORT"] = "1"
    done = a.run("gunicorn", "--bind", f"127.0.0.1:{free_port()}", "flask_app:app", service="web", cwd=PROGRAMS)
    assert done.returncode == 3
    a.flush()
    fault, = faults(out.entries("web"))
    assert "[ERROR] Exception in worker process" in fault["message"].split("\n")[0]
    assert (fault["error"]["kind"], fault["error"]["message"]) == ("RuntimeError", "no pump is configured")
    ended, = out.own("exit")
    assert ended["logboom"]["code"] == 3 and ended["status"] == "error"


def test_gunicorn_whose_worker_is_killed(a, out):
    needs("gunicorn", "flask")
    port = free_port()
    with serving(a, port, "gunicorn", "--bind", f"127.0.0.1:{port}", "flask_app:app"):
        a.flush()
        worker, = [e for e in out.entries("web") if "Booting worker with pid" in e["message"]]
        os.kill(int(worker["message"].rsplit(None, 1)[1]), signal.SIGKILL)
        wait_until(lambda: answers(port), what="another worker")
        status_of(port, "tank/south")
    entries = out.entries("web")
    assert [e["status"] for e in entries if "terminated due to signal 9" in e["message"]] == ["warning"]
    assert len(faults(entries)) == 1


def test_uvicorn(a, out):
    needs("uvicorn")
    port = free_port()
    with serving(a, port, "uvicorn", "--host", "127.0.0.1", "--port", port, "asgi_app:app"):
        assert [status_of(port, path) for path in ("ok", "fail")] == [200, 500]
    entries = out.entries("web")
    fault, = faults(entries)
    assert fault["message"].startswith("ERROR:    Exception in ASGI application\n" + HEADER)
    assert (fault["error"]["kind"], fault["error"]["message"]) == ("OSError", "[Errno 5] bus error")
    assert {e["status"] for e in access(entries, "ok") + access(entries, "fail")} == {"info"}
    assert {e["status"] for e in entries if e is not fault} == {"info"}


def django_server(port):
    return PYTHON, PROGRAMS / "django_app.py", "runserver", "--noreload", f"127.0.0.1:{port}"


def django_gunicorn(port):
    return "gunicorn", "--bind", f"127.0.0.1:{port}", "django_app:application"


@pytest.mark.parametrize("command, env", [(django_server, {}), (django_server, {"VERBOSE": "1"}), (django_gunicorn, {}),
                                          (django_gunicorn, {"VERBOSE": "1"})],
                         ids=["runserver", "runserver, verbose", "gunicorn", "gunicorn, verbose"])
def test_django(a, out, command, env):
    needs("django", "gunicorn")
    port = free_port()
    with serving(a, port, *command(port), **env):
        assert status_of(port, "fail") == 500
        if command is django_server:  # it answers first, and then says so
            wait_until(lambda: len(access(out.entries("web"), "fail")) == 1, what="the access line")
    entries = out.entries("web")
    fault, = faults(entries)
    assert "Internal Server Error: /fail" in fault["message"].split("\n")[0]
    assert (fault["error"]["kind"], fault["error"]["message"]) == ("ZeroDivisionError", "integer division or modulo by zero")
    if command is django_server:
        assert {e["status"] for e in access(entries, "ok")} == {"info"} and len(access(entries, "fail")) == 1


@pytest.mark.parametrize("pool", ["solo", "prefork"])
def test_celery(a, out, runtime, pool):
    needs("celery", "kombu")
    queue = runtime.parent / "queue"
    queue.mkdir()
    a.env["QUEUE"] = str(queue)
    subprocess.run([PYTHON, PROGRAMS / "celery_app.py"], env=a.env, check=True, timeout=60)
    worker = a.popen("run", "-s", "tasks", "--", PYTHON, "-m", "celery", "-A", "celery_app", "worker", "-l", "INFO",
                     f"--pool={pool}", "-c", "2", cwd=runtime.parent, stdin=subprocess.DEVNULL)
    try:
        def are_done():
            a.flush()
            said = [e["message"] for e in out.entries("tasks")]
            return any("raised unexpected" in text for text in said) and any("succeeded" in text for text in said)
        wait_until(are_done, what="one task has raised, and the other is done")
    finally:
        worker.send_signal(signal.SIGTERM)
        end(worker)
    a.flush()
    entries = out.entries("tasks")
    fault, = faults(entries)
    assert re.search(r"ERROR/(MainProcess|ForkPoolWorker-\d)\] Task celery_app.drain\[[-0-9a-f]+\] raised unexpected",
                     fault["message"].split("\n")[0])
    assert (fault["error"]["kind"], fault["error"]["message"]) == ("LookupError", "no tank is called south")
    assert [e["status"] for e in entries if "measure" in e["message"] and "succeeded" in e["message"]] == ["info"]
    assert {e["status"] for e in entries if re.match(r"\[\S+ \S+: INFO/", e["message"])} == {"info"}


# ---- what the standard library writes ----


def is_understood(entries, levels):
    """Has each line its level, and is the exception one record with its kind?"""
    if [e["status"] for e in entries] != [*levels, "error"]:
        return False
    fault = entries[-1].get("error", {})
    return (fault.get("kind"), fault.get("message")) == ("KeyError", "'north'") and fault["stack"].startswith(HEADER)


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_each_format_of_logging_has_its_levels_and_its_traceback(a, out, capsys, stream):
    spec = importlib.util.spec_from_file_location("formats", PROGRAMS / "formats.py")
    formats = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(formats)
    configure(a, capture={"repeat_window": "off"})
    assert a.run(PYTHON, PROGRAMS / "formats.py", stream, service="app").returncode == 0
    a.flush()
    entries = out.entries("app")
    wrong = []
    for number, (_, layout) in enumerate(formats.FORMATS + formats.UNSURE):
        mine = [e for e in entries if re.search(rf"\bformat {number} ", e["message"])]
        if not is_understood(mine, formats.LEVELS):
            wrong.append(layout)
    unsure = [layout for _, layout in formats.UNSURE]
    with capsys.disabled():
        right = len([layout for layout in unsure if layout not in wrong])
        print(f"\nformats on {stream}: {len(formats.FORMATS)} and, optional, {right} of {len(unsure)}")
    assert set(wrong) <= set(unsure)


def mishap(a, out, name):
    """(exit code, records) of one mishap. Whatever is in a traceback is in one record."""
    done = a.run(PYTHON, PROGRAMS / "mishaps.py", name, service="app")
    a.flush()
    return done.returncode, out.entries("app")


@pytest.mark.parametrize("name, code, first, kind, text", [
    ("uncaught", 1, HEADER, "SystemError", "the plant stops"),
    ("thread", 0, "Exception in thread pump:", "RuntimeError", "pump 3 is dry"),
    ("task", 0, "Task exception was never retrieved", "RuntimeError", "pump 3 is dry"),
    ("process", 0, "Process Process-1:", "RuntimeError", "pump 3 is dry"),
    ("pool", 1, "concurrent.futures.process._RemoteTraceback: ", "RuntimeError", "pump 3 is dry"),
    ("group", 1, "  + Exception Group Traceback (most recent call last):", "ExceptionGroup", "two pumps (2 sub-exceptions)"),
    ("unformatted", 0, "--- Logging error ---", "TypeError", "%d format: a real number is required, not str"),
    ("unraisable", 0, "Exception ignored in: <function unraisable.<locals>.Valve.__del__ at", "RuntimeError", "pump 3 is dry"),
    ("syntax", 1, HEADER, "SyntaxError", "invalid syntax"),
])
def test_what_goes_wrong_is_one_record(a, out, name, code, first, kind, text):
    got, entries = mishap(a, out, name)
    assert got == code and len(entries) == 1, [e["message"] for e in entries]
    entry, = entries
    assert entry["message"].startswith(first) and entry["status"] == "error"
    assert (entry["error"]["kind"], entry["error"]["message"]) == (kind, text)
    assert entry["error"]["stack"] and lines_of(entry) == entry["message"].count("\n") + 1
    ended, = out.own("exit")
    assert ended["logboom"]["code"] == code and ended["status"] == ("error" if code else "info")
    assert (ended["logboom"].get("fingerprint") == entry["error"]["fingerprint"]) or not code, "the exit names what ended it"


@pytest.mark.parametrize("name, first", [("captured", "WARNING:py.warnings:"), ("warned", "/")])
def test_a_warning_is_one_record_with_its_source_line(a, out, name, first):
    code, (entry,) = mishap(a, out, name)
    assert code == 0 and entry["status"] == "warning" and entry["message"].startswith(first)
    assert re.search(r": UserWarning: the valve is old\n  warnings\.warn\(.*\)$", entry["message"])


@pytest.mark.parametrize("name, number, words", [("segfault", signal.SIGSEGV, "Segmentation fault"),
                                                 ("abort", signal.SIGABRT, "Aborted")])
def test_a_crash_is_critical_and_so_is_how_it_ended(a, out, name, number, words):
    code, entries = mishap(a, out, name)
    assert code == 128 + number
    crash = entries[-1]
    assert crash["message"].startswith(f"Fatal Python error: {words}\n") and crash["status"] == "critical"
    assert f"in {name}" in crash["message"] and "mishaps.py" in crash["message"]
    assert [e["message"] for e in entries[:-1]] == (["about to look"] if name == "segfault" else [])
    ended, = out.own("exit")
    assert (ended["logboom"]["signal"], ended["status"]) == (number.name, "critical")
    assert ended["timestamp"] >= crash["timestamp"]


def test_an_interrupt_is_one_record(a, out):
    code, (entry,) = mishap(a, out, "interrupt")
    assert code == 130 and entry["message"].endswith("KeyboardInterrupt") and entry["error"]["kind"] == "KeyboardInterrupt"


def test_loguru_and_structlog(a, out):
    needs("loguru", "structlog")
    code, (well, fault) = mishap(a, out, "loguru")
    assert (code, well["status"], fault["status"], fault["error"]["kind"]) == (0, "info", "error", "RuntimeError")
    assert fault["message"].endswith("RuntimeError: pump 3 is dry")
    code, (_, _, well, low) = mishap(a, out, "structlog")
    assert (code, well["status"], low["status"]) == (0, "info", "warning")


# ---- many at once ----


def test_workers_that_fail_together_lose_no_line(a, out):
    """Python writes a traceback line by line, so those of several processes mix in their pipe; lines stay whole."""
    configure(a, capture={"repeat_window": "off"})
    code, entries = mishap(a, out, "crowd")
    lines = "\n".join(e["message"] for e in entries).split("\n")
    assert code == 0
    for n in range(4):
        assert lines.count(f"Process Process-{n + 1}:") == lines.count(f"RuntimeError: pump {n} is dry") == 1
    assert lines.count(HEADER) == 4


def test_eight_processes_on_one_pipe_tear_no_line(a, out):
    count = 300
    configure(a, capture={"multiline": "off"}, ring={"size": "32M"})
    client = a.popen("run", "-s", "app", "--", PYTHON, PROGRAMS / "eight.py", str(count))
    assert end(client) == 0
    a.flush()
    found = {"out": {}, "err": {}}
    for entry in out.entries("app"):
        whole = re.fullmatch(r"(?:ERROR: )?(out|err) (\d) (\d+) ((?:ab)*)\|", entry["message"])
        assert whole and len(whole[4]) == 2 * (int(whole[3]) * 37 % 1900), entry["message"][:200]
        assert entry["status"] == ("error" if whole[1] == "err" else "info")
        found[whole[1]].setdefault(whole[2], []).append(int(whole[3]))
    for stream in found.values():
        assert stream == {str(worker): list(range(count)) for worker in range(8)}
