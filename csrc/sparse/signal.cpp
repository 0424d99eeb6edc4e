#include "signal.hpp"

#include <algorithm>
#include <cstring>

namespace ranvier::sparse {

const Events& Signal::list(const Kernels& kernels) {
    if (!listed && packed) list_bits(kernels, bits, batch, size(), events);
    if (!listed && !packed) list_map(kernels, map, batch, size(), events);
    listed = true;
    return events;
}

void Signal::write(float* target) const {
    if (map != nullptr) {
        std::memcpy(target, map, static_cast<size_t>(batch * size()) * sizeof(float));
        return;
    }
    std::memset(target, 0, static_cast<size_t>(batch * size()) * sizeof(float));
    for (int64_t b = 0; b < batch; ++b, target += size()) {
        for (int64_t k = 0; packed && k < bits.an_item; ++k) {
            for (uint64_t word = bits.item(b)[k]; word != 0; word &= word - 1) target[64 * k + __builtin_ctzll(word)] = 1.0f;
        }
        if (packed) continue;
        const int32_t* places = events.places(b);
        const float* values = events.values(b);
        for (int64_t k = 0; k < events.count(b); ++k) target[places[k]] = values != nullptr ? values[k] : 1.0f;
    }
}

const float* Signal::dense() {
    if (map == nullptr) {
        float* target = own_map();
        write(target);
        map = target;
    }
    return map;
}

void Listing::open(int64_t tasks, int64_t room) {
    room_ = room + PAD;
    regions_.assign(static_cast<size_t>(tasks), Region{});
    const auto numbers = static_cast<size_t>(tasks * room_);
    if (index_.size() < numbers) index_.resize(numbers);
    if (value_.size() < numbers) value_.resize(numbers);
}

void Listing::append(const Kernels& kernels, int64_t task, const float* row, int64_t n, int64_t base) {
    Region& region = regions_[static_cast<size_t>(task)];
    int32_t* index = index_.data() + task * room_;
    float* value = value_.data() + task * room_;
    const Found found = kernels.compact(row, n, static_cast<int32_t>(base), index + region.count);
    if (found.graded && !region.graded) std::fill_n(value, region.count, 1.0f);
    region.graded |= found.graded;
    region.negative |= found.negative;
    const int64_t end = region.count + found.count;
    for (int64_t k = region.count; region.graded && k < end; ++k) value[k] = row[index[k] - base];
    region.count = end;
}

void Listing::append(const Kernels& kernels, int64_t task, const uint64_t* words, int64_t count, int64_t base) {
    Region& region = regions_[static_cast<size_t>(task)];
    int32_t* index = index_.data() + task * room_ + region.count;
    region.count += kernels.walk(words, count, static_cast<int32_t>(base), index);
}

void Listing::merge(int64_t batch, Events& events) {
    const size_t an_item = regions_.size() / static_cast<size_t>(std::max<int64_t>(batch, 1));
    events.clear(batch);
    for (size_t k = 0; k < regions_.size(); ++k) {
        events.start[k / an_item + 1] += regions_[k].count;
        events.graded |= regions_[k].graded;
        events.negative |= regions_[k].negative;
    }
    for (int64_t b = 0; b < batch; ++b) events.start[b + 1] += events.start[b];
    if (regions_.size() == 1) {
        events.index.swap(index_);
        events.value.swap(value_);
        return;
    }
    events.reserve(events.total());
    int64_t at = 0;
    for (size_t k = 0; k < regions_.size(); ++k) {
        const Region& r = regions_[k];
        const int64_t from = static_cast<int64_t>(k) * room_;
        std::copy_n(index_.data() + from, r.count, events.index.data() + at);
        if (events.graded && r.graded) std::copy_n(value_.data() + from, r.count, events.value.data() + at);
        if (events.graded && !r.graded) std::fill_n(events.value.data() + at, r.count, 1.0f);
        at += r.count;
    }
}

void list_map(const Kernels& kernels, const float* map, int64_t batch, int64_t size, Events& events) {
    events.clear(batch);
    for (int64_t b = 0; b < batch; ++b) {
        const int64_t at = events.start[b];
        events.reserve(at + size);
        const Found found = kernels.compact(map + b * size, size, 0, events.index.data() + at);
        events.start[b + 1] = at + found.count;
        events.graded |= found.graded;
        events.negative |= found.negative;
    }
    if (!events.graded) return;
    for (int64_t b = 0; b < batch; ++b) {
        for (int64_t k = events.start[b]; k < events.start[b + 1]; ++k) events.value[k] = map[b * size + events.index[k]];
    }
}

int64_t count(const Kernels& kernels, const Bits& bits) {
    int32_t start[2];
    kernels.tally(bits.words.data(), 1, static_cast<int64_t>(bits.words.size()) * 64, start);
    return start[1];
}

void list_bits(const Kernels& kernels, const Bits& bits, int64_t batch, int64_t size, Events& events) {
    events.clear(batch);
    for (int64_t b = 0; b < batch; ++b) {
        const int64_t at = events.start[b];
        events.reserve(at + size);
        events.start[b + 1] = at + kernels.walk(bits.item(b), bits.an_item, 0, events.index.data() + at);
    }
}

}  // namespace ranvier::sparse
