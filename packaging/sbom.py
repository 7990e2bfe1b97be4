#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What the built programs are made of, as CycloneDX 1.6 on standard output.

    sbom.py B VERSION              the agent and the client
    sbom.py --static B VERSION     the client of one piece

The libraries are those that the loader finds for the programs in B, by their Debian packages; and what the sources
include of other packages that no library of theirs is linked for: code that is compiled in, from headers (xxhash) or
a static library. Of the client of one piece it is what its linker took, by the linker's own map. The kernel's headers are interfaces, no code. The same programs on the same system give the same
bytes: the date is SOURCE_DATE_EPOCH's, else that of the last commit, and the serial number comes from the content.

A licence is told where Debian's copyright file tells it by its machine-readable form; else there is none, which in
CycloneDX means that nothing is asserted, and a property names the file to read.
"""

import json
import os
import re
import subprocess
import sys
import uuid
from datetime import datetime, timezone
from functools import cache
from pathlib import Path
from urllib.parse import quote

# What is preloaded into the build is no part of the programs.
ENV = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"} | {"LC_ALL": "C"}
ROOT = Path(__file__).resolve().parents[1]
PROGRAMS = ("logboomd", "logboom")
INTERFACES = {"linux", "linux-libc-dev", "gcc-defaults"}  # source packages whose headers bring no code along
NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:logboom:sbom")
# Debian's short names that SPDX spells otherwise.
SPDX = {
    "expat": "MIT", "mit": "MIT", "zlib": "Zlib", "curl": "curl", "isc": "ISC", "bsd-2-clause": "BSD-2-Clause",
    "bsd-3-clause": "BSD-3-Clause", "bsd-4-clause": "BSD-4-Clause", "apache-2.0": "Apache-2.0",
    "apache-2": "Apache-2.0", "bsd3": "BSD-3-Clause",
    "openldap-2.8": "OLDAP-2.8", "mpl-2.0": "MPL-2.0", "artistic": "Artistic-1.0-Perl", "0bsd": "0BSD",
    "bsl-1.0": "BSL-1.0", "cc0-1.0": "CC0-1.0", "unlicense": "Unlicense", "unicode": "Unicode-TOU",
}
GNU = re.compile(r"(GPL|LGPL|AGPL|GFDL)-?v?(\d(?:\.\d)?)(?:\.0)?(\+?)", re.I)


def told(*command):
    """Standard output of a command, or "" where it fails or is not there."""
    try:
        return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True,
                              env=ENV).stdout
    except (OSError, subprocess.CalledProcessError):
        return ""


def needed(path):
    """Names of the libraries that a program or a library asks for."""
    return re.findall(r"\(NEEDED\).*\[(.+)\]", told("readelf", "-d", str(path)))


def native():
    """The name of this machine's kind, as directories of libraries have it."""
    return told("gcc", "-print-multiarch").strip()


def loaded(path):
    """{name: path} of all that the loader finds for a program."""
    host = os.environ.get("DEB_HOST_MULTIARCH", native())
    if host != native():
        return placed(path, host)
    found = re.findall(r"^\s*(?:(\S+) => )?(/\S+) \(0x", told("ldd", str(path)), re.M)
    return {name or os.path.basename(at): at for name, at in found}


def placed(path, host):
    """The same for a program of another kind of machine, whose loader does not run here: by where libraries lie."""
    found, wave = {}, needed(path)
    while wave:
        name = wave.pop()
        at = next((one for one in (f"/lib/{host}/{name}", f"/usr/lib/{host}/{name}") if os.path.exists(one)), None)
        if at and name not in found:
            found[name] = at
            wave += needed(at)
    return found


def spellings(path):
    """How the package database may spell a path: with and without /usr, as a link and as what it points to."""
    real = os.path.realpath(path)
    return list(dict.fromkeys((path, real, real.removeprefix("/usr"), "/usr" + real)))


owner_of = {}  # path: the package that has it, with its architecture where the database tells it


def look_up(paths):
    """Ask for the owners of many files at once: one question takes as long as a hundred."""
    asked = [one for path in paths for one in spellings(path)]
    answer = subprocess.run(["dpkg-query", "-S", *asked], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                            check=False, env=ENV).stdout if asked else ""
    for owners, path in re.findall(r"^(?!diversion )(.+?): (/.*)$", answer, re.M):
        owner_of.setdefault(path, owners.split(",")[0])


def package_of(path):
    """The name of the Debian package that owns a file, of those that were looked up; None where nobody does."""
    return next((owner_of[one] for one in spellings(path) if one in owner_of), None)


@cache
def facts_of(package):
    form = "${Package}\t${Version}\t${Architecture}\t${source:Package}\t${source:Version}\n"
    line = told("dpkg-query", "-W", "-f", form, package).split("\n")[0]
    name, version, arch, source, source_version = line.split("\t")
    return {"name": name, "version": version, "arch": arch, "source": source, "source_version": source_version}


def spdx(name):
    """The identifier of SPDX for a short name of Debian's, or None."""
    gnu = GNU.fullmatch(name)
    if gnu:
        number = gnu.group(2) if "." in gnu.group(2) else gnu.group(2) + ".0"
        return f"{gnu.group(1).upper()}-{number}-{'or-later' if gnu.group(3) else 'only'}"
    return SPDX.get(name.lower())


def licences(package):
    """What the copyright file states of the files, each licence once; [] where it is prose."""
    try:
        text = Path(f"/usr/share/doc/{package}/copyright").read_text(errors="replace")
    except OSError:
        return []
    if not re.match(r"(?i)Format(-Specification)?:", text):
        return []
    names = set()
    for paragraph in re.split(r"\n\s*\n", text):
        files = re.search(r"^Files:\s*(.*)", paragraph, re.M)
        licence = re.search(r"^License:[ \t]*(\S.*)", paragraph, re.M)
        if files and licence and not files.group(1).startswith("debian/"):
            names.update(re.split(r"\s+(?:and|or)\s+|,\s*(?:and|or)?\s*", licence.group(1).strip()))
    ids = {spdx(name) for name in names} - {None}
    others = {name for name in names if name and not spdx(name)}
    stated = [{"id": name} for name in sorted(ids)] + [{"name": name} for name in sorted(others)]
    return [{"license": one} for one in stated]


@cache
def distribution():
    release = dict(re.findall(r'^(\w+)="?([^"\n]*)"?$', Path("/etc/os-release").read_text(), re.M))
    return release.get("ID", "debian"), release.get("VERSION_ID", "")


def component(package, how):
    """One Debian package, and how it comes in: "linked", "linked statically" or "compiled in"."""
    facts = facts_of(package)
    vendor, release = distribution()
    distro = f"&distro={vendor}-{release}" if release else ""
    purl = f"pkg:deb/{vendor}/{quote(facts['name'])}@{quote(facts['version'], safe='.-~')}?arch={facts['arch']}{distro}"
    made = {
        "type": "library", "bom-ref": purl, "name": facts["name"], "version": facts["version"], "purl": purl,
        "properties": [
            {"name": "logboom:how", "value": how},
            {"name": "logboom:source", "value": f"{facts['source']} {facts['source_version']}"},
        ],
    }
    stated = licences(facts["name"])
    if stated:
        made["licenses"] = stated
    else:
        made["properties"].append({"name": "logboom:copyright", "value": f"/usr/share/doc/{facts['name']}/copyright"})
    return made


def compiled_in(linked):
    """Packages whose headers the sources include, where nothing of their source package is linked."""
    sources = {facts_of(one)["source"] for one in linked} | INTERFACES
    places = ["/usr/include", f"/usr/include/{os.environ.get('DEB_HOST_MULTIARCH', native())}"]
    headers = set()
    for top in ("agent", "common"):
        for file in sorted((ROOT / top).rglob("*.[ch]")):
            headers.update(re.findall(r"^\s*#\s*include\s+<([^>]+)>", file.read_text(errors="replace"), re.M))
    found = set()
    paths = [path for header in sorted(headers) for place in places if os.path.exists(path := f"{place}/{header}")]
    look_up(paths)
    for path in paths:
        package = package_of(path)
        if package and facts_of(package)["source"] not in sources:
            found.add(package)
    return sorted(found)


def walk(build):
    """{program: packages that it asks for}, {package: packages that it asks for}."""
    programs, packages = {}, {}
    for program in PROGRAMS:
        paths = loaded(build / program)
        if not paths:
            sys.exit(f"sbom.py: the loader finds nothing for {build / program}: is it built, and for this machine?")
        look_up(paths.values())
        lost = [name for name, path in paths.items() if not package_of(path)]
        if lost:
            sys.exit(f"sbom.py: no Debian package has {', '.join(sorted(lost))}")
        owners = {name: package_of(path) for name, path in paths.items()}
        programs[program] = {owners[name] for name in needed(build / program) if name in owners}
        for name, path in paths.items():
            asks = {owners[one] for one in needed(path) if one in owners} - {owners[name]}
            packages.setdefault(owners[name], set()).update(asks)
    return programs, packages


def walk_static(build):
    """The same for the client of one piece: what its linker took, whole files and members of archives."""
    try:
        text = (build / "logboom-static.map").read_text()
    except OSError as fault:
        sys.exit(f"sbom.py: {fault}: make static writes it")
    paths = set(re.findall(r"^(/\S+\.a)\(\S+\)$", text, re.M)) | set(re.findall(r"^LOAD (/\S+\.o)$", text, re.M))
    paths = {os.path.normpath(one) for one in paths if not Path(one).resolve().is_relative_to(build.resolve())}
    look_up(sorted(paths))
    lost = [path for path in paths if not package_of(path)]
    if lost or not paths:
        sys.exit(f"sbom.py: no Debian package has {', '.join(sorted(lost)) or 'what is linked'}")
    packages = {package_of(path) for path in paths}
    return {"logboom-static": packages}, {package: set() for package in packages}


def when():
    epoch = os.environ.get("SOURCE_DATE_EPOCH") or told("git", "-C", str(ROOT), "log", "-1", "--format=%ct").strip()
    seconds = int(epoch or (ROOT / "CHANGELOG.md").stat().st_mtime)
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def bill(build, version, is_static):
    programs, packages = walk_static(build) if is_static else walk(build)
    inside = [] if is_static else compiled_in(packages)
    made = {package: component(package, "linked statically" if is_static else "linked") for package in packages}
    made.update({package: component(package, "compiled in") for package in inside})
    ref = {package: one["bom-ref"] for package, one in made.items()}
    product = "logboom-static" if is_static else "logboom"
    top = f"pkg:generic/{product}@{version}"
    own = {name: f"{top}#{name}" for name in programs}
    edges = {top: list(own.values())}
    for name, asks in programs.items():
        edges[own[name]] = [ref[one] for one in asks] + ([ref[one] for one in inside] if name == "logboomd" else [])
    edges.update({ref[one]: [ref[other] for other in asks] for one, asks in packages.items()})
    edges.update({ref[one]: [] for one in inside})
    mit = [{"license": {"id": "MIT"}}]
    subject = {
        "type": "application", "bom-ref": top, "name": product, "version": version, "purl": top, "licenses": mit,
        "components": [{"type": "application", "bom-ref": own[name], "name": name, "version": version, "licenses": mit}
                       for name in programs],
    }
    whole = {
        "bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1,
        "metadata": {
            "timestamp": when(), "lifecycles": [{"phase": "build"}],
            "tools": {"components": [{"type": "application", "name": "logboom packaging/sbom.py", "version": version}]},
            "component": subject,
        },
        "components": sorted(made.values(), key=lambda one: one["purl"]),
        "dependencies": [{"ref": one, "dependsOn": sorted(set(edges[one]))} for one in sorted(edges)],
    }
    serial = uuid.uuid5(NAMESPACE, json.dumps(whole, sort_keys=True))
    return {"bomFormat": "CycloneDX", "specVersion": "1.6", "serialNumber": f"urn:uuid:{serial}", **whole}


def main():
    is_static = sys.argv[1:2] == ["--static"]
    words = sys.argv[2:] if is_static else sys.argv[1:]
    if len(words) != 2:
        sys.exit("usage: sbom.py [--static] B VERSION")
    json.dump(bill(Path(words[0]), words[1], is_static), sys.stdout, indent=2, ensure_ascii=False)
    print()


if __name__ == "__main__":
    main()
