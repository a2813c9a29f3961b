"""Answer text -> safe HTML, whole or block by block as it grows. Knows nothing of HTTP, pages or conversations.

    text ─▶ clean ─▶ mark_math ─▶ parser events ─▶ page ─▶ sanitiser ─▶ HTML

What a model wrote is untrusted: raw HTML is shown as text, images become links, and the sanitiser lets through
only what the page itself writes.
"""

from arena.markdown.documents import Document, document
from arena.markdown.formulas import formula
from arena.markdown.looks import Looks, looks
from arena.markdown.page import MARKER
from arena.markdown.rendering import Rendering, render
from arena.markdown.text import clean

__all__ = ["MARKER", "Document", "Looks", "Rendering", "clean", "document", "formula", "looks", "render"]
