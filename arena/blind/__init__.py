"""What may leave the server before the vote, and which texts give a side away all the same.

`faces` (and `names`, for those who need no more of them) is the one door through which a name may leave; `Leaks`
finds the votes whose text has opened another.
"""

from arena.blind.faces import Face, faces, names
from arena.blind.leaks import Leaks

__all__ = ["Face", "Leaks", "faces", "names"]
