#include <cmath>

#include "block.hpp"
#include "flush.hpp"
#include "pool.hpp"
#include "run.hpp"
#include "sums.hpp"

namespace ranvier {
namespace {

// How a block goes through time: the states at the start of each segment are kept through the first pass, those
// within a segment only while it is walked back.
struct Schedule {
    Cut cut;
    int64_t segment;  // steps

    int64_t num_segments(int64_t T) const { return (T + segment - 1) / segment; }
};

Schedule schedule_for(const BackwardCall& call) {
    const Layout& l = call.code->layout;
    // Beside the states, the input of every step is better still in the cache when it is read for the second time.
    const Cut whole = cut_for(call, call.T * (l.states + 1));
    if (whole.block >= 2 * GRAIN || whole.block >= call.N) return {whole, call.T};
    const auto segment = static_cast<int64_t>(std::ceil(std::sqrt(static_cast<double>(call.T))));
    return {cut_for(call, 2 * segment * (l.states + 1)), segment};
}

// Runs blocks one after another: forward for the states, then back.
class BackwardWorker {
public:
    BackwardWorker(const BackwardCall& call, const Schedule& schedule)
        : call_(call), l_(call.code->layout), segment_(schedule.segment), num_segments_(schedule.num_segments(call.T)),
          streamed_(call.T * call.N * call.current.item(call.item) >= STREAMED),
          row_bytes_(schedule.cut.block * call.item), scratch_(scratch_needed(schedule.cut.block)),
          replay_(call, *call.replay, schedule.cut.block, scratch_), walk_(call, *call.code, schedule.cut.block, scratch_) {
        take_rows(history_, segment_);
        take_rows(starts_, num_segments_);
        take_rows(turns_, 2);
        take_rows(grads_, 2);
        for (int k = 0; k < l_.coefficients; ++k) {
            sums_.push_back(scratch_.row(row_bytes_));
            walk_.point(l_.sum(k), sums_.back());
        }
        if (call.normal.scale != nullptr) {
            for (char*& row : normal_sums_) row = scratch_.row(row_bytes_);
        }
    }

    void run(Range range, Sums& sums) {
        range_ = range;
        replay_.move_to(range);
        walk_.move_to(range);
        const auto bytes = static_cast<size_t>((range.size + GRAIN - 1) / GRAIN * GRAIN * call_.item);
        for (char* row : sums_) std::memset(row, 0, bytes);
        for (char* row : normal_sums_) {
            if (row != nullptr) std::memset(row, 0, bytes);
        }
        const int64_t last_start = (num_segments_ - 1) * segment_;
        for (int64_t t = 0; t < last_start; ++t) {
            const bool at_start = (t + 1) % segment_ == 0;
            replay_step(t, at_start ? &starts_[index((t + 1) / segment_)] : &turns_[index((t + 1) % 2)],
                        t % segment_ == 0 ? starts_[index(t / segment_)] : turns_[index(t % 2)]);
        }
        for (int64_t start = last_start; start >= 0; start -= segment_) {
            const int64_t end = std::min(start + segment_, call_.T);
            const auto state_at = [&](int64_t t) -> const std::vector<char*>& {
                return t == start ? starts_[index(start / segment_)] : history_[index(t - start)];
            };
            for (int64_t t = start; t < end - 1; ++t) replay_step(t, &history_[index(t + 1 - start)], state_at(t));
            for (int64_t t = end - 1; t >= start; --t) walk_step(t, state_at(t));
        }
        for (int k = 0; k < l_.coefficients; ++k) sums.add(k, range.begin, range.size, sums_[index(k)]);
        if (normal_sums_[0] != nullptr) sums.add_normal(range.begin, range.size, normal_sums_[0], normal_sums_[1]);
    }

private:
    using States = std::vector<char*>;  // a row a state

    static size_t index(int64_t k) { return static_cast<size_t>(k); }

    ptrdiff_t scratch_needed(int64_t block) const {
        const ptrdiff_t rows = 2 + l_.coefficients + l_.states * (segment_ + num_segments_ + 4);
        return Slots::scratch_needed(call_, *call_.replay, block) + Slots::scratch_needed(call_, *call_.code, block) +
               rows * Scratch::row_size(row_bytes_);
    }

    void take_rows(std::vector<States>& rows, int64_t count) {
        rows.resize(index(count));
        for (States& states : rows) {
            for (int k = 0; k < l_.states; ++k) states.push_back(scratch_.row(row_bytes_));
        }
    }

    void point_states(Slots& slots, const Layout& layout, int64_t t, const States& from) {
        for (int k = 0; k < l_.states; ++k) {
            if (t == 0) {
                slots.point_initial(k);
            } else {
                slots.point(layout.state_in(k), from[index(k)]);
            }
        }
    }

    void replay_step(int64_t t, const States* to, const States& from) {
        const Layout& layout = call_.replay->layout;
        replay_.read_current(t);
        point_states(replay_, layout, t, from);
        for (int k = 0; k < l_.states; ++k) replay_.point(layout.state_out(k), (*to)[index(k)]);
        replay_.run(ahead(call_, call_.current, t + 1, range_));  // there is one: the last step is not replayed
    }

    void walk_step(int64_t t, const States& from) {
        walk_.read_current(t);
        point_states(walk_, l_, t, from);
        for (int k = 0; k < l_.outputs; ++k) {
            const Matrix& grad = call_.grad_outputs[index(k)];
            if (grad.data == nullptr) {
                walk_.point_zero(l_.grad_output(k));
            } else {
                walk_.read(l_.grad_output(k), grad, t);
            }
        }
        if (call_.grad_current.data == nullptr) {
            walk_.discard(l_.grad_current());
        } else {
            walk_.write_grad_current(call_.grad_current, t, streamed_, normal_sums_[0], normal_sums_[1]);
        }
        for (int k = 0; k < l_.states; ++k) point_grads(t, k);
        walk_.run(t > 0 && l_.outputs > 0 ? ahead(call_, call_.grad_outputs[0], t - 1, range_) : Ahead{});
    }

    void point_grads(int64_t t, int k) {
        const bool in_place = call_.code->in_place[index(k)];
        const int in = l_.grad_state_in(k), out = l_.grad_state_out(k);
        if (t < call_.T - 1) {
            walk_.point(in, grads_[in_place ? 0 : index(t % 2)][index(k)]);
        } else if (call_.grad_states[index(k)] == nullptr) {
            walk_.point_zero(in);
        } else {
            walk_.read(in, call_.grad_states[index(k)]);
        }
        if (t > 0) {
            walk_.point(out, grads_[in_place ? 0 : index((t + 1) % 2)][index(k)]);
        } else if (call_.grad_initial[index(k)] == nullptr) {
            walk_.discard(out);
        } else {
            walk_.write(out, call_.grad_initial[index(k)]);
        }
    }

    const BackwardCall& call_;
    const Layout& l_;
    const int64_t segment_, num_segments_;
    const bool streamed_;
    const ptrdiff_t row_bytes_;
    Range range_{0, 0};
    Scratch scratch_;
    Slots replay_, walk_;
    std::vector<States> history_, starts_, turns_, grads_;
    std::vector<char*> sums_;
    char* normal_sums_[2] = {nullptr, nullptr};
};

void backward_of_nothing(const BackwardCall& call) {
    const auto bytes = static_cast<size_t>(call.N * call.item);
    for (size_t k = 0; k < call.grad_initial.size(); ++k) {
        if (bytes == 0 || call.grad_initial[k] == nullptr) continue;
        if (call.grad_states[k] == nullptr) {
            std::memset(call.grad_initial[k], 0, bytes);
        } else {
            std::memcpy(call.grad_initial[k], call.grad_states[k], bytes);
        }
    }
}

}  // namespace

void run_backward(const BackwardCall& call) {
    Sums sums(call);
    if (call.T == 0) {
        backward_of_nothing(call);
    } else {
        const Schedule schedule = schedule_for(call);
        run_tasks(schedule.cut.count(), threads_for(call), [&](Tasks& tasks) {
            const FlushDenormals flush;
            BackwardWorker worker(call, schedule);
            for (int64_t task; tasks.take(task);) worker.run(schedule.cut.range(task), sums);
        });
    }
    sums.finish(threads_for(call));
}

}  // namespace ranvier
