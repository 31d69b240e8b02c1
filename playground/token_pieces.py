"""What is too large for one request comes in pieces: a long text, or a tokenizer file. Nothing is written to disk here.

The page takes no files through Gradio, which would keep them.
"""

import base64
import threading
from collections import OrderedDict

from models.errors import InputError

MAX_WAITING = 8  # things that are on their way at once; the oldest is dropped


class Pieces:
    """Things on their way, by the name that their sender gave them."""

    def __init__(self, most: int = MAX_WAITING):
        self.most = most
        self._waiting: OrderedDict[str, list[bytes]] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, name: object, index: object, data: object, limit: int) -> int:
        """Takes the next piece, base64; index 0 begins anew. Returns the bytes so far; `InputError` over the limit."""
        if not (isinstance(name, str) and 0 < len(name) <= 64 and isinstance(index, int) and isinstance(data, str)):
            raise InputError("token_piece_lost")
        try:
            piece = base64.b64decode(data, validate=True)
        except ValueError as error:
            raise InputError("token_piece_lost") from error
        with self._lock:
            if index == 0:
                self._waiting[name] = []
                self._waiting.move_to_end(name)
                while len(self._waiting) > self.most:
                    self._waiting.popitem(last=False)
            if name not in self._waiting or len(self._waiting[name]) != index:
                raise InputError("token_piece_lost")
            size = sum(map(len, self._waiting[name])) + len(piece)
            if size > limit:
                del self._waiting[name]
                raise InputError("token_text_too_long", size=size, limit=limit)
            self._waiting[name].append(piece)
            return size

    def take(self, name: object) -> bytes:
        """The whole, which is forgotten here; raises `InputError` if it is not here."""
        with self._lock:
            if not isinstance(name, str) or name not in self._waiting:
                raise InputError("token_piece_lost")
            return b"".join(self._waiting.pop(name))


pieces = Pieces()
