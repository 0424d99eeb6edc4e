#include "session.hpp"

#include <cmath>

#include "../flush.hpp"

namespace ranvier::sparse {

void Stage::see(int64_t events, int64_t inputs, Form form) {
    ++stats.steps;
    ++stats.forms[static_cast<size_t>(form)];
    stats.events += events;
    stats.inputs += inputs;
    stats.last_density = inputs > 0 ? static_cast<double>(events) / static_cast<double>(inputs) : 0.0;
    stats.last = form;
}

int Session::start(const Frames& frames) {
    const FlushDenormals flush;
    reader_.take(kernels, frames, source_);
    if (!source_.packed && source_.events.graded) {
        for (int64_t k = 0; k < source_.events.total(); ++k) {
            if (!std::isfinite(source_.events.value[k])) return NOT_FINITE;
        }
    }
    at_ = 0;
    return go_on();
}

int Session::resume() {
    const FlushDenormals flush;
    stages_[at_]->resumed();
    ++at_;
    return go_on();
}

int Session::go_on() {
    for (; at_ < stages_.size(); ++at_) {
        Signal& in = at_ == 0 ? source_ : stages_[at_ - 1]->out;
        if (!stages_[at_]->run(*this, in)) return static_cast<int>(at_);
    }
    ++steps;
    return DONE;
}

}  // namespace ranvier::sparse
