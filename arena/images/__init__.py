"""Pictures that visitors hand in, read and written anew: small, and without what else was in their files.

A file is taken for hostile: it is read by a process of its own, which has little memory and little time.
"""

from arena.images.reader import ImageReader, Picture, is_image

__all__ = ["ImageReader", "Picture", "is_image"]
