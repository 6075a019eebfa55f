"""What people do with a Keras model that leaves them with another one: save, load, clone, copy, nest, checkpoint."""

import copy
import pickle
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import keras
import pytest
from keras.callbacks import BackupAndRestore, ModelCheckpoint

import keras_impl
from keras_impl.network import Headed
from keras_samples import compiled, feeds, labels


def with_weights_of(model: keras.Model, other: keras.Model) -> keras.Model:
    other.set_weights(model.get_weights())
    return other


def saved(model: keras.Model, folder: Path, **options: Any) -> keras.Model:
    path = folder / ("model" if options else "model.keras")
    model.save(path, **options)
    return keras.saving.load_model(path)


def weights_only(model: keras.Model, folder: Path) -> keras.Model:
    model.save_weights(folder / "model.weights.h5")
    other = keras_impl.build(model.spec, seed=7)
    other.load_weights(folder / "model.weights.h5")
    return other


def from_config(model: keras.Model, folder: Path) -> keras.Model:
    return with_weights_of(model, type(model).from_config(model.get_config()))


def from_json(model: keras.Model, folder: Path) -> keras.Model:
    return with_weights_of(model, keras.models.model_from_json(model.to_json()))


def cloned(model: keras.Model, folder: Path) -> keras.Model:
    return with_weights_of(model, keras.models.clone_model(model))


def deep_copied(model: keras.Model, folder: Path) -> keras.Model:
    return copy.deepcopy(model)


def pickled(model: keras.Model, folder: Path) -> keras.Model:
    return pickle.loads(pickle.dumps(model))


def checkpoint(model: keras.Model, folder: Path) -> keras.Model:
    best = ModelCheckpoint(folder / "best.keras", monitor="loss", save_best_only=True)
    compiled(model).fit(feeds(model.spec), labels(), epochs=1, callbacks=[best], verbose=0)
    return keras.saving.load_model(folder / "best.keras")


def checkpoint_of_weights(model: keras.Model, folder: Path) -> keras.Model:
    best = ModelCheckpoint(folder / "best.weights.h5", "loss", save_best_only=True, save_weights_only=True)
    compiled(model).fit(feeds(model.spec), labels(), epochs=1, callbacks=[best], verbose=0)
    other = keras_impl.build(model.spec, seed=7)
    other.load_weights(folder / "best.weights.h5")
    return other


class Stop(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        if epoch == 2:
            raise InterruptedError


def restored(model: keras.Model, folder: Path) -> keras.Model:
    """Interrupted after two of three epochs, and gone on with in another model: there is nothing left of two epochs."""
    backup = partial(BackupAndRestore, folder / "backup", delete_checkpoint=False)
    fit = {"x": feeds(model.spec), "y": labels(), "verbose": 0}
    with pytest.raises(InterruptedError):
        compiled(model).fit(**fit, epochs=3, callbacks=[backup(), Stop()])
    other = compiled(keras_impl.build(model.spec, seed=7))
    other.fit(**fit, epochs=2, callbacks=[backup()])
    return other


def in_functional(model: keras.Model, folder: Path) -> keras.Model:
    inputs = [keras.Input(part.shape[1:]) for part in model.inputs]
    inputs = inputs if len(inputs) > 1 else inputs[0]
    return keras.Model(inputs, model(inputs))


def in_sequential(model: keras.Model, folder: Path) -> keras.Model:
    return keras.Sequential([model])


def nested_and_saved(model: keras.Model, folder: Path) -> keras.Model:
    return saved(in_functional(in_functional(model, folder), folder), folder)


def in_sequential_and_saved(model: keras.Model, folder: Path) -> keras.Model:
    return saved(keras.Sequential([keras.Input(model.inputs[0].shape[1:]), model]), folder)


def compiled_and_saved(model: keras.Model, folder: Path) -> keras.Model:
    return saved(compiled(model), folder)


def compiled_and_cloned(model: keras.Model, folder: Path) -> keras.Model:
    return cloned(compiled(model), folder)


def wrapped_again(model: keras.Model, folder: Path) -> keras.Model:
    return keras.Model(model.input, model.output) if not isinstance(model, Headed) else model


Idiom = Callable[[keras.Model, Path], keras.Model]
IDIOMS: dict[str, Idiom] = {
    idiom.__name__: idiom
    for idiom in (
        saved,
        weights_only,
        from_config,
        from_json,
        cloned,
        deep_copied,
        pickled,
        checkpoint,
        checkpoint_of_weights,
        restored,
        in_functional,
        in_sequential,
        nested_and_saved,
        in_sequential_and_saved,
        compiled_and_saved,
        compiled_and_cloned,
        wrapped_again,
    )
} | {"saved_as_a_folder": partial(saved, zipped=False)}
OF_ONE_INPUT = {"in_sequential", "in_sequential_and_saved"}
