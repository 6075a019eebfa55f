"""Which networks are held to one another where none is named.

Every network can be named. These families are compared whole and at full size in minutes; the larger ones need
reduced copies (smaller images, fewer repeats of a block) before a run of all can afford them.
"""

from netspec.registry import list_architectures

FAMILIES = ("lenet", "nin", "vgg", "resnet_cifar")


def held_by_default() -> list[str]:
    """Names, in the order of the zoo."""
    return [name for family in FAMILIES for name in list_architectures(family=family)]
