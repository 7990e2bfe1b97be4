# SPDX-License-Identifier: MIT
"""python_stdout: how a Python program below `logboom run` prints, and that it notices nothing else.

The story: a service prints, and dies. With `line` (the default) its last line is there, in one piece, although it never
flushed; and its own sitecustomize, path, environment and children are as they were.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import BUILD
from test_client import CLIENT, STDERR, STDOUT, finish, world  # noqa: F401  (a fixture)

SHIM = BUILD / "python"
# How standard output is set up, said where it can be read in any case.
STATE = "import sys; sys.stderr.write('%s %s' % (sys.stdout.line_buffering, sys.stdout.write_through))"
LINE, UNBUFFERED, KEEP = "True False", "False True", "False False"


def pythons():
    """Each Python that the client may meet, as far as this machine has it; LB_PYTHONS names others, as PATH does."""
    found = {os.path.realpath(sys.executable): sys.executable}
    named = os.environ.get("LB_PYTHONS", "").split(":")
    for path in named + [shutil.which(f"python3.{minor}") for minor in range(8, 14)]:
        done = path and subprocess.run([path, "-c", "import sys; print(sys.executable)"], stdout=subprocess.PIPE,
                                       stderr=subprocess.DEVNULL, text=True)
        if done and done.returncode == 0:  # else a shim for what is not there
            found.setdefault(os.path.realpath(done.stdout.strip()), done.stdout.strip())
    return sorted(found.values())


@pytest.fixture(params=pythons())
def python(request):
    return request.param


@pytest.fixture(autouse=True)
def clean(world):
    """Nobody's word in the environment, and no bytecode beside the build."""
    for name in ("PYTHONUNBUFFERED", "PYTHONPATH"):
        world.env.pop(name, None)
    world.env["PYTHONDONTWRITEBYTECODE"] = "1"


def run(world, *command, args=(), **env):
    """Run a command below the client: (exit code, what it wrote to stdout, to stderr)."""
    world.env.update({key: str(value) for key, value in env.items()})
    if not world.agents:
        world.agent()
    world.memory.clear()
    code, _, said = world.ask("run", *args, "--", *command)
    assert said == ""
    texts = {s.hellos[-1]["kind"]: bytes(s.bytes).decode() for s in world.memory.values()}
    return code, texts[STDOUT], texts[STDERR]


def state(world, *args, **env):
    return run(world, sys.executable, "-c", STATE, args=args, **env)[2]


def clients(world, text):
    world.runtime.mkdir(exist_ok=True)
    (world.runtime / "clients").write_bytes(text)


def test_the_default_is_line(world, python):
    assert run(world, python, "-c", STATE)[2] == LINE


@pytest.mark.parametrize("text, expected", [
    ("python_stdout keep\n", KEEP), ("python_stdout unbuffered\n", UNBUFFERED), ("python_stdout line\n", LINE),
    ("python_stdout keep\npython_stdout unbuffered web\n", UNBUFFERED), ("python_stdout keep web\n", KEEP),
    ("python_stdout keep db\n", LINE), ("python_stdout keep other\npython_stdout unbuffered\n", UNBUFFERED),
    ("", LINE), ("nonsense\npython_stdout\npython_stdout loud web\n", LINE),
])
def test_the_agents_word_is_followed(world, text, expected):
    clients(world, text.encode())
    assert state(world, "-s", "web") == expected


def test_without_a_name_the_program_is_the_service(world):
    name = Path(sys.executable).name[:15]
    if ".service" in Path("/proc/self/cgroup").read_text():
        pytest.skip("we run in a systemd unit, whose name comes first")
    clients(world, f"python_stdout keep\npython_stdout unbuffered {name}\n".encode())
    assert state(world) == UNBUFFERED


@pytest.mark.parametrize("kind", ["fifo", "directory", "unreadable", "large", "binary", "dangling"])
def test_what_is_no_file_of_the_agents_is_passed_over_at_once(world, kind):
    path = world.runtime / "clients"
    {"fifo": lambda: os.mkfifo(path), "directory": path.mkdir, "unreadable": lambda: path.touch(mode=0),
     "large": lambda: path.write_bytes(b"python_stdout keep\n" * 5000), "binary": lambda: path.write_bytes(os.urandom(60000)),
     "dangling": lambda: path.symlink_to("nowhere")}[kind]()
    assert state(world, "-s", "web") == LINE


@pytest.mark.parametrize("value", ["1", "x", ""])
def test_what_the_user_set_wins(world, value):
    """An empty value is how one says no: Python takes it for unset."""
    clients(world, b"python_stdout line\n")
    code, out, err = run(world, sys.executable, "-c", STATE + "; import os; print(os.environ.get('PYTHONPATH'))",
                         PYTHONUNBUFFERED=value)
    assert (code, out.strip(), err) == (0, "None", UNBUFFERED if value else KEEP)


def test_minus_u_is_the_users_word_too(world):
    assert run(world, sys.executable, "-u", "-c", STATE)[2] == UNBUFFERED


@pytest.mark.parametrize("switch", ["-I", "-E", "-S"])
def test_a_python_that_takes_no_advice_just_runs(world, python, switch):
    assert run(world, python, switch, "-c", STATE)[::2] == (0, KEEP)


def test_a_terminal_is_left_alone(world, python):
    master, slave = os.openpty()
    env = {**world.env, "PYTHONPATH": str(SHIM)}
    done = subprocess.run([python, "-c", "import sys; print(sys.stdout.line_buffering, sys.path[1])"], env=env, stdout=slave,
                          stderr=subprocess.PIPE, text=True, check=True)
    assert b"True" in os.read(master, 4096) and done.stderr == ""
    os.close(master)
    os.close(slave)


def test_closed_outputs_are_no_error(world, python):
    world.env["PYTHONPATH"] = str(SHIM)
    for closed in ("<&-", ">&-", "2>&-", "<&- >&- 2>&-"):
        assert subprocess.run(["sh", "-c", f"{python} -c pass {closed}"], env=world.env, stdin=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL).returncode == 0


@pytest.fixture
def app(world):
    """A directory for what an app brings along."""
    path = world.runtime.parent / "app"
    path.mkdir()
    return path


LOOK = """
import json, os, sys
print(json.dumps({"path": sys.path, "env": os.environ.get("PYTHONPATH"), "cache": list(sys.path_importer_cache),
                  "file": getattr(sys.modules.get("sitecustomize"), "__file__", None)}))
"""


def look(world, python, **env):
    return json.loads(run(world, python, "-c", LOOK, **env)[1])


def plain(world, python):
    """The same without us."""
    return json.loads(subprocess.run([python, "-c", LOOK], env=world.env, stdout=subprocess.PIPE, check=True).stdout)


def test_the_app_sees_its_own_path_and_its_own_sitecustomize(world, python, app):
    (app / "sitecustomize.py").write_text("import sys; sys.stderr.write('mine ')\n")
    world.env["PYTHONPATH"] = f"{app}:/elsewhere"
    expected = plain(world, python)
    seen = look(world, python)
    assert seen["path"] == expected["path"]
    assert seen["file"] == expected["file"] == str(app / "sitecustomize.py")
    assert set(seen["cache"]) == set(expected["cache"]) and str(SHIM) not in seen["cache"]
    assert seen["env"] == f"{SHIM}:{app}:/elsewhere", "children of the app print line by line too"


def test_without_a_path_of_its_own_nothing_is_added_either(world, python):
    for value in (None, ""):
        if value is not None:
            world.env["PYTHONPATH"] = value
        expected = plain(world, python)
        seen = look(world, python)
        assert (seen["path"], seen["file"]) == (expected["path"], expected["file"])
        assert seen["env"] == str(SHIM), "an empty entry would be the working directory"


def test_the_apps_sitecustomize_runs_once_and_is_the_module_of_that_name(world, python, app):
    count = app / "count"
    (app / "sitecustomize.py").write_text(f"with open({str(count)!r}, 'a') as f: f.write('x')\nANSWER = 42\n")
    code, out, err = run(world, python, "-c", "import sitecustomize; print(sitecustomize.ANSWER, sitecustomize.__name__)",
                         PYTHONPATH=app)
    assert (code, out, err, count.read_text()) == (0, "42 sitecustomize\n", "", "x")


@pytest.mark.parametrize("text", [
    "raise ValueError('broken here')", "import no_such_module_at_all", "1/0", "def f(:", "import sys; sys.exit(9)",
    "raise ImportError('by hand')", "from sitecustomize import nothing_here",
])
def test_its_failure_is_shown_as_python_shows_it(world, python, app, text):
    (app / "sitecustomize.py").write_text(text + "\n")
    env = {**world.env, "PYTHONPATH": str(app)}
    expected = subprocess.run([python, "-c", "print('went on')"], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True)
    code, out, err = run(world, python, "-c", "print('went on')", PYTHONPATH=app)
    assert (code, out) == (expected.returncode, expected.stdout)
    # Where Python shows a traceback at all, the way leads through our file.
    assert re.sub(rf'  File "{SHIM}/.*\n    import .*\n(    \^+\n)?', "", err) == expected.stderr


def test_a_package_may_be_called_sitecustomize(world, python, app):
    (app / "sitecustomize").mkdir()
    (app / "sitecustomize" / "__init__.py").write_text("from . import part\n")
    (app / "sitecustomize" / "part.py").write_text("import sys; sys.stderr.write('part')\n")
    assert run(world, python, "-c", "pass", PYTHONPATH=app)[2] == "part"


def test_a_venv_keeps_what_it_is(world, python, app):
    venv = app / "venv"
    subprocess.run([python, "-m", "venv", "--without-pip", venv], env=world.env, check=True)
    inside, = venv.glob("lib/python3.*/site-packages")
    (inside / "sitecustomize.py").write_text("import sys; sys.stderr.write('of the venv ')\n")
    expected = subprocess.run([venv / "bin" / "python", "-c", STATE], env=world.env, stderr=subprocess.PIPE,
                              stdout=subprocess.PIPE, text=True).stderr
    got = run(world, venv / "bin" / "python", "-c", STATE + "; import sys; print(sys.prefix)")
    assert expected.endswith(KEEP) and got[2] == expected.replace(KEEP, LINE)
    assert got[1] == f"{venv}\n"


def test_children_of_the_app_print_line_by_line_too(world, python):
    script = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {STATE!r}])"
    assert run(world, python, "-c", script)[2] == LINE


def test_a_run_in_a_run_adds_nothing_twice(world):
    code, out, err = run(world, CLIENT, "run", "--", sys.executable, "-c",
                         "import os, sys; sys.stderr.write(os.environ['PYTHONPATH'])")
    inner = [bytes(s.bytes).decode() for s in world.memory.values()]
    assert code == 0 and str(SHIM) in inner


def test_a_line_is_there_at_once_and_when_the_app_is_killed(world, python):
    world.agent()
    client = world.client("run", python, "-c", "import os; print('last', 'words'); os.kill(os.getpid(), 9)")
    assert finish(client)[0] == 137
    assert [bytes(s.bytes) for s in world.agents[-1].streams(STDOUT)] == [b"last words\n"]


@pytest.mark.parametrize("python_stdout, writes", [("line", 1), ("unbuffered", 4)])
def test_a_print_is_one_write_or_four(world, python_stdout, writes):
    if not shutil.which("strace"):
        pytest.skip("no strace")
    clients(world, f"python_stdout {python_stdout}\n".encode())
    trace = world.runtime / "trace"
    assert run(world, "strace", "-f", "-e", "trace=write", "-o", trace, sys.executable, "-c",
               "for i in range(100): print('value', i)")[0] == 0
    assert len(re.findall(r"write\(1, ", trace.read_text())) == 100 * writes


def test_lines_of_several_processes_on_one_pipe_do_not_tear(world, python):
    count, processes = 3000, 4
    script = f"""
import os, sys
for name in "abcd":
    if os.fork() == 0:
        for i in range({count}):
            print(name * 20, i, name * 20)
        sys.stdout.flush()
        os._exit(0)
for _ in "abcd":
    os.wait()
"""
    code, out, _ = run(world, python, "-c", script)
    lines = out.splitlines()
    whole = [line for line in lines if re.fullmatch(r"([abcd])\1{19} \d+ \1{20}", line)]
    assert code == 0 and len(lines) == len(whole) == count * processes
    for name in "abcd":
        assert [int(line.split()[1]) for line in lines if line[0] == name] == list(range(count))


def test_where_the_module_is_not_installed_unbuffered_is_what_is_left(world):
    away = world.runtime.parent / "bin"
    away.mkdir()
    shutil.copy(CLIENT, away / "logboom")
    world.agent()
    env = {**world.env}
    subprocess.run([away / "logboom", "run", sys.executable, "-c", STATE], env=env, check=True, timeout=60)
    assert bytes(world.agents[-1].streams(STDERR)[0].bytes).decode() == UNBUFFERED


def test_the_module_is_found_where_it_is_installed(world):
    prefix = world.runtime.parent / "usr"
    (prefix / "bin").mkdir(parents=True)
    (prefix / "lib" / "logboom").mkdir(parents=True)
    shutil.copy(CLIENT, prefix / "bin" / "logboom")
    shutil.copytree(SHIM, prefix / "lib" / "logboom" / "python")
    world.agent()
    subprocess.run([prefix / "bin" / "logboom", "run", sys.executable, "-c", STATE], env=world.env, check=True, timeout=60)
    assert bytes(world.agents[-1].streams(STDERR)[0].bytes).decode() == LINE


def test_what_is_no_python_is_none_the_wiser(world):
    code, out, _ = run(world, "sh", "-c", "echo $0; exit 3")
    assert (code, out) == (3, "sh\n")


def test_a_python_before_3_7_is_left_as_it_is(world):
    for name in ("python2", "python2.7", "python3.6"):
        path = shutil.which(name)
        if path and subprocess.run([path, "-c", "pass"], stderr=subprocess.DEVNULL).returncode == 0:
            assert run(world, path, "-c", "print('x')") == (0, "x\n", "")
