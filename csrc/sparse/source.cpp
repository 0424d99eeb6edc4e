#include "source.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "../bit_run.hpp"

namespace ranvier::sparse {
namespace {

// Each of these sets the bits of numbers [from, from + n); bits beyond are 0. False if some number is neither 0 nor 1.
bool pack_floats(const Kernels& kernels, const float* x, int64_t from, int64_t n, uint64_t* words) {
    const int64_t whole = n / 64 * 64;
    bool binary = kernels.pack(x + from, whole, words);
    if (whole == n) return binary;
    float rest[64] = {};
    std::copy(x + from + whole, x + from + n, rest);
    return kernels.pack(rest, 64, words + whole / 64) && binary;
}

bool pack_bytes(const uint8_t* x, int64_t from, int64_t n, uint64_t* words) {
    constexpr uint64_t ONES = 0x0101010101010101, GATHER = 0x0102040810204080;  // brings bit 0 of each byte to the top
    uint64_t others = 0;
    x += from;
    for (int64_t k = 0; k < n; k += 64) {
        uint64_t word = 0;
        for (int64_t j = 0; j < 64 && k + j < n; j += 8) {
            uint64_t eight = 0;
            std::memcpy(&eight, x + k + j, static_cast<size_t>(std::min<int64_t>(8, n - k - j)));
            others |= eight & ~ONES;
            word |= (eight & ONES) * GATHER >> 56 << j;
        }
        words[k / 64] = word;
    }
    return others == 0;
}

bool pack_bits(const uint8_t* bytes, int64_t from, int64_t n, uint64_t* words) {
    for (int64_t k = 0; k < n; k += 64) words[k / 64] = bits_at(bytes, from + k, std::min<int64_t>(64, n - k));
    return true;
}

// Numbers from `from` on of the frames, as bits.
bool pack_run(const Kernels& kernels, const Frames& frames, int64_t from, int64_t n, uint64_t* words) {
    from += frames.first;
    switch (frames.form) {
        case Frames::Form::float32: return pack_floats(kernels, static_cast<const float*>(frames.data), from, n, words);
        case Frames::Form::uint8: return pack_bytes(static_cast<const uint8_t*>(frames.data), from, n, words);
        default: return pack_bits(static_cast<const uint8_t*>(frames.data), from, n, words);
    }
}

// Every other bit: bit k to bit 2 k.
uint64_t spread(uint64_t low) {
    low = (low | low << 16) & 0x0000ffff0000ffff;
    low = (low | low << 8) & 0x00ff00ff00ff00ff;
    low = (low | low << 4) & 0x0f0f0f0f0f0f0f0f;
    low = (low | low << 2) & 0x3333333333333333;
    return (low | low << 1) & 0x5555555555555555;
}

// List the numbers of a row that are not 0; writes up to PAD numbers beyond the last.
Found compact(const Kernels& kernels, const float* row, int64_t n, int32_t* index) { return kernels.compact(row, n, 0, index); }

Found compact(const Kernels&, const uint8_t* row, int64_t n, int32_t* index) {
    int64_t count = 0;
    bool graded = false;
    for (int64_t k = 0; k < n; k += 8) {
        uint64_t eight = 0;
        std::memcpy(&eight, row + k, static_cast<size_t>(std::min<int64_t>(8, n - k)));
        for (; eight != 0;) {
            const int byte = __builtin_ctzll(eight) / 8;
            index[count++] = static_cast<int32_t>(k) + byte;
            graded |= row[k + byte] != 1;
            eight &= ~(uint64_t{0xff} << 8 * byte);
        }
    }
    return {count, graded, false};
}

// List a map whose numbers lie in the order of their places.
template <class T>
void list_in_order(const Kernels& kernels, const T* map, int64_t batch, int64_t size, Events& events) {
    events.clear(batch);
    for (int64_t b = 0; b < batch; ++b, map += size) {
        const int64_t at = events.start[b];
        events.reserve(at + size);
        const Found found = compact(kernels, map, size, events.index.data() + at);
        events.start[b + 1] = at + found.count;
        events.graded |= found.graded;
        events.negative |= found.negative;
        for (int64_t k = at; k < at + found.count; ++k) events.value[k] = static_cast<float>(map[events.index[k]]);
    }
}

// Merge neighbouring sorted runs until one is left.
void merge_runs(std::vector<uint64_t>& keys, std::vector<uint64_t>& spare, std::vector<size_t> ends) {
    spare.resize(keys.size());
    while (ends.size() > 1) {
        std::vector<size_t> merged;
        size_t begin = 0;
        for (size_t k = 0; k < ends.size(); k += 2) {
            const size_t middle = ends[k], end = k + 1 < ends.size() ? ends[k + 1] : middle;
            std::merge(keys.begin() + begin, keys.begin() + middle, keys.begin() + middle, keys.begin() + end,
                       spare.begin() + begin);
            merged.push_back(end);
            begin = end;
        }
        keys.swap(spare);
        ends = std::move(merged);
    }
}

}  // namespace

void Source::take(const Kernels& kernels, const Frames& frames, Signal& out) {
    if (pack(kernels, frames, out)) return out.now_packed();
    const bool last = frames.last || out.shape.channels == 1 || out.shape.height * out.shape.width == 1;
    if (frames.form == Frames::Form::float32) list(kernels, static_cast<const float*>(frames.data) + frames.first, last, out);
    else list(kernels, static_cast<const uint8_t*>(frames.data) + frames.first, last, out);
    out.now_listed();
}

bool Source::pack(const Kernels& kernels, const Frames& frames, Signal& out) {
    const int64_t size = out.size(), channels = out.shape.channels, pixels = out.shape.height * out.shape.width;
    out.bits.open(out.batch, size);
    const int64_t a_plane = (pixels + 63) / 64;
    planes_.resize(static_cast<size_t>(2 * a_plane));
    for (int64_t b = 0; b < out.batch; ++b) {
        uint64_t* words = out.bits.item(b);
        if (frames.last || channels == 1 || pixels == 1) {
            if (!pack_run(kernels, frames, b * size, size, words)) return false;
            continue;
        }
        std::fill_n(words, out.bits.an_item, uint64_t{0});
        for (int64_t c = 0; c < channels; ++c) {
            uint64_t* plane = planes_.data() + c % 2 * a_plane;
            if (!pack_run(kernels, frames, (b * channels + c) * pixels, pixels, plane)) return false;
            for (int64_t k = 0; channels != 2 && k < a_plane; ++k) {
                for (uint64_t word = plane[k]; word != 0; word &= word - 1) {
                    const int64_t place = (64 * k + __builtin_ctzll(word)) * channels + c;
                    words[place / 64] |= uint64_t{1} << place % 64;
                }
            }
        }
        if (channels != 2) continue;  // event cameras
        for (int64_t k = 0; k < out.bits.an_item; ++k) {
            const int shift = k % 2 * 32;
            const uint64_t off = planes_[k / 2] >> shift & 0xffffffff, on = planes_[a_plane + k / 2] >> shift & 0xffffffff;
            words[k] = spread(off) | spread(on) << 1;
        }
    }
    return true;
}

template <class T>
void Source::list(const Kernels& kernels, const T* frames, bool last, Signal& out) {
    const int64_t batch = out.batch, size = out.size(), channels = out.shape.channels, pixels = out.shape.height * out.shape.width;
    Events& events = out.events;
    if (last) return list_in_order(kernels, frames, batch, size, events);
    if (channels == 2) {  // turning the frame is cheaper than sorting its events
        turned_.resize(static_cast<size_t>(batch * size));
        for (int64_t b = 0; b < batch; ++b) {
            const T *first = frames + 2 * b * pixels, *second = first + pixels;
            float* target = turned_.data() + 2 * b * pixels;
            for (int64_t p = 0; p < pixels; ++p) {
                target[2 * p] = static_cast<float>(first[p]), target[2 * p + 1] = static_cast<float>(second[p]);
            }
        }
        return list_in_order(kernels, turned_.data(), batch, size, events);
    }
    events.clear(batch);
    events.reserve(std::max<int64_t>(pixels, 0));
    std::vector<int32_t> found_places(static_cast<size_t>(pixels + PAD));
    for (int64_t b = 0; b < batch; ++b) {
        keys_.clear();
        std::vector<size_t> ends;
        for (int64_t c = 0; c < channels; ++c) {
            const T* plane = frames + (b * channels + c) * pixels;
            const Found found = compact(kernels, plane, pixels, found_places.data());
            events.graded |= found.graded;
            events.negative |= found.negative;
            if (found.count == 0) continue;
            for (int64_t k = 0; k < found.count; ++k) {
                const auto value = static_cast<float>(plane[found_places[k]]);
                uint32_t bits;
                std::memcpy(&bits, &value, 4);
                keys_.push_back(static_cast<uint64_t>(found_places[k] * channels + c) << 32 | bits);
            }
            ends.push_back(keys_.size());
        }
        merge_runs(keys_, spare_, std::move(ends));
        const int64_t at = events.start[b];
        events.start[b + 1] = at + static_cast<int64_t>(keys_.size());
        events.reserve(events.start[b + 1]);
        for (size_t k = 0; k < keys_.size(); ++k) {
            const auto bits = static_cast<uint32_t>(keys_[k]);
            events.index[at + k] = static_cast<int32_t>(keys_[k] >> 32);
            std::memcpy(&events.value[at + k], &bits, 4);
        }
    }
}

}  // namespace ranvier::sparse
