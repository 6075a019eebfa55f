"""`python -m keras_impl train | evaluate | export`: networks in Keras."""

from collections.abc import Sequence

from deploy import shell


def main(argv: Sequence[str]) -> int | None:
    from keras_impl.commands import LIBRARY  # here, so that Ctrl-C works during the import

    return LIBRARY.main(argv)


if __name__ == "__main__":
    shell.run(main)
