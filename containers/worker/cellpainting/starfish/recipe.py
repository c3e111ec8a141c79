"""What the text of a recipe tells without running it: whether it has `process_fov`, and in which of its two forms."""

import ast
from enum import StrEnum

from cellpainting.errors import InvalidRequest

FUNCTION = "process_fov"
SIGNATURES = "process_fov(fov, codebook) or process_fov(field_num, experiment_str)"


class Form(StrEnum):
    """What `process_fov` is given: the field of view and the codebook, or a number and the path of the experiment."""

    FIELD = "field"
    NUMBER = "number"


FIRST_PARAMETERS = {"fov": Form.FIELD, "field_num": Form.NUMBER, "fov_num": Form.NUMBER}


def read_form(text: bytes, key: str) -> Form:
    """Which form the recipe at `key` has.

    Raises
    ------
    InvalidRequest
        If it is no Python, or has no such function at its top level.
    """
    try:
        module = ast.parse(text)
    except (SyntaxError, ValueError) as error:  # ValueError: null bytes
        raise InvalidRequest(f"the recipe {key!r} is not Python ({error}); correct it") from error
    functions = [one for one in module.body if isinstance(one, ast.FunctionDef) and one.name == FUNCTION]
    if not functions:
        raise InvalidRequest(f"the recipe {key!r} has no top-level function {FUNCTION}; write {SIGNATURES}")
    return _form_of(functions[-1].args, key)


def _form_of(arguments: ast.arguments, key: str) -> Form:
    names = [argument.arg for argument in (*arguments.posonlyargs, *arguments.args)]
    required = len(names) - len(arguments.defaults)
    needs_keyword = any(default is None for default in arguments.kw_defaults)
    form = FIRST_PARAMETERS.get(names[0] if names else "")
    if form is None or len(names) < 2 or required > 2 or needs_keyword:
        raise InvalidRequest(
            f"{FUNCTION} of the recipe {key!r} has the parameters {', '.join(names) or 'none'}; write {SIGNATURES}"
        )
    return form
