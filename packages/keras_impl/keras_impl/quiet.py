"""TensorFlow without what it prints while it is imported, which no log level of its own turns off."""

import logging
import os
import sys
import tempfile


def import_keras() -> None:
    """Import Keras and its backend with the process's stderr put aside; what was said is shown if it fails."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    logging.getLogger("tensorflow").setLevel(logging.ERROR)  # it warns of retracing, which many networks in turn mean
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as aside:
        os.dup2(aside.fileno(), 2)
        try:
            import keras  # noqa: F401
        except BaseException:
            aside.seek(0)
            os.write(kept, aside.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)
