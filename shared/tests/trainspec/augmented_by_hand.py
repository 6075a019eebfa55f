"""Every transform of one image the plain way. `draws` are those of the image, and for mixing the `others` image."""

import math

import numpy as np
from by_pillow import TORCHVISION, operated
from PIL import Image


def crop_by_hand(image, transform, draws):
    height, width = image.shape[:2]
    row, column = draws["corner"]
    side = (transform.pad, transform.pad)
    padded = np.pad(image, (side, side, (0, 0)), mode=transform.border)
    return padded[row : row + height, column : column + width]


def flip_by_hand(image, transform, draws):
    return image[:, ::-1] if draws["mirrored"] else image


def shift_by_hand(image, transform, draws):
    """Bilinear, pixel by pixel, as SciPy's `affine_transform` of order 1."""
    result, (height, width) = np.zeros_like(image), image.shape[:2]
    down, right = draws["moved"].astype(np.float64) * [height, width]
    for row, column in np.ndindex(height, width):
        at = row + down, column + right
        if transform.border == "constant" and not (0 <= at[0] <= height - 1 and 0 <= at[1] <= width - 1):
            continue
        for y, x in np.ndindex(2, 2):
            place = math.floor(at[0]) + y, math.floor(at[1]) + x
            weight = (1 - abs(at[0] - place[0])) * (1 - abs(at[1] - place[1]))
            if weight:
                shown = (mirrored(*pair, transform.border) for pair in zip(place, (height, width), strict=True))
                result[row, column] += np.float32(weight) * image[tuple(shown)]
    return result


def mirrored(place, size, border):
    """Where a mirrored image shows a place beyond its edges."""
    if border == "reflect":
        return 0 if size == 1 else abs((place + size - 1) % (2 * size - 2) - size + 1)
    return min(place % (2 * size), -place % (2 * size) - 1 if place % (2 * size) else 2 * size)


def color_by_hand(image, transform, draws):
    return (image + draws["added"]) * draws["factor"]


def cut(image, top, left, bottom, right, other=0.0):
    """An image with a box of another; the box may leave it."""
    result = image.copy()
    for row, column in np.ndindex(image.shape[:2]):
        if top <= row < bottom and left <= column < right:
            result[row, column] = np.broadcast_to(other, image.shape)[row, column]
    return result


def cutout_by_hand(image, transform, draws):
    height, width = image.shape[:2]
    row, column = draws["place"].astype(np.float64)
    if transform.whole:
        top, left = int(row * max(1, height - transform.side + 1)), int(column * max(1, width - transform.side + 1))
    else:
        top, left = int(row * height) - transform.side // 2, int(column * width) - transform.side // 2
    return cut(image, top, left, top + transform.side, left + transform.side)


def random_erasing_by_hand(image, transform, draws):
    height, width = image.shape[:2]
    for area, log_ratio in zip(draws["area"].astype(float), draws["log_ratio"].astype(float), strict=True):
        rows = round(math.sqrt(area * (height * width) / np.exp(log_ratio)))
        columns = round(math.sqrt(area * (height * width) * np.exp(log_ratio)))
        if draws["erased"] and 0 < rows < height and 0 < columns < width:
            place = draws["place"].astype(float)
            top, left = int(place[0] * (height - rows + 1)), int(place[1] * (width - columns + 1))
            return cut(image, top, left, top + rows, left + columns)
    return image


def random_resized_crop_by_hand(image, transform, draws):
    height, width = image.shape[:2]
    top, left, rows, columns = whole_or_middle(height, width, transform.least_ratio)
    for area, log_ratio in zip(draws["area"].astype(float), draws["log_ratio"].astype(float), strict=True):
        tried = [round(math.sqrt(area * (height * width) * np.exp(sign * log_ratio))) for sign in (-1, 1)]
        if 0 < tried[0] <= height and 0 < tried[1] <= width:
            rows, columns = tried
            place = draws["place"].astype(float)
            top, left = int(place[0] * (height - rows + 1)), int(place[1] * (width - columns + 1))
            break
    box = Image.fromarray(np.ascontiguousarray(image[top : top + rows, left : left + columns]))
    return np.asarray(box.resize((width, height), Image.Resampling.BILINEAR))


def whole_or_middle(height, width, least_ratio):
    """torchvision's box if no try fits."""
    rows, columns = height, width
    if width / height < least_ratio:
        rows = round(width / least_ratio)
    elif width / height > 1 / least_ratio:
        columns = round(height / least_ratio)
    return (height - rows) // 2, (width - columns) // 2, rows, columns


def rand_augment_by_hand(image, transform, draws):
    height, width = image.shape[:2]
    space = {
        "shear": 0.3,
        "translate": (150 / 331 * width, 150 / 331 * height),
        "rotate": 30,
        "enhance": 0.9,
        "bits": 4,
    }
    for number, negative in zip(draws["operation"], draws["negative"], strict=True):
        image = operated(image, TORCHVISION[number], transform.magnitude, negative, **space)
    return image


def trivial_augment_by_hand(image, transform, draws):
    space = {"shear": 0.99, "translate": (32, 32), "rotate": 135, "enhance": 0.99, "bits": 6}
    (number,), (level,), (negative,) = (draws[name] for name in ("operation", "level", "negative"))
    return operated(image, TORCHVISION[number], level, negative, **space)


def mixup_by_hand(image, transform, draws):
    return draws["weight"] * image + (1 - draws["weight"]) * draws["others"]


def cutmix_by_hand(image, transform, draws):
    sides = np.array(image.shape[:2])
    rows, columns = (int(side * math.sqrt(1 - float(draws["weight"]))) for side in sides)
    if transform.box == "corner":
        top, left = (int(place * (side + 1)) for place, side in zip(draws["place"].astype(float), sides, strict=True))
        return cut(image, top, left, top + rows, left + columns, draws["others"])
    y, x = (int(place * side) for place, side in zip(draws["place"].astype(float), sides, strict=True))
    return cut(image, y - rows // 2, x - columns // 2, y + rows // 2, x + columns // 2, draws["others"])


BY_HAND = {  # one image the plain way
    "crop": crop_by_hand,
    "flip": flip_by_hand,
    "shift": shift_by_hand,
    "random_resized_crop": random_resized_crop_by_hand,
    "rand_augment": rand_augment_by_hand,
    "trivial_augment": trivial_augment_by_hand,
    "color": color_by_hand,
    "cutout": cutout_by_hand,
    "random_erasing": random_erasing_by_hand,
    "mixup": mixup_by_hand,
    "cutmix": cutmix_by_hand,
}
