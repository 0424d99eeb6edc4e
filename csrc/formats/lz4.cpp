#include "lz4.hpp"

#include <initializer_list>

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
    const uint8_t* end;
    uint8_t* to;
    const uint8_t* base;
    uint8_t* stop;
    uint8_t* match;  // where the latest one begins that is not followed by MARGIN bytes; null: there is none
};

constexpr int64_t HALF = 8;       // bytes: of a number, and of half an event
constexpr int64_t LITERALS = 6;   // a number holds them and a distance
constexpr int64_t SHORT = 16;     // bytes that a short sequence makes at most; its match lies as far back at least
constexpr int64_t MARGIN = 16;    // bytes left behind a short sequence: it may be a block's last match, and a sound one
constexpr uint8_t NOT_SHORT = 255;

// How many bytes a sequence makes, by its first byte, if it may be a short one.
struct Shapes {
    uint8_t num[256];
    constexpr Shapes() : num() {
        for (int token = 0; token < 256; ++token) {
            const int literals = token >> 4, all = literals + (token & 15) + 4;
            num[token] = literals <= LITERALS && all <= SHORT ? static_cast<uint8_t>(all) : NOT_SHORT;
        }
    }
};
constexpr Shapes SHAPES{};

// Where a block is while short sequences are read: in registers, for bytes that are written might lie in a Block.
struct Cursor {
    const uint8_t* from;
    uint8_t* to;
    const uint8_t* near;  // the first byte that is no more than SHORT bytes behind the base

    explicit Cursor(const Block& b) : from(b.from), to(b.to), near(b.base + SHORT) {}
    void leave(Block& b) const { b.from = from, b.to = to; }
};

// A short sequence; false, and nothing is taken, for another. Events repeat what lies a multiple of 16 bytes back but for
// one to three bytes of each half, so literals are put into the number that is repeated and both are stored as one: a
// processor hands on what was just stored only to loads that lie within one store. Nothing depends on what the sequence
// is like, so no step is guessed wrong.
inline bool short_sequence(Cursor& c) {
    const uint32_t token = *c.from, literals = token >> 4, num = SHAPES.num[token], bits = 8 * literals & 63;
    const uint64_t word = load<uint64_t>(c.from + 1);
    const uint64_t distance = static_cast<uint16_t>(word >> bits);
    if (num > SHORT || distance - SHORT > static_cast<uint64_t>(c.to - c.near)) return false;
    const uint64_t kept = ~uint64_t{0} << bits;
    const uint8_t* const match = c.to - distance;
    const uint64_t first = load<uint64_t>(match), second = load<uint64_t>(match + HALF);
    store(c.to, (first & kept) | (word & ~kept));
    store(c.to + HALF, second);
    c.from += literals + 3;
    c.to += num;
    return true;
}

// How many short sequences fit what is left, whatever they are.
inline int64_t safe(const Block& b) {
    if (b.to - b.base < SHORT) return 0;
    const int64_t in = (b.end - b.from - MARGIN) / (1 + LITERALS + 2), out = (b.stop - b.to) / SHORT;
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

// Copies `num` bytes on, 16 at a time where there is room for more than these.
inline void repeat(Block& b, int64_t distance, int64_t num) {
    uint8_t* const end = b.to + num;
    if (distance >= SHORT && b.stop - end >= SHORT) {
        for (uint8_t* to = b.to; to < end; to += SHORT) std::memcpy(to, to - distance, SHORT);
    } else {
        for (uint8_t* to = b.to; to < end; ++to) *to = *(to - distance);
    }
    b.to = end;
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
    repeat(b, distance, num);
    return Step::MORE;
}

// Unpacks a block to its end.
Step unpack(Block& b) {
    for (;;) {
        Cursor c(b);
        bool all = true;
        for (int64_t left = safe(b); left > 0 && all; --left) all = short_sequence(c);
        c.leave(b);
        if (all && safe(b) > 0) continue;
        const Step step = sequence(b);
        if (step != Step::MORE) return step;
    }
}

// Unpacks two blocks until one of them is at its end: where a step of one waits for the step before, those of the other
// go on.
void unpack(Block& one, Block& two, Step& step_one, Step& step_two) {
    step_one = step_two = Step::MORE;
    while (step_one == Step::MORE && step_two == Step::MORE) {
        Cursor c(one), d(two);
        const int64_t left_one = safe(one), left_two = safe(two);
        bool all_one = true, all_two = true;
        for (int64_t left = left_one < left_two ? left_one : left_two; left > 0 && all_one && all_two; --left) {
            all_one = short_sequence(c);
            all_two = short_sequence(d);
        }
        c.leave(one), d.leave(two);
        if (!all_one || safe(one) <= 0) step_one = sequence(one);
        if (!all_two || safe(two) <= 0) step_two = sequence(two);
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

// Memory that frames are unpacked to, one behind the other, block by block.
class Lane {
public:
    Lane(uint8_t* memory, int64_t room) : out_(memory), stop_(memory + room) {}

    // Goes to the next packed block of the frame, or of those that come next; false if none is left.
    bool next(Packed*& frames, const Packed* end) {
        for (;;) {
            if (frame_ == nullptr) {
                if (frames == end) return false;
                begin(*frames++);
            } else if (block()) {
                return true;
            }
        }
    }

    // Takes the end of a packed block.
    void close(Step step) {
        if (step == Step::END) {
            closed(packed.to - (out_ + num_));
        } else {
            give(-1);
        }
    }

    Block packed{};

private:
    void begin(Packed& frame) {
        frame_ = &frame;
        header_ = header_of(frame.frame);
        at_ = header_.bytes, num_ = 0;
        if (header_.bytes == 0 || header_.size < 0 || header_.size > stop_ - out_) give(-1);
    }

    // Ends the frame.
    void give(int64_t num) {
        frame_->plain = {out_, num};
        frame_ = nullptr;
        if (num > 0) out_ += num;
    }

    // The next block: true if it is to be unpacked; others are taken.
    bool block() {
        const Bytes frame = frame_->frame;
        if (frame.size - at_ < 4) return give(-1), false;
        const uint32_t word = load<uint32_t>(frame.data + at_);
        at_ += 4;
        if (word == 0) return give(is_whole() ? num_ : -1), false;
        size_ = word & 0x7FFFFFFF;
        if (size_ == 0 || size_ > header_.largest || frame.size - at_ < size_ + (header_.sums ? 4 : 0)) return give(-1), false;
        const uint8_t* const from = frame.data + at_;
        uint8_t* const to = out_ + num_;
        const int64_t left = stop_ - to < header_.largest ? stop_ - to : header_.largest;
        if (word >> 31 == 0) {
            packed = {from, from + size_, to, header_.linked ? out_ : to, to + left, nullptr};
            return true;
        }
        if (size_ > left) return give(-1), false;
        std::memcpy(to, from, static_cast<size_t>(size_));
        closed(size_);
        return false;
    }

    // A block that has become so many bytes.
    void closed(int64_t num) {
        const uint8_t* const from = frame_->frame.data + at_;
        at_ += size_, num_ += num;
        if (!header_.sums) return;
        if (checksum(from, size_) != load<uint32_t>(from + size_)) return give(-1);
        at_ += 4;
    }

    bool is_whole() const {
        if (header_.sized && num_ != header_.size) return false;
        const Bytes frame = frame_->frame;
        return !header_.summed || (frame.size - at_ >= 4 && checksum(out_, num_) == load<uint32_t>(frame.data + at_));
    }

    Packed* frame_ = nullptr;
    Header header_{};
    uint8_t* out_;  // where the frame's bytes begin
    uint8_t* const stop_;
    int64_t at_ = 0, num_ = 0, size_ = 0;  // bytes read of the frame, made of it, and of the block
};

}  // namespace

void unpack_lz4(Packed* frames, int64_t num, uint8_t* one, uint8_t* two, int64_t room) {
    Lane first(one, room), second(two, room);
    const Packed* const end = frames + num;
    bool more_first = first.next(frames, end), more_second = second.next(frames, end);
    while (more_first && more_second) {
        Step step_first, step_second;
        unpack(first.packed, second.packed, step_first, step_second);
        if (step_first != Step::MORE) first.close(step_first), more_first = first.next(frames, end);
        if (step_second != Step::MORE) second.close(step_second), more_second = second.next(frames, end);
    }
    for (Lane* lane : {&first, &second}) {
        for (bool more = lane == &first ? more_first : more_second; more; more = lane->next(frames, end)) lane->close(unpack(lane->packed));
    }
}

}  // namespace ranvier::formats
