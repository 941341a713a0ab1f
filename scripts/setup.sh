#!/bin/sh
# Make .venv and install the project into it; a second call finds the stamp and does nothing.
# Usage: scripts/setup.sh   (from anywhere; PYTHON=... names an interpreter)
set -eu
cd "$(dirname "$0")/.."

digest() {
    { cat requirements.txt pyproject.toml; grep '^version' .venv/pyvenv.cfg; pwd; } |
        sha256sum | cut -d' ' -f1
}

stamp=.venv/.onceproof-stamp
if [ -x .venv/bin/python ] && [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$(digest)" ]; then
    exit 0
fi

fits='import sys; raise SystemExit(not (3, 11) <= sys.version_info[:2] < (3, 14))'
python=
for candidate in ${PYTHON:-} python3.13 python3.12 python3.11 python3; do
    if "$candidate" -c "$fits" 2>/dev/null; then
        python=$candidate
        break
    fi
done
if [ -z "$python" ]; then
    found=$(python3 --version 2>/dev/null || echo none)
    echo "setup: found $found, expected Python 3.11 to 3.13; install one (Debian 12, Ubuntu 24.04: python3), or name it: make setup PYTHON=/path/to/python3" >&2
    exit 254
fi

"$python" scripts/setup.py
digest > "$stamp"
