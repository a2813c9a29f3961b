"""Documents that visitors hand in: the text that models read of a PDF or of a file of text.

A PDF is taken for hostile: it is read by a process of its own, which has little memory and little time.
"""

from arena.documents.allowance import check, excess, excess_words, first_characters
from arena.documents.prompt import Document, prompt_with
from arena.documents.reader import DocumentReader, Reading

__all__ = [
    "Document",
    "DocumentReader",
    "Reading",
    "check",
    "excess",
    "excess_words",
    "first_characters",
    "prompt_with",
]
