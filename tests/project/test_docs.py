"""The reference names every flag and every variable, and nothing that does not exist."""

import argparse
import re
from pathlib import Path

import pytest

from chat.api.urls import urlpatterns as gateway_routes
from chat.live_settings.groups import GROUPS
from project.serve import options
from project.version import VERSION
from tests.server import ROOT

pytestmark = pytest.mark.anywhere

REFERENCE = (ROOT / "docs/reference/settings.md").read_text()
VARIABLES = set(
    re.findall(r'env_[a-z]+\(\s*"([A-Z_]+)"', (ROOT / "project/settings.py").read_text())
)


@pytest.mark.parametrize("variable", sorted(VARIABLES))
def test_every_variable_is_in_the_reference(variable: str):
    assert f"`{variable}`" in REFERENCE


def test_the_reference_names_no_variable_that_nobody_reads():
    named = set(re.findall(r"^\| (`[A-Z_]+`(?:(?:,| or) `[A-Z_]+`)*) \|", REFERENCE, re.MULTILINE))
    variables = {name for cell in named for name in re.findall(r"[A-Z_]+", cell)}

    assert variables - VARIABLES == set()


def test_every_flag_of_serve_is_in_the_reference():
    parser = argparse.ArgumentParser(add_help=False)
    options.add_arguments(parser)

    flags = [flag for action in parser._actions for flag in action.option_strings]

    assert [flag for flag in flags if f"`{flag}" not in REFERENCE] == []


@pytest.mark.parametrize("group", sorted(GROUPS))
def test_every_live_setting_is_in_the_reference_below_its_group(group: str):
    below = REFERENCE.partition(f"| **{group}** |")[2].partition("| **")[0]

    assert [name for name in GROUPS[group].model_fields if f"`{name}`" not in below] == []


GATEWAY = "".join(
    (ROOT / f"docs/reference/{page}.md").read_text()
    for page in ("api-gateway", "api-users", "api-instances")
)
#: The last word of each route of the gateway, parameters apart.
WORDS = {
    [part for part in str(route.pattern).split("/") if not part.startswith("<")][-1]
    for route in gateway_routes
    if str(route.pattern).startswith("api/")
}


@pytest.mark.parametrize("word", sorted(WORDS))
def test_every_route_of_the_gateway_is_in_the_reference(word: str):
    assert re.search(rf"/{word}\b", GATEWAY)


# `path.py` (`Name`, `name`) and `path.py`: `Name`, `name`
REFERRED = re.findall(
    r"`([a-z_/]+\.py)`(?: \(|: )((?:`[A-Za-z_.]+`(?:, )?)+)",
    (ROOT / "docs/architecture.md").read_text().replace("\n", " "),
)


def _defines(source: str, name: str) -> bool:
    """Whether a module has a class, function, method or constant of that name."""
    last = re.escape(name.rpartition(".")[2])
    pattern = rf"^ *(?:class|def|async def) {last}\b|^{last}(?::[^=]+)? ="
    return re.search(pattern, source, re.MULTILINE) is not None


def test_the_architecture_page_names_what_there_is():
    named = [(path, name) for path, names in REFERRED for name in re.findall("[A-Za-z_.]+", names)]

    assert len(named) > 40  # the page still names things in the form this test reads
    assert [
        f"{path}: {name}" for path, name in named if not _defines((ROOT / path).read_text(), name)
    ] == []


@pytest.mark.parametrize("page", sorted(ROOT.glob("docs/**/*.md")), ids=lambda page: page.stem)
def test_pages_name_only_files_that_exist(page: Path):
    apps = "accounts|chat|instances|project|runs"
    named = set(re.findall(rf"`((?:{apps})/[a-z_/]*(?:\.py)?)`", page.read_text()))

    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


def test_the_version_is_the_same_everywhere():
    assert f'version = "{VERSION}"' in (ROOT / "pyproject.toml").read_text()
    assert f"## {VERSION}" in (ROOT / "CHANGELOG.md").read_text()


def test_links_between_our_pages_lead_somewhere():
    pages = [ROOT / "README.md", *ROOT.glob("docs/**/*.md")]

    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in pages
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text())
        if "://" not in target and not Path(page.parent, target).exists()
    ]

    assert broken == []
