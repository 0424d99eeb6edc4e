// The Python module of the recurrent loop: checks every array once, lets go of the interpreter lock, and runs.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "../team.hpp"
#include "linear.hpp"
#include "loop.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace ranvier::recurrent {
namespace {

using Array = nb::ndarray<nb::device::cpu, nb::c_contig>;
using ReadArray = nb::ndarray<nb::ro, nb::device::cpu, nb::c_contig>;
using Name = std::optional<std::string>;

// A type of its own: the vector machine's module knows the same code under another name.
struct Steps {
    Code code;
};

struct Choice {
    const Variant* program;
    const GatherVariant* gather;
    const ProductVariant* product;
};

[[noreturn]] void refuse(const std::string& name, const std::string& expected, const std::string& got) {
    throw std::invalid_argument(name + ": expected " + expected + ", got " + got);
}

const std::vector<Choice>& variants() {
    static const std::vector<Choice> usable = [] {
        std::vector<Choice> found;
#ifdef RANVIER_X86
        const bool fma = __builtin_cpu_supports("fma");
        if (AVX512.usable() && fma) found.push_back({&AVX512, &GATHER_AVX512, &PRODUCT_AVX512});
        if (AVX2.usable() && fma) found.push_back({&AVX2, &GATHER_AVX2, &PRODUCT_AVX2});
#endif
        found.push_back({&BASELINE, &GATHER_BASELINE, &PRODUCT_BASELINE});
        return found;
    }();
    return usable;
}

const Choice& choose(const Name& name) {
    if (!name) return variants().front();
    for (const Choice& c : variants()) {
        if (*name == c.program->name) return c;
    }
    refuse("variant", "one of variants()", *name);
}

template <class T>
constexpr bool is_float = sizeof(T) == 4;

template <class T>
void choose_for(Call<T>& call, const Choice& c) {
    if constexpr (is_float<T>) {
        call.execute = c.program->on_float;
        call.fused = c.program->fused_on_float;
        call.gather = c.gather->on_float;
        call.product = c.product->on_float;
    } else {
        call.execute = c.program->on_double;
        call.gather = c.gather->on_double;
        call.product = c.product->on_double;
    }
}

// The address of an array's numbers, once its type and axes are right.
template <class T, class A>
auto* numbers(const std::string& name, const A& array, const std::vector<int64_t>& shape) {
    if (array.dtype() != nb::dtype<T>()) refuse(name, "the type of the others", "another");
    std::vector<int64_t> got;
    for (size_t k = 0; k < array.ndim(); ++k) got.push_back(static_cast<int64_t>(array.shape(k)));
    if (got != shape) {
        const auto words = [](const std::vector<int64_t>& sizes) {
            std::string text = "(";
            for (size_t k = 0; k < sizes.size(); ++k) text += (k > 0 ? ", " : "") + std::to_string(sizes[k]);
            return text + ")";
        };
        refuse(name, words(shape), words(got));
    }
    using Pointer = std::conditional_t<std::is_same_v<A, Array>, T*, const T*>;
    return static_cast<Pointer>(array.data());
}

template <class T>
const T* optional_numbers(const std::string& name, const std::optional<ReadArray>& array, const std::vector<int64_t>& shape) {
    return array ? numbers<T>(name, *array, shape) : nullptr;
}

template <class P, class T, class A>
std::vector<P> all_numbers(const std::string& name, const std::vector<A>& arrays, int count, const std::vector<int64_t>& shape) {
    if (arrays.size() != static_cast<size_t>(count)) refuse(name, std::to_string(count) + " arrays", std::to_string(arrays.size()));
    std::vector<P> found;
    for (const A& array : arrays) {
        if constexpr (std::is_same_v<A, std::optional<ReadArray>>) {
            found.push_back(optional_numbers<T>(name, array, shape));
        } else {
            found.push_back(numbers<T>(name, array, shape));
        }
    }
    return found;
}

int checked_threads(int threads, int64_t work) {
    constexpr int64_t SMALL_WORK = 32 * 1024;  // below it, a thread that waits brings less than it costs
    if (threads < 1) refuse("threads", "at least 1", std::to_string(threads));
    return work < SMALL_WORK * worth_of_waking() ? 1 : threads;
}

void check_code(const std::string& name, const Layout& l, Kind kind, const Layout& like) {
    if (l.kind != kind) refuse(name, kind == Kind::forward ? "a forward program" : "a backward program", "the other");
    if (l.states != like.states || l.coefficients != like.coefficients) {
        refuse(name, "the states and coefficients of the program it belongs to", "others");
    }
}

// What both directions share.
struct Given {
    ReadArray sequence, weight;
    std::vector<ReadArray> states, coefficients;
    std::vector<int64_t> inner;
    int spikes;
};

template <class T>
void fill(Call<T>& call, const Given& given, const Layout& l, int threads, const Name& variant) {
    const ReadArray& sequence = given.sequence;
    if (sequence.ndim() != 3 || sequence.shape(0) < 1) refuse("x", "(T, B, N) with at least one step", "other axes");
    call.num_steps = static_cast<int64_t>(sequence.shape(0));
    call.B = static_cast<int64_t>(sequence.shape(1));
    call.N = static_cast<int64_t>(sequence.shape(2));
    call.threads = checked_threads(threads, call.num_steps * call.B * call.N);
    choose_for(call, choose(variant));
    if (given.spikes < 0 || given.spikes >= l.outputs) refuse("spikes", "the number of an output", std::to_string(given.spikes));
    call.spikes = given.spikes;
    call.weight = numbers<T>("weight", given.weight, {call.N, call.N});
    call.states = all_numbers<const T*, T>("states", given.states, l.states, {call.B, call.N});
    const auto count = static_cast<size_t>(l.coefficients);
    if (given.coefficients.size() != count || given.inner.size() != count) refuse("coefficients", std::to_string(count), "another count");
    for (size_t k = 0; k < count; ++k) {
        const ReadArray& values = given.coefficients[k];
        const auto size = static_cast<int64_t>(values.ndim() == 1 ? values.shape(0) : 0);
        if (size < 1 || given.inner[k] < 1) refuse("coefficients", "at least one value and inner >= 1", "none");
        call.coefficients.push_back({numbers<T>("coefficients", values, {size}), size, given.inner[k]});
    }
}

template <class T>
void forward(const Steps& steps, const Given& given, const std::optional<ReadArray>& bias, const ReadArray& last,
             const std::vector<Array>& outputs, const std::vector<Array>& final_states,
             const std::optional<Array>& currents, int threads, const Name& variant) {
    ForwardCall<T> call;
    const Layout& l = steps.code.layout;
    check_code("code", l, Kind::forward, l);
    fill(call, given, l, threads, variant);
    const std::vector<int64_t> sequence{call.num_steps, call.B, call.N}, step{call.B, call.N};
    call.code = &steps.code;
    call.x = numbers<T>("x", given.sequence, sequence);
    call.bias = optional_numbers<T>("bias", bias, {call.N});
    call.last = numbers<T>("last", last, step);
    call.currents = currents ? numbers<T>("currents", *currents, sequence) : nullptr;
    call.outputs = all_numbers<T*, T>("outputs", outputs, l.outputs, sequence);
    call.final_states = all_numbers<T*, T>("final_states", final_states, l.states, step);
    const nb::gil_scoped_release release;
    run_forward(call);
}

template <class T>
void backward(const Steps& replay, const Steps& steps, const Given& given,
              const std::vector<std::optional<ReadArray>>& grad_outputs,
              const std::vector<std::optional<ReadArray>>& grad_states, const Array& grad_x,
              const std::vector<Array>& grad_initial, const Array& grad_last, const std::vector<Array>& grad_coefficients,
              int threads, const Name& variant) {
    BackwardCall<T> call;
    const Layout& l = steps.code.layout;
    check_code("code", l, Kind::backward, l);
    check_code("replay", replay.code.layout, Kind::forward, l);
    if (replay.code.layout.outputs != 0) refuse("replay", "a program without outputs", std::to_string(replay.code.layout.outputs));
    fill(call, given, l, threads, variant);
    const std::vector<int64_t> sequence{call.num_steps, call.B, call.N}, step{call.B, call.N};
    call.replay = &replay.code;
    call.code = &steps.code;
    call.currents = numbers<T>("currents", given.sequence, sequence);
    call.grad_outputs = all_numbers<const T*, T>("grad_outputs", grad_outputs, l.outputs, sequence);
    call.grad_states = all_numbers<const T*, T>("grad_states", grad_states, l.states, step);
    call.grad_x = numbers<T>("grad_x", grad_x, sequence);
    call.grad_initial = all_numbers<T*, T>("grad_initial", grad_initial, l.states, step);
    call.grad_last = numbers<T>("grad_last", grad_last, step);
    if (grad_coefficients.size() != call.coefficients.size()) refuse("grad_coefficients", std::to_string(call.coefficients.size()), "another count");
    for (size_t k = 0; k < grad_coefficients.size(); ++k) {
        call.grad_coefficients.push_back(numbers<T>("grad_coefficients", grad_coefficients[k], {call.coefficients[k].count}));
    }
    const nb::gil_scoped_release release;
    run_backward(call);
}

template <class T>
const Gather<T>& gather_for(const Name& variant) {
    const GatherVariant& g = *choose(variant).gather;
    if constexpr (is_float<T>) {
        return g.on_float;
    } else {
        return g.on_double;
    }
}

template <class A>
int64_t axis(const A& array, size_t k) { return k < array.ndim() ? static_cast<int64_t>(array.shape(k)) : -1; }

// Numbers (R, J), or spikes in bytes or bits, as many bytes as they need.
template <class T>
Input<T> input(const ReadArray& x, bool bits, int64_t R, int64_t J) {
    if (x.dtype() != nb::dtype<uint8_t>()) return {numbers<T>("x", x, {R, J}), nullptr, false};
    const int64_t needed = bits ? (R * J + 7) / 8 : R * J;
    if (static_cast<int64_t>(x.size()) != needed) refuse("x", std::to_string(needed) + " bytes", std::to_string(x.size()));
    return {nullptr, static_cast<const uint8_t*>(x.data()), bits};
}

template <class T>
void linear(const ReadArray& x, const ReadArray& weight, const std::optional<ReadArray>& bias, const Array& out, int threads,
            const Name& variant, bool bits) {
    LinearCall<T> call;
    call.gather = gather_for<T>(variant);
    call.R = axis(out, 0), call.J = axis(weight, 1), call.M = axis(weight, 0);
    call.threads = checked_threads(threads, call.R * call.J);
    call.x = input<T>(x, bits, call.R, call.J);
    call.weight = numbers<T>("weight", weight, {call.M, call.J});
    call.bias = optional_numbers<T>("bias", bias, {call.M});
    call.out = numbers<T>("out", out, {call.R, call.M});
    const nb::gil_scoped_release release;
    run_linear(call);
}

template <class T>
void gradient(const std::vector<ReadArray>& xs, const std::vector<ReadArray>& grads, const Array& out,
              const std::optional<Array>& bias, int threads, const Name& variant) {
    GradientCall<T> call;
    call.gather = gather_for<T>(variant);
    if (out.ndim() != 2) refuse("out", "two axes (M, J)", std::to_string(out.ndim()));
    if (xs.size() != grads.size()) refuse("grads", std::to_string(xs.size()) + " arrays", std::to_string(grads.size()));
    call.M = static_cast<int64_t>(out.shape(0)), call.J = static_cast<int64_t>(out.shape(1));
    int64_t work = 0;
    for (size_t k = 0; k < xs.size(); ++k) {
        const int64_t R = axis(grads[k], 0);
        call.parts.push_back({input<T>(xs[k], true, R, call.J), numbers<T>("grad", grads[k], {R, call.M}), R});
        work += R * call.J;
    }
    call.threads = checked_threads(threads, work);
    call.out = numbers<T>("out", out, {call.M, call.J});
    call.bias = bias ? numbers<T>("bias", *bias, {call.M}) : nullptr;
    const nb::gil_scoped_release release;
    run_gradient(call);
}

// Calls f with a float or a double, whichever an array holds.
template <class A, class F>
void by_type(const A& array, F f) {
    if (array.dtype() == nb::dtype<float>()) return f(float{});
    if (array.dtype() == nb::dtype<double>()) return f(double{});
    refuse("numbers", "float32 or float64", "another type");
}

Steps make_steps(Kind kind, int registers, int coefficients, int states, int outputs, std::vector<double> constants,
                 const std::vector<int32_t>& words, std::vector<bool> in_place) {
    return {Code(Layout{kind, registers, 0, coefficients, states, outputs}, std::move(constants), words, std::move(in_place), true)};
}

}  // namespace
}  // namespace ranvier::recurrent

NB_MODULE(_loop, m) {
    using namespace ranvier;
    using namespace ranvier::recurrent;
    nb::set_leak_warnings(false);  // Python ends before its caches of codes do
    m.doc() = "The recurrent loop: neurons that hear each other, and products with mostly silent inputs.";
    m.def("forget_team", &ranvier::forget_team, "Use no thread of torch any more, as in a child of a process that ran it.");
    const auto maker = [](Kind kind) {
        return [kind](int registers, int coefficients, int states, int outputs, std::vector<double> constants,
                      const std::vector<int32_t>& words, std::vector<bool> in_place) {
            return make_steps(kind, registers, coefficients, states, outputs, std::move(constants), words, std::move(in_place));
        };
    };
    nb::class_<Steps>(m, "Steps")
        .def_prop_ro("outputs", [](const Steps& steps) { return steps.code.layout.outputs; })
        .def_static("forward", maker(Kind::forward), "registers"_a, "coefficients"_a, "states"_a, "outputs"_a, "constants"_a,
                    "words"_a, "in_place"_a)
        .def_static("backward", maker(Kind::backward), "registers"_a, "coefficients"_a, "states"_a, "outputs"_a,
                    "constants"_a, "words"_a, "in_place"_a);
    m.def("opcodes", &opcode_names, "Names of the instructions, in the order of their numbers.");
    m.def("variants", [] {
        std::vector<std::string> names;
        for (const Choice& c : variants()) names.emplace_back(c.program->name);
        return names;
    }, "Instruction sets this processor has, fastest first.");
    m.def("forward", [](const Steps& steps, const ReadArray& x, const ReadArray& weight, const std::optional<ReadArray>& bias,
                        const std::vector<ReadArray>& states, const ReadArray& last, const std::vector<ReadArray>& coefficients,
                        const std::vector<int64_t>& inner, int spikes, const std::vector<Array>& outputs,
                        const std::vector<Array>& final_states, const std::optional<Array>& currents, int threads,
                        const Name& variant) {
        by_type(x, [&](auto number) {
            forward<decltype(number)>(steps, {x, weight, states, coefficients, inner, spikes}, bias, last, outputs,
                                      final_states, currents, threads, variant);
        });
    }, "steps"_a, "x"_a, "weight"_a, "bias"_a.none(), "states"_a, "last"_a, "coefficients"_a, "inner"_a, "spikes"_a,
       "outputs"_a, "final_states"_a, "currents"_a.none(), "threads"_a, "variant"_a.none() = nb::none(),
       "Run forward; results go into the arrays given.");
    m.def("backward", [](const Steps& replay, const Steps& steps, const ReadArray& currents, const ReadArray& weight,
                         const std::vector<ReadArray>& states, const std::vector<ReadArray>& coefficients,
                         const std::vector<int64_t>& inner, int spikes, const std::vector<std::optional<ReadArray>>& grad_outputs,
                         const std::vector<std::optional<ReadArray>>& grad_states, const Array& grad_x,
                         const std::vector<Array>& grad_initial, const Array& grad_last,
                         const std::vector<Array>& grad_coefficients, int threads, const Name& variant) {
        by_type(currents, [&](auto number) {
            backward<decltype(number)>(replay, steps, {currents, weight, states, coefficients, inner, spikes}, grad_outputs,
                                       grad_states, grad_x, grad_initial, grad_last, grad_coefficients, threads, variant);
        });
    }, "replay"_a, "steps"_a, "currents"_a, "weight"_a, "states"_a, "coefficients"_a, "inner"_a, "spikes"_a,
             "grad_outputs"_a, "grad_states"_a, "grad_x"_a, "grad_initial"_a, "grad_last"_a, "grad_coefficients"_a, "threads"_a,
       "variant"_a.none() = nb::none(), "Carry gradients back; results go into the arrays given.");
    m.def("linear", [](const ReadArray& x, const ReadArray& weight, const std::optional<ReadArray>& bias, const Array& out,
                       int threads, const Name& variant, bool bits) {
        by_type(weight, [&](auto number) { linear<decltype(number)>(x, weight, bias, out, threads, variant, bits); });
    }, "x"_a, "weight"_a, "bias"_a.none(), "out"_a, "threads"_a, "variant"_a.none() = nb::none(), "bits"_a = false,
       "Multiply by a weight, adding up over what is not zero; x of uint8 holds numbers, or bits from the lowest on.");
    m.def("gradient", [](const std::vector<ReadArray>& xs, const std::vector<ReadArray>& grads, const Array& out,
                         const std::optional<Array>& bias, int threads, const Name& variant) {
        by_type(out, [&](auto number) { gradient<decltype(number)>(xs, grads, out, bias, threads, variant); });
    }, "xs"_a, "grads"_a, "out"_a, "bias"_a.none(), "threads"_a, "variant"_a.none() = nb::none(),
       "Gradients of weight and bias of such a product; xs of uint8 hold bits.");
}
