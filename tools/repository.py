"""Move the book to another address: rewrite every place that names the repository.

The address stands in `_config.yml` (`repository.url`). Links to Colab and Binder, the cell that
installs the helper package, and the citation file repeat it because those files are read where
`_config.yml` is not.
"""

import re
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
ADDRESS = re.compile(r"https://github\.com/([A-Za-z0-9-]+)/([A-Za-z0-9._-]+?)(?:\.git)?/?")


def current_address(root):
    """Read the address, such as `https://github.com/owner/name`, from `_config.yml`."""
    config = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))
    return config["repository"]["url"]


def owner_and_name(address):
    """Split a GitHub address.

    Args:
        address: str, `https://github.com/owner/name`, optionally ending in `.git` or a slash.

    Returns:
        str `owner/name`.

    Raises:
        ValueError: if the address is of another form.
    """
    match = ADDRESS.fullmatch(address)
    if match is None:
        raise ValueError(f"{address!r} is not of the form https://github.com/owner/name")
    return f"{match[1]}/{match[2]}"


def tracked_text_files(root):
    """List the files git tracks, and those it does not ignore, that can name the address."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    suffixes = {".md", ".yml", ".ipynb", ".toml", ".cff", ".txt", ".py"}
    paths = (root / line for line in listed.stdout.splitlines())
    return [p for p in paths if p.suffix in suffixes and p.is_file()]


def rewrite(root, address):
    """Replace the old `owner/name` by the new one in every file.

    Args:
        root: Path of the repository.
        address: str, the new address.

    Returns:
        list of Paths that changed.

    Raises:
        ValueError: if the address is not a GitHub repository's; nothing is changed then.
    """
    new = owner_and_name(address)
    owner = re.escape(owner_and_name(current_address(root)))
    # Only after a host that serves repositories: the same words elsewhere are left alone.
    places = r"(github\.com/|colab\.research\.google\.com/github/|mybinder\.org/v2/gh/)"
    pattern = re.compile(places + owner + r"(?![A-Za-z0-9-]|[._][A-Za-z0-9])")
    changed = []
    for path in tracked_text_files(root):
        text = path.read_text(encoding="utf-8")
        rewritten = pattern.sub(lambda match: match[1] + new, text)
        if rewritten != text:
            path.write_text(rewritten, encoding="utf-8")
            changed.append(path)
    return changed


def main():
    """Rewrite the address given on the command line."""
    if len(sys.argv) != 2 or not sys.argv[1]:
        raise SystemExit("Give the new address: make repository URL=https://github.com/owner/name")
    try:
        changed = rewrite(ROOT, sys.argv[1])
    except ValueError as error:
        raise SystemExit(f"Nothing was changed: {error}") from None
    for path in changed:
        print(f"rewrote {path.relative_to(ROOT)}")
    print(f"{len(changed)} files changed")


if __name__ == "__main__":
    main()
