// A decoder over a stretch of a file, read piece by piece into memory that stays in the second cache.
#pragma once

#include "decode.hpp"

#if defined(__unix__) || defined(__APPLE__)
#include <unistd.h>

#include <cerrno>
#define RANVIER_PREAD

namespace ranvier::formats {

// Adds what the next bytes hold to what those before them did; `at` is how far behind the first of all they begin.
inline void join(Found& all, const Found& next, int64_t at) {
    Bounds& b = all.bounds;
    const Bounds& n = next.bounds;
    if (all.num == 0) {
        b = n;
    } else if (next.num > 0) {
        b.rising = b.rising && n.rising && n.t_first >= b.t_last;
        b.t_last = n.t_last;
        b.t_low = n.t_low < b.t_low ? n.t_low : b.t_low, b.t_high = n.t_high > b.t_high ? n.t_high : b.t_high;
        b.x_low = n.x_low < b.x_low ? n.x_low : b.x_low, b.x_high = n.x_high > b.x_high ? n.x_high : b.x_high;
        b.y_low = n.y_low < b.y_low ? n.y_low : b.y_low, b.y_high = n.y_high > b.y_high ? n.y_high : b.y_high;
        b.p_high = n.p_high > b.p_high ? n.p_high : b.p_high;
    }
    if (all.first_unknown < 0 && next.first_unknown >= 0) all.first_unknown = at + next.first_unknown;
    for (int k = 0; k < 16; ++k) all.kinds[k] += next.kinds[k];
    std::memcpy(all.state, next.state, sizeof(all.state));
    all.num += next.num, all.used += next.used, all.untimed += next.untimed, all.others += next.others, all.frames += next.frames;
    all.unfit |= next.unfit;
}

constexpr int64_t PIECE = 1 << 18, PAGE = 1 << 12;

// Decodes `size` bytes from byte `at` of an open file on. Takes fewer if the file has become shorter, or the last record
// is cut; `error` is the system's number if it cannot be read. `piece` has room for PIECE + PAGE bytes. It is read, not
// mapped: a mapped file that somebody cuts ends the process.
inline Found walk_file(Decode decode, int file, int64_t at, int64_t size, const int64_t* parameters, const int64_t* state,
                       const Columns& out, uint8_t* piece, int& error) {
    Found all;
    std::memcpy(all.state, state, sizeof(all.state));
    error = 0;
    while (all.used < size) {
        // From a border of pages on: processors copy several times slower to memory that lies a few bytes off its source.
        const int64_t position = at + all.used, before = position % PAGE, left = size - all.used;
        ssize_t got;
        do {
            got = pread(file, piece, static_cast<size_t>(before + (left < PIECE ? left : PIECE)), position - before);
        } while (got < 0 && errno == EINTR);
        if (got < 0) error = errno;
        if (got <= before) break;
        const int64_t n = all.num;
        const Columns rest{out.t + n, out.x + n, out.y + n, out.polarity + n, nullptr, out.capacity - n};
        const Found next = decode({piece + before, got - before}, parameters, all.state, rest);
        if (next.used == 0) break;
        join(all, next, all.used);
    }
    return all;
}

}  // namespace ranvier::formats
#endif
