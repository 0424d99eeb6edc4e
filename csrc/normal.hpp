// A normalisation on the way into a step: y = x * scale + shift, with numbers for each channel, while rows are read.
//
// Neuron n belongs to channel (n / inner) % count. Going back, a row of gradients of y leaves two sums for each channel,
// from which the gradients of scale, shift, and of the statistics behind them follow.
#pragma once

#include <cstddef>
#include <cstdint>

#include "halves.hpp"

namespace ranvier {

// No scale: there is none.
struct Normal {
    const char *scale = nullptr, *shift = nullptr, *center = nullptr;  // (count,) each
    int64_t count = 1, inner = 1;
    char *sum = nullptr, *product = nullptr;  // (count,) results of going back: of g, and of g * (x - center)
};

// Rows of n numbers. x and g lie as the caller's (T, N); the others are rows of the machine's own numbers.
struct NormalRows {
    // y = x * scale + shift
    void (*normalise)(const char* x, const char* scale, const char* shift, char* y, ptrdiff_t n);
    // sum += g; product += g * (x - center)
    void (*gather)(const char* x, const char* center, const char* g, char* sum, char* product, ptrdiff_t n);
    // g = g * scale + (x - center) * slope + shift, g in the caller's memory
    void (*spread)(const char* x, const char* center, char* g, const char* scale, const char* slope, const char* shift,
                   ptrdiff_t n);
    // columns[c] += row[c], c < n: numbers of one neuron each, of n channels side by side
    void (*add_up)(const char* row, double* columns, ptrdiff_t n);
};

// Of one instruction set.
struct Normals {
    NormalRows of_float, of_double, of_bfloat16, of_float16;

    const NormalRows& rows(Format format, ptrdiff_t item) const {
        if (format == Format::own) return item == 4 ? of_float : of_double;
        return format == Format::bfloat16 ? of_bfloat16 : of_float16;
    }
};

}  // namespace ranvier
