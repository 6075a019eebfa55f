"""The names for people of what computes a side of a comparison."""

TITLES = {"torch": "PyTorch", "keras": "Keras", "onnx": "onnxruntime", "numpy": "NumPy"}


def title_of(name: str) -> str:
    """The name for people; the name itself if there is no other."""
    return TITLES.get(name, name)
