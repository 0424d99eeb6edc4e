#include "../flush.hpp"
#include "../pool.hpp"
#include "loop.hpp"
#include "stepper.hpp"

namespace ranvier::recurrent {
namespace {

// Takes blocks of sequences forward once more for the states, which known currents give without any product, then back.
template <class T>
class BackwardWorker {
public:
    BackwardWorker(const BackwardCall<T>& call, const std::vector<T>& packed, std::vector<std::vector<T>>& sums, int64_t block)
        : call_(call), l_(call.code->layout), pitch_(padded(call.N)), packed_(packed), sums_of_all_(sums),
          numbers_(Shape{call.N, pitch_, block}.numbers()), arena_(bytes_needed(call, numbers_)),
          replay_(call, *call.replay, arena_, numbers_), walk_(call, *call.code, arena_, numbers_) {
        const auto row = [this] { return arena_.template take_zeros<T>(numbers_); };
        currents_ = row();
        heard_ = row();
        grad_x_ = row();
        history_.resize(at(call.num_steps));
        for (auto& states : history_) {
            for (int k = 0; k < l_.states; ++k) states.push_back(row());
        }
        for (auto& turn : turns_) {
            for (int k = 0; k < l_.states; ++k) turn.push_back(row());
        }
        for (int k = 0; k < l_.outputs; ++k) grads_.push_back(row());
        for (int k = 0; k < l_.coefficients; ++k) {
            sums_.push_back(row());
            walk_.point(l_.sum(k), sums_.back());
        }
    }

    void run(int64_t first, int64_t size) {
        const Shape shape{call_.N, pitch_, size};
        const int64_t offset = first * call_.N, step = call_.B * call_.N;
        replay_.move_to(first, shape);
        walk_.move_to(first, shape);
        replay(shape, offset, step);
        for (T* sum : sums_) std::memset(sum, 0, static_cast<size_t>(numbers_) * sizeof(T));
        for (int k = 0; k < l_.states; ++k) read_or_zero(shape, turns_[call_.num_steps % 2][at(k)], call_.grad_states[at(k)], offset);
        for (int64_t t = call_.num_steps - 1; t >= 0; --t) walk(shape, t, t * step + offset);
        for (int k = 0; k < l_.states; ++k) shape.write(call_.grad_initial[at(k)] + offset, turns_[0][at(k)]);
        hear_back(shape);
        shape.write(call_.grad_last + offset, heard_);
        for (int k = 0; k < l_.coefficients; ++k) shape.write(sums_of_all_[at(k)].data() + offset, sums_[at(k)]);
    }

private:
    static size_t at(int64_t k) { return static_cast<size_t>(k); }

    static size_t bytes_needed(const BackwardCall<T>& call, int64_t numbers) {
        const Layout& l = call.code->layout;
        const auto rows = at(3 + l.states * (call.num_steps + 2) + l.outputs + l.coefficients);
        return Stepper<T>::bytes_needed(*call.code, numbers) + Stepper<T>::bytes_needed(*call.replay, numbers) +
               rows * Arena::round(at(numbers) * sizeof(T));
    }

    void read_or_zero(const Shape& shape, T* to, const T* from, int64_t offset) const {
        if (from == nullptr) {
            std::memset(to, 0, at(numbers_) * sizeof(T));
        } else {
            shape.read(to, from + offset);
        }
    }

    // Memory of the caller, in place where it can be.
    const T* reachable(const Shape& shape, const T* memory, T* copy) const {
        if (shape.in_place()) return memory;
        shape.read(copy, memory);
        return copy;
    }

    void replay(const Shape& shape, int64_t offset, int64_t step) {
        const Layout& l = call_.replay->layout;
        for (int k = 0; k < l.states; ++k) shape.read(history_[0][at(k)], call_.states[at(k)] + offset);
        for (int64_t t = 0; t + 1 < call_.num_steps && l.states > 0; ++t) {
            replay_.point(l.current(), reachable(shape, call_.currents + t * step + offset, currents_));
            for (int k = 0; k < l.states; ++k) {
                replay_.point(l.state_in(k), history_[at(t)][at(k)]);
                replay_.point(l.state_out(k), history_[at(t + 1)][at(k)]);
            }
            replay_.run(shape.numbers());
        }
    }

    // What reached the neurons' spikes through those that heard them: the gradient of the currents times W.
    void hear_back(const Shape& shape) {
        call_.product.run(grad_x_, pitch_, shape.size, packed_.data(), call_.N, call_.N, heard_, pitch_);
    }

    void walk(const Shape& shape, int64_t t, int64_t place) {
        const bool is_last = t == call_.num_steps - 1;
        if (!is_last) hear_back(shape);
        walk_.point(l_.current(), reachable(shape, call_.currents + place, currents_));
        for (int k = 0; k < l_.states; ++k) {
            walk_.point(l_.state_in(k), history_[at(t)][at(k)]);
            walk_.point(l_.grad_state_in(k), turns_[(t + 1) % 2][at(k)]);
            walk_.point(l_.grad_state_out(k), turns_[t % 2][at(k)]);
        }
        for (int k = 0; k < l_.outputs; ++k) point_grad(shape, k, place, k == call_.spikes && !is_last);
        walk_.point(l_.grad_current(), grad_x_);
        walk_.run(shape.numbers());
        shape.write(call_.grad_x + place, grad_x_);
    }

    void point_grad(const Shape& shape, int k, int64_t place, bool is_heard) {
        const T* given = call_.grad_outputs[at(k)];
        if (given == nullptr) {
            if (is_heard) {
                walk_.point(l_.grad_output(k), heard_);
            } else {
                walk_.point_zero(l_.grad_output(k));
            }
            return;
        }
        if (!is_heard) {
            walk_.point(l_.grad_output(k), reachable(shape, given + place, grads_[at(k)]));
            return;
        }
        for (int64_t b = 0; b < shape.size; ++b) {
            T* row = heard_ + b * pitch_;
            const T* more = given + place + b * call_.N;
            for (int64_t n = 0; n < call_.N; ++n) row[n] += more[n];
        }
        walk_.point(l_.grad_output(k), heard_);
    }

    const BackwardCall<T>& call_;
    const Layout& l_;
    const int64_t pitch_;
    const std::vector<T>& packed_;
    std::vector<std::vector<T>>& sums_of_all_;
    const int64_t numbers_;
    Arena arena_;
    Stepper<T> replay_, walk_;
    T *currents_, *heard_, *grad_x_;
    std::vector<std::vector<T*>> history_;  // states before each step
    std::vector<T*> turns_[2], grads_, sums_;
};

// Over neurons that share a value, in their order, so that nothing depends on blocks or threads.
template <class T>
void gather_coefficients(const BackwardCall<T>& call, const std::vector<std::vector<T>>& sums) {
    for (size_t k = 0; k < sums.size(); ++k) {
        const Coefficient<T>& c = call.coefficients[k];
        std::vector<double> totals(static_cast<size_t>(c.count), 0.0);
        for (int64_t n = 0; n < call.B * call.N; ++n) {
            totals[static_cast<size_t>(n / c.inner % c.count)] += static_cast<double>(sums[k][static_cast<size_t>(n)]);
        }
        for (size_t j = 0; j < totals.size(); ++j) call.grad_coefficients[k][j] = static_cast<T>(totals[j]);
    }
}

}  // namespace

template <class T>
void run_backward(const BackwardCall<T>& call) {
    std::vector<T> packed(static_cast<size_t>(call.N * padded(call.N)));
    call.product.pack(call.weight, call.N, call.N, packed.data());
    std::vector<std::vector<T>> sums(call.coefficients.size(), std::vector<T>(static_cast<size_t>(call.B * call.N)));
    const int64_t block = block_of(call.B, call.threads);
    run_tasks((call.B + block - 1) / block, call.threads, [&](Tasks& tasks) {
        const FlushDenormals flush;
        BackwardWorker<T> worker(call, packed, sums, block);
        for (int64_t task; tasks.take(task);) worker.run(task * block, std::min(block, call.B - task * block));
    });
    gather_coefficients(call, sums);
}

template void run_backward<float>(const BackwardCall<float>&);
template void run_backward<double>(const BackwardCall<double>&);

}  // namespace ranvier::recurrent
