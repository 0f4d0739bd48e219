"""Read the addresses that the installed package names, such as that of its repository. Needs Python alone."""


def read_addresses() -> dict[str, str]:
    """Return the addresses of the package's metadata by their names, as of pyproject.toml; {} if it has none."""
    from importlib import metadata  # a tenth of a second

    try:
        entries = metadata.metadata("denoise-utils").get_all("Project-URL") or []
    except metadata.PackageNotFoundError:
        return {}
    return dict(entry.split(", ", 1) for entry in entries if ", " in entry)
