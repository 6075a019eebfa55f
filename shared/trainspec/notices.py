"""What a user is told before a training: printed at once, and kept for the readers of its run."""

from collections.abc import Mapping
from typing import Any

from deploy.shell import say


class Notices:
    """Call it with a notice. `texts` are those so far."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def __call__(self, text: str) -> None:
        self.texts.append(text)
        say(f"*** {text} ***")

    def tell_length(self, budget: float | None, overrides: Mapping[str, Any]) -> None:
        """Tell that epochs among the `overrides` of a recipe do not count beside a budget."""
        if budget is not None and "epochs" in overrides:
            self("the budget decides how long the training is, not the epochs")
