// Reading spikes kept as bits, from any of them on.
#pragma once

#include <cstdint>
#include <cstring>

namespace ranvier {

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "bit k of a word must lie in its byte k / 8");

// Bits [from, from + n), 1 <= n <= 64, the first in the lowest; no byte is read that holds none of them.
inline uint64_t bits_at(const uint8_t* bytes, int64_t from, int64_t n) {
    const int64_t shift = from % 8, there = (shift + n + 7) / 8;  // at most 9 bytes
    bytes += from / 8;
    uint64_t word = 0;
    if (there >= 8) std::memcpy(&word, bytes, 8);
    else std::memcpy(&word, bytes, static_cast<size_t>(there));
    word >>= shift;
    if (there > 8) word |= static_cast<uint64_t>(bytes[8]) << (64 - shift);
    return n < 64 ? word & ((uint64_t{1} << n) - 1) : word;
}

}  // namespace ranvier
