"""`manage.py runs` itself: exit codes of the contract and complaints in one line."""

import pytest

from runs.management.commands.runs import SUBCOMMANDS


def test_no_subcommand_shows_the_usage_and_exits_2(cli):
    result = cli()

    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("usage: manage.py runs SUBCOMMAND")


def test_an_unknown_subcommand_exits_2(cli):
    result = cli("explode")

    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("runs: unknown subcommand 'explode'; there are list, show")


@pytest.mark.parametrize("name", SUBCOMMANDS)
def test_help_of_a_subcommand_exits_1_by_the_contract(cli, name):
    result = cli(name, "-h")

    assert result.code == 1
    assert result.out.startswith(f"usage: manage.py runs {name}")


def test_help_of_the_command_names_every_subcommand(cli):
    result = cli("--help")

    assert result.code == 0
    assert all(f"  {name} " in result.out for name in SUBCOMMANDS)


@pytest.mark.parametrize("name", ["show", "follow", "export", "cancel", "rebuild"])
def test_an_unknown_run_is_one_line(cli, name):
    result = cli(name, "nobody")

    assert (result.code, result.out, result.err) == (1, "", "runs: there is no run nobody\n")


def test_an_unknown_flag_is_one_line(cli):
    result = cli("list", "--sideways")

    assert (result.code, result.err) == (1, "runs: unrecognized arguments: --sideways\n")
