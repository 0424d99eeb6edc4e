#!/usr/bin/env bash
# Make the environments of the cross-checks under .crosscheck/, each with its pinned packages, and run both checks.
# The readers' environment serves benchmarks/events.py.
#
#   crosscheck/environments.sh        make what is missing, or made from other pins
#   crosscheck/environments.sh run    and run the checks, which write crosscheck/results.json; print the README's table
#   crosscheck/environments.sh events make that of tonic, and run the benchmarks of transforms and loaders beside it
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-python3.11}

make() { # name, requirements with dependencies, requirements without
    local home=.crosscheck/$1
    shift
    cat "$@" | cmp -s - "$home/pins" && return
    rm -rf "$home"
    "$python" -m venv "$home"
    "$home/bin/pip" install -q -r "$1"
    # The peers ask for companions that they do not need for a neuron's step.
    [ -z "${2:-}" ] || "$home/bin/pip" install -q --no-deps -r "$2"
    cat "$@" > "$home/pins"
}

if [ "${1:-}" = events ]; then
    make tonic crosscheck/requirements-tonic.txt crosscheck/requirements-tonic-nodeps.txt
    for name in transforms loader; do
        PYTHONPATH=. .crosscheck/tonic/bin/python benchmarks/$name.py --out benchmarks/$name.json
    done
    exit
fi
make peers crosscheck/requirements-peers.txt crosscheck/requirements-peers-nodeps.txt
make simulators crosscheck/requirements-simulators.txt
make readers crosscheck/requirements-readers.txt crosscheck/requirements-readers-nodeps.txt
if [ "${1:-}" = run ]; then
    PYTHONPATH=. .crosscheck/peers/bin/python crosscheck/peers.py
    PYTHONPATH=. .crosscheck/simulators/bin/python crosscheck/simulators.py
    "$python" crosscheck/table.py
fi
