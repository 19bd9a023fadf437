"""`python -m medfast`: what runs here, with NumPy alone; with arguments, the command line."""

import sys


def main() -> int:
    """Show what runs, or hand the arguments to the command line."""
    if len(sys.argv) > 1:
        from medfast import cli

        return cli.main()
    from medfast import runtime

    runtime.show()
    return 0


if __name__ == "__main__":
    sys.exit(main())
