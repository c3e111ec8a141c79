"""A warm Lambda function: events in as JSON lines, answers out as JSON lines, whatever it prints is its log.

Started by path, not as a module of the package: the function's own asset comes first on the module path, so that what
is imported is what would be deployed. Usage: `python function_host.py ASSET_FOLDER MODULE.FUNCTION ANSWER_FD`.
"""

import importlib
import json
import os
import sys
import traceback


def main() -> None:
    """Answer events until standard input ends."""
    asset, handler_name, descriptor = sys.argv[1:]
    sys.path[0] = asset  # in place of this script's own folder
    module, _, name = handler_name.rpartition(".")
    handler = getattr(importlib.import_module(module), name)
    with os.fdopen(int(descriptor), "w") as answers:
        for line in sys.stdin:
            try:
                answer = {"response": handler(json.loads(line), None)}
            except Exception:
                traceback.print_exc()
                answer = {"error": traceback.format_exc(limit=1)}
            sys.stdout.flush()
            print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
