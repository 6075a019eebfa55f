"""The embedded data set: the UCI optical digits (E. Alpaydin, C. Kaynak, 1998; CC BY 4.0), 1,797 images of 8x8.

They are UCI's own test file, the same images as scikit-learn's `load_digits`. They are ordered by the 13 writers, and
the last fifth is much harder: a nearest neighbour gets 95.6% of it right, but 98.6 to 99.2% of random fifths. The test
split is therefore 360 images, drawn once by class and the same in every run. See `embedded/NOTICE.md`.
"""

from importlib.resources import files

import numpy as np

from trainspec.data.dataset import ArraySplit, DataSet, channel_statistics, hold_out, with_validation
from trainspec.data.form import Form
from trainspec.data.images import resize_arrays
from trainspec.data.memory import require_memory

NAME = "digits"
LABEL = "UCI optical digits (embedded)"
TEST_IMAGES = 360
TEST_SEED = 0


def load_digits(form: Form, seed: int) -> DataSet:
    """The digits as uint8 `(N, size, size, channels)`: 1,437 for training and validation, 360 for the test.

    The 17 grey levels are scaled to 0..255 before the images are resized. Three channels are equal. Raises `DataError`
    where the images do not fit into memory.
    """
    with (files("trainspec.data") / "embedded" / "digits.npz").open("rb") as file:
        arrays = np.load(file, allow_pickle=False)
        levels, labels = arrays["images"], arrays["labels"].astype(np.int64)
    require_memory(LABEL, len(labels), form)
    grey = np.rint(levels * (255 / 16)).astype(np.uint8)
    everything = ArraySplit(resize_arrays(grey, form), labels)
    rest, held = hold_out(labels, TEST_IMAGES, TEST_SEED)
    train, validation = with_validation(everything.take(rest), seed)
    mean, std = channel_statistics(train.images)
    return DataSet(
        name=NAME,
        label=LABEL,
        classes=tuple("0123456789"),
        train=train,
        validation=validation,
        test=everything.take(held),
        mean=mean,
        std=std,
        notes=(
            "UCI optical digits by E. Alpaydin and C. Kaynak, CC BY 4.0; 8x8 images, enlarged.",
            *form.notes,
        ),
    )
