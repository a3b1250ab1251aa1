"""Converts figures, pictures, arrays and image files to images for vision models: PNG or JPEG, at most 1024 px.

Pillow scales and converts if it is installed. Without it a PNG or JPEG file is sent unchanged, up to a size limit.
"""

from __future__ import annotations

import io
import struct
import sys
import warnings
import zlib
from typing import TYPE_CHECKING, Any, Final

from ..events import Image
from .parts import Described, PromptError
from .safely import type_name

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "LONGEST_SIDE",
    "array_picture",
    "current_figure",
    "describe_figure",
    "describe_picture",
    "describe_shown",
    "image_from_bytes",
    "image_type",
    "picture_file",
]

LONGEST_SIDE: Final = 1024
"""Pixels. Vision models scale to about this or less themselves; more only costs transfer time."""
_BYTES_LIMIT: Final = 4_000_000
"""The largest file that is sent unscaled without Pillow."""
_MAGIC: Final = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"BM", "image/bmp"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
)
_SENT_AS_IS: Final = ("image/png", "image/jpeg")
_EMPTY_HINT: Final = (
    "A figure is closed after its cell. Keep it in a variable there, fig = plt.gcf(), and put {fig} into the prompt."
)


def image_type(data: bytes) -> str:
    """The media type detected from the first bytes of a file, "" for none that is known here."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    # Text may begin with "BM" too: a bitmap also has zeros in bytes 6 to 9.
    return next(
        (kind for magic, kind in _MAGIC if data.startswith(magic) and (magic != b"BM" or not any(data[6:10]))), ""
    )


def describe_figure(figure: Any) -> Described:
    """A matplotlib figure, or the figure of any artist, as a notebook shows it. Raises PromptError for an empty one."""
    while (owner := getattr(figure, "figure", None)) is not None and owner is not figure:
        figure = owner
    if not hasattr(figure, "savefig"):
        raise PromptError(f"This {type_name(figure)} is in no figure, so there is no picture of it")
    # An empty figure has one child, its background.
    if len(figure.get_children()) < 2:
        raise PromptError("The figure has nothing drawn in it", hint=_EMPTY_HINT)
    inches = max(float(side) for side in figure.get_size_inches())
    buffer = io.BytesIO()
    # Without the Software field, so that the same figure always gives the same bytes.
    dpi = min(float(figure.dpi), LONGEST_SIDE / inches)
    figure.savefig(buffer, format="png", dpi=dpi, bbox_inches="tight", metadata={"Software": None})
    return _picture(image_from_bytes(buffer.getvalue(), "the figure"), "matplotlib figure")


def current_figure() -> Described:
    """matplotlib's current figure. Raises PromptError if there is none; does not import matplotlib to find out."""
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is None or not pyplot.get_fignums():
        raise PromptError("There is no current figure", hint=_EMPTY_HINT)
    return describe_figure(pyplot.gcf())


def describe_picture(value: Any) -> Described:
    """A PIL image, scaled down if larger than LONGEST_SIDE."""
    try:
        image = _encode(value, "image/jpeg" if getattr(value, "format", "") == "JPEG" else "image/png")
    except (OSError, ValueError, SyntaxError) as error:
        raise PromptError(f"The picture cannot be read: {error}") from error
    return _picture(image, f"{value.mode} image")


def describe_shown(value: Any) -> Described:
    """Encoded bytes: `bytes`, our own Image, or an IPython.display.Image."""
    data = value if isinstance(value, bytes) else getattr(value, "data", None)
    if not isinstance(data, bytes):
        raise PromptError(
            f"This {type_name(value)} has no data, only an address",
            hint="Load it with embed=True, or put in the file itself.",
        )
    return _picture(image_from_bytes(data, f"this {type_name(value)}"), "image")


def array_picture(array: Any) -> Described:
    """An array as a picture: height × width, or × 1, 3 or 4 for greyscale, RGB or RGBA.

    uint8 is unchanged, bool becomes black and white, other values within 0..1 are multiplied by 255; all others are
    stretched from min to max, with a note. Raises PromptError for other shapes and dtypes.
    """
    import numpy as np

    if array.dtype.kind not in "buif" or array.size == 0 or array.ndim not in (2, 3):
        raise PromptError(f"An array of shape {array.shape} and type {array.dtype} is not a picture", hint=_ARRAY_HINT)
    if array.ndim == 3 and array.shape[2] not in (1, 3, 4):
        raise PromptError(f"An array of shape {array.shape} is not a picture", hint=_ARRAY_HINT)
    if isinstance(array, np.ma.MaskedArray):
        array = array.filled(0)
    # Take every n-th row and column first, which bounds the rest of the work. Pillow, if present, smooths the result.
    step = -(-max(array.shape[:2]) // (2 * LONGEST_SIDE if _pillow() else LONGEST_SIDE))
    array = np.asarray(array)[::step, ::step]
    note = ""
    if array.dtype.kind == "b":
        array = array.astype("uint8") * 255
    elif array.dtype != np.uint8:
        array = np.nan_to_num(array.astype(float), nan=0.0, posinf=np.inf, neginf=-np.inf)
        array = np.clip(array, -1e300, 1e300)
        low, high = float(array.min()), float(array.max())
        if low < 0 or high > 1:
            note = f"values {low:.4g} to {high:.4g} stretched to black and white"
            array = (array / 2 - low / 2) / ((high / 2 - low / 2) or 1)
        array = np.round(array * 255).astype("uint8")
    channels = 1 if array.ndim == 2 else array.shape[2]
    data = _png(array.shape[1], array.shape[0], channels, np.ascontiguousarray(array).tobytes())
    picture = _picture(image_from_bytes(data, "the array"), "array")
    return Described(picture.text, picture.images, note)


_ARRAY_HINT: Final = "A picture has the shape (height, width), or (height, width, 3 or 4) in colour."


def image_from_bytes(data: bytes, what: str) -> Image:
    """`data` as an image to send, checked and, with Pillow, scaled down; `what` names it in errors.

    Raises PromptError if it is not a picture, is broken, or (without Pillow) is neither PNG nor JPEG or is too large.
    """
    kind = image_type(data[:16])
    if not kind:
        raise PromptError(f"{what} is not a picture that is known here", hint="PNG, JPEG, GIF, WebP, BMP and TIFF are.")
    pillow = _pillow()
    if pillow is None:
        if kind not in _SENT_AS_IS or len(data) > _BYTES_LIMIT:
            reason = f"is {kind}" if kind not in _SENT_AS_IS else f"has {len(data):,} bytes"
            raise PromptError(
                f"{what} {reason}, and has to be converted first", hint="Install pillow: %pip install pillow"
            )
        return Image(data, kind)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pillow.DecompressionBombWarning)
            opened = pillow.open(io.BytesIO(data))
            opened.load()
        # EXIF data may hold a location and a rotation: re-encoding drops the former and applies the latter.
        if kind in _SENT_AS_IS and max(opened.size) <= LONGEST_SIDE and not opened.getexif():
            return Image(data, kind)
        return _encode(opened, "image/jpeg" if kind == "image/jpeg" else "image/png")
    except (
        OSError,
        ValueError,
        SyntaxError,
        Warning,
        pillow.DecompressionBombError,
        struct.error,
        zlib.error,
    ) as error:
        raise PromptError(f"{what} is broken or too large, and cannot be sent: {error}") from error


def picture_file(path: Path) -> Described:
    """The picture in an image file."""
    return _picture(image_from_bytes(path.read_bytes(), f"The file {path.name}"), f"file {path.name}")


def _picture(image: Image, what: str) -> Described:
    size = _size(image)
    return Described(f"[picture: {what}{f', {size[0]} × {size[1]}' if size else ''}]", (image,))


def _size(image: Image) -> tuple[int, int] | None:
    """Width and height in pixels; of a JPEG only with Pillow."""
    if image.media_type == "image/png" and len(image.data) >= 24:
        width, height = struct.unpack(">II", image.data[16:24])
        return int(width), int(height)
    pillow = _pillow()
    return pillow.open(io.BytesIO(image.data)).size if pillow else None


def _pillow() -> Any:
    """The module PIL.Image, None if Pillow is not installed."""
    try:
        from PIL import Image as pillow
    except ImportError:
        return None
    return pillow


def _encode(picture: Any, media_type: str) -> Image:
    from PIL import ImageOps

    picture = ImageOps.exif_transpose(picture)
    if picture.mode not in ("L", "RGB", "RGBA"):
        picture = picture.convert("RGBA" if picture.has_transparency_data else "RGB")
    if max(picture.size) > LONGEST_SIDE:
        picture.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    if picture.mode == "RGBA" and media_type == "image/jpeg":
        media_type = "image/png"
    buffer = io.BytesIO()
    if media_type == "image/jpeg":
        picture.save(buffer, "JPEG", quality=90, exif=b"")
    else:
        picture.save(buffer, "PNG", exif=b"")
    return Image(buffer.getvalue(), media_type)


def _png(width: int, height: int, channels: int, pixels: bytes) -> bytes:
    """8-bit pixels as a PNG file. Source: https://www.w3.org/TR/png-3/, 11.2"""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    colour = {1: 0, 3: 2, 4: 6}[channels]
    stride = width * channels
    rows = b"".join(b"\x00" + pixels[start : start + stride] for start in range(0, len(pixels), stride))
    header = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    return _MAGIC[0][0] + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 6)) + chunk(b"IEND", b"")
