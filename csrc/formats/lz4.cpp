#include "lz4.hpp"

#include "source.hpp"

namespace ranvier::formats {
namespace {

template <class T>
inline T load(const uint8_t* from) {
    T value;
    std::memcpy(&value, from, sizeof(T));
    return value;
}

template <class T>
inline void store(uint8_t* to, T value) {
    std::memcpy(to, &value, sizeof(T));
}

constexpr uint32_t P1 = 2654435761u, P2 = 2246822519u, P3 = 3266489917u, P4 = 668265263u, P5 = 374761393u;

inline uint32_t turned(uint32_t value, int bits) { return value << bits | value >> (32 - bits); }
inline uint32_t mixed(uint32_t lane, uint32_t word) { return turned(lane + word * P2, 13) * P1; }

// xxHash of 32 bits, of seed 0.
uint32_t checksum(const uint8_t* from, int64_t size) {
    const uint8_t* const end = from + size;
    uint32_t sum = P5;
    if (size >= 16) {
        uint32_t a = P1 + P2, b = P2, c = 0, d = 0 - P1;
        for (; end - from >= 16; from += 16) {
            a = mixed(a, load<uint32_t>(from)), b = mixed(b, load<uint32_t>(from + 4));
            c = mixed(c, load<uint32_t>(from + 8)), d = mixed(d, load<uint32_t>(from + 12));
        }
        sum = turned(a, 1) + turned(b, 7) + turned(c, 12) + turned(d, 18);
    }
    sum += static_cast<uint32_t>(size);
    for (; end - from >= 4; from += 4) sum = turned(sum + load<uint32_t>(from) * P3, 17) * P4;
    for (; from < end; ++from) sum = turned(sum + *from * P5, 11) * P1;
    sum = (sum ^ sum >> 15) * P2;
    sum = (sum ^ sum >> 13) * P3;
    return sum ^ sum >> 16;
}

// A block on its way: the bytes that are left, where the next go, and what a match may reach back to.
struct Block {
    const uint8_t* from;
    const uint8_t* const end;
    uint8_t* to;
    const uint8_t* const base;
    uint8_t* const stop;
    uint8_t* match = nullptr;  // where the latest one begins
};

constexpr int64_t LITERALS = 8, SHORT = 18, NEAREST = 16;  // of a short sequence: literals, match, distance

// Up to eight literals and a short match from at least sixteen bytes back; false, and nothing is taken, for another.
// A processor hands on a number that was just stored only if one store holds all of it. Events repeat what lies 16 bytes
// back, so a match of up to 8 bytes is two numbers of 4, each from within one earlier store, and stored as one: 16 bytes
// at a time took 1.4 times as long.
inline bool short_sequence(Block& b) {
    const uint32_t token = *b.from, literals = token >> 4, rest = token & 15;
    const uint16_t distance = load<uint16_t>(b.from + 1 + literals);
    uint8_t* const to = b.to + literals;
    store(b.to, load<uint64_t>(b.from + 1));
    if (literals > LITERALS || rest == 15) return false;
    if (distance < NEAREST || distance > to - b.base) return false;
    const uint8_t* const match = to - distance;
    const uint32_t num = rest + 4;
    if (num <= 8) {
        const uint64_t last = load<uint32_t>(match + num - 4);
        store(to, load<uint32_t>(match) | last << (8 * (num - 4)));
    } else if (num <= 16) {
        const uint64_t first = load<uint64_t>(match), last = load<uint64_t>(match + num - 8);
        store(to, first);
        store(to + num - 8, last);
    } else {
        store(to, load<uint64_t>(match));
        store(to + 8, load<uint64_t>(match + 8));
        store(to + 16, load<uint16_t>(match + 16));
    }
    b.match = to;
    b.from += literals + 3;
    b.to = to + num;
    return true;
}

// How many short sequences fit what is left, whatever they are.
inline int64_t safe(const Block& b) {
    const int64_t in = (b.end - b.from) / (1 + LITERALS + 2), out = (b.stop - b.to) / (LITERALS + SHORT);
    return in < out ? in : out;
}

// What a length that did not fit the token goes on with.
inline bool longer(Block& b, int64_t& length) {
    uint8_t more;
    do {
        if (b.from >= b.end) return false;
        more = *b.from++;
        length += more;
    } while (more == 255);
    return true;
}

enum class Step { MORE, END, BROKEN };

// Any sequence, each step checked.
Step sequence(Block& b) {
    if (b.from >= b.end) return Step::BROKEN;
    const uint32_t token = *b.from++;
    int64_t literals = token >> 4, num = token & 15;
    if (literals == 15 && !longer(b, literals)) return Step::BROKEN;
    if (literals > b.end - b.from || literals > b.stop - b.to) return Step::BROKEN;
    std::memcpy(b.to, b.from, static_cast<size_t>(literals));
    b.to += literals, b.from += literals;
    if (b.from == b.end) {
        // A block ends in literals: five of them, and twelve bytes behind the start of the last match.
        const bool sound = num == 0 && literals > 0 && (b.match == nullptr || (literals >= 5 && b.to - b.match >= 12));
        return sound ? Step::END : Step::BROKEN;
    }
    if (b.end - b.from < 2) return Step::BROKEN;
    const int64_t distance = load<uint16_t>(b.from);
    b.from += 2;
    if (num == 15 && !longer(b, num)) return Step::BROKEN;
    num += 4;
    if (distance == 0 || distance > b.to - b.base || num > b.stop - b.to) return Step::BROKEN;
    b.match = b.to;
    for (uint8_t* const stop = b.to + num; b.to < stop; ++b.to) *b.to = *(b.to - distance);
    return Step::MORE;
}

// Unpacks a block; gives its number of bytes, or -1.
int64_t unpack_block(Bytes packed, uint8_t* to, const uint8_t* base, int64_t room) {
    Block b{packed.data, packed.data + packed.size, to, base, to + room};
    for (;;) {
        bool all = true;
        Block next = b;  // in registers: bytes that are written might lie in b
        for (int64_t left = safe(next); left > 0 && all; --left) all = short_sequence(next);
        b.from = next.from, b.to = next.to, b.match = next.match;
        if (all && safe(b) > 0) continue;
        const Step step = sequence(b);
        if (step == Step::BROKEN) return -1;
        if (step == Step::END) return b.to - to;
    }
}

struct Header {
    bool linked, sums, sized, summed;
    int64_t largest, size;  // of a block, of all
    int64_t bytes;          // of the header; 0: another than is read here
};

Header header_of(Bytes frame) {
    constexpr uint32_t MAGIC = 0x184D2204;
    Header h{};
    if (frame.size < 7 || load<uint32_t>(frame.data) != MAGIC) return h;
    const uint32_t flags = frame.data[4], block = frame.data[5];
    h.linked = (flags & 32) == 0, h.sums = (flags & 16) != 0, h.sized = (flags & 8) != 0, h.summed = (flags & 4) != 0;
    // Version 1, no dictionary, nothing reserved.
    if (flags >> 6 != 1 || (flags & 3) != 0 || (block & 0x8F) != 0 || block >> 4 < 4) return h;
    const int64_t bytes = h.sized ? 15 : 7;
    if (frame.size < bytes || ((checksum(frame.data + 4, bytes - 5) >> 8) & 0xFF) != frame.data[bytes - 1]) return h;
    h.largest = int64_t{1} << (8 + 2 * (block >> 4));
    h.size = h.sized ? load<int64_t>(frame.data + 6) : 0;
    h.bytes = bytes;
    return h;
}

}  // namespace

int64_t unpack_lz4(Bytes frame, uint8_t* out, int64_t room) {
    const Header h = header_of(frame);
    if (h.bytes == 0 || h.size < 0 || h.size > room) return -1;
    int64_t at = h.bytes, num = 0;
    for (;;) {
        if (frame.size - at < 4) return -1;
        const uint32_t word = load<uint32_t>(frame.data + at);
        at += 4;
        if (word == 0) break;
        const int64_t size = word & 0x7FFFFFFF;
        if (size == 0 || size > h.largest || frame.size - at < size + (h.sums ? 4 : 0)) return -1;
        const Bytes packed{frame.data + at, size};
        const int64_t left = room - num < h.largest ? room - num : h.largest;
        int64_t got = size;
        if (word >> 31 == 0) {
            got = unpack_block(packed, out + num, h.linked ? out : out + num, left);
        } else if (size <= left) {
            std::memcpy(out + num, packed.data, static_cast<size_t>(size));
        } else {
            return -1;
        }
        if (got < 0) return -1;
        at += size, num += got;
        if (!h.sums) continue;
        if (checksum(packed.data, size) != load<uint32_t>(frame.data + at)) return -1;
        at += 4;
    }
    if (h.sized && num != h.size) return -1;
    if (h.summed && (frame.size - at < 4 || checksum(out, num) != load<uint32_t>(frame.data + at))) return -1;
    return num;
}

}  // namespace ranvier::formats
