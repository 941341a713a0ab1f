"""The distribution: what `pip install .` brings works outside the checkout."""

import json
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel of this checkout; returns its console script.

    The dependencies are seen through a .pth line, which does not follow our own editable install.
    """
    folder = tmp_path_factory.mktemp("wheel")
    build = (sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder))
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True, timeout=120)
    (wheel,) = folder.glob("onceproof-*.whl")
    home = folder / "environment"
    venv.create(home, with_pip=False)
    (packages,) = (home / "lib").glob("python3*/site-packages")
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    install = ("-m", "pip", "--python", str(home / "bin/python"), "install", "--no-deps")
    subprocess.run(
        (sys.executable, *install, "--no-index", "--quiet", str(wheel)),
        check=True,
        capture_output=True,
        timeout=120,
    )
    return home / "bin" / "onceproof"


def ask(script: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        (str(script), *arguments),
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


def test_installed_onceproof_lists_and_plans(installed: Path, tmp_path: Path) -> None:
    """Scenarios, components and the sources of the runtime come with the wheel."""
    listed = ask(installed, tmp_path, "list")
    planned = ask(installed, tmp_path, "run", "pod_kill", "--dry-run")

    assert (listed.returncode, planned.returncode) == (0, 0), listed.stderr + planned.stderr
    assert "pod_kill" in listed.stdout
    data = installed.parent.parent.glob("lib/python3*/site-packages/harness/_data/*")
    assert {folder.name for folder in data} == {"components", "kubernetes", "runtime"}


def test_installed_onceproof_runs_and_judges(installed: Path, tmp_path: Path) -> None:
    """A small real run from an empty folder ends valid, with a page."""
    ran = ask(
        installed,
        tmp_path,
        *("run", "baseline", "--engine", "control:guarded", "--out", "runs"),
        *("--set", "load.agents=10", "--set", "load.rate_per_s=20"),
        *("--set", "load.warm_up_agents=0", "--set", "llm.latency_ms=20"),
    )

    assert ran.returncode == 0, ran.stdout + ran.stderr
    (result,) = tmp_path.glob("runs/*/*/results.json")
    assert json.loads(result.read_text())["schema"] >= 1
    assert list(tmp_path.glob("runs/*/report.html"))
