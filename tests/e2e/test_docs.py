# SPDX-License-Identifier: MIT
"""README and manual pages against the programs: examples load, options are those of --help, keys are there."""

import re
import subprocess

import pytest

from conftest import BUILD, ROOT

PAGES = sorted((ROOT / "packaging" / "man").iterdir())
README = (ROOT / "README.md").read_text()
README_BLOCKS = re.findall(r"^ *```\w*\n(.*?)^ *```", README, re.M | re.S)
README_WORDS = re.findall(r"`([^`]+)`", re.sub(r"^ *```\w*\n.*?^ *```", "", README, flags=re.M | re.S))
EVERYWHERE = {"--help", "-h"}


def run(*args):
    return subprocess.run(args, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL, check=False)


def plain(text):
    """A line of mdoc as it is shown."""
    for code, char in ((r"\&", ""), (r"\e", "\\"), (r"\-", "-"), (r"\(aq", "'"), (r"\(dq", '"'), (r"\(ga", "`"),
                       (r"\(ha", "^"), (r"\(ti", "~")):
        text = text.replace(code, char)
    return text


def page(name):
    return next(one for one in PAGES if one.name == name).read_text()


def commands():
    """The subcommands that the program knows."""
    return re.findall(r"^  (\w+) ", run(BUILD / "logboom", "--help").stdout.split("\n\n")[1] + "\n", re.M)


def options_of_help(text):
    """What a --help names in its first column."""
    return set(re.findall(r"^  (-{1,2}[A-Za-z][a-z-]*)", text, re.M)) - EVERYWHERE


def options_of_page(text):
    """{-s, --json} of the lists of options in a piece of mdoc."""
    found = re.findall(r"^\.It Fl (-?[A-Za-z][a-z-]*)", plain(text), re.M)
    return {f"-{one}" for one in found} - EVERYWHERE


def part(text, heading):
    """What stands in a page between a heading and the next one of its kind or above."""
    kind, title = heading.split(" ", 1)
    ends = r"^\.S[hs] " if kind == ".Ss" else r"^\.Sh "
    return re.split(ends, re.split(rf"^{re.escape(heading)}$", text, maxsplit=1, flags=re.M)[1], maxsplit=1,
                    flags=re.M)[0] if title and re.search(rf"^{re.escape(heading)}$", text, re.M) else ""


# ---- configurations


def ini_of_readme():
    """Blocks of ini; those in a list are indented."""
    for block in re.findall(r"^ *```ini\n(.*?)^ *```", README, re.M | re.S):
        lines = block.splitlines()
        margin = min(len(line) - len(line.lstrip()) for line in lines if line.strip())
        yield "\n".join(line[margin:] for line in lines) + "\n"


def ini_of_pages():
    for one in PAGES:
        for block in re.findall(r"^\.Bd -literal[^\n]*\n(.*?)^\.Ed", one.read_text(), re.M | re.S):
            if block.startswith("["):
                yield one.name, plain(block)


EXAMPLES = ([("README.md", text) for text in ini_of_readme()] + list(ini_of_pages()) +
            [("conf/logboom.ini", (ROOT / "conf" / "logboom.ini").read_text())])


def test_there_are_examples():
    names = [name for name, _ in EXAMPLES]
    assert names.count("README.md") >= 5 and names.count("logboom.ini.5") == 4


@pytest.mark.parametrize("name, text", EXAMPLES, ids=[f"{name}-{i}" for i, (name, _) in enumerate(EXAMPLES)])
def test_each_example_of_a_configuration_loads(tmp_path, name, text):
    # Who copies a block that is not about the sink has one elsewhere.
    if not re.search(r"^\[sink ", text, re.M):
        text += "\n[sink out]\ntype = file\npath = /run/logboom/lines.ndjson\n"
    assert name != "logboom.ini.5" or "[sink out]" not in text, "an example of the manual is complete"
    path = tmp_path / "logboom.ini"
    path.write_text(text)
    done = run(BUILD / "logboomd", "-t", "-c", path)
    assert (done.returncode, done.stderr) == (0, ""), text


def test_an_example_that_is_wrong_would_be_found(tmp_path):
    path = tmp_path / "logboom.ini"
    path.write_text("[network]\nquota = lots\n[sink out]\ntype = file\npath = /tmp/x\n")
    assert run(BUILD / "logboomd", "-t", "-c", path).returncode == 2


# ---- options


@pytest.mark.parametrize("command", sorted(commands()))
def test_the_manual_has_each_option_of_a_command_and_no_other(command):
    done = run(BUILD / "logboom", command, "--help")
    manual = part(page("logboom.1"), f".Ss logboom {command}")
    own = [one for one in PAGES if one.name == f"logboom-{command}.1"]
    assert manual, f"logboom(1) does not tell of {command}"
    assert done.returncode == 0
    told = options_of_page(manual).union(*(options_of_page(one.read_text()) for one in own))
    assert told == options_of_help(done.stdout)


def test_the_manual_has_each_option_of_the_agent_and_no_other():
    told = options_of_page(page("logboomd.8"))
    assert told == options_of_help(run(BUILD / "logboomd", "--help").stdout)
    assert {"-c", "-t", "-V", "--help-config", "--help-man"} == told
    assert "Fl -help\n" in page("logboomd.8")


def test_each_command_that_the_program_lists_is_in_the_synopsis():
    synopsis = set(re.findall(r"^\.Cm (\w+)$", part(page("logboom.1"), ".Sh SYNOPSIS"), re.M))
    assert synopsis == set(commands())


def called(text):
    """(command, option) of each `logboom COMMAND ... OPTION` in a text, up to what ends that command."""
    for command, rest in re.findall(r"(?<![\w/.-])logboom (\w+)((?: [^\n`|;&<>]*)?)", text):
        for option in re.findall(r"(?<=\s)(--?[A-Za-z][a-z-]*)", rest.split(" -- ")[0]):
            yield command, option


@pytest.mark.parametrize("name", ["README.md", *(one.name for one in PAGES)])
def test_each_option_that_a_document_gives_to_a_command_is_one_of_its_help(name):
    text = README if name == "README.md" else plain(page(name))
    known = set(commands())
    if name == "logboom.1":
        assert ("flush", "--context") in set(called(text))
    for command, option in called(text):
        if command in known:
            accepted = options_of_help(run(BUILD / "logboom", command, "--help").stdout) | EVERYWHERE
            assert option in accepted, f"logboom {command} {option}"


def test_each_command_that_readme_writes_is_one_of_the_program():
    written = set(re.findall(r"(?<![\w/.-])logboom ([a-z]+)\b", "\n".join(README_BLOCKS + README_WORDS)))
    assert written <= set(commands()) and len(written) > 8


# ---- keys


def keys():
    """{section: names}: what the sample has, rules by their kind; a service has its own and what it may change."""
    found, section = {}, None
    for line in run(BUILD / "logboomd", "--help-config").stdout.splitlines():
        head = re.match(r"#?\[(\w+)[^\]]*\]$", line)
        key = re.match(r"#?(\w+)(?: NAME)? =", line)
        if head:
            section = found.setdefault(head.group(1), set())
        elif key:
            section.add(key.group(1))
    return found


def test_each_key_that_readme_names_is_there():
    """`[section] key`, `[section]`, and `key = value`."""
    table = keys()
    every = set().union(*table.values())
    named = re.findall(r"^\[(\w+)(?: \w+)?\] ([a-z_]+)", "\n".join(README_WORDS), re.M)
    assert len(named) > 8
    for section, key in named:
        assert key in table.get(section, ()), f"[{section}] {key}"
    for section in re.findall(r"^\[(\w+)(?: \w+)?\]$", "\n".join(README_WORDS), re.M):
        assert section in table or section == "redacted", section  # which is what stands for a secret
    for key in re.findall(r"^([a-z_]+)(?: NAME)? = ", "\n".join(README_WORDS), re.M):
        assert key in every, key


def test_each_key_is_in_the_manual_in_its_section():
    text = page("logboom.ini.5")
    for section, names in keys().items():
        heads = [f".Ss [{section}]", f".Ss [{section} NAME]"]
        there = next(filter(None, (part(text, head) for head in heads)), "")
        told = set(re.findall(r"^\.It Cm (\w+)", there, re.M)) | set(re.findall(r"^\.Cm (\w+) ,$", there, re.M))
        assert names == told, section


@pytest.mark.parametrize("name", [one.name for one in PAGES if one.name != "logboom.ini.5"])
def test_each_key_that_a_page_names_is_there(name):
    """`.Cm KEY` before or behind `.Bq SECTION`."""
    table, text = keys(), page(name)
    for key, section in re.findall(r"^\.Cm (\w+)\n(?:of|in|from)?\n?\.Bq (\w+)", text, re.M):
        assert key in table[section], f"[{section}] {key}"
    every = set().union(*table.values())
    for key in re.findall(r"^\.Cm ([a-z]+_[a-z_]+)$", part(text, ".Sh SIGNALS") + part(text, ".Sh ENVIRONMENT"), re.M):
        assert key in every, key


# ---- pages


@pytest.mark.parametrize("name", [one.name for one in PAGES])
def test_each_page_has_files_and_exit_status_and_names_pages_that_there_are(name):
    text = page(name)
    for heading in (".Sh NAME", ".Sh FILES", ".Sh EXIT STATUS", ".Sh SEE ALSO"):
        assert re.search(rf"^{re.escape(heading)}$", text, re.M), heading
    ours = {one.name for one in PAGES}
    for other, section in re.findall(r"^\.Xr (logboom\S*) (\d)", text, re.M):
        assert f"{other}.{section}" in ours


def test_what_the_agent_prints_as_its_version_and_libraries():
    lines = run(BUILD / "logboomd", "-V").stdout.splitlines()
    client = run(BUILD / "logboom", "-V").stdout.strip()
    assert re.fullmatch(r"logboomd \d+\.\d+\.\d+", lines[0]) and client == lines[0].replace("logboomd", "logboom")
    assert [line.split()[0] for line in lines[1:]] == ["libcurl", "zstd", "zlib", "sqlite", "pcre2", "mosquitto"]
    assert all(re.match(r"\w+ \d+\.\d+", line) for line in lines[1:])
    assert re.fullmatch(r"libcurl [\d.]+\S* with \S+/\S+.*", lines[1])


def test_the_manual_of_the_ini_is_what_the_agent_prints():
    assert run(BUILD / "logboomd", "--help-man").stdout == page("logboom.ini.5")


def test_no_line_of_the_printed_manual_is_a_macro_by_accident():
    known = {"Dd", "Dt", "Os", "Sh", "Ss", "Nm", "Nd", "Pa", "Pp", "Xr", "Bq", "Ql", "Cm", "Dl", "Bl", "It", "El", "Bd",
             "Ed", "Pq", "Dq", "Ar", "br", '\\"'}
    for line in page("logboom.ini.5").splitlines():
        assert not line.startswith("'")
        if line.startswith("."):
            assert line[1:].split(" ")[0] in known, line
        for code in re.findall(r"\\(.)", line):
            assert code in '&e-("', line
