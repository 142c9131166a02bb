"""`manage.py memory`: what goes out comes in again, and nothing else."""

from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest

from chat.management.commands.memory import Command
from chat.memory.documents import read_document, write_document
from chat.memory.search import search
from chat.models import MemoryDocument
from project.lib.terminal import Terminal
from tests.chat.memory.conftest import Configure
from tests.runs.cli.conftest import Result

pytestmark = pytest.mark.django_db(transaction=True)

Cli = Callable[..., Result]


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    """`manage.py memory …` in this process, up to its exit."""

    def run(*arguments: str) -> Result:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            Command().run_from_argv(["manage.py", "memory", *arguments])
        written = capsys.readouterr()
        return Result(ended.value.code, written.out, written.err)

    return run


@pytest.fixture
def documents() -> None:
    write_document("", "SOUL.md", "Be kind.\n", actor="test")
    write_document("", "guides/tea.md", "Boil water.", actor="test")
    write_document("ada", "USER.md", "Ada, a captain", actor="test")
    write_document("ada", "memory/2026-11-30.md", "# Daily Log\n\nSailed to Ölbæk.", actor="test")


def stored() -> dict[tuple[str, str], str]:
    rows = MemoryDocument.objects.values_list("owner", "name", "content")
    return {(owner, name): content for owner, name, content in rows}


@pytest.mark.usefixtures("documents")
def test_an_export_can_be_imported_elsewhere(cli: Cli, tmp_path: Path):
    before = stored()

    exported = cli("export", str(tmp_path / "out"))
    MemoryDocument.objects.all().delete()
    imported = cli("import", str(tmp_path / "out"))

    assert exported.lines == [
        "SOUL.md",
        "guides/tea.md",
        "users/ada/USER.md",
        "users/ada/memory/2026-11-30.md",
        "wrote 4 files",
    ]
    assert (exported.code, imported.code) == (0, 0)
    assert imported.lines[-1] == "wrote 4 of 4 documents; the others say that already"
    assert stored() == before
    assert [hit.source for hit in search("ada", "sailed", 10)] == ["memory/2026-11-30.md"]


@pytest.mark.usefixtures("documents")
def test_importing_again_writes_only_what_is_different(cli: Cli, tmp_path: Path):
    cli("export", str(tmp_path))
    (tmp_path / "SOUL.md").write_text("Be brief.\n")

    tried = cli("import", str(tmp_path), "--dry-run")
    as_before = read_document("", "SOUL.md")
    cli("import", str(tmp_path))
    again = cli("import", str(tmp_path))

    assert tried.lines == [
        "SOUL.md",
        "would write 1 of 4 documents; the others say that already",
    ]
    assert as_before == "Be kind.\n"
    assert read_document("", "SOUL.md") == "Be brief.\n"
    assert again.lines == ["wrote 0 of 4 documents; the others say that already"]


@pytest.mark.usefixtures("documents")
def test_one_users_documents_can_be_exported_alone_and_tried(cli: Cli, tmp_path: Path):
    tried = cli("export", str(tmp_path / "out"), "--owner", "ada", "-dry-run")

    assert tried.lines == [
        "users/ada/USER.md",
        "users/ada/memory/2026-11-30.md",
        "would write 2 files",
    ]
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("path", "content", "said"),
    [
        ("USER.md", b"x", "belongs below users/<id>/"),
        ("memory/x.md", b"x", "belongs below users/<id>/"),
        ("users/USER.md", b"x", "called by the id"),
        ("users/a b/USER.md", b"x", "called by the id"),
        ("users/ada/SOUL.md", b"x", "a user has USER.md"),
        ("latin.md", b"\xfc", "is not UTF-8"),
        ("nul.md", b"\0", "without NUL"),
        ("long.md", b"x" * 1_048_577, "larger than"),
    ],
)
def test_a_file_that_is_no_document_is_named_and_nothing_is_written(
    cli: Cli, tmp_path: Path, path: str, content: bytes, said: str
):
    (tmp_path / "fine.md").write_text("fine")
    (tmp_path / "picture.png").write_bytes(b"\0")
    (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / path).write_bytes(content)

    done = cli("import", str(tmp_path))

    assert done.code == 1
    assert f"memory: {path}: " in done.err and said in done.err
    assert "1 files are no documents; nothing was written" in done.err
    assert stored() == {}


def test_neither_way_leads_through_a_link(cli: Cli, tmp_path: Path):
    secret = tmp_path / "secret.md"
    secret.write_text("outside")
    inside = tmp_path / "in"
    inside.mkdir()
    (inside / "notes.md").symlink_to(secret)
    (inside / "users").symlink_to(tmp_path)

    imported = cli("import", str(inside))
    write_document("", "notes.md", "overwritten", actor="test")
    exported = cli("export", str(inside))

    assert (imported.code, exported.code) == (1, 1)
    assert secret.read_text() == "outside"
    assert stored() == {("", "notes.md"): "overwritten"}

    (inside / "notes.md").unlink()
    write_document("ada", "USER.md", "Ada", actor="test")
    assert cli("export", str(inside)).code == 1
    assert not (tmp_path / "ada").exists()


@pytest.mark.usefixtures("documents")
def test_a_search_prints_what_the_owner_would_find(cli: Cli):
    assert cli("search", "captain", "--owner", "ada").lines == ["USER.md\t1-1\tAda, a captain"]
    assert cli("search", "captain").lines == []
    assert cli("search", "kind", "--json").lines == [
        '{"source":"SOUL.md","text":"Be kind.","line_start":1,"line_end":1}'
    ]


@pytest.mark.usefixtures("documents")
def test_a_reindex_follows_new_sizes_and_goes_on_where_it_was_broken_off(
    cli: Cli, configure: Configure
):
    write_document("", "long.md", "\n".join(f"line {number}" for number in range(100)), actor="t")
    before = search("", "line", 10)
    configure("memory", chunk_size=200, chunk_overlap=0)

    first = cli("reindex", "--continue")
    again = cli("reindex", "--continue")
    whole = cli("reindex")

    assert (first.lines, again.lines, whole.lines) == (
        ["indexed 5 of 5 documents"],
        ["indexed 0 of 5 documents"],
        ["indexed 5 of 5 documents"],
    )
    assert len(before) == 1
    assert len(search("", "line", 10)) > 1


class Screen(StringIO):
    """What a person looks at."""

    def isatty(self) -> bool:
        return True


def test_a_reindex_shows_how_far_it_is_to_a_person_and_nothing_of_it_to_a_program(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("TERM", "xterm")
    for number in range(25):
        write_document("", f"page{number}.md", "words", actor="test")
    screen, out = Screen(), StringIO()

    code = Command().dispatch(["reindex"], Terminal(out, screen))
    piped = cli("reindex")

    assert code == 0
    assert "indexing" in screen.getvalue() and "25/25" in screen.getvalue()
    assert out.getvalue() == piped.out == "indexed 25 of 25 documents\n"
    assert piped.err == ""


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ((), 2),
        (("dance",), 2),
        (("--help",), 0),
        (("search",), 1),
        (("search", "x", "--limit", "0"), 1),
        (("import", "/nowhere/at/all"), 1),
    ],
)
def test_a_mistyped_command_is_one_line(cli: Cli, arguments: tuple[str, ...], code: int):
    done = cli(*arguments)

    assert done.code == code
    if code == 1:
        assert done.err.startswith("memory: ")
        assert done.err.count("\n") == 1
