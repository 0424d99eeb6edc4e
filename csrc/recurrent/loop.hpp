// The recurrent loop: I[t] = x[t] + (b + W s[t-1]) drives a neuron's program, s its spikes. What a call needs.
//
// T time steps, B sequences, N neurons. Sequences are independent: each thread takes blocks of them through all steps,
// without barriers. A result does not depend on the block that its sequence was in.
#pragma once

#include <cstdint>
#include <vector>

#include "../code.hpp"
#include "kernels.hpp"

namespace ranvier::recurrent {

// Neuron n of sequence b reads values[((b * N + n) / inner) % count].
template <class T>
struct Coefficient {
    const T* values = nullptr;
    int64_t count = 1, inner = 1;
};

template <class T>
struct Call {
    int64_t num_steps = 0, B = 0, N = 0;
    int threads = 1;
    Execute execute = nullptr;
    const ExecuteFused* fused = nullptr;  // none for double
    Gather<T> gather;
    Product<T> product;
    int spikes = 0;                // which of the program's outputs is heard
    const T* weight = nullptr;     // (N, N), out first
    std::vector<const T*> states;  // (B, N) each, before the first step
    std::vector<Coefficient<T>> coefficients;
};

template <class T>
struct ForwardCall : Call<T> {
    const Code* code = nullptr;
    const T* x = nullptr;     // (T, B, N)
    const T* bias = nullptr;  // (N,), or null
    const T* last = nullptr;  // (B, N), spikes before the first step
    std::vector<T*> outputs;  // (T, B, N) each
    std::vector<T*> final_states;
    T* currents = nullptr;  // (T, B, N): what drove the neurons, or null where nobody will ask
};

template <class T>
struct BackwardCall : Call<T> {
    const Code* replay = nullptr;  // the forward program without outputs
    const Code* code = nullptr;
    const T* currents = nullptr;         // (T, B, N), of the forward run
    std::vector<const T*> grad_outputs;  // may be null: zeros
    std::vector<const T*> grad_states;   // may be null
    T* grad_x = nullptr;                 // (T, B, N)
    std::vector<T*> grad_initial;        // (B, N) each
    T* grad_last = nullptr;              // (B, N)
    std::vector<T*> grad_coefficients;   // (count,) each
};

template <class T>
void run_forward(const ForwardCall<T>& call);
template <class T>
void run_backward(const BackwardCall<T>& call);

// Sequences a block holds: enough to use a weight several times while it is in a register, few enough for all threads.
inline int64_t block_of(int64_t B, int threads) {
    const int64_t share = (B + threads - 1) / threads;
    return share < 1 ? 1 : share > 8 ? 8 : share;
}

}  // namespace ranvier::recurrent
