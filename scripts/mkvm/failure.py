# SPDX-License-Identifier: GPL-2.0-only
"""Errors with the exit status they end in: 1 usage, 2 not found, 3 refused, 4 system."""

import sys


class Failure(Exception):
    status = 4


class Usage(Failure):
    status = 1


class NotFound(Failure):
    status = 2


class Refused(Failure):
    status = 3


class System(Failure):
    status = 4


def run(name, main, arguments):
    """Run main(arguments) and turn a Failure into one report and an exit status."""
    try:
        return main(arguments) or 0
    except Failure as failure:
        print(f"{name}: {failure}", file=sys.stderr)
        return failure.status
    except KeyboardInterrupt:
        return 130
    except OSError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return Failure.status
