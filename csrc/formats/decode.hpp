// What every decoder of event files takes and gives. Bytes are hostile: a decoder reads nothing beyond those given and
// writes no more events than there is room for; it stops early instead, and says how many bytes it took.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace ranvier::formats {

// Room for `capacity` events. `at` may be null; else it takes each event's place among the bytes given.
struct Columns {
    int64_t* t;  // us
    int16_t* x;
    int16_t* y;
    uint8_t* polarity;
    uint32_t* at;
    int64_t capacity;
};

struct Bytes {
    const uint8_t* data;
    int64_t size;  // below 2^32, so that places fit
};

// What the columns of a call are known to hold, so that whoever judges them need not look at each event.
struct Bounds {
    int64_t t_low = INT64_MAX, t_high = INT64_MIN, t_first = 0, t_last = 0;
    int64_t x_low = 0, x_high = 0, y_low = 0, y_high = 0, p_high = 0;
    bool rising = true;  // no time is less than the one before
};

constexpr int NUM_STATES = 6, NUM_PARAMETERS = 4;

// What a call found. The meaning of `state` and of the parameters is each decoder's own.
struct Found {
    int64_t num = 0;   // events
    int64_t used = 0;  // bytes
    int64_t state[NUM_STATES] = {};
    int64_t kinds[16] = {};      // words of each type (EVT)
    int64_t first_unknown = -1;  // byte of the first word of a type that does not exist
    int64_t untimed = 0;         // events without time, row or base
    int64_t others = 0;          // what is no event: invalid, exposure, special words
    int64_t frames = 0;          // words of frames and samples (AEDAT 2.0)
    bool unfit = false;          // a pixel that int16 does not hold: the twin must decode these bytes
    Bounds bounds;
};

using Decode = Found (*)(Bytes bytes, const int64_t* parameters, const int64_t* state, const Columns& out);

// What whole records do to a decoder that comes to them, seen without knowing its state: how many events they hold, how
// many of these lie before the first mark of the counter, that mark, the last one, and how often it wraps in between.
struct Outline {
    int64_t events = 0, early = 0, first = 0, last = 0, falls = 0;
    bool marked = false;
};

// How a stretch is cut into parts that are decoded at once. A record is at most one event.
struct Parts {
    int64_t record;  // bytes
    Outline (*outline)(Bytes bytes);
    int64_t (*follow)(const Outline& outline, int64_t* state);  // takes the state past them; gives the number of events
};

// The decoders as compiled for one instruction set.
struct Decoders {
    const char* name;
    bool (*usable)();
    Decode evt2, evt21, evt3, dat, aedat2, aedat3, aedat4_items, nmnist_bin, es;
    Parts evt2_parts, dat_parts, nmnist_bin_parts;
    Bounds (*bounds)(const Columns& columns, int64_t num);
};

extern const Decoders DECODERS_BASELINE;
#ifdef RANVIER_X86
extern const Decoders DECODERS_AVX2, DECODERS_AVX512;
#endif

// Where the vector of an unpacked AEDAT 4 packet of `size` bytes lies, of which the first are given.
struct Vector {
    int64_t place = -1;  // -1: no sound packet of this kind, or the bytes given do not tell
    int64_t length = 0;
};
Vector vector_in(Bytes begin, int64_t size, const char* kind, int64_t item);

}  // namespace ranvier::formats
