"""`python -m medfast`: what runs here, with NumPy alone; with arguments, the command line.

With a script, or with ``-m`` and a module, that program, with other packages' functions swapped for medfast's.
"""

import os
import sys


def main() -> int:
    """Show what runs, run a program, or hand the arguments to the command line."""
    if len(sys.argv) > 1:
        from medfast import _run

        if _run.is_program(sys.argv[1:]):
            _run.run(sys.argv[1:])
            return 0
        from medfast import cli

        return cli.main()
    from medfast import runtime

    try:
        runtime.show()
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read the output has enough; nor is there anybody to flush it to at the end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
