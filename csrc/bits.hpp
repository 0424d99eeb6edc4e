// Spikes as bits: eight a byte, the first in the lowest bit.
#pragma once

#include <cstdint>

namespace ranvier {

enum class Number { float16, bfloat16, float32, float64 };

// Pack n numbers that are all 0 or 1. Returns false, leaving the bits undefined, as soon as one is neither (-0 is 0).
bool pack_bits(const char* numbers, int64_t n, Number type, uint8_t* bits, int threads);
void unpack_bits(const uint8_t* bits, int64_t n, Number type, char* numbers, int threads);

}  // namespace ranvier
