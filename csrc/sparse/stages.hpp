// Stages without weights: pooling, delay lines, a change of order, and modules that run outside.
#pragma once

#include "session.hpp"

namespace ranvier::sparse {

// Windows along one axis, as a table: which inputs each output sees, and the other way round.
struct Axis {
    std::vector<int32_t> input_start, inputs;    // of each output
    std::vector<int32_t> output_start, outputs;  // of each input
};

class Pool final : public Stage {
public:
    // divisor: of each output pixel for means, empty for maxima.
    Pool(Axis rows, Axis columns, std::vector<float> divisor)
        : rows_(std::move(rows)), columns_(std::move(columns)), divisor_(std::move(divisor)) {}
    bool run(Session& session, Signal& in) override;

private:
    class Worker;
    void join(const Session& session, const Signal& in);
    void join_rows(const Signal& in, int64_t item, int64_t begin, int64_t end);

    const Axis rows_, columns_;
    const std::vector<float> divisor_;
    Listing listing_;
};

// y[t] = x[t - D]: a ring of D maps, the oldest at steps % D.
class Delay final : public Stage {
public:
    Delay(int64_t delay, int state) : delay_(delay), state_(state) {}
    bool run(Session& session, Signal& in) override;

private:
    const int64_t delay_;
    const int state_;  // (batch, delay, height, width, channels)
};

// Channels first, as one axis: what flattening gives where no linear layer follows whose weights could be reordered.
class Flatten final : public Stage {
public:
    bool run(Session& session, Signal& in) override;
};

// A module that runs outside, on dense maps.
class Foreign final : public Stage {
public:
    explicit Foreign(Exchange exchange) : exchange_(exchange) {}
    bool run(Session& session, Signal& in) override;
    void resumed() override { out.now_mapped(exchange_.out); }

private:
    const Exchange exchange_;
};

}  // namespace ranvier::sparse
