#!/bin/sh
# Usage: scripts/venv.sh DIR
# Makes a virtual environment in DIR with the newest Python >= 3.11 that works here, and a pip that knows
# dependency groups (25.1). Fetches nothing but Python packages. Plain sh: runs on Debian's dash and macOS alike.
set -eu

venv=$1
wanted='import sys; sys.exit(not (3, 11) <= sys.version_info[:2])'

# Each candidate is run, not just looked up: a version manager's shim may exist for a Python that is not installed.
python=
for name in ${PYTHON:-python3.13 python3.12 python3.11 python3 python}; do
    if "$name" -c "$wanted" >/dev/null 2>&1; then
        python=$name
        break
    fi
done
if [ -z "$python" ]; then
    echo "No Python 3.11 or newer was found (tried: ${PYTHON:-python3.13 python3.12 python3.11 python3 python})." >&2
    echo "Install one (Debian: apt-get install python3 python3-venv; macOS: brew install python3), or name one:" >&2
    echo "    make PYTHON=/path/to/python3 ..." >&2
    exit 1
fi

echo "Making $venv with $("$python" --version)"
rm -rf "$venv"
if "$python" -c 'import ensurepip, venv' >/dev/null 2>&1; then
    "$python" -m venv "$venv"
elif "$python" -m virtualenv --version >/dev/null 2>&1; then
    "$python" -m virtualenv --quiet "$venv"
elif "$python" -m pip --version >/dev/null 2>&1; then
    # Debian splits venv off; with pip at hand, virtualenv does the same job from a folder of its own.
    "$python" -m pip install --quiet --disable-pip-version-check --target build/virtualenv virtualenv
    PYTHONPATH=build/virtualenv "$python" -m virtualenv --quiet "$venv"
else
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    echo "$("$python" --version) here cannot make a virtual environment: Debian and Ubuntu package that part apart." >&2
    echo "Install it, then run the same command again:" >&2
    echo "    sudo apt-get install python3-venv      (or python$version-venv, if that is not your default Python)" >&2
    exit 1
fi
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"
