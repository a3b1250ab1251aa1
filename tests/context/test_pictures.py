"""Figures, images and arrays as pictures: PNG or JPEG, scaled down, checked, the same bytes every time."""

from __future__ import annotations

import base64
import io
import struct
import zlib
from typing import TYPE_CHECKING, Any

import pytest

from ollama_magic.context import PromptError, attach, current_figure, describe, expand, pictures
from ollama_magic.context.pictures import LONGEST_SIDE, image_from_bytes, image_type
from ollama_magic.events import Image
from tests.tables import folded

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


@pytest.fixture
def pyplot() -> Iterator[Any]:
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    yield plt
    plt.close("all")


@pytest.fixture
def pil() -> Any:
    return pytest.importorskip("PIL.Image")


def size_of(image: Image) -> tuple[int, ...]:
    assert image.data.startswith(b"\x89PNG")
    return struct.unpack(">II", image.data[16:24])


@pytest.mark.slow
def test_a_figure_and_what_is_drawn_in_it(pyplot: Any) -> None:
    figure, axes = pyplot.subplots()
    (line,) = axes.plot([1, 2, 3])
    found = describe(figure)
    assert found.text.startswith("[picture: matplotlib figure, ")
    assert found.images[0].media_type == "image/png"
    assert describe(axes) == describe(line) == describe(figure) == found
    prompt = expand("What does {figure} show, unlike {other}? {figure}", {"figure": figure, "other": PIXEL})
    assert prompt.images == (found.images[0], Image(PIXEL))
    assert prompt.text.count("[picture 1: matplotlib figure, ") == 2
    assert "[picture 2: image, 1 × 1]" in prompt.text
    assert expand("{figure}", {"figure": figure}, first_picture=3).text.startswith("[picture 3:")


@pytest.mark.slow
def test_a_large_figure_is_scaled(pyplot: Any) -> None:
    figure = pyplot.figure(figsize=(30, 10), dpi=300)
    figure.text(0.5, 0.5, "large")
    assert max(size_of(describe(figure).images[0])) <= LONGEST_SIDE


@pytest.mark.slow
def test_the_current_figure(pyplot: Any) -> None:
    for ask in (
        current_figure,
        lambda: describe(pyplot),
        lambda: attach("figure", {}),
        lambda: attach("plt", {"plt": pyplot}),
    ):
        with pytest.raises(PromptError, match="no current figure"):
            ask()
    pyplot.plot([1, 2])
    assert attach("figure", {}).images == current_figure().images == describe(pyplot).images


@pytest.mark.slow
def test_an_empty_figure_is_an_error(pyplot: Any) -> None:
    with pytest.raises(PromptError, match="nothing drawn") as caught:
        expand("{fig}", {"fig": pyplot.figure()})
    assert "fig = plt.gcf()" in caught.value.hint


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I", "F"])
def test_an_image_of_any_mode(pil: Any, mode: str) -> None:
    image = pil.new(mode, (40, 20))
    found = describe(image)
    assert found.text == f"[picture: {mode} image, 40 × 20]"
    assert describe(image) == found
    assert size_of(found.images[0]) == (40, 20)


def test_a_large_image_is_scaled(pil: Any) -> None:
    assert size_of(describe(pil.new("RGB", (3000, 1500))).images[0]) == (1024, 512)
    assert size_of(describe(pil.new("L", (5000, 1))).images[0]) == (1024, 1)


def test_a_photograph_loses_its_metadata(pil: Any, tmp_path: Path) -> None:
    exif = pil.Exif()
    exif[0x0112] = 6  # lies on its side
    exif[0x010E] = "taken at home"
    pil.new("RGB", (64, 32), "red").save(tmp_path / "photo.jpg", exif=exif)
    (image,) = describe(tmp_path / "photo.jpg").images
    assert image.media_type == "image/jpeg"
    assert b"taken at home" not in image.data
    assert pil.open(io.BytesIO(image.data)).size == (32, 64)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF"])
def test_image_files(pil: Any, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "any-name.dat"
    pil.new("RGB", (64, 32), "red").save(path, kind)
    part = attach(str(path), {})
    assert part.text == "[picture 1: file any-name.dat, 64 × 32]"
    assert part.images[0].media_type == ("image/jpeg" if kind == "JPEG" else "image/png")
    assert attach("any-name.dat", {}, folder=tmp_path) == type(part)(
        "any-name.dat", part.text, part.images, part.tokens, part.note
    )


def test_bytes_and_shown_images(pil: Any) -> None:
    assert describe(PIXEL).images == describe(Image(PIXEL)).images == (Image(PIXEL),)
    from IPython.display import Image as Shown

    assert describe(Shown(PIXEL)).images == (Image(PIXEL),)
    with pytest.raises(PromptError, match="only an address"):
        describe(Shown(url="http://localhost/a.png"))


def broken(data: bytes) -> bytes:
    return data[:40] + b"\0" * 10 + data[50:]


@pytest.mark.parametrize(
    "data", [b"", b"text", b"BMW is a car", PIXEL[:30], broken(PIXEL), b"\xff\xd8\xff\xe0junk", b"GIF89a"]
)
def test_an_image_that_is_none(pil: Any, data: bytes) -> None:
    with pytest.raises(PromptError, match="the thing"):
        image_from_bytes(data, "the thing")


def test_a_bomb_is_refused(pil: Any) -> None:
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    data = PIXEL[:8] + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    with pytest.raises(PromptError, match="broken or too large"):
        image_from_bytes(data, "the thing")


def test_without_pillow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "_pillow", lambda: None)
    assert image_from_bytes(PIXEL, "it") == Image(PIXEL)
    for data in (b"GIF89a......", PIXEL + bytes(5_000_000)):
        with pytest.raises(PromptError, match="has to be converted") as caught:
            image_from_bytes(data, "it")
        assert "pip install pillow" in caught.value.hint
    np = pytest.importorskip("numpy")
    assert size_of(pictures.array_picture(np.zeros((3000, 20), "uint8")).images[0]) == (7, 1000)


ARRAYS = [
    ("zeros((4, 6), 'uint8')", (6, 4), ""),
    ("zeros((4, 6, 1), 'uint8')", (6, 4), ""),
    ("zeros((4, 6, 3), 'uint8')", (6, 4), ""),
    ("zeros((4, 6, 4), 'uint8')", (6, 4), ""),
    ("zeros((4, 6), bool)", (6, 4), ""),
    ("linspace(0, 1, 24).reshape(4, 6)", (6, 4), ""),
    ("arange(24).reshape(4, 6)", (6, 4), "values 0 to 23 stretched to black and white"),
    ("array([[-1e308, inf, nan], [0, -inf, 1e308]])", (3, 2), "values -1e+300 to 1e+300 stretched to black and white"),
    ("full((4, 6), nan)", (6, 4), ""),
    ("zeros((5000, 2500), 'uint8')", (512, 1024), ""),
    ("asfortranarray(zeros((4, 6, 3), 'uint8'))", (6, 4), ""),
]


@pytest.mark.parametrize(("expression", "size", "note"), ARRAYS, ids=[expression for expression, _, _ in ARRAYS])
def test_an_array_as_a_picture(pil: Any, expression: str, size: tuple[int, int], note: str) -> None:
    np = pytest.importorskip("numpy")
    array = eval(expression, vars(np))
    prompt = expand("{a:image}", {"a": array})
    assert prompt.text == f"[picture 1: array, {size[0]} × {size[1]}]"
    assert size_of(prompt.images[0]) == size
    assert prompt.parts[0].note == note
    opened = pil.open(io.BytesIO(prompt.images[0].data))
    opened.load()
    assert attach("a:image", {"a": array}).images == prompt.images


@folded("expression", ["zeros(4)", "zeros((4, 6, 2))", "zeros((0, 0))", "array('x')", "zeros((2, 2), complex)"])
def test_an_array_that_is_no_picture(expression: str) -> None:
    np = pytest.importorskip("numpy")
    with pytest.raises(PromptError, match=r"\{a:image\}: .* not a picture"):
        expand("{a:image}", {"a": eval(expression, vars(np))})


@folded(("data", "kind"), [(PIXEL, "image/png"), (b"RIFF\0\0\0\0WEBP", "image/webp"), (b"BM", "image/bmp")])
def test_types_by_their_first_bytes(data: bytes, kind: str) -> None:
    assert image_type(data) == kind
