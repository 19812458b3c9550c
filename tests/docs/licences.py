"""The lists of docs/licences.md, from what is installed: compared by a test, written by `make licences`."""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterable, Mapping
from importlib.metadata import Distribution, distributions

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from .pages import ROOT, page, put, table

PAGE = "docs/licences.md"
LOCKED_EXTRAS = ("train", "otel", "int8", "ray", "s3", "seed")
STAND_INS = {"tensorflow": "tensorflow-cpu"}  # the Makefile's, for tf-keras

SPDX = {  # how metadata calls a licence: its name at SPDX
    "Apache 2.0": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "Apache License, Version 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "3-Clause BSD License": "BSD-3-Clause",
    "ISC License": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
NAME = r"(?:MIT|ISC|(?:\w+-)+[\w.]+)"
EXPRESSION = re.compile(rf"{NAME}(?: (?:AND|OR|WITH) {NAME})*")
READ = {  # read in the licence files of packages whose metadata does not say, or not in a name
    "astunparse": "BSD-3-Clause",
    "contourpy": "BSD-3-Clause",
    "cycler": "BSD-3-Clause",
    "gast": "BSD-3-Clause",
    "itsdangerous": "BSD-3-Clause",
    "jinja2": "BSD-3-Clause",
    "kiwisolver": "BSD-3-Clause",
    "namex": "Apache-2.0",
    "python-dateutil": "BSD-3-Clause",  # and Apache-2.0 too for what came since 2017
    "resvg-py": "MIT",
    "s3fs": "BSD-3-Clause",
    "scipy": "BSD-3-Clause",
    "tzdata": "Apache-2.0",  # of Windows alone
}


def pins(*names: str) -> dict[str, str]:
    """The versions that lock files name, package by package; several where they depend on Python's."""
    found: dict[str, list[str]] = {}
    for name in names:
        lock = page(f"requirements/{name}")
        for package, version in re.findall(r"^([a-z0-9-]+)==(\S+)", lock, re.MULTILINE):
            found.setdefault(package, []).append(version)
    return {package: ", ".join(versions) for package, versions in found.items()}


def installed(*folders: str) -> dict[str, Distribution]:
    """What is installed in site-packages, by name; without folders, in this environment."""
    found = distributions(path=list(folders)) if folders else distributions()
    return {canonicalize_name(one.name): one for one in found}


def licence(package: Distribution) -> str:
    """A package's licence as an expression of SPDX. Raises `LookupError` where that is not known."""
    said = package.metadata
    name = canonicalize_name(package.name)
    if expression := said.get("License-Expression") or READ.get(name):
        return expression
    kinds = [
        kind.split(" :: ")[-1] for kind in said.get_all("Classifier", []) if "License ::" in kind
    ]
    for kind in [said.get("License", ""), *kinds[: len(kinds) == 1]]:  # several: both, or either?
        if EXPRESSION.fullmatch(kind):
            return kind
        if kind in SPDX:
            return SPDX[kind]
    raise LookupError(f"{name}: its metadata says no licence; read it, and add it to READ")


def reached(needs: Iterable[str], packages: Mapping[str, Distribution]) -> set[str]:
    """The names of all that `needs` bring along, themselves among them."""
    found: set[str] = set()
    waiting = [(Requirement(need), "") for need in needs]
    seen = set()
    while waiting:
        need, of_extra = waiting.pop()
        if need.marker and not need.marker.evaluate({"extra": of_extra}):
            continue
        name = canonicalize_name(need.name)
        name = name if name in packages else STAND_INS.get(name, name)
        found.add(name)
        for extra in ("", *need.extras):
            if (name, extra) not in seen:
                seen.add((name, extra))
                waiting += [(Requirement(line), extra) for line in packages[name].requires or []]
    return found


def serving() -> str:
    """A table of what serves, as the lock file has it."""
    packages = installed()
    rows = [
        (name, version, licence(packages[name]) if name in packages else READ[name])
        for name, version in pins("serve.txt").items()
    ]
    return table(("package", "version", "licence"), rows)


def extras(
    wanted: Iterable[str], packages: Mapping[str, Distribution], versions: Mapping[str, str]
) -> str:
    """A table of what extras bring that serving does not; versions: those that are locked."""
    project = tomllib.loads(page("pyproject.toml"))["project"]
    brought = {
        extra: reached(project["optional-dependencies"][extra], packages) for extra in wanted
    }
    rows = [
        (
            name,
            versions.get(name, packages[name].version),
            licence(packages[name]),
            ", ".join(extra for extra in brought if name in brought[extra]),
        )
        for name in sorted(set().union(*brought.values()) - set(pins("serve.txt")))
    ]
    return table(("package", "version", "licence", "extra"), rows)


def locked_extras() -> str:
    return extras(LOCKED_EXTRAS, installed(), pins("dev.txt", "seed.txt"))


if __name__ == "__main__":
    made = {
        "serving": serving(),
        "extras": locked_extras(),
        "bench": extras(["bench"], installed(sys.argv[1]), {}),  # its site-packages
    }
    (ROOT / PAGE).write_text(put(page(PAGE), made), encoding="utf-8")
