#!/bin/sh
# Run the vector machine under ThreadSanitizer, then under AddressSanitizer with UndefinedBehaviorSanitizer; then the
# decoders on several threads under ThreadSanitizer; then the tests of the recurrent loop, of event-driven inference, of
# the decoders and of the passes over events, with modules built with the latter two.
#
# Usage: tools/sanitize.sh [build folder]. Needs CMake, GCC with its sanitizers and, for the modules, a Python ($PYTHON)
# that runs the tests. Takes minutes. JOBS: how many files are compiled at once.
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

python=${PYTHON:-python3}
echo "decoders in parts: thread:"
PYTHONPATH="$source" "$python" "$source/tools/fuzz.py" --races --mutations 3000 --seed 1 --build "$build/fuzz"

folder=$build/modules
cmake -S "$source" -B "$folder" -DCMAKE_BUILD_TYPE=RelWithDebInfo -DRANVIER_SANITIZE=address,undefined \
    -DRANVIER_SANITIZE_MODULES=ON -DPython_EXECUTABLE="$(command -v "$python")" >/dev/null
cmake --build "$folder" --parallel "${JOBS:-2}" --target _loop _events _decoders _passes >/dev/null
# A copy of the package with these modules; the machine's own stays as it is.
copy=$folder/package
rm -rf "$copy"
mkdir -p "$copy"
cp -r "$source/ranvier" "$source/tests" "$source/pyproject.toml" "$copy"
rm -f "$copy"/ranvier/kernels/recurrent/_loop*.so "$copy"/ranvier/kernels/sparse/_events*.so "$copy"/ranvier/data/formats/_decoders*.so \
    "$copy"/ranvier/data/_passes*.so
cp "$folder"/_loop*.so "$copy/ranvier/kernels/recurrent"
cp "$folder"/_events*.so "$copy/ranvier/kernels/sparse"
cp "$folder"/_decoders*.so "$copy/ranvier/data/formats"
cp "$folder"/_passes*.so "$copy/ranvier/data"
echo "modules: address,undefined:"
cd "$copy"
# Python itself never frees some memory, so leaks are not looked for here.
LD_PRELOAD="$(gcc -print-file-name=libasan.so) $(gcc -print-file-name=libubsan.so) $(gcc -print-file-name=libstdc++.so)" ASAN_OPTIONS=detect_leaks=0 PYTHONPATH="$copy" \
    "$python" -m pytest -q -x -p no:cacheprovider tests/kernels/recurrent/test_loop.py tests/kernels/sparse/test_sessions.py \
    tests/kernels/sparse/test_frames.py tests/kernels/sparse/test_bits_between.py tests/nn/test_event_linear.py \
    tests/nn/inference/test_compile.py tests/nn/inference/test_packed.py \
    tests/data/formats/test_compiled.py tests/data/formats/test_packets.py tests/data/formats/test_parts.py \
    tests/data/test_passes.py
