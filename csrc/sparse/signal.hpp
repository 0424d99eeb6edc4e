// What passes between stages: a list of events, a dense map, or a product not yet computed. Maps lie channels-last.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels.hpp"

namespace ranvier::sparse {

struct Shape {
    int64_t height = 1, width = 1, channels = 1;
    int64_t size() const { return height * width * channels; }
};

// Numbers that are not 0, of each element of the batch in ascending order of their place.
struct Events {
    std::vector<int32_t> index;
    std::vector<float> value;    // if graded; else all are 1
    std::vector<int64_t> start;  // of each element of the batch, and the end
    bool graded = false, negative = false;

    int64_t total() const { return start.empty() ? 0 : start.back(); }
    int64_t count(int64_t item) const { return start[item + 1] - start[item]; }
    const int32_t* places(int64_t item) const { return index.data() + start[item]; }
    const float* values(int64_t item) const { return graded ? value.data() + start[item] : nullptr; }
    void clear(int64_t batch) {
        start.assign(static_cast<size_t>(batch) + 1, 0);
        graded = negative = false;
    }
    // Room for `count` events and what a vector may write beyond.
    void reserve(int64_t count) {
        if (static_cast<int64_t>(index.size()) < count + PAD) index.resize(static_cast<size_t>(count + PAD) * 5 / 4);
        if (static_cast<int64_t>(value.size()) < count + PAD) value.resize(static_cast<size_t>(count + PAD) * 5 / 4);
    }
};

// Which numbers are 1, where all others are 0: that at place p of an element of the batch is bit p % 64 of word p / 64
// of its words. Bits beyond the last are 0.
struct Bits {
    std::vector<uint64_t> words;
    int64_t an_item = 0;  // words

    void open(int64_t batch, int64_t size) {
        an_item = (size + 63) / 64;
        words.resize(static_cast<size_t>(batch * an_item));
    }
    uint64_t* item(int64_t b) { return words.data() + b * an_item; }
    const uint64_t* item(int64_t b) const { return words.data() + b * an_item; }
};

class Product;

struct Signal {
    int64_t batch = 0;
    Shape shape;
    Events events;
    Bits bits;
    const float* map = nullptr;  // (batch, height, width, channels)
    std::vector<float> own;
    Product* lazy = nullptr;     // computes the map tile by tile, for neurons that need no more of it
    bool listed = false, packed = false;  // whether the events, and the bits, are those of this step

    int64_t size() const { return shape.size(); }
    float* own_map() {
        own.resize(static_cast<size_t>(batch * size() + 4 * PAD));
        return own.data();
    }
    void now_listed() { now(true, false, nullptr, nullptr); }
    void now_packed() { now(false, true, nullptr, nullptr); }
    void now_mapped(const float* data) { now(false, false, data, nullptr); }
    void now_lazy(Product* product) { now(false, false, nullptr, product); }

    // The events, found in the bits or the map if there is no list yet.
    const Events& list(const Kernels& kernels);
    // Write the dense map to target.
    void write(float* target) const;
    // The dense map, made of the events if there is none yet.
    const float* dense();

private:
    void now(bool list, bool bit, const float* data, Product* product) {
        listed = list, packed = bit, map = data, lazy = product;
    }
};

// What tasks list at the same time, each in a region of its own, put one after the other at the end.
class Listing {
public:
    // Room for tasks that list at most `room` places each.
    void open(int64_t tasks, int64_t room);
    // Add the numbers of a row that are not 0 to what the task has listed, as places from `base` on.
    void append(const Kernels& kernels, int64_t task, const float* row, int64_t n, int64_t base);
    // Add the bits that are set, the first as place `base`.
    void append(const Kernels& kernels, int64_t task, const uint64_t* words, int64_t count, int64_t base);
    // Give the events of all tasks, of which each element of the batch has as many as the next.
    void merge(int64_t batch, Events& events);

private:
    struct alignas(64) Region {  // a line each: threads write to them side by side
        int64_t count = 0;
        bool graded = false, negative = false;
    };
    int64_t room_ = 0;
    std::vector<Region> regions_;
    std::vector<int32_t> index_;
    std::vector<float> value_;
};

// Make the list of the numbers of a dense map that are not 0.
void list_map(const Kernels& kernels, const float* map, int64_t batch, int64_t size, Events& events);

// How many bits are set.
int64_t count(const Kernels& kernels, const Bits& bits);

// Make the list of the bits that are set.
void list_bits(const Kernels& kernels, const Bits& bits, int64_t batch, int64_t size, Events& events);

}  // namespace ranvier::sparse
