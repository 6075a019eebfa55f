"""`python -m trainspec agreement RUN OTHER | results [RUN ...] | keys | split FOLDER`: runs, recipes, and data sets."""

from collections.abc import Sequence
from pathlib import Path

from deploy import shell
from deploy.commands import Command, option, run_command
from deploy.options import path
from deploy.outputs import output_file, output_folder
from deploy.shell import say
from diptych.errors import UsageError


def main(argv: Sequence[str]) -> int | None:
    commands = (
        Command(
            "agreement",
            "batches, first losses, weights and predictions of two runs",
            (
                option("run", type=path, metavar="RUN", help="the folder of a run"),
                option("other", type=path, metavar="OTHER", help="the folder of another run of the same network"),
            ),
            run_agreement,
        ),
        Command(
            "results",
            "tables and a plot of the figures of runs",
            (
                option(
                    "runs",
                    nargs="*",
                    type=path,
                    metavar="RUN",
                    help="runs, folders of runs, or an earlier results.json: its rows stay; default: runs",
                ),
                option(
                    "--out",
                    type=output_folder,
                    default="results",
                    metavar="FOLDER",
                    help="where results.* are written (results)",
                ),
                option("--headers", action="store_true", help="also write the accuracies into the recipes' headers"),
            ),
            run_results,
        ),
        Command(
            "split",
            "a reproducible split of a class folder, written as a manifest",
            (
                option("folder", type=path, metavar="FOLDER", help="a folder with a folder of images for each class"),
                option("--seed", type=int, default=0, metavar="N", help="seed of the split (0)"),
                option("--validation", type=float, default=0.1, metavar="SHARE", help="share of all images (0.1)"),
                option("--test", type=float, default=0.1, metavar="SHARE", help="share of all images (0.1)"),
                option(
                    "--out", type=output_file, metavar="FILE", help="the manifest; default: <folder>.split.json, here"
                ),
                option(
                    "--copy",
                    type=output_folder,
                    metavar="FOLDER",
                    help="also copy the files to FOLDER/<split>/<class>/",
                ),
                option("--json", action="store_true", help="print one line of JSON"),
            ),
            run_split,
        ),
        Command("keys", "all keys of a recipe, with defaults and limits, in Markdown", (), run_keys),
    )
    return run_command("trainspec", "Compares and lists runs, splits folders, prints keys.", commands, argv)


def run_agreement(run: Path, other: Path) -> None:
    from trainspec.agreement import compare_runs

    for line in compare_runs(run, other):
        say(line)


def run_results(runs: Sequence[Path], out: Path, headers: bool) -> None:
    from trainspec.results import collect, count_measured, write_headers
    from trainspec.results.earlier import dropped

    report = collect(runs or [Path("runs")])
    for row in report.rows:
        say(row)
    for line in report.left_out:
        say(f"left out   {line}")
    earlier = out / "results.json"
    if count := dropped(earlier, report.rows):
        rows = "row" if count == 1 else "rows"
        say(f"left out   {count} {rows} of the earlier {earlier}, which is replaced; to keep them, give a copy too")
    files = report.write(out) + (write_headers(report.rows) if headers else [])
    for file in files:
        say(f"written    {file}")
    measured, recipes = count_measured()
    say(f"headers    {measured} of {recipes} recipes say what was measured")


def run_split(
    folder: Path, seed: int, validation: float, test: float, out: Path | None, copy: Path | None, json: bool
) -> None:
    from trainspec.data.manifest import SUFFIX, is_manifest
    from trainspec.data.splitting import Shares, check_target, copy_split, split_folder, summary, table

    if out is not None and not is_manifest(out):
        raise UsageError(f"--out {out}: the name of a manifest ends in {SUFFIX}")
    if copy:
        check_target(copy, folder)
    left_out: list[str] = []
    manifest = split_folder(folder, Shares(validation, test), seed, left_out.append)
    file = out or Path(f"{manifest.name}.split{SUFFIX}")
    if copy:
        copy_split(manifest, copy)
    manifest.write(file)
    if json:
        say(summary(manifest, file, left_out[0]))
        return
    for line in table(manifest):
        say(line)
    say(f"left out   {left_out[0]}")
    say(f"written    {file}")
    if copy:
        say(f"copied     {copy}")
    say(f"train on it: --data {file}")


def run_keys() -> None:
    from trainspec.recipes.reference import reference

    for line in reference().splitlines():
        say(line)


if __name__ == "__main__":
    shell.run(main)
