"""Recorded commands, as a table shows them."""

import pytest

from trainspec.results.commands import shown_command


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        ("python -m keras_impl train vgg19 --out=a/b --json --epochs 3", "nox -s train_keras -- vgg19 --epochs 3"),
        ("python -m torch_impl train /a/my.json --threads 2 --set a=1", "nox -s train_torch -- my.json --set a=1"),
        (
            "python -m torch_impl train lenet5 --recipe original/lenet5+dp --data /a/b.zip",
            "nox -s train_torch -- lenet5 --recipe original/lenet5+dp --data b.zip",
        ),
        ("keras_impl.train('lenet5')", "keras_impl.train('lenet5')"),
        (
            "python -m torch_impl train lenet5 --data=/a/b.zip --recipe=original/lenet5+dp --out=/a/r",
            "nox -s train_torch -- lenet5 --data=b.zip --recipe=original/lenet5+dp",
        ),
        ("python -m torch_impl train a --set=b=/x/y --set c=/x/z", "nox -s train_torch -- a --set=b=y --set c=z"),
        ("an 'open quote", "an 'open quote"),
        ("", ""),
    ],
)
def test_commands_are_shown_without_places(command, shown):
    assert shown_command(command) == shown
