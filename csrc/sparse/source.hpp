// What comes into a network: frames as they lie in the caller's memory, read as events without a dense copy.
#pragma once

#include "signal.hpp"

namespace ranvier::sparse {

struct Frames {
    enum class Form { float32, uint8, bits };  // of bits, number 8 n + k is bit k of byte n
    Form form = Form::float32;
    const void* data = nullptr;
    int64_t first = 0;    // the number that the first frame begins with
    bool last = false;    // channels lie side by side, (batch, height, width, channels), else (batch, channels, height, width)
};

class Source {
public:
    // Give the numbers that are not 0 to `out`: as bits where all of them are 1, else as a list.
    void take(const Kernels& kernels, const Frames& frames, Signal& out);

private:
    bool pack(const Kernels& kernels, const Frames& frames, Signal& out);
    template <class T>
    void list(const Kernels& kernels, const T* frames, bool last, Signal& out);

    std::vector<uint64_t> planes_, keys_, spare_;
    std::vector<float> turned_;
};

}  // namespace ranvier::sparse
