"""The section `[initialisation]`: every change against its definition, and what a network has no place for."""

from dataclasses import fields
from fnmatch import fnmatchcase
from statistics import NormalDist
from typing import get_args

import numpy as np
import pytest
from asked import prepared, task_of

from diptych.errors import RecipeError
from netspec import architecture, find, functional as f, initial_weights, trace
from netspec.compare import tensor_difference
from netspec.init import SCHEMES, stream
from trainspec.data import ArraySplit
from trainspec.distributions import uniform
from trainspec.initialisation import Dirac, Init, Initialisation, Start, TensorTable, Whiten
from trainspec.recipes import Recipe, find_recipe, read_recipe, to_toml
from trainspec.task import first_weights
from trainspec.whitening import basis_of, patch_moments, whitening_filters

MEAN, STD = (0.48, 0.47, 0.45), (0.25, 0.24, 0.26)


def blurred(count=40, size=12, seed=0):
    """Images with correlated neighbouring pixels and channels, as photographs have."""
    noise = np.random.default_rng(seed).normal(size=(count, size + 2, size + 2, 3))
    noise += 2 * noise[..., :1]
    smooth = sum(noise[:, i : i + size, j : j + size] for i in range(3) for j in range(3))
    return np.clip(128 + 14 * smooth, 0, 255).astype(np.uint8)


def start_of(graph, images=None):
    images = blurred() if images is None else images
    return Start(graph, 0, ArraySplit(images, np.zeros(len(images), np.int64)), (MEAN, STD))


def patches_of(images, kernel):
    """All patches one by one, normalised, as rows in the order of a kernel's values."""
    values = (images / 255 - MEAN) / STD
    rows = [
        image[y : y + kernel[0], x : x + kernel[1]].transpose(2, 0, 1).ravel()
        for image in values
        for y in range(images.shape[1] - kernel[0] + 1)
        for x in range(images.shape[2] - kernel[1] + 1)
    ]
    return np.array(rows)


def test_schemes_are_the_recipes_choices():
    assert get_args(Init) == tuple(SCHEMES)


@pytest.mark.parametrize("kernel", [(2, 2), (3, 1)])
def test_whitened_patches_have_no_correlation(kernel):
    images, epsilon = blurred(), 1e-3
    filters = whitening_filters(images, kernel, (MEAN, STD), epsilon).reshape(-1, 3 * kernel[0] * kernel[1])
    patches = patches_of(images, kernel)
    eigenvalues = np.linalg.svd(patches, compute_uv=False) ** 2 / len(patches)
    responses = patches @ filters.T
    expected = np.diag(eigenvalues / (eigenvalues + epsilon))  # the identity, but for epsilon
    assert tensor_difference({"moments": responses.T @ responses / len(patches)}, {"moments": expected}).within
    first = [row[np.flatnonzero(abs(row) >= abs(row).max() / 2)[0]] for row in filters]
    assert min(first) > 0


def test_moments_are_exact_however_they_are_summed(monkeypatch):
    images = blurred(9)
    whole = patch_moments(images, (2, 3))
    monkeypatch.setattr("trainspec.whitening.CHUNK", 1)
    for one, other in zip(whole, patch_moments(images[::-1], (2, 3)), strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_filters_of_grey_images_are_the_same_everywhere(monkeypatch):
    """Three equal channels have patches that do not vary in some directions. Processors choose other bases there."""
    columns = np.linalg.qr(np.random.default_rng(0).normal(size=(12, 5)))[0]
    turned = columns @ np.linalg.qr(np.random.default_rng(1).normal(size=(5, 5)))[0]
    one, other = basis_of(columns), basis_of(turned)
    np.testing.assert_array_equal(one.round(9), other.round(9))
    np.testing.assert_array_equal((one.T @ one).round(12), np.eye(5))
    np.testing.assert_array_equal((one @ one.T).round(12), (columns @ columns.T).round(12))
    grey = np.repeat(blurred()[..., :1], 3, axis=3)
    filters = whitening_filters(grey, (2, 2), ((0.5,) * 3, (0.2,) * 3), 5e-4)
    np.testing.assert_array_equal(filters[-8:].sum(1).round(9), 0)  # they see differences between channels alone
    turn = np.eye(12)
    turn[:8, :8] = np.linalg.qr(np.random.default_rng(2).normal(size=(8, 8)))[0]
    eigh = np.linalg.eigh

    def elsewhere(moments):
        eigenvalues, columns = eigh(moments)
        return eigenvalues, columns @ turn  # of the first eight, which are zero

    monkeypatch.setattr(np.linalg, "eigh", elsewhere)
    other = whitening_filters(grey, (2, 2), ((0.5,) * 3, (0.2,) * 3), 5e-4)
    np.testing.assert_array_equal(other.astype(np.float32), filters.astype(np.float32))


def test_the_first_convolution_whitens():
    graph = architecture("airbench94")
    weights = initial_weights(graph)
    changed = Whiten(images=40, epsilon=5e-4).changed(weights, start_of(graph))
    assert list(changed) == ["stem.weight"]
    filters = whitening_filters(blurred(), (2, 2), (MEAN, STD), 5e-4)
    np.testing.assert_array_equal(
        changed["stem.weight"], np.concatenate([filters, -filters]).astype(np.float32), strict=True
    )


def test_a_convolution_behind_patchup_whitens():
    graphs = [architecture("preresnet20", patchup=patchup) for patchup in (False, True)]
    plain, patched = (Whiten(images=40).changed(initial_weights(graph), start_of(graph)) for graph in graphs)
    assert plain.keys() == patched.keys() == {"stem.weight"}
    np.testing.assert_array_equal(plain["stem.weight"], patched["stem.weight"])


@pytest.mark.parametrize(("filters", "pairs"), [(8, 4), (9, 4), (24, 12), (30, 12)])
def test_as_many_pairs_as_there_is_room_for(filters, pairs):
    graph = trace("net", (3, 12, 12), lambda x: f.conv(x, filters, 2, name="conv"))
    weights = initial_weights(graph)
    kernel = Whiten().changed(weights, start_of(graph))["conv.weight"]
    expected = whitening_filters(blurred(), (2, 2), (MEAN, STD), 5e-4)[:pairs].astype(np.float32)
    np.testing.assert_array_equal(kernel[:pairs], expected)
    np.testing.assert_array_equal(kernel[pairs : 2 * pairs], -expected)
    np.testing.assert_array_equal(kernel[2 * pairs :], weights["conv.weight"][2 * pairs :])


@pytest.mark.parametrize(
    ("size", "filters", "words"), [(4, 8, "images of 4x4 have no patch of 5x5"), (12, 1, "one filter")]
)
def test_whitening_needs_patches_and_pairs(size, filters, words):
    graph = trace("net", (3, size, size), lambda x: f.conv(x, filters, 5, padding=2, name="conv"))
    with pytest.raises(RecipeError, match=words):
        Whiten().changed(initial_weights(graph), start_of(graph))


def test_whitening_sees_every_class_of_sorted_images():
    """40 images of the first class, then 40 black ones: of the whole set, every second image is taken."""
    graph = trace("net", (3, 12, 12), lambda x: f.conv(x, 24, 2, name="conv"))
    images = np.concatenate([blurred(), np.zeros_like(blurred())])
    kernel = Whiten(images=40).changed(initial_weights(graph), start_of(graph, images))["conv.weight"]
    expected = whitening_filters(images[::2], (2, 2), (MEAN, STD), 5e-4).astype(np.float32)
    np.testing.assert_array_equal(kernel[:12], expected)


def test_dirac_passes_channels_on():
    def network(x):
        x = f.conv(x, 2, 2, padding=0, name="even")
        x = f.conv(x, 5, 3, name="wider")
        x = f.conv(x, 4, (1, 3), name="narrower")
        return f.conv(f.conv(x, 4, 3, groups=2, name="grouped"), 4, 1, name="point")

    graph = trace("net", (3, 12, 12), network)
    weights = initial_weights(graph)
    changed = Dirac().changed(weights, start_of(graph))
    assert list(changed) == ["wider.weight", "narrower.weight"]
    for name, kernel in changed.items():
        count = min(kernel.shape[:2])
        x = np.random.default_rng(1).normal(size=kernel.shape[1:])
        passed = (kernel * x).sum((1, 2, 3))[:count]
        np.testing.assert_array_equal(passed, x[:count, kernel.shape[2] // 2, kernel.shape[3] // 2])
        np.testing.assert_array_equal(kernel[count:], weights[name][count:])
    assert list(Dirac("narrower.*").changed(weights, start_of(graph))) == ["narrower.weight"]


def test_tables_of_tensors():
    graph = architecture("lenet5")
    weights = initial_weights(graph)
    tables = (
        TensorTable("*.bias", value=0.1),
        TensorTable("conv?.weight", deviation=0.05),
        TensorTable("conv1.weight", deviation=0.01),
        TensorTable("fc3.weight", rescale=1.0),
    )
    changed = Initialisation(tensors=tables).changed(weights, start_of(graph))
    assert {float(value) for name in graph.params if name.endswith("bias") for value in changed[name]} == {
        float(np.float32(0.1))
    }
    for name, deviation in (("conv1.weight", 0.01), ("conv2.weight", 0.05)):
        words = stream(0, name).bit_generator.random_raw(graph.params[name].size)
        drawn = np.array([NormalDist(0, deviation).inv_cdf(share) for share in uniform(words)], np.float32)
        assert changed[name].ravel() == pytest.approx(drawn, rel=1e-6)
    assert changed["fc3.weight"].std(ddof=1) == pytest.approx(1, abs=1e-6)
    ratio = changed["fc3.weight"] / weights["fc3.weight"]
    assert ratio.max() == pytest.approx(ratio.min(), rel=1e-5)
    np.testing.assert_array_equal(changed["fc1.weight"], weights["fc1.weight"])


def test_tables_with_a_scheme_draw_as_init_does():
    graph = trace("net", (3, 4, 4), lambda x: f.linear(f.flatten(f.conv_bn(x, 2, 3, name="conv")), 2, name="fc"))
    weights, expected = initial_weights(graph), initial_weights(graph, scheme="torch")
    for match in ("fc.*", "conv.*"):
        changed = Initialisation(tensors=(TensorTable(match, scheme="torch"),)).changed(weights, start_of(graph))
        chosen = {name for name in graph.params if fnmatchcase(name, match)}
        for name in graph.params:
            np.testing.assert_array_equal(changed[name], (expected if name in chosen else weights)[name], strict=True)


def test_origin_2_draws_as_pytorch_does_what_its_code_forgot():
    assert find_recipe("lenet5_wide", "lenet", "cifar10", "original").init == "torch"
    inits = {"alexnet_half": "he_normal_fan_out", "googlenet": "he_normal_fan_out", "vgg16": "glorot_uniform"}
    for name, init in inits.items():
        recipe = find_recipe(name, find(name).family, "cifar10", "original")
        tables = recipe.initialisation.tensors
        assert (recipe.init, {table.scheme for table in tables}) == (init, {"torch"})
        params = architecture(name, **recipe.network).params
        dense = {one for one in params if len(params[f"{one.rpartition('.')[0]}.weight"].shape) == 2}
        assert dense == {one for one in params if any(fnmatchcase(one, table.match) for table in tables)}


FITTING = {  # a value of each key, and a tensor of airbench94 that it changes
    "tensors": ((TensorTable("classifier.weight", rescale=1.0),), "classifier.weight"),
    "dirac": (Dirac(), "group1.conv1.weight"),
    "whiten": (Whiten(), "stem.weight"),
}


@pytest.mark.parametrize("key", [field.name for field in fields(Initialisation)])
def test_a_change_alone(key):
    graph = architecture("airbench94")
    weights = initial_weights(graph)
    value, name = FITTING[key]
    changed = Initialisation(**{key: value}).changed(weights, start_of(graph))
    assert list(changed) == list(weights)
    assert not np.array_equal(changed[name], weights[name])
    assert {values.dtype for values in changed.values()} == {np.dtype(np.float32)}
    assert {name: values.shape for name, values in changed.items()} == {n: p.shape for n, p in graph.params.items()}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (Whiten(), "initialisation.whiten: no convolution of net reads the image"),
        (Dirac(), r"initialisation.dirac: no convolution of net with a centre matches '\*'"),
        (Dirac("conv*"), r"initialisation.dirac.match: 'conv\*' matches no tensor of net; the first one is fc.weight"),
        (TensorTable("fc", value=0.0), "initialisation.tensors: 'fc' matches no tensor of net"),
        (TensorTable("fc.bias", rescale=1.0), "initialisation.tensors: 'fc.bias' is constant"),
    ],
)
def test_a_network_without_a_place_for_it(change, words):
    graph = trace("net", (3, 12, 12), lambda x: f.linear(f.global_avg_pool(x), 3, name="fc"))
    with pytest.raises(RecipeError, match=words):
        change.changed(initial_weights(graph), start_of(graph))


def test_a_recipe_says_it(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(
        "init = 'torch'\n[initialisation.dirac]\nmatch = 'conv2.*'\n[initialisation.whiten]\nimages = 50\n"
        "[[initialisation.tensors]]\nmatch = '*.bias'\nvalue = 0"
    )
    recipe = read_recipe(path)
    tables = (TensorTable("*.bias", value=0.0),)
    assert recipe.initialisation == Initialisation(tables, Dirac("conv2.*"), Whiten(images=50))
    path.write_text(to_toml(recipe))
    assert read_recipe(path) == recipe
    task = task_of("lenet5", "--data", "digits", "--recipe", str(path))
    assert task.weights["conv2.weight"][0].sum() == 1
    np.testing.assert_array_equal(
        task.weights["conv2.weight"], first_weights(task.graph, task.recipe, task.data)["conv2.weight"]
    )
    drawn = initial_weights(task.graph, 0, "torch")
    np.testing.assert_array_equal(task.weights["fc1.weight"], drawn["fc1.weight"])
    task, _ = prepared("lenet5", "--data", "digits", "--recipe", str(path), "--set", "initialisation.dirac=false")
    np.testing.assert_array_equal(task.weights["conv2.weight"], drawn["conv2.weight"])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "[[initialisation.tensors]]\nmatch = '*'",
            r"tensors\[1\]\.match: give exactly one of value, deviation, scheme and rescale",
        ),
        ("[[initialisation.tensors]]\nvalue = 0", r"initialisation\.tensors\[1\]\.match is missing"),
        ("[initialisation.whiten]\neps = 1", r"did you mean initialisation\.whiten\.epsilon"),
        (
            "[initialisation.whiten]\nimages = 0",
            r"initialisation\.whiten\.images = 0 is not allowed; must be at least 1",
        ),
        ("init = 'he'", 'init = "he" is not allowed; choose he_normal'),
        ("[init]\nkind = 'he_normal'", "init = .* is not allowed"),
    ],
)
def test_a_recipe_says_it_wrongly(tmp_path, text, words):
    (tmp_path / "mine.toml").write_text(text)
    with pytest.raises(RecipeError, match=words):
        read_recipe(tmp_path / "mine.toml")


def test_a_recipe_that_says_nothing_changes_nothing():
    graph = architecture("lenet5")
    weights = initial_weights(graph)
    assert Recipe().initialisation.changed(weights, start_of(graph)) is weights
    assert find_recipe("resnet20", "resnet_cifar", "cifar10").initialisation == Initialisation()
