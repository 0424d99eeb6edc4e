// Running encoded programs over time: what a call needs, and the two ways to run.
//
// Memory is described in bytes; numbers are float or double as `item` says, those of a (T, N) perhaps of 16 bits.
// T time steps, N neurons.
#pragma once

#include <cstdint>
#include <vector>

#include "code.hpp"
#include "execute.hpp"

namespace ranvier {

// (T, N): rows of numbers side by side. No data: zeros, where that is allowed.
struct Matrix {
    char* data = nullptr;
    ptrdiff_t row_bytes = 0;
    Format format = Format::own;

    char* row(int64_t t) const { return data + t * row_bytes; }
    ptrdiff_t item(ptrdiff_t own) const { return format == Format::own ? own : HALF; }
};

// (N,): numbers side by side, or one number that all neurons read.
struct Row {
    char* data = nullptr;
    bool same = false;
};

// Neuron n reads values[(n / inner) % count].
struct Coefficient {
    char* values = nullptr;
    int64_t count = 1, inner = 1;
};

struct Call {
    int64_t T = 0, N = 0;
    ptrdiff_t item = 4;  // bytes a number: 4 or 8
    int threads = 1;
    Execute execute = nullptr;
    const ExecuteFused* fused = nullptr;  // null for double
    const Halves* halves = nullptr;
    const Normals* normals = nullptr;
    Normal normal;  // of the current
    Matrix current;
    std::vector<Row> states;
    std::vector<Coefficient> coefficients;
};

struct ForwardCall : Call {
    const Code* code = nullptr;
    std::vector<Matrix> outputs;
    std::vector<char*> final_states;
};

struct BackwardCall : Call {
    const Code* replay = nullptr;  // the forward program without outputs
    const Code* code = nullptr;
    std::vector<Matrix> grad_outputs;   // may have no data
    std::vector<char*> grad_states;     // may be null
    Matrix grad_current;                // no data: not wanted
    std::vector<char*> grad_initial;    // (N,) each, null where not wanted
    std::vector<char*> grad_coefficients;  // (count,) each
};

// The gradient behind a normalisation, in place of that before it: g = g * scale + (x - center) * slope + shift.
struct SpreadCall {
    int64_t T = 0, N = 0;
    ptrdiff_t item = 4;
    int threads = 1;
    const Normals* normals = nullptr;
    Matrix x, g;
    const char *scale = nullptr, *shift = nullptr, *center = nullptr, *slope = nullptr;  // (count,) each
    int64_t count = 1, inner = 1;
};

void run_forward(const ForwardCall& call);
void run_backward(const BackwardCall& call);
void run_spread(const SpreadCall& call);

}  // namespace ranvier
