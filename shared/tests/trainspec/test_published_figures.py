"""The figures that the origins publish are shown beside comparable runs."""

from netspec.registry import origin_rows
from trainspec.recipes.find import shipped_recipes
from trainspec.results.published import published, published_for


def test_published_figures():
    rows = {(figure.origin, figure.row) for figure in published()}
    assert len(rows) == len(published())
    known = {row for text in origin_rows().values() for row in text.split("; ")}
    plain = [figure for figure in published() if f"{figure.origin}: {figure.row}" in known]
    assert len(plain) == 21
    assert {figure.recipe for figure in published() if figure.recipe} <= shipped_recipes().keys()
    assert str(published_for("resnet20", "modern/resnet_cifar", "cifar10")[0]) == "91.82 (origin 1: Residual-Network20)"
    assert [figure.top1 for figure in published_for("lenet5", "original/lenet5", "cifar10")] == [58.48]
    assert published_for("resnet20", "modern/resnet_cifar", "digits") == ()
    assert [figure.top1 for figure in published_for("airbench94", "modern/airbench", "cifar10")] == [94.01]
    assert published_for("resnest50d", "modern/resnest", "cifar10") == ()
    assert [figure.top1 for figure in published_for("lenet5", "original/lenet5", "cifar10-jpeg")] == [58.48]
    assert published_for("resnet20", "modern/resnet_cifar", "cifar100") == ()
    assert [figure.top1 for figure in published_for("preresnet50", "original/preresnet_cifar+htd", "cifar10")] == [
        93.58
    ]
    assert published_for("preresnet20", "original/preresnet_cifar+htd", "cifar10") == ()
    assert published_for("resnet20", "original/lenet5+dp", "cifar10") == ()  # no row of an origin has these tricks
    plain, htd = "original/resnetv2_cifar", "original/resnetv2_35b_cifar+htd"
    for recipe, changes, figures in (
        (plain, ("batch=128", "schedule.peak=0.0625"), [92.83]),
        (plain, ("network.stochastic_depth=0.7",), []),
        (plain, ("augmentation.cutmix.alpha=1.0",), []),
        (plain, ("optimizer.weight_decay=0.0",), []),
        (plain, ("initialisation.dirac=true", "epochs=4"), []),
        (htd, (), []),
        ("modern/resnetv2_cifar", ("augmentation.cutmix.alpha=1.0",), [92.83]),
    ):
        assert [one.top1 for one in published_for("resnetv2_35b_cifar", recipe, "cifar10", changes)] == figures
    assert all(figure.network for figure in published() if figure.recipe)
