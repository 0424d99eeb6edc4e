// A network as stages, run one time step after the other; the states belong to the caller.
#pragma once

#include <array>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "source.hpp"

namespace ranvier::sparse {

enum class Form : int { none, scatter, gather, dense };

struct Stats {
    int64_t steps = 0, events = 0, inputs = 0, synops = 0;  // inputs: places where events could have been
    double last_density = 0.0;
    std::array<int64_t, 4> forms{};  // steps in each Form
    Form last = Form::none;
};

class Session;

class Stage {
public:
    virtual ~Stage() = default;
    // Run one step. False: what is in the exchange buffer must be worked on outside; then `resumed` is called.
    virtual bool run(Session& session, Signal& in) = 0;
    virtual void resumed() {}
    Signal out;
    Stats stats;

protected:
    void see(int64_t events, int64_t inputs, Form form);
};

struct Exchange {
    float *in = nullptr, *out = nullptr;  // dense maps, channels-last
};

constexpr int DONE = -1, NOT_FINITE = -2;

class Session {
public:
    Session(int64_t batch, Shape input, const Kernels& kernels) : kernels(kernels) {
        source_.batch = batch;
        source_.shape = input;
    }
    void add(std::unique_ptr<Stage> stage, Shape out) {
        stage->out.batch = source_.batch;
        stage->out.shape = out;
        stages_.push_back(std::move(stage));
    }
    Signal& last() { return stages_.empty() ? source_ : stages_.back()->out; }
    int64_t batch() const { return source_.batch; }
    int64_t input_size() const { return source_.size(); }
    const std::vector<std::unique_ptr<Stage>>& stages() const { return stages_; }

    // Both return DONE, NOT_FINITE, or the number of the stage whose exchange buffer waits.
    int start(const Frames& frames);
    int resume();

    const Kernels& kernels;
    int threads = 1;
    std::vector<float*> states;  // in the order in which stages were given theirs
    int64_t steps = 0;           // since states were bound

private:
    int go_on();

    Signal source_;
    Source reader_;
    std::vector<std::unique_ptr<Stage>> stages_;
    size_t at_ = 0;
};

}  // namespace ranvier::sparse
