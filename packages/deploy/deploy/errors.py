"""What people do wrong, as one family of exceptions; `python -m deploy` turns one into a line and exit status 2."""


class DeployError(Exception):
    """Something the user gave cannot be used as it is."""


class ModelError(DeployError):
    """A file is not an ONNX model that can be used."""


class ImageError(DeployError):
    """A file or an array is not an image that can be used."""
