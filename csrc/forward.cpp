#include "block.hpp"
#include "flush.hpp"
#include "pool.hpp"
#include "run.hpp"

namespace ranvier {
namespace {

void forward_block(const ForwardCall& call, Range range, int64_t block) {
    const Layout& l = call.code->layout;
    Scratch scratch(Slots::rows_needed(*call.code) + 2 * l.states, Slots::lines_needed(*call.code), block, call.item);
    Slots slots(call, *call.code, range, scratch);
    // Two rows a state, written in turn; or one, where the program allows to write over what it has read.
    std::vector<char*> rows[2];
    for (int k = 0; k < l.states; ++k) {
        rows[0].push_back(scratch.row());
        rows[1].push_back(call.code->in_place[static_cast<size_t>(k)] ? rows[0].back() : scratch.row());
    }
    for (int64_t t = 0; t < call.T; ++t) {
        slots.read(l.current(), call.current.data + t * call.current.row_bytes);
        for (int k = 0; k < l.states; ++k) {
            const auto s = static_cast<size_t>(k);
            if (t == 0) {
                slots.read(l.state_in(k), call.states[s]);
            } else {
                slots.point(l.state_in(k), rows[t % 2][s]);
            }
            if (t == call.T - 1) {
                slots.write(l.state_out(k), call.final_states[s]);
            } else {
                slots.point(l.state_out(k), rows[(t + 1) % 2][s]);
            }
        }
        for (int k = 0; k < l.outputs; ++k) {
            const Matrix& output = call.outputs[static_cast<size_t>(k)];
            slots.write(l.output(k), output.data + t * output.row_bytes);
        }
        slots.run(call.execute);
        slots.flush();
    }
}

}  // namespace

void run_forward(const ForwardCall& call) {
    const Layout& l = call.code->layout;
    if (call.T == 0) {
        for (int k = 0; k < l.states; ++k) {
            const auto s = static_cast<size_t>(k);
            if (call.N > 0) std::memcpy(call.final_states[s], call.states[s], static_cast<size_t>(call.N * call.item));
        }
        return;
    }
    const Cut cut = cut_for_first_cache(call, l.registers + l.coefficients + 2 * l.states + 1 + l.outputs);
    run_tasks(cut.count(), threads_for(call), [&](int64_t index) {
        const FlushDenormals flush;
        forward_block(call, cut.range(index), cut.block);
    });
}

}  // namespace ranvier
