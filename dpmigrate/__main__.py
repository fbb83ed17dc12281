"""Entry point of ``dpmigrate`` and ``python -m dpmigrate``."""


def main() -> None:
    """Run the command line; raises SystemExit with the documented exit status."""
    from dpmigrate.cli import main as command

    command()


if __name__ == "__main__":
    main()
