// Spiking neurons: a program of the vector machine, one time step over tiles, its spikes listed while they are in cache.
#pragma once

#include "../code.hpp"
#include "product.hpp"

namespace ranvier::sparse {

// The vector machine of one instruction set.
struct Machine {
    const Variant* variant;
    void run(const Code& code, const Slot* slots, ptrdiff_t n) const {
        if (code.fused >= 0) return variant->fused_on_float[code.fused](slots, code.places.data(), n, Ahead{nullptr, nullptr});
        variant->on_float(code.instructions.data(), static_cast<int>(code.instructions.size()), slots, n, Ahead{nullptr, nullptr});
    }
};

// Values that the program reads beside state and current: one for all, or a row that repeats from each tile's start.
struct Values {
    const float* data = nullptr;
    int64_t count = 1;
};

struct Recurrence {
    Weight weight;
    bool present = false;
    int last_spikes = -1;  // place among the session's states
};

class Neurons final : public Stage {
public:
    // first_state: place of the program's first state among the session's. Outputs of the program: the spikes.
    Neurons(Code code, Machine machine, std::vector<Values> values, int first_state, Recurrence recurrence)
        : code_(std::move(code)), machine_(machine), values_(std::move(values)), first_state_(first_state),
          recurrence_(recurrence), binary_(gives_truth()) {}
    bool run(Session& session, Signal& in) override;
    // Whether it can work on patches of several runs that each begin with a pixel.
    bool takes_patches() const;

private:
    class Worker;
    std::vector<Patch> patches(const Signal& in, int threads) const;
    Tiles tiles(const Signal& in, int threads) const;
    bool gives_truth() const;

    const Code code_;
    const Machine machine_;
    const std::vector<Values> values_;
    const int first_state_;
    const Recurrence recurrence_;
    const bool binary_;  // spikes are the result of a comparison: 0 or 1
    Events last_;  // spikes of the step before
    Listing listing_;
};

}  // namespace ranvier::sparse
