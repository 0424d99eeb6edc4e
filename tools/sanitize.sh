#!/bin/sh
# Run the vector machine under ThreadSanitizer, then under AddressSanitizer with UndefinedBehaviorSanitizer.
#
# Usage: tools/sanitize.sh [build folder]. Needs CMake and GCC or Clang with their sanitizers, no Python. Takes minutes.
set -eu
source=$(cd "$(dirname "$0")/.." && pwd)
build=${1:-$source/build/sanitize}
for kind in thread address,undefined; do
    folder=$build/$(echo "$kind" | tr ',' '-')
    cmake -S "$source" -B "$folder" -DCMAKE_BUILD_TYPE=RelWithDebInfo -DRANVIER_SANITIZE="$kind" >/dev/null
    cmake --build "$folder" --parallel "${JOBS:-2}" >/dev/null
    echo "$kind:"
    TSAN_OPTIONS=halt_on_error=1 ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1 "$folder/check"
done
