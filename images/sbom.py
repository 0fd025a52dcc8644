"""Write a CycloneDX SBOM: ``python -m images.sbom --image jobs (--site SITE_PACKAGES... | --root ROOT) OUTPUT``.

It lists the distributions of an environment, what they vendor and bundle, the components of SBOMs inside wheels
(PEP 770: crates, OpenSSL), and, with the file system of an image, its Debian packages. Nothing in the environment is
executed, so that an image can be read on another machine.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from email.parser import Parser
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import jsonschema_rs
from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from images.contents import (
    LOCKS,
    WITH_SCRIPTS,
    binaries,
    installed,
    licences,
    normal,
    owner,
    packages,
    pins,
    scripts,
    vendored,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from importlib.metadata import Distribution

# dbt's environment is only in the image `jobs`.
_SITES = ("opt/telecine/lib/python3.11/site-packages", "opt/dbt/lib/python3.11/site-packages")
_LICENCES = LicenseFactory()
# The schema of CycloneDX 1.6 and those that it refers to.
_SCHEMAS = tuple(f"{name}.SNAPSHOT.schema.json" for name in ("bom-1.6", "spdx", "cryptography-defs", "jsf-0.82"))


def write(image: str, *sites: Path, root: Path | None = None) -> str:
    """Return the SBOM of an image as JSON.

    Args:
        image: A key of ``LOCKS``: its lock files name the distributions that are read.
        sites: The site-packages folders of the image's environments.
        root: The file system of the image, if its Debian packages are to be listed.

    Raises:
        SystemExit: A locked distribution is missing, a binary is in no list, or the result violates the schema.
    """
    table, _ = licences()
    locked = pins(*LOCKS[image]).keys()
    found = [(name, entry) for site in sites for name, entry in installed(site).items() if name in locked]
    if missing := locked - {name for name, _ in found}:
        places = ", ".join(map(str, sites))
        sys.exit(f"{places} lacks {', '.join(sorted(missing))}; expected the locked requirements of {image}")
    bom = Bom()
    bom.metadata.component = Component(name=f"telecine-{image}", type=ComponentType.CONTAINER, bom_ref=image)
    components: dict[tuple[str, str, str], Component] = {}
    for component in _components(found, table):
        components.setdefault(
            (component.name, component.version or "", str(component.purl or component.group)), component
        )
    for name, version in packages().items() if image in WITH_SCRIPTS else []:
        purl = PackageURL("npm", None, name, version)
        components[name, version, str(purl)] = _component(name, version, scripts()[name], purl=purl)
    for component in _debian(root) if root else []:
        components.setdefault((component.name, component.version or "", str(component.purl)), component)
    for component in components.values():
        bom.components.add(component)
    bom.register_dependency(bom.metadata.component, bom.components)
    text: str = JsonV1Dot6(bom).output_as_string(indent=1)
    if error := violation(text):
        sys.exit(f"the SBOM of {image} violates the schema of CycloneDX 1.6: {error}")
    return text


def violation(text: str) -> str | None:
    """Return how a JSON document violates the schema of CycloneDX 1.6, formats included; None if it does not.

    The validator of cyclonedx-python-lib needs ``jsonschema[format-nongpl]``, whose grammar of IRIs takes 1.3 s of
    processor time in every process that imports jsonschema, such as each of Ray's.
    """
    schemas = files("cyclonedx.schema") / "_res"
    schema, *others = (
        (f"http://cyclonedx.org/schema/{name}", json.loads((schemas / name).read_text("utf-8"))) for name in _SCHEMAS
    )
    registry = jsonschema_rs.Registry(others, draft=jsonschema_rs.Draft7)
    validator = jsonschema_rs.Draft7Validator(schema[1], validate_formats=True, registry=registry)
    error = next(validator.iter_errors(json.loads(text)), None)
    return None if error is None else str(error)


def _components(found: list[tuple[str, Distribution]], table: dict[str, str]) -> Iterator[Component]:
    for name, distribution in found:
        yield _component(
            name, distribution.version, table[name], purl=PackageURL("pypi", None, name, distribution.version)
        )
        for inner in vendored(distribution):
            inside = normal(inner.name)
            purl = PackageURL("pypi", None, inside, inner.version, {"vendored_by": name})
            yield _component(inside, inner.version, table[inside], group=name, purl=purl)
        yield from _bundled(name, distribution)
        yield from _embedded(distribution)


def _bundled(wheel: str, distribution: Distribution) -> Iterator[Component]:
    _, table = licences()
    rows = [row for row in table if row.wheel == wheel and not row.files]
    for file in binaries(distribution):
        row = owner(file, wheel, table)
        if row is None:
            sys.exit(f"{file} of {wheel} is not in images/licences.toml; expected a [[bundled]] row that covers it")
        rows.append(row)
    for row in {row.name: row for row in rows if row.name}.values():
        yield _component(row.name, row.version, row.licence, group=wheel)


def _embedded(distribution: Distribution) -> Iterator[Component]:
    """Yield the components of the SBOMs that a wheel contains."""
    own = normal(distribution.name)
    for entry in distribution.files or []:
        if not re.search(r"\.dist-info/sboms/[^/]+\.json$", str(entry)):
            continue
        document = json.loads(Path(str(distribution.locate_file(entry))).read_text(encoding="utf-8"))
        for component in document.get("components", []):
            if normal(component["name"]) == own:
                continue
            purl = PackageURL.from_string(component["purl"]) if component.get("purl") else None
            yield _component(component["name"], component.get("version", ""), _stated(component), group=own, purl=purl)


def _stated(component: dict[str, object]) -> str:
    stated: list[dict[str, object]] = component.get("licenses") or []  # type: ignore[assignment]
    for entry in stated:
        licence = entry.get("license")
        text = entry.get("expression") or (isinstance(licence, dict) and (licence.get("id") or licence.get("name")))
        if text:
            return str(text)
    return ""


def _debian(root: Path) -> Iterator[Component]:
    """Yield the packages of dpkg's database; slim images split it into files below status.d."""
    database = root / "var/lib/dpkg"
    files = [path for path in [database / "status", *sorted((database / "status.d").glob("*"))] if path.is_file()]
    release = root / "etc/os-release"
    text = release.read_text(encoding="utf-8") if release.is_file() else ""
    fields = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    distro = f"{fields.get('ID', 'debian')}-{fields.get('VERSION_ID', '')}".replace('"', "").rstrip("-")
    if not files:
        sys.exit(f"{database} has no package database; expected the root of an image based on Debian")
    for file in files:
        for paragraph in re.split(r"\n\n+", file.read_text(encoding="utf-8").strip()):
            package = Parser().parsestr(paragraph)
            if not package.get("Status", "install ok installed").endswith(" installed"):
                continue
            qualifiers = {"arch": package["Architecture"], "distro": distro}
            purl = PackageURL("deb", "debian", package["Package"], package["Version"], qualifiers)
            yield _component(package["Package"], package["Version"], "", purl=purl)


def _component(name: str, version: str, licence: str, *, group: str = "", purl: PackageURL | None = None) -> Component:
    return Component(
        name=name,
        version=version or None,
        group=f"bundled in {group}" if group else None,
        type=ComponentType.LIBRARY,
        licenses=[_LICENCES.make_from_string(licence)] if licence else None,
        purl=purl,
        bom_ref=f"{group}/{purl or name}@{version}",
    )


def main(arguments: Iterable[str] | None = None) -> None:
    """Parse the command line and write the SBOM."""
    parser = argparse.ArgumentParser(prog="python -m images.sbom")
    parser.add_argument("--image", choices=sorted(LOCKS), required=True)
    place = parser.add_mutually_exclusive_group(required=True)
    place.add_argument("--site", type=Path, action="append", help="site-packages folder with locked requirements")
    place.add_argument("--root", type=Path, help="unpacked file system of an image")
    parser.add_argument("output", type=Path)
    options = parser.parse_args(None if arguments is None else list(arguments))
    sites = options.site or [path for site in _SITES if (path := options.root / site).is_dir()]
    text = write(options.image, *sites, root=options.root)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(text + "\n", encoding="utf-8")
    print(f"{options.output}: {len(json.loads(text)['components'])} components")  # noqa: T201 -- its output


if __name__ == "__main__":
    main()
