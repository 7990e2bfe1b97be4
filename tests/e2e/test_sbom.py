# SPDX-License-Identifier: MIT
"""The bill of materials: is it of the form that it says, complete, and the same each time?

The official schemas of CycloneDX come in a package of npm's, at one version and with its hash, into the build
directory; they are not ours to keep.
"""

import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
import tarfile

import pytest

from conftest import BUILD, ROOT

jsonschema = pytest.importorskip("jsonschema")

PACKAGE, VERSION = "@cyclonedx/cyclonedx-library", "10.3.0"
SHA512 = "RIT28sp1U0PCHaaeF3yNRwk6Jig/XJ8UsYAVOMYaHQ+0VVOvsjcp0PTWQFLUqJFF8XMud+Kdq6G+wtDAh+QJFA=="
ENV = {**os.environ, "SOURCE_DATE_EPOCH": "1700000000"}


def bill(build=BUILD, version="1.2.3", *options):
    return subprocess.run([ROOT / "packaging" / "sbom.py", *options, build, version], capture_output=True, text=True, env=ENV,
                          timeout=300, check=False)


@pytest.fixture(scope="module")
def text():
    if not shutil.which("dpkg-query"):
        pytest.skip("no dpkg: the bill is of Debian's packages")
    made = bill()
    if "no Debian package has" in made.stderr:
        pytest.skip(made.stderr)
    assert made.returncode == 0, made.stderr
    return made.stdout


@pytest.fixture(scope="module")
def schemas():
    """{name: schema} of the release, fetched once for a build directory."""
    place = BUILD / "schemas"
    tarball = place / f"cyclonedx-cyclonedx-library-{VERSION}.tgz"
    if not tarball.exists():
        place.mkdir(parents=True, exist_ok=True)
        if not shutil.which("npm"):
            pytest.skip("no npm to fetch the schemas with (make deps)")
        got = subprocess.run(["npm", "pack", "--ignore-scripts", f"{PACKAGE}@{VERSION}"], cwd=place, text=True,
                             capture_output=True, timeout=180, check=False)
        if got.returncode != 0:
            pytest.skip(f"the schemas cannot be fetched: {got.stderr.strip().splitlines()[-1:]}")
    digest = base64.b64encode(hashlib.sha512(tarball.read_bytes()).digest()).decode()
    assert digest == SHA512, f"{tarball} is not what was locked"
    with tarfile.open(tarball) as package:
        names = [one for one in package.getnames() if "/schema/" in one and one.endswith(".schema.json")]
        found = {os.path.basename(one).replace(".SNAPSHOT", ""): json.load(package.extractfile(one)) for one in names}
    assert {"bom-1.6.schema.json", "spdx.schema.json", "jsf-0.82.schema.json"} <= set(found)
    return found


def more_items_than(validator, more, instance, schema):
    """The keyword additionalItems: that of Debian 12's jsonschema fails on its own message where items are objects."""
    items = schema.get("items", {})
    is_told = validator.is_type(instance, "array") and isinstance(items, list) and more is False
    if is_told and len(instance) > len(items):
        yield jsonschema.ValidationError("more items than are told of")


@pytest.mark.long  # its schema comes over the network
def test_it_is_what_the_schema_of_its_version_asks_for(text, schemas):
    whole = json.loads(text)
    schema = schemas[f"bom-{whole['specVersion']}.schema.json"]
    # They refer to each other by names beside their own: "spdx.SNAPSHOT.schema.json".
    base = schema["$id"].rsplit("/", 1)[0]
    store = {f"{base}/{name.replace('.schema', f'{kind}.schema')}": one for name, one in schemas.items()
             for kind in ("", ".SNAPSHOT")}
    store[schema["$id"]] = schema
    resolver = jsonschema.RefResolver(schema["$id"], schema, store=store,
                                      handlers={"http": None, "https": None})  # nothing else may be asked for
    kind = jsonschema.validators.extend(jsonschema.Draft7Validator, {"additionalItems": more_items_than})
    validator = kind(schema, resolver=resolver, format_checker=jsonschema.FormatChecker())
    for one in whole, json.loads(bill(BUILD, "1.2.3", "--static").stdout):
        assert [f"{list(fault.absolute_path)}: {fault.message}" for fault in validator.iter_errors(one)] == []
    # A validator that accepts anything would say the same.
    for spoil in (lambda bom: bom["components"][0].pop("name"), lambda bom: bom.update(serialNumber="1"),
                  lambda bom: bom["metadata"]["component"].update(licenses=[{"license": {"id": "No-Such-1.0"}}])):
        bad = json.loads(text)
        spoil(bad)
        assert list(validator.iter_errors(bad))


def test_each_library_that_is_loaded_is_in_it_and_what_is_compiled_in(text):
    whole = json.loads(text)
    sources = {prop["value"].split()[0] for one in whole["components"] for prop in one["properties"]
               if prop["name"] == "logboom:source"}
    assert {"curl", "libzstd", "zlib", "sqlite3", "pcre2", "libinih", "glibc", "xxhash", "mosquitto", "openssl"} <= sources
    how = {one["name"]: prop["value"] for one in whole["components"] for prop in one["properties"]
           if prop["name"] == "logboom:how"}
    assert [name for name, value in how.items() if value == "compiled in"] == ["libxxhash-dev"]
    loaded = subprocess.run(["ldd", BUILD / "logboomd"], capture_output=True, text=True, check=True).stdout
    for path in re.findall(r"=> (/\S+)", loaded):
        owner = subprocess.run(["dpkg-query", "-S", path, "/usr" + path, os.path.realpath(path)], capture_output=True,
                               text=True, check=False).stdout.split(":")[0]
        assert owner in how, path


def test_who_asks_for_whom_is_told_of_each(text):
    whole = json.loads(text)
    known = {one["bom-ref"] for one in whole["components"]}
    subject = whole["metadata"]["component"]
    known |= {subject["bom-ref"]} | {one["bom-ref"] for one in subject["components"]}
    edges = {one["ref"]: one["dependsOn"] for one in whole["dependencies"]}
    assert set(edges) == known and all(set(to) <= known for to in edges.values())
    daemon, client = (one["bom-ref"] for one in subject["components"])
    # The client needs nothing but the C library; a sanitizer's are its own.
    assert [one for one in edges[client] if not re.search("libc6|asan|ubsan|tsan|libgcc|libstdc", one)] == []
    reached, wave = set(), {subject["bom-ref"]}
    while wave:
        reached |= wave
        wave = {to for one in wave for to in edges[one]} - reached
    assert reached == known and any("libcurl" in one for one in edges[daemon])


def test_of_the_client_of_one_piece_it_is_what_its_linker_took(tmp_path):
    made = bill(BUILD, "1.2.3", "--static")
    whole = json.loads(made.stdout)
    names = {one["name"] for one in whole["components"]}
    assert "musl-dev" in names and all(re.fullmatch(r"musl-dev|libgcc-\d+-dev", name) for name in names), names
    assert {"license": {"id": "MIT"}} in next(one for one in whole["components"] if one["name"] == "musl-dev")["licenses"]
    client = whole["metadata"]["component"]["components"]
    assert [one["name"] for one in client] == ["logboom-static"]
    edges = {one["ref"]: one["dependsOn"] for one in whole["dependencies"]}
    assert edges[client[0]["bom-ref"]] == [one["bom-ref"] for one in whole["components"]]
    assert bill(BUILD, "1.2.3", "--static").stdout == made.stdout and str(ROOT) not in made.stdout
    none = bill(tmp_path, "1.2.3", "--static")
    assert (none.returncode, none.stdout) == (1, "") and "make static" in none.stderr


def test_the_same_programs_give_the_same_bytes(text):
    whole = json.loads(text)
    assert bill().stdout == text
    assert whole["metadata"]["timestamp"] == "2023-11-14T22:13:20Z"
    assert json.loads(bill(version="1.2.4").stdout)["serialNumber"] != whole["serialNumber"]
    assert str(ROOT) not in text


def test_of_a_program_for_another_machine_libraries_are_found_where_they_lie(text, tmp_path):
    """Where the loader cannot be asked. For want of such a program this one is taken for one: the compiler's word
    for this machine is another."""
    host = subprocess.run(["gcc", "-print-multiarch"], capture_output=True, text=True, check=True).stdout.strip()
    (tmp_path / "gcc").write_text("#!/bin/sh\necho other-linux-gnu\n")
    (tmp_path / "gcc").chmod(0o755)
    env = {**ENV, "PATH": f"{tmp_path}:{ENV['PATH']}", "DEB_HOST_MULTIARCH": host}
    made = subprocess.run([ROOT / "packaging" / "sbom.py", BUILD, "1.2.3"], capture_output=True, text=True, env=env,
                          timeout=300, check=False)
    assert made.stdout == text, made.stderr


def test_what_is_not_built_is_no_empty_bill(tmp_path):
    made = bill(tmp_path)
    assert (made.returncode, made.stdout) == (1, "") and "is it built" in made.stderr
