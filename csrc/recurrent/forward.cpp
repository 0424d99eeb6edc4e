#include "../flush.hpp"
#include "../pool.hpp"
#include "listener.hpp"
#include "loop.hpp"
#include "stepper.hpp"

namespace ranvier::recurrent {
namespace {

// Takes blocks of sequences through all time steps.
template <class T>
class ForwardWorker {
public:
    ForwardWorker(const ForwardCall<T>& call, const Wiring<T>& wiring, int64_t block)
        : call_(call), l_(call.code->layout), pitch_(padded(call.N)), numbers_(Shape{call.N, pitch_, block}.numbers()),
          arena_(bytes_needed(call, numbers_)), stepper_(call, *call.code, arena_, numbers_),
          listener_(call, wiring, arena_, numbers_) {
        const auto row = [this] { return arena_.template take_zeros<T>(numbers_); };
        currents_ = row();
        last_ = row();
        for (int k = 0; k < l_.states; ++k) {
            turns_[0].push_back(row());
            turns_[1].push_back(row());
        }
        for (int k = 0; k < l_.outputs; ++k) outputs_.push_back(row());
    }

    void run(int64_t first, int64_t size) {
        const Shape shape{call_.N, pitch_, size};
        const int64_t offset = first * call_.N, step = call_.B * call_.N;
        stepper_.move_to(first, shape);
        for (int k = 0; k < l_.states; ++k) shape.read(turns_[0][at(k)], call_.states[at(k)] + offset);
        shape.read(last_, call_.last + offset);
        const T* heard = last_;
        for (int64_t t = 0; t < call_.num_steps; ++t) {
            const int64_t place = t * step + offset;
            const bool kept = call_.currents != nullptr;
            T* currents = kept && shape.in_place() ? call_.currents + place : currents_;
            listener_.listen(shape, call_.x + place, heard, currents);
            if (kept && !shape.in_place()) shape.write(call_.currents + place, currents);
            stepper_.point(l_.current(), currents);
            for (int k = 0; k < l_.states; ++k) {
                stepper_.point(l_.state_in(k), turns_[t % 2][at(k)]);
                stepper_.point(l_.state_out(k), turns_[(t + 1) % 2][at(k)]);
            }
            for (int k = 0; k < l_.outputs; ++k) {
                stepper_.point(l_.output(k), shape.in_place() ? call_.outputs[at(k)] + place : outputs_[at(k)]);
            }
            stepper_.run(shape.numbers());
            for (int k = 0; k < l_.outputs && !shape.in_place(); ++k) shape.write(call_.outputs[at(k)] + place, outputs_[at(k)]);
            heard = shape.in_place() ? call_.outputs[at(call_.spikes)] + place : outputs_[at(call_.spikes)];
        }
        for (int k = 0; k < l_.states; ++k) {
            shape.write(call_.final_states[at(k)] + offset, turns_[call_.num_steps % 2][at(k)]);
        }
    }

private:
    static size_t at(int64_t k) { return static_cast<size_t>(k); }

    static size_t bytes_needed(const ForwardCall<T>& call, int64_t numbers) {
        const Layout& l = call.code->layout;
        const auto rows = static_cast<size_t>(2 + 2 * l.states + l.outputs);
        return Stepper<T>::bytes_needed(*call.code, numbers) + Listener<T>::bytes_needed(call.N, numbers) +
               rows * Arena::round(static_cast<size_t>(numbers) * sizeof(T));
    }

    const ForwardCall<T>& call_;
    const Layout& l_;
    const int64_t pitch_, numbers_;
    Arena arena_;
    Stepper<T> stepper_;
    Listener<T> listener_;
    T *currents_, *last_;
    std::vector<T*> turns_[2], outputs_;
};

}  // namespace

template <class T>
void run_forward(const ForwardCall<T>& call) {
    const Wiring<T> wiring(call);
    const int64_t block = block_of(call.B, call.threads);
    run_tasks((call.B + block - 1) / block, call.threads, [&](Tasks& tasks) {
        const FlushDenormals flush;
        ForwardWorker<T> worker(call, wiring, block);
        for (int64_t task; tasks.take(task);) worker.run(task * block, std::min(block, call.B - task * block));
    });
}

template void run_forward<float>(const ForwardCall<float>&);
template void run_forward<double>(const ForwardCall<double>&);

}  // namespace ranvier::recurrent
