#include "block.hpp"
#include "flush.hpp"
#include "pool.hpp"
#include "run.hpp"

namespace ranvier {
namespace {

// Runs blocks one after another, each through all time steps.
class ForwardWorker {
public:
    ForwardWorker(const ForwardCall& call, int64_t block)
        : call_(call), l_(call.code->layout), streamed_(call.T * call.N * call.current.item(call.item) >= STREAMED),
          scratch_(Slots::scratch_needed(call, *call.code, block) + 2 * l_.states * Scratch::row_size(block * call.item)),
          slots_(call, *call.code, block, scratch_) {
        // Two rows a state, written in turn; or one, where the program may write over what it has read.
        for (int k = 0; k < l_.states; ++k) {
            const ptrdiff_t bytes = block * call.item;
            rows_[0].push_back(scratch_.row(bytes));
            rows_[1].push_back(call.code->in_place[static_cast<size_t>(k)] ? rows_[0].back() : scratch_.row(bytes));
        }
    }

    void run(Range range) {
        slots_.move_to(range);
        for (int64_t t = 0; t < call_.T; ++t) {
            slots_.read_current(t);
            for (int k = 0; k < l_.states; ++k) point_state(t, k);
            for (int k = 0; k < l_.outputs; ++k) {
                slots_.write(l_.output(k), call_.outputs[static_cast<size_t>(k)], t, streamed_);
            }
            slots_.run(t + 1 < call_.T ? ahead(call_, call_.current, t + 1, range) : Ahead{});
        }
    }

private:
    void point_state(int64_t t, int k) {
        const auto s = static_cast<size_t>(k);
        if (t == 0) {
            slots_.point_initial(k);
        } else {
            slots_.point(l_.state_in(k), rows_[t % 2][s]);
        }
        if (t == call_.T - 1) {
            slots_.write(l_.state_out(k), call_.final_states[s]);
        } else {
            slots_.point(l_.state_out(k), rows_[(t + 1) % 2][s]);
        }
    }

    const ForwardCall& call_;
    const Layout& l_;
    const bool streamed_;
    Scratch scratch_;
    Slots slots_;
    std::vector<char*> rows_[2];
};

}  // namespace

void run_forward(const ForwardCall& call) {
    const Layout& l = call.code->layout;
    if (call.T == 0) {
        for (int k = 0; k < l.states; ++k) {
            copy_row(call.final_states[static_cast<size_t>(k)], call.states[static_cast<size_t>(k)], call.N, call.item);
        }
        return;
    }
    const Cut cut = cut_for(call, l.coefficients + 2 * l.states + 1 + l.outputs);
    run_tasks(cut.count(), threads_for(call), [&](Tasks& tasks) {
        const FlushDenormals flush;
        ForwardWorker worker(call, cut.block);
        for (int64_t task; tasks.take(task);) worker.run(cut.range(task));
    });
}

}  // namespace ranvier
