// All decoders, compiled once for each instruction set.
#include <type_traits>

#if defined(RANVIER_NEEDS_AVX512)
#include <immintrin.h>
#endif

#include "decode.hpp"

namespace ranvier::formats {
namespace {

#include "columns.hpp"
#if defined(RANVIER_NEEDS_AVX512)
#include "lanes_avx512.hpp"
#endif
#include "evt2.hpp"
#include "evt21.hpp"
#if defined(RANVIER_NEEDS_AVX512)
#include "evt3_avx512.hpp"
#endif
#include "evt3.hpp"
#include "dat.hpp"
#include "aedat2.hpp"
#include "aedat3.hpp"
#include "aedat4.hpp"
#include "nmnist_bin.hpp"
#include "es.hpp"

bool usable() {
#if defined(RANVIER_NEEDS_AVX512)
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("popcnt");
#elif defined(RANVIER_NEEDS_AVX2)
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") && __builtin_cpu_supports("popcnt");
#else
    return true;
#endif
}

}  // namespace

extern const Decoders RANVIER_VARIANT;
const Decoders RANVIER_VARIANT = {RANVIER_VARIANT_NAME, usable, evt2, evt21, evt3, dat, aedat2, aedat3, aedat4_items, nmnist_bin, es,
                                  {4, evt2_outline, evt2_follow}, {8, dat_outline, dat_follow}, {5, nmnist_outline, nmnist_follow}, bounds};

}  // namespace ranvier::formats
