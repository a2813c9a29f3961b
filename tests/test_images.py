"""Pictures are read and written anew by a process of their own: small, upright, with nothing else of the file."""

import asyncio
import struct
import zlib
from typing import Any

import pytest
from PIL import Image, ImageCms, ImageDraw
from PIL.PngImagePlugin import PngInfo

from arena.config import Limits
from arena.errors import Refusal, TooLarge, Unavailable, Unprocessable
from arena.images import ImageReader, Picture, is_image
from tests.photos import encoded, photo, seen

SECRET = b"52.5200 N, 13.4050 E"


async def read(data: bytes, **limits: Any) -> Picture:
    return await ImageReader(Limits(**limits)).read(data)


async def refusal(data: bytes, **limits: Any) -> Refusal:
    with pytest.raises(Refusal) as caught:
        await read(data, **limits)
    return caught.value


def is_near(colour: Any, wanted: tuple[int, ...]) -> bool:
    return all(abs(one - other) <= 12 for one, other in zip(colour, wanted, strict=True))


# What is kept


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF"])
async def test_every_kind_of_picture_is_kept_as_a_jpeg(kind: str) -> None:
    found = await read(photo(kind=kind))
    assert (found.media_type, found.width, found.height) == ("image/jpeg", 64, 48)
    image = seen(found.data)
    assert image.format == "JPEG"
    assert is_near(image.getpixel((8, 24)), (255, 0, 0))
    assert is_near(image.getpixel((56, 24)), (0, 0, 255))


@pytest.mark.parametrize(
    ("size", "kept"), [((3136, 1000), (1568, 500)), ((100, 2000), (78, 1568)), ((1, 9000), (1, 1568))]
)
async def test_the_longer_side_is_1568_pixels_at_most(size: tuple[int, int], kept: tuple[int, int]) -> None:
    found = await read(encoded(Image.new("RGB", size)))
    assert (found.width, found.height) == kept
    assert seen(found.data).size == kept


async def test_a_small_picture_keeps_its_size() -> None:
    found = await read(encoded(Image.new("RGB", (3, 5))))
    assert (found.width, found.height) == (3, 5)


async def test_what_shows_through_stays_so_and_what_could_and_does_not_becomes_a_jpeg() -> None:
    image = Image.new("RGBA", (40, 40), (0, 200, 0, 255))
    assert (await read(encoded(image))).media_type == "image/jpeg"
    ImageDraw.Draw(image).rectangle((0, 0, 19, 39), fill=(0, 0, 0, 0))
    found = await read(encoded(image))
    assert found.media_type == "image/webp"
    kept = seen(found.data).convert("RGBA")
    assert kept.getpixel((5, 20))[3] == 0  # type: ignore[index]
    assert is_near(kept.getpixel((35, 20)), (0, 200, 0, 255))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "I;16", "CMYK", "RGBX"])
async def test_every_way_to_keep_colours_is_understood(mode: str) -> None:
    kind = {"CMYK": "JPEG", "RGBX": "TIFF"}.get(mode, "PNG")
    if kind == "TIFF":
        assert "JPEG, PNG, WebP or GIF" in (await refusal(encoded(Image.new(mode, (30, 20)), kind))).words
    else:
        found = await read(encoded(Image.new(mode, (30, 20)), kind))
        assert (found.width, found.height) == (30, 20)


async def test_sixteen_bits_of_grey_become_eight() -> None:
    image = Image.new("I;16", (20, 20), 0x8000)
    assert is_near(seen((await read(encoded(image))).data).getpixel((9, 9)), (128, 128, 128))


@pytest.mark.parametrize("held", [1, 2, 3, 4, 5, 6, 7, 8])
async def test_a_picture_is_turned_as_the_camera_was_held(held: int) -> None:
    upright = seen(photo(64, 32, "PNG"))
    ways = {  # from upright to what the sensor saw
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    exif = Image.Exif()
    exif[0x0112] = held
    stored = upright.transpose(ways[held]) if held in ways else upright
    found = await read(encoded(stored, "JPEG", exif=exif, quality=95))
    assert (found.width, found.height) == (64, 32)
    assert is_near(seen(found.data).getpixel((8, 16)), (255, 0, 0))


async def test_no_word_about_the_picture_is_kept() -> None:
    exif = Image.Exif()
    exif[0x010E] = exif[0x010F] = SECRET.decode()
    info = PngInfo()
    info.add_text("Comment", SECRET.decode())
    info.add_itxt("XML:com.adobe.xmp", SECRET.decode())
    image = Image.new("RGBA", (9, 9), (1, 2, 3, 40))
    files = [
        photo(exif=exif, comment=SECRET, xmp=SECRET),
        photo(kind="GIF", comment=SECRET),
        encoded(image, "PNG", pnginfo=info, exif=exif),
        encoded(image, "WEBP", exif=exif, xmp=SECRET),
    ]
    for file in files:
        assert SECRET in file
        kept = await read(file)
        assert SECRET not in kept.data
        assert not {"exif", "xmp", "icc_profile", "comment"} & set(seen(kept.data).info)
        assert not seen(kept.data).getexif()


async def test_what_follows_the_picture_in_its_file_is_gone() -> None:
    kept = await read(photo() + b"<script>alert(1)</script>PK\x03\x04" + SECRET)
    assert b"script" not in kept.data


async def test_colours_of_another_profile_are_those_of_srgb() -> None:
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    plain, with_profile = await read(photo(kind="PNG")), await read(photo(kind="PNG", icc_profile=lab))
    assert is_near(seen(with_profile.data).getpixel((8, 24)), (254, 0, 0))
    broken = await read(photo(kind="PNG", icc_profile=b"no profile at all"))
    assert seen(broken.data).getpixel((8, 24)) == seen(plain.data).getpixel((8, 24))


async def test_of_a_moving_picture_the_first_frame_is_kept() -> None:
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("red", "blue", "lime")]
    for kind in ("GIF", "WEBP", "PNG"):
        file = encoded(frames[0], kind, save_all=True, append_images=frames[1:], duration=50, loop=0)
        kept = seen((await read(file)).data)
        assert getattr(kept, "n_frames", 1) == 1
        assert is_near(kept.getpixel((10, 10)), (254, 0, 0)), kind


async def test_the_same_picture_has_the_same_hash() -> None:
    one, two = await read(photo()), await read(photo())
    assert one == two
    assert len(one.hash) == 64
    assert (await read(photo(kind="PNG", width=66))).hash != one.hash


# What is refused


async def test_a_file_of_another_kind_is_no_picture_whatever_it_begins_with() -> None:
    for data in (b"", b"hello", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"%PDF-1.7", b"BM" + bytes(60)):
        assert not is_image(data)
        assert "JPEG, PNG, WebP or GIF" in (await refusal(data)).words
    for data in (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"RIFF\0\0\0\0WEBP"):
        assert is_image(data)
        assert isinstance(await refusal(data + b"<script>"), Unprocessable)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
async def test_a_file_that_was_cut_off_is_refused(kind: str) -> None:
    noise = Image.effect_noise((300, 300), 80).convert("RGB")
    file = encoded(noise, kind)
    assert "could not be read" in (await refusal(file[: len(file) // 2])).words


async def test_a_file_with_too_many_bytes_is_not_read() -> None:
    found = await refusal(photo(), image_bytes=100)
    assert isinstance(found, TooLarge)
    assert "the limit is 100" in found.words


def png_of(width: int, height: int) -> bytes:
    """A file that says it is so large and holds next to nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(bytes(99)))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("size", [(50_000, 50_000), (10_000, 5_001), (2**31 - 1, 1)])
async def test_a_picture_that_unfolds_into_too_many_pixels_is_refused(size: tuple[int, int]) -> None:
    assert "more than 50,000,000 pixels" in (await refusal(png_of(*size))).words


async def test_a_picture_takes_no_more_memory_than_it_may() -> None:
    file = encoded(Image.new("RGB", (6000, 6000)))
    assert isinstance(await refusal(file, image_memory=120_000_000), Unprocessable)
    assert (await read(file)).width == 1568


async def test_a_picture_takes_no_longer_than_it_may() -> None:
    assert "takes too much" in (await refusal(photo(), image_seconds=0.001)).words


async def test_pictures_are_read_a_few_at_a_time_and_a_crowd_is_asked_to_come_back() -> None:
    reader = ImageReader(Limits(image_workers=1))
    found = await asyncio.gather(*(reader.read(photo(width=40 + n)) for n in range(12)), return_exceptions=True)
    assert sum(isinstance(one, Picture) for one in found) >= 8
    assert any(isinstance(one, Unavailable) for one in found)
    assert all(isinstance(one, Picture | Unavailable) for one in found)
    assert isinstance(await reader.read(photo()), Picture)


async def test_a_visitor_who_leaves_takes_the_worker_along() -> None:
    reader = ImageReader(Limits(image_workers=1))
    task = asyncio.create_task(reader.read(encoded(Image.effect_noise((3000, 3000), 90))))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert isinstance(await reader.read(photo()), Picture)
