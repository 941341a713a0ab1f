"""Makes docs/gallery anew from real runs: `make gallery`.

Runs the matrices demo and smoke, keeps their pages, and lets Chromium take pictures of them: light,
dark, narrow, and of one run's plots. Folders of runs that are there may be named instead, one a
matrix. Nothing in the gallery is drawn by hand.
"""

import asyncio
import io
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from PIL import Image

from tests.browser import CHROMIUM, REMEDY, browser

ROOT = Path(__file__).resolve().parents[1]
GALLERY = ROOT / "docs" / "gallery"
MATRICES = ("demo", "smoke")
BYTES_MAX, COLORS = 1_500_000, 96
SHOTS = {
    # name: (matrix, width, height, dark, what to bring to the top)
    "page": ("smoke", 1280, 1000, False, ""),
    "dark": ("smoke", 1280, 1000, True, ""),
    "narrow": ("demo", 420, 900, False, ""),
    "run": ("smoke", 1280, 1250, False, "#run-1 figure"),
}


def main() -> None:
    """Run, copy, look; say how much it is."""
    if CHROMIUM is None:
        raise SystemExit(f"gallery: {REMEDY}")
    made = [Path(name) for name in sys.argv[1:]]
    GALLERY.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for number, name in enumerate(MATRICES):
            root = made[number] if made else run(name, Path(folder))
            shutil.copyfile(root / "report.html", GALLERY / f"{name}.html")
        asyncio.run(shoot(Path(folder)))
    sizes = {path.name: path.stat().st_size for path in sorted(GALLERY.iterdir())}
    for name, size in sizes.items():
        sys.stdout.write(f"{name:16} {size / 1000:8.1f} kB\n")
    if sum(sizes.values()) > BYTES_MAX:
        raise SystemExit(f"gallery: {sum(sizes.values())} bytes, at most {BYTES_MAX}")


def run(name: str, folder: Path) -> Path:
    """A matrix for real, in a folder of its own; 0 to 3 are verdicts, all else is an end."""
    script = "from harness.cli import main; main()"
    done = subprocess.run(
        (sys.executable, "-c", script, "run", "--matrix", name),
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        check=False,
    )
    if done.returncode > 3:
        raise SystemExit(f"gallery: the matrix {name} ended with {done.returncode}")
    return max(path for path in (folder / "runs").iterdir() if f"-{name}-" in path.name)


async def shoot(folder: Path) -> None:
    """Every picture, each in a browser of its own."""
    for name, (matrix, width, height, is_dark, target) in SHOTS.items():
        async with browser(folder / f"profile-{name}") as shown:
            await shown.show(GALLERY / f"{matrix}.html", width=width, is_dark=is_dark)
            await shown.value(
                "document.querySelectorAll('details.run').forEach(d => d.open = true)"
            )
            top = 0
            if target:
                top = await shown.value(
                    f"document.querySelector({target!r}).getBoundingClientRect().top + scrollY - 60"
                )
            data = await shown.screenshot(width=width, height=height, top=int(top))
        # Few colours are on a page; without the others a picture is a third as large.
        picture = Image.open(io.BytesIO(data)).convert("RGB").quantize(COLORS)
        picture.save(GALLERY / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main()
