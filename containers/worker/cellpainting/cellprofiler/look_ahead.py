"""What comes next is made ready while others are at work, in order and not too far ahead."""

from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock
from typing import Generic, TypeVar

Item = TypeVar("Item")
Ready = TypeVar("Ready")


class LookAhead(Generic[Item, Ready]):
    """Hands out items in order, each made ready by `prepare`, at most `depth` of them ahead of time."""

    def __init__(self, items: Iterable[Item], prepare: Callable[[Item], Ready], depth: int) -> None:
        self._items = deque(items)
        self._prepare, self._depth = prepare, depth
        self._ahead: deque[Future[Ready]] = deque()
        self._lock = Lock()
        self._threads = ThreadPoolExecutor(depth)

    def take(self) -> Ready | None:
        """The next item, as soon as it is ready; None after the last."""
        with self._lock:
            self._fill()
            if not self._ahead:
                return None
            taken = self._ahead.popleft()
            self._fill()
        return taken.result()

    def close(self) -> None:
        """Prepare no more, and wait for what is being prepared."""
        self._threads.shutdown(cancel_futures=True)

    def _fill(self) -> None:
        while self._items and len(self._ahead) < self._depth:
            self._ahead.append(self._threads.submit(self._prepare, self._items.popleft()))
