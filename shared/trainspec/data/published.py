"""Published data sets: files that are downloaded once, checked by hash, and read by the format of their authors."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from diptych.errors import DataError
from trainspec.data.cache import cache_folder
from trainspec.data.dataset import ArraySplit, DataSet, channel_statistics, with_validation
from trainspec.data.download import Source, fetch
from trainspec.data.form import Form
from trainspec.data.images import resize_arrays
from trainspec.data.memory import require_memory

Constants = tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class Contents:
    """What the files hold: images as published, uint8 `(N, H, W)` or `(N, H, W, 3)`, and the names of the classes."""

    train: ArraySplit
    test: ArraySplit
    classes: tuple[str, ...]


@dataclass(frozen=True)
class Published:
    """A data set with fixed splits. `images` is the number in both. `read` gets the paths of `sources`, in order.

    `constants`: the mean and the deviation of each of three channels on the 0..255 scale. Without them, and for another
    number of channels, they are those of the training images. `folder`: in the cache folder, for files with names that
    another set has, too.
    """

    name: str
    label: str
    images: int
    sources: tuple[Source, ...]
    read: Callable[[Sequence[Path]], Contents]
    constants: tuple[Constants, Constants] | None = None
    folder: str = ""

    def fetch(self) -> list[Path]:
        """Download the files that are not there yet. Raises `DataError` or `StorageError` where this fails."""
        return [fetch(source, cache_folder() / self.folder) for source in self.sources]

    def load(self, form: Form, seed: int) -> DataSet:
        """The set, with images uint8 `(N, size, size, channels)`. A tenth of the training split is validation.

        Downloads the files that are not there yet. Raises `DataError` where they cannot be used.
        """
        require_memory(self.label, self.images, form)
        paths = self.fetch()
        try:
            found = self.read(paths)
            splits = [ArraySplit(resize_arrays(each.images, form), each.labels) for each in (found.train, found.test)]
            highest = max(int(split.labels.max()) for split in splits)
            if highest >= len(found.classes):
                raise ValueError(f"label {highest} of {len(found.classes)} classes")
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DataError(
                f"{paths[0]}: does not hold {self.label} as published ({error}); delete it, so that it is downloaded"
            ) from error
        train, validation = with_validation(splits[0], seed)
        if self.constants and form.channels == 3:
            mean, std = (tuple(value / 255 for value in each) for each in self.constants)
        else:
            mean, std = channel_statistics(train.images)
        return DataSet(
            name=self.name,
            label=self.label,
            classes=found.classes,
            train=train,
            validation=validation,
            test=splits[1],
            mean=mean,
            std=std,
        )
