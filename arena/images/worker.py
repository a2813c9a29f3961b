"""A picture read and written anew in a process of its own: `python worker.py SIDE PIXELS SECONDS MEMORY`.

The file comes by standard input; a line of JSON goes out, with what there is to say of the picture, or why there
is none (`refused`); then the picture. The limits hold before the first byte is read, so a file that was made to
explode, to loop or to crash its reader ends this process and nothing else. Knows nothing of the arena.

The first frame is kept, turned as the camera was held, in sRGB, its longer side at most SIDE pixels: as JPEG, or
WebP where something shows through it. Nothing else of the file is: no place, no camera, no comment, no profile.
"""

import json
import struct
import sys
from contextlib import suppress
from io import BytesIO

from PIL import Image, ImageCms, ImageOps

FORMATS = ("JPEG", "PNG", "WEBP", "GIF")
QUALITY = 90
ORIENTATION = 0x0112  # the EXIF tag that says how the camera was held
OPEN_FILES = 32

BROKEN = (OSError, SyntaxError, ValueError, TypeError, LookupError, ArithmeticError, RuntimeError, struct.error)
"""What Pillow raises about files that are not what they say."""


class NotRead(Exception):
    """It has too many pixels."""


def limit(seconds: int, memory: int) -> None:
    """From here on: no more memory and time than this, and no file is written. Windows knows no such limits."""
    with suppress(ImportError):
        import resource

        for what, most in {
            resource.RLIMIT_AS: memory,
            resource.RLIMIT_CPU: seconds,
            resource.RLIMIT_FSIZE: 0,
            resource.RLIMIT_CORE: 0,
            resource.RLIMIT_NOFILE: OPEN_FILES,
        }.items():
            resource.setrlimit(what, (most, most))


def renewed(data: bytes, side: int, pixels: int) -> tuple[dict[str, object], bytes]:
    """What there is to say of a picture, and the picture. Raises `NotRead`, `MemoryError`, what is in `BROKEN`."""
    Image.MAX_IMAGE_PIXELS = pixels  # Pillow refuses twice as many
    with Image.open(BytesIO(data), formats=FORMATS) as image:
        if image.width * image.height > pixels:  # known before anything is decoded
            raise NotRead
        kept = plain(image, side)
    out = BytesIO()
    if kept.mode == "RGBA":
        kept.save(out, "WEBP", quality=QUALITY)
    else:
        kept.save(out, "JPEG", quality=QUALITY, subsampling=0, optimize=True)
    media_type = "image/webp" if kept.mode == "RGBA" else "image/jpeg"
    return {"media_type": media_type, "width": kept.width, "height": kept.height}, out.getvalue()


def plain(image: Image.Image, side: int) -> Image.Image:
    """The picture alone: in RGB, or in RGBA where something shows through."""
    image.draft(None, (side, side))  # a JPEG is decoded no larger than will do
    held, profile = image.getexif().get(ORIENTATION), image.info.get("icc_profile")
    found = _small(image, side)
    found = _in_srgb(found, profile)
    if found.mode == "RGBA" and found.getchannel("A").getextrema()[0] == 255:
        found = found.convert("RGB")
    found.info.clear()
    return _upright(found, held)


def _small(image: Image.Image, side: int) -> Image.Image:
    """Converted first: the colours of a palette cannot be mixed."""
    mode = "RGBA" if image.has_transparency_data else "CMYK" if image.mode == "CMYK" else "RGB"
    if image.mode.startswith("I;16"):
        image = image.convert("I").point(lambda grey: grey * (1 / 257)).convert("L")  # Pillow alone cuts at 255
    found = image if image.mode == mode else image.convert(mode)
    found.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=3.0)
    return found


def _in_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """In the colours that are shown where a picture has no profile."""
    mode = "RGBA" if image.mode == "RGBA" else "RGB"
    with suppress(ImageCms.PyCMSError, OSError, ValueError, TypeError):
        if profile:  # one that does not fit changes nothing
            own, srgb = ImageCms.ImageCmsProfile(BytesIO(profile)), ImageCms.createProfile("sRGB")
            return ImageCms.profileToProfile(image, own, srgb, outputMode=mode) or image.convert(mode)
    return image.convert(mode)


def _upright(image: Image.Image, held: object) -> Image.Image:
    exif = image.getexif()
    exif.clear()
    if held is not None:
        exif[ORIENTATION] = held
    turned = ImageOps.exif_transpose(image)
    turned.info.clear()
    return turned


def main(side: int, pixels: int, seconds: int, memory: int) -> None:
    limit(seconds, memory)
    said, kept = dict[str, object](), b""
    try:
        said, kept = renewed(sys.stdin.buffer.read(), side, pixels)
    except (NotRead, Image.DecompressionBombError):
        said = {"refused": "pixels"}
    except MemoryError:
        said = {"refused": "memory"}
    except BROKEN:
        said = {"refused": "broken"}
    sys.stdout.buffer.write(json.dumps(said).encode() + b"\n" + kept)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
