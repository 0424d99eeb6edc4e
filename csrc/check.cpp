// A driver for the sanitizers: runs the machine without Python on many threads, sizes and instruction sets, and compares
// results with those of one thread. Built and run by tools/sanitize.sh; the meaning of results is tested from Python.
#include <atomic>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "buffers.hpp"
#include "opcodes.hpp"
#include "run.hpp"

namespace ranvier {
namespace {

std::atomic<int> failures{0};

void expect(bool good, const std::string& what) {
    if (!good) {
        std::printf("FAILED: %s\n", what.c_str());
        ++failures;
    }
}

int32_t op(const std::string& name) {
    static const std::map<std::string, int32_t> numbers = [] {
        std::map<std::string, int32_t> found;
        for (const std::string& n : opcode_names()) found.emplace(n, static_cast<int32_t>(found.size()));
        return found;
    }();
    return numbers.at(name);
}

std::vector<const Variant*> variants() {
    std::vector<const Variant*> found{&BASELINE};
#ifdef RANVIER_X86
    for (const Variant* v : {&AVX2, &AVX512}) {
        if (v->usable()) found.push_back(v);
    }
#endif
    return found;
}

// A leaky neuron with subtracted reset and arctan surrogate; its leak a constant (then fused) or a coefficient.
struct Lif {
    bool live;
    Code forward, replay, backward;

    static std::vector<double> constants(bool live) {
        return live ? std::vector<double>{0.4, 1, 0, M_PI} : std::vector<double>{0.4, 1, 0, M_PI, 0.6};
    }
    static Code make(Kind kind, bool live, bool fuse, int outputs) {
        const Layout l{kind, 2, live ? 4 : 5, live ? 1 : 0, 1, outputs};
        const int32_t gain = l.constant(0), one = l.constant(1), zero = l.constant(2), pi = l.constant(3);
        const int32_t leak = live ? l.coefficient(0) : l.constant(4), x = l.current(), v = l.state_in(0);
        std::vector<int32_t> words{op("mul_mul_add"), 0, leak, v, gain, x};
        const auto add = [&](const char* name, std::vector<int32_t> rest) {
            rest.resize(5, 0);
            words.push_back(op(name));
            words.insert(words.end(), rest.begin(), rest.end());
        };
        if (kind == Kind::forward) {
            const int32_t spikes = outputs > 0 ? l.output(0) : 1;
            add("sub_ge", {spikes, 0, one, zero});
            add("sub", {l.state_out(0), 0, spikes});
        } else {
            const int32_t g = l.grad_state_in(0);
            add("sub_mul", {0, 0, one, pi});
            add("mul_add", {0, 0, 0, one});
            add("div", {0, one, 0});
            add("sub_mul", {0, l.grad_output(0), g, 0});
            add("add", {0, g, 0});
            add("mul", {l.grad_current(), 0, gain});
            add("mul", {l.grad_state_out(0), 0, leak});
            if (live) add("mul_add", {l.sum(0), 0, v, l.sum(0)});
        }
        return {l, constants(live), words, {true}, fuse};
    }
    explicit Lif(bool live_, bool fuse)
        : live(live_), forward(make(Kind::forward, live, fuse, 1)), replay(make(Kind::forward, live, fuse, 0)),
          backward(make(Kind::backward, live, fuse, 1)) {}
};

struct Results {
    std::vector<char> spikes, last, grad_current, grad_initial, grad_coefficient;
    bool operator==(const Results& o) const {
        return spikes == o.spikes && last == o.last && grad_current == o.grad_current && grad_initial == o.grad_initial &&
               grad_coefficient == o.grad_coefficient;
    }
};

template <class T>
std::vector<char> wave(int64_t count, double scale) {
    std::vector<char> bytes(static_cast<size_t>(count) * sizeof(T));
    for (int64_t k = 0; k < count; ++k) {
        const T value = static_cast<T>(scale * std::sin(0.7 * static_cast<double>(k) + 0.1));
        std::memcpy(bytes.data() + static_cast<size_t>(k) * sizeof(T), &value, sizeof(T));
    }
    return bytes;
}

template <class T>
Results run(const Lif& lif, const Variant& variant, int64_t steps, int64_t N, int threads, bool rest) {
    const auto size = static_cast<ptrdiff_t>(sizeof(T));
    std::vector<char> current = wave<T>(steps * N, 2.5), state = wave<T>(rest ? 1 : N, 0.8), grad = wave<T>(steps * N, 1.0);
    std::vector<char> leak = wave<T>(N >= 3 ? 3 : 1, 0.5);
    Results r;
    const auto bytes = [&](int64_t count) { return static_cast<size_t>(count * size); };
    r.spikes.resize(bytes(steps * N)), r.grad_current.resize(bytes(steps * N));
    r.last.resize(bytes(N)), r.grad_initial.resize(bytes(N)), r.grad_coefficient.resize(leak.size());

    Call base;
    base.T = steps, base.N = N, base.item = size, base.threads = threads;
    base.execute = size == 4 ? variant.on_float : variant.on_double;
    base.fused = size == 4 ? variant.fused_on_float : nullptr;
    base.current = {current.data(), N * size};
    base.states = {{state.data(), rest}};
    if (lif.live) base.coefficients = {{leak.data(), static_cast<int64_t>(leak.size()) / size, 2}};

    ForwardCall f;
    static_cast<Call&>(f) = base;
    f.code = &lif.forward;
    f.outputs = {{r.spikes.data(), N * size}};
    f.final_states = {r.last.data()};
    run_forward(f);

    BackwardCall b;
    static_cast<Call&>(b) = base;
    b.replay = &lif.replay, b.code = &lif.backward;
    b.grad_outputs = {{grad.data(), N * size}};
    b.grad_states = {nullptr};
    b.grad_current = {r.grad_current.data(), N * size};
    b.grad_initial = {r.grad_initial.data()};
    if (lif.live) b.grad_coefficients = {r.grad_coefficient.data()};
    run_backward(b);
    return r;
}

template <class T>
void check_sizes(const Variant& variant) {
    for (const bool live : {false, true}) {
        for (const bool fuse : {false, true}) {
            const Lif lif(live, fuse);
            expect((lif.backward.fused >= 0) == (fuse && !live), "the fixed leak has a fused program");
            for (const int64_t N : {0, 1, 63, 64, 65, 1000, 20000}) {
                for (const int64_t steps : {0, 1, 7, 300}) {
                    if (steps * N > 1000000) continue;
                    const Results one = run<T>(lif, variant, steps, N, 1, false);
                    for (const int threads : {2, 4}) {
                        expect(run<T>(lif, variant, steps, N, threads, false) == one, "threads change nothing");
                    }
                    run<T>(lif, variant, steps, N, 2, true);
                }
            }
        }
    }
}

// Currents of 16 bits behind a normalisation, channels side by side and one after another; and the gradient behind it.
void check_normal(const Variant& variant, Format format) {
    const Lif lif(false, true);
    for (const int64_t inner : {1, 7}) {
        for (const int64_t N : {1, 63, 64, 1000, 5000, 70000}) {
            std::vector<char> want;
            for (const int threads : {1, 2, 4}) {
                const int64_t steps = 3, count = N < 20 ? 1 : 20;
                const ptrdiff_t item = format == Format::own ? 4 : HALF;
                const auto bytes = [&](int64_t numbers, ptrdiff_t size) { return static_cast<size_t>(numbers * size); };
                std::vector<char> x = wave<float>(steps * N, 2.5), grad = wave<float>(steps * N, 1.0);
                std::vector<char> state = wave<float>(N, 0.5), scale = wave<float>(count, 1.0), center = wave<float>(count, 0.2);
                std::vector<char> spikes(bytes(steps * N, item)), g(bytes(steps * N, item)), last(bytes(N, 4));
                std::vector<char> sum(bytes(count, 4)), product(bytes(count, 4));
                if (format != Format::own) {
                    const auto narrow = variant.halves->narrow(format);
                    std::vector<char> short_x(bytes(steps * N, HALF)), short_grad(bytes(steps * N, HALF));
                    narrow(x.data(), short_x.data(), steps * N, true);
                    narrow(grad.data(), short_grad.data(), steps * N, false);
                    x = short_x, grad = short_grad;
                }
                BackwardCall b;
                b.T = steps, b.N = N, b.threads = threads;
                b.execute = variant.on_float, b.fused = variant.fused_on_float;
                b.halves = variant.halves, b.normals = variant.normals;
                b.current = {x.data(), N * item, format};
                b.states = {{state.data(), false}};
                b.normal = {scale.data(), center.data(), center.data(), count, inner, sum.data(), product.data()};
                ForwardCall f;
                static_cast<Call&>(f) = b;
                f.code = &lif.forward;
                f.outputs = {{spikes.data(), N * item, format}};
                f.final_states = {last.data()};
                run_forward(f);
                b.replay = &lif.replay, b.code = &lif.backward;
                b.grad_outputs = {{grad.data(), N * item, format}};
                b.grad_states = {nullptr}, b.grad_initial = {nullptr};
                b.grad_current = {g.data(), N * item, format};
                run_backward(b);
                run_spread({steps, N, 4, threads, variant.normals, b.current, b.grad_current, scale.data(), sum.data(),
                            center.data(), product.data(), count, inner});
                for (const std::vector<char>* part : {&spikes, &last, &sum, &product}) g.insert(g.end(), part->begin(), part->end());
                if (threads == 1) want = g;
                expect(g == want, "threads change nothing behind a normalisation");
            }
        }
    }
}

// Every instruction on ordinary, huge and no numbers.
template <class T>
void check_instructions(const Variant& variant) {
    std::vector<char> rows = wave<T>(3 * 128, 2.0), out(128 * sizeof(T));
    for (const T value : {T(0), T(-1), T(1e30), T(-1e30), T(INFINITY), T(NAN)}) {
        std::memcpy(rows.data() + 5 * sizeof(T), &value, sizeof(T));
        for (int32_t o = 0; o < NUM_OPCODES; ++o) {
            const Instruction i{o, 3, 0, 1, 2, 0};
            Slot slots[4];
            for (int k = 0; k < 3; ++k) slots[k] = {rows.data() + static_cast<size_t>(k) * 128 * sizeof(T), 1};
            slots[3] = {out.data(), 1};
            (sizeof(T) == 4 ? variant.on_float : variant.on_double)(&i, 1, slots, 128, Ahead{});
        }
    }
}

void check_callers_at_once() {
    const Lif lif(true, true), fixed(false, true);
    const Variant& fastest = *variants().back();
    const Results want = run<float>(lif, fastest, 5, 30000, 1, false), other = run<float>(fixed, fastest, 5, 30000, 1, false);
    std::vector<std::thread> callers;
    for (int k = 0; k < 4; ++k) {
        callers.emplace_back([&, k] {
            for (int round = 0; round < 8; ++round) {
                const Results got = run<float>(k % 2 == 0 ? lif : fixed, fastest, 5, 30000, 1 + (k + round) % 4, false);
                expect(got == (k % 2 == 0 ? want : other), "callers do not disturb one another");
            }
        });
    }
    for (std::thread& caller : callers) caller.join();
}

void check_buffers() {
    limit_buffers(8 << 20);
    std::vector<std::thread> owners;
    for (int k = 0; k < 4; ++k) {
        owners.emplace_back([k] {
            for (int round = 0; round < 50; ++round) {
                const size_t bytes = size_t{100000} << ((k + round) % 5);
                char* buffer = take_buffer(bytes);
                std::memset(buffer, k, bytes);
                expect(buffer[0] == k && buffer[bytes - 1] == k, "a buffer has one owner");
                give_buffer_back(buffer, bytes);
            }
        });
    }
    for (std::thread& owner : owners) owner.join();
    expect(idle_buffer_bytes() <= 8 << 20, "the limit holds");
    limit_buffers(0);
    expect(idle_buffer_bytes() == 0, "nothing is kept");
}

}  // namespace
}  // namespace ranvier

int main() {
    using namespace ranvier;
    for (const Variant* v : variants()) {
        check_sizes<float>(*v);
        check_sizes<double>(*v);
        check_instructions<float>(*v);
        check_instructions<double>(*v);
        for (const Format format : {Format::own, Format::bfloat16, Format::float16}) check_normal(*v, format);
    }
    check_callers_at_once();
    check_buffers();
    std::printf("%s\n", failures == 0 ? "all good" : "FAILED");
    return failures == 0 ? 0 : 1;
}
