"""`python -m trainspec agreement RUN RUN | results [RUN ...] | keys`: finished runs, and what recipes may say."""

from collections.abc import Sequence
from pathlib import Path

from deploy.shell import say
from diptych import cli
from diptych.cli import Command, option
from netspec.options import path


def main(argv: Sequence[str]) -> int | None:
    commands = (
        Command(
            "agreement",
            "batches, first losses, weights and predictions of two runs",
            (option("runs", nargs=2, type=path, metavar="RUN", help="the folder of a run"),),
            run_agreement,
        ),
        Command(
            "results",
            "tables and a plot of the figures of runs",
            (
                option("runs", nargs="*", type=path, metavar="RUN", help="runs, or folders of runs; default: runs"),
                option(
                    "--out", type=path, default=Path("results"), metavar="FOLDER", help="where results.* are written"
                ),
                option("--headers", action="store_true", help="also write the accuracies into the recipes' headers"),
            ),
            run_results,
        ),
        Command("keys", "all keys of a recipe, with defaults and limits, in Markdown", (), run_keys),
    )
    return cli.run_command("trainspec", "Compares and lists runs, and prints the keys of recipes.", commands, argv)


def run_agreement(runs: Sequence[Path]) -> None:
    from trainspec.agreement import compare_runs

    for line in compare_runs(*runs):
        say(line)


def run_results(runs: Sequence[Path], out: Path, headers: bool) -> None:
    from trainspec.results import collect, count_measured, write_headers

    report = collect(runs or [Path("runs")])
    for row in report.rows:
        say(row)
    for line in report.left_out:
        say(f"left out   {line}")
    files = report.write(out) + (write_headers(report.rows) if headers else [])
    for file in files:
        say(f"written    {file}")
    measured, recipes = count_measured()
    say(f"headers    {measured} of {recipes} recipes say what was measured")


def run_keys() -> None:
    from trainspec.recipes.reference import reference

    for line in reference().splitlines():
        say(line)


if __name__ == "__main__":
    cli.run(main)
