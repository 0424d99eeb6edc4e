// Numbers of 16 bits in memory: widened to float when they are read, rounded to the nearest (ties to even) when written.
#pragma once

#include <cstddef>

namespace ranvier {

// How numbers lie in a caller's (T, N): as the machine computes, or in 16 bits.
enum class Format { own, bfloat16, float16 };

constexpr ptrdiff_t HALF = 2;  // bytes of a number of 16 bits

// Widen n numbers. The target has room for n rounded up to a multiple of GRAIN; what lies behind is left as it is.
using Widen = void (*)(const char* from, char* target, ptrdiff_t n);
// Narrow n numbers. streamed: write around the caches where the target is aligned for it.
using Narrow = void (*)(const char* from, char* target, ptrdiff_t n, bool streamed);

// Of one instruction set; integers only, so that denormal numbers survive whatever mode the processor is in.
struct Halves {
    Widen widen_bfloat16, widen_float16;
    Narrow narrow_bfloat16, narrow_float16;

    Widen widen(Format format) const { return format == Format::bfloat16 ? widen_bfloat16 : widen_float16; }
    Narrow narrow(Format format) const { return format == Format::bfloat16 ? narrow_bfloat16 : narrow_float16; }
};

}  // namespace ranvier
