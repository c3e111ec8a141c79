"""How an accelerated function takes the place of CellProfiler's.

It is called instead of the original with the original's arguments, and answers `NotImplemented`, before it has done
anything, for what it was not made for (volumes, overlapping objects): then the original is called.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import Any

LEFT = "%s.%s is left to CellProfiler's own"
logger = logging.getLogger(__name__)


def replace_method(owner: type, name: str, accelerated: Callable[..., Any]) -> None:
    """Put `accelerated` in place of a method of `owner` itself; a class derived from it keeps the original."""
    original = getattr(owner, name)

    @functools.wraps(original)
    def method(self: Any, *arguments: Any, **named: Any) -> Any:
        if type(self) is not owner:
            return original(self, *arguments, **named)
        answer = accelerated(self, *arguments, **named)
        if answer is NotImplemented:
            logger.debug(LEFT, owner.__name__, name)
            return original(self, *arguments, **named)
        return answer

    setattr(owner, name, method)


def replace_function(module: Any, name: str, accelerated: Callable[..., Any]) -> None:
    """Put `accelerated` in place of a function, for those who look it up in `module`."""
    original = getattr(module, name)

    @functools.wraps(original)
    def function(*arguments: Any, **named: Any) -> Any:
        answer = accelerated(*arguments, **named)
        if answer is NotImplemented:
            logger.debug(LEFT, module.__name__, name)
            return original(*arguments, **named)
        return answer

    setattr(module, name, function)
