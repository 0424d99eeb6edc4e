// The Python module: checks every array once, lets go of the interpreter lock, and runs.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <optional>
#include <stdexcept>
#include <string>
#include <tuple>
#include <vector>

#include "bits.hpp"
#include "buffers.hpp"
#include "capsule.hpp"
#include "code.hpp"
#include "run.hpp"
#include "shape.hpp"
#include "team.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace ranvier {
namespace {

using Array = nb::ndarray<nb::device::cpu>;
using ReadArray = nb::ndarray<nb::ro, nb::device::cpu>;
using NormalArrays = std::tuple<ReadArray, ReadArray, ReadArray, int64_t>;  // scale, shift, center, inner

[[noreturn]] void refuse(const std::string& name, const std::string& expected, const std::string& got) {
    throw std::invalid_argument(name + ": expected " + expected + ", got " + got);
}

const std::vector<const Variant*>& variants() {
    static const std::vector<const Variant*> usable = [] {
        std::vector<const Variant*> found;
#ifdef RANVIER_X86
        for (const Variant* v : {&AVX512, &AVX2}) {
            if (v->usable()) found.push_back(v);
        }
#endif
        found.push_back(&BASELINE);
        return found;
    }();
    return usable;
}

const Variant& variant(const std::optional<std::string>& name) {
    if (!name) return *variants().front();
    for (const Variant* v : variants()) {
        if (*name == v->name) return *v;
    }
    refuse("variant", "one of variants()", *name);
}

// Checks arrays of one call against its sizes and type of number.
class Checker {
public:
    Checker(const ReadArray& current, int threads, const std::optional<std::string>& variant_name, Call& call) : call_(call) {
        format_ = format_of(current.dtype());
        const bool is_double = current.dtype() == nb::dtype<double>(), is_float = !is_double;
        if (format_ == Format::own && !is_double && current.dtype() != nb::dtype<float>()) {
            refuse("current", "float32, float64, bfloat16 or float16", "another type");
        }
        if (current.ndim() != 2) refuse("current", "two axes (T, N)", std::to_string(current.ndim()));
        matrix_dtype_ = current.dtype();
        dtype_ = is_double ? nb::dtype<double>() : nb::dtype<float>();
        call.T = static_cast<int64_t>(current.shape(0));
        call.N = static_cast<int64_t>(current.shape(1));
        call.item = is_float ? 4 : 8;
        if (threads < 1) refuse("threads", "at least 1", std::to_string(threads));
        call.threads = threads;
        const Variant& v = variant(variant_name);
        call.execute = is_float ? v.on_float : v.on_double;
        call.fused = is_float ? v.fused_on_float : nullptr;
        call.halves = v.halves;
        call.normals = v.normals;
        call.current = matrix("current", current);
    }

    template <class A>
    Matrix matrix(const std::string& name, const A& array) const {
        check(name, array, 2, call_.N);
        if (array.shape(0) != static_cast<size_t>(call_.T)) refuse(name, std::to_string(call_.T) + " rows", std::to_string(array.shape(0)));
        return {address(array), array.stride(0) * static_cast<ptrdiff_t>(array.itemsize()), format_};
    }

    template <class A>
    char* row(const std::string& name, const A& array, int64_t size) const {
        check(name, array, 1, size);
        return address(array);
    }

    template <class A>
    std::vector<char*> rows(const std::string& name, const std::vector<A>& arrays, int count) const {
        check_count(name, arrays.size(), count);
        std::vector<char*> found;
        for (const A& array : arrays) found.push_back(row(name, array, call_.N));
        return found;
    }

    // One row a state; a stride of zero is one number for all.
    template <class A>
    std::vector<Row> states(const std::string& name, const std::vector<A>& arrays, int count) const {
        check_count(name, arrays.size(), count);
        std::vector<Row> found;
        for (const A& array : arrays) {
            const bool same = call_.N > 1 && array.ndim() == 1 && array.stride(0) == 0;
            check(name, array, 1, call_.N, same);
            found.push_back({address(array), same});
        }
        return found;
    }

    Normal normal(const NormalArrays& arrays) const {
        const auto& [scale, shift, center, inner] = arrays;
        const auto count = static_cast<int64_t>(scale.ndim() == 1 ? scale.shape(0) : 0);
        if (count < 1 || inner < 1) refuse("normal", "at least one channel and inner >= 1", "none");
        return {row("normal", scale, count), row("normal", shift, count), row("normal", center, count), count, inner};
    }

    static void check_count(const std::string& name, size_t got, int expected) {
        if (got != static_cast<size_t>(expected)) refuse(name, std::to_string(expected) + " arrays", std::to_string(got));
    }

private:
    template <class A>
    void check(const std::string& name, const A& array, size_t axes, int64_t size, bool same = false) const {
        if (array.dtype() != (axes == 2 ? matrix_dtype_ : dtype_)) {
            refuse(name, format_ == Format::own || axes == 2 ? "the type of current" : "float32", "another");
        }
        if (array.ndim() != axes) refuse(name, std::to_string(axes) + " axes", std::to_string(array.ndim()));
        const size_t last = array.shape(axes - 1);
        if (last != static_cast<size_t>(size)) refuse(name, std::to_string(size) + " numbers", std::to_string(last));
        if (size > 1 && !same && array.stride(axes - 1) != 1) refuse(name, "numbers side by side", "a stride");
    }

    template <class A>
    static char* address(const A& array) {
        return static_cast<char*>(const_cast<void*>(static_cast<const void*>(array.data())));
    }

    static Format format_of(nb::dlpack::dtype dtype) {
        if (dtype.bits != 16 || dtype.lanes != 1) return Format::own;
        if (dtype.code == static_cast<uint8_t>(nb::dlpack::dtype_code::Bfloat)) return Format::bfloat16;
        return dtype.code == static_cast<uint8_t>(nb::dlpack::dtype_code::Float) ? Format::float16 : Format::own;
    }

    Call& call_;
    nb::dlpack::dtype matrix_dtype_, dtype_;  // of (T, N), and of everything else
    Format format_;
};

void check_program(const std::string& name, const Code& code, Kind kind, const Layout& like) {
    if (code.layout.kind != kind) refuse(name, kind == Kind::forward ? "a forward program" : "a backward program", "the other");
    const Layout& l = code.layout;
    if (l.states != like.states || l.coefficients != like.coefficients) {
        refuse(name, "the states and coefficients of the program it belongs to", "others");
    }
}

void read_inputs(const Checker& checker, const Layout& l, const std::vector<ReadArray>& states,
                 const std::vector<ReadArray>& coefficients, const std::vector<int64_t>& inner, Call& call) {
    call.states = checker.states("states", states, l.states);
    Checker::check_count("coefficients", coefficients.size(), l.coefficients);
    Checker::check_count("inner", inner.size(), l.coefficients);
    for (size_t k = 0; k < coefficients.size(); ++k) {
        const auto count = static_cast<int64_t>(coefficients[k].ndim() == 1 ? coefficients[k].shape(0) : 0);
        if (count < 1 || inner[k] < 1) refuse("coefficients", "at least one value and inner >= 1", "none");
        call.coefficients.push_back({checker.row("coefficients", coefficients[k], count), count, inner[k]});
    }
}

void forward(const Code& code, const ReadArray& current, const std::vector<ReadArray>& states,
             const std::vector<ReadArray>& coefficients, const std::vector<int64_t>& inner,
             const std::vector<Array>& outputs, const std::vector<Array>& final_states, int threads,
             const std::optional<std::string>& variant_name, const std::optional<NormalArrays>& normal) {
    ForwardCall call;
    const Layout& l = code.layout;
    const Checker checker(current, threads, variant_name, call);
    check_program("code", code, Kind::forward, l);
    call.code = &code;
    read_inputs(checker, l, states, coefficients, inner, call);
    Checker::check_count("outputs", outputs.size(), l.outputs);
    for (const Array& output : outputs) call.outputs.push_back(checker.matrix("outputs", output));
    call.final_states = checker.rows("final_states", final_states, l.states);
    if (normal) call.normal = checker.normal(*normal);
    const nb::gil_scoped_release release;
    run_forward(call);
}

void backward(const Code& replay, const Code& code, const ReadArray& current, const std::vector<ReadArray>& states,
              const std::vector<ReadArray>& coefficients, const std::vector<int64_t>& inner,
              const std::vector<std::optional<ReadArray>>& grad_outputs,
              const std::vector<std::optional<ReadArray>>& grad_states, const std::optional<Array>& grad_current,
              const std::vector<std::optional<Array>>& grad_initial, const std::vector<Array>& grad_coefficients, int threads,
              const std::optional<std::string>& variant_name, const std::optional<NormalArrays>& normal,
              const std::vector<Array>& grad_normal) {
    BackwardCall call;
    const Layout& l = code.layout;
    const Checker checker(current, threads, variant_name, call);
    check_program("code", code, Kind::backward, l);
    check_program("replay", replay, Kind::forward, l);
    if (replay.layout.outputs != 0) refuse("replay", "a program without outputs", std::to_string(replay.layout.outputs));
    call.replay = &replay;
    call.code = &code;
    read_inputs(checker, l, states, coefficients, inner, call);
    Checker::check_count("grad_outputs", grad_outputs.size(), l.outputs);
    for (const auto& grad : grad_outputs) call.grad_outputs.push_back(grad ? checker.matrix("grad_outputs", *grad) : Matrix{});
    Checker::check_count("grad_states", grad_states.size(), l.states);
    for (const auto& grad : grad_states) call.grad_states.push_back(grad ? checker.row("grad_states", *grad, call.N) : nullptr);
    if (grad_current) call.grad_current = checker.matrix("grad_current", *grad_current);
    Checker::check_count("grad_initial", grad_initial.size(), l.states);
    for (const auto& grad : grad_initial) call.grad_initial.push_back(grad ? checker.row("grad_initial", *grad, call.N) : nullptr);
    Checker::check_count("grad_coefficients", grad_coefficients.size(), l.coefficients);
    for (size_t k = 0; k < grad_coefficients.size(); ++k) {
        call.grad_coefficients.push_back(checker.row("grad_coefficients", grad_coefficients[k], call.coefficients[k].count));
    }
    if (normal) {
        if (!grad_current) refuse("grad_current", "an array, where the current is normalised", "none");
        call.normal = checker.normal(*normal);
        Checker::check_count("grad_normal", grad_normal.size(), 2);
        call.normal.sum = checker.row("grad_normal", grad_normal[0], call.normal.count);
        call.normal.product = checker.row("grad_normal", grad_normal[1], call.normal.count);
    }
    const nb::gil_scoped_release release;
    run_backward(call);
}

void spread(const ReadArray& x, const Array& g, const NormalArrays& normal, const ReadArray& slope, int threads,
            const std::optional<std::string>& variant_name) {
    Call sizes;
    const Checker checker(x, threads, variant_name, sizes);
    const Normal n = checker.normal(normal);
    SpreadCall call;
    call.T = sizes.T, call.N = sizes.N, call.item = sizes.item, call.threads = threads, call.normals = sizes.normals;
    call.x = sizes.current;
    call.g = checker.matrix("g", g);
    call.scale = n.scale, call.shift = n.shift, call.center = n.center, call.count = n.count, call.inner = n.inner;
    call.slope = checker.row("slope", slope, n.count);
    const nb::gil_scoped_release release;
    run_spread(call);
}

Number number_type(const ReadArray& numbers) {
    const nb::dlpack::dtype type = numbers.dtype();
    if (type == nb::dtype<float>()) return Number::float32;
    if (type == nb::dtype<double>()) return Number::float64;
    if (type == nb::dlpack::dtype{static_cast<uint8_t>(nb::dlpack::dtype_code::Float), 16, 1}) return Number::float16;
    if (type == nb::dlpack::dtype{static_cast<uint8_t>(nb::dlpack::dtype_code::Bfloat), 16, 1}) return Number::bfloat16;
    refuse("numbers", "float32, float64, float16 or bfloat16", "another type");
}

// Numbers of any one axis and their bits; returns how many numbers.
int64_t check_bits(const ReadArray& numbers, const ReadArray& bits, int threads) {
    if (bits.dtype() != nb::dtype<uint8_t>()) refuse("bits", "uint8", "another type");
    for (const ReadArray* array : {&numbers, &bits}) {
        if (array->ndim() != 1 || (array->shape(0) > 1 && array->stride(0) != 1)) refuse("numbers and bits", "one axis without gaps", "others");
    }
    if (bits.shape(0) != (numbers.shape(0) + 7) / 8) refuse("bits", std::to_string((numbers.shape(0) + 7) / 8) + " bytes", std::to_string(bits.shape(0)));
    if (threads < 1) refuse("threads", "at least 1", std::to_string(threads));
    return static_cast<int64_t>(numbers.shape(0));
}

bool pack(const ReadArray& numbers, const Array& bits, int threads) {
    const Number type = number_type(numbers);
    const int64_t n = check_bits(numbers, ReadArray(bits), threads);
    const nb::gil_scoped_release release;
    return pack_bits(static_cast<const char*>(numbers.data()), n, type, static_cast<uint8_t*>(bits.data()), threads);
}

void unpack(const ReadArray& bits, const Array& numbers, int threads) {
    const Number type = number_type(ReadArray(numbers));
    const int64_t n = check_bits(ReadArray(numbers), bits, threads);
    const nb::gil_scoped_release release;
    unpack_bits(static_cast<const uint8_t*>(bits.data()), n, type, static_cast<char*>(numbers.data()), threads);
}

template <Kind KIND>
Code make_code(int registers, int coefficients, int states, int outputs, std::vector<double> constants,
               const std::vector<int32_t>& words, std::vector<bool> in_place, bool fuse) {
    return {Layout{KIND, registers, 0, coefficients, states, outputs}, std::move(constants), words, std::move(in_place), fuse};
}

}  // namespace
}  // namespace ranvier

NB_MODULE(_machine, m) {
    using namespace ranvier;
    nb::set_leak_warnings(false);  // Python ends before its caches of codes do
    m.doc() = "The vector machine: runs encoded programs over blocks of neurons and all time steps.";
    m.def("forget_team", &ranvier::forget_team, "Use no thread of torch any more, as in a child of a process that ran it.");
    nb::class_<Code>(m, "Code")
        .def_prop_ro("outputs", [](const Code& code) { return code.layout.outputs; })
        .def_prop_ro("fused", [](const Code& code) { return fused_name(code.fused); })
        .def_prop_ro("shape", [](const Code& code) { return Shape(code).text(); })
        .def_static("forward", &make_code<Kind::forward>, "registers"_a, "coefficients"_a, "states"_a, "outputs"_a,
                    "constants"_a, "words"_a, "in_place"_a, "fuse"_a = true)
        .def_static("backward", &make_code<Kind::backward>, "registers"_a, "coefficients"_a, "states"_a, "outputs"_a,
                    "constants"_a, "words"_a, "in_place"_a, "fuse"_a = true);
    m.def("opcodes", &opcode_names, "Names of the instructions, in the order of their numbers.");
    m.def("variants", [] {
        std::vector<std::string> names;
        for (const Variant* v : variants()) names.emplace_back(v->name);
        return names;
    }, "Instruction sets this processor has, fastest first.");
    m.def("fresh", &fresh_capsule, "shape"_a, "item"_a, "is_bfloat"_a = false, "Uninitialised memory for a result, as a DLPack capsule.");
    m.def("limit_buffers", &limit_buffers, "limit"_a, "Keep at most this much memory of dead results.");
    m.def("idle_buffer_bytes", &idle_buffer_bytes, "Memory of dead results that is kept now.");
    m.def("pack", &pack, "numbers"_a, "bits"_a, "threads"_a, "Write zeros and ones as bits; false if there are other numbers.");
    m.def("unpack", &unpack, "bits"_a, "numbers"_a, "threads"_a, "Write bits as zeros and ones.");
    m.def("forward", &forward, "code"_a, "current"_a, "states"_a, "coefficients"_a, "inner"_a, "outputs"_a,
          "final_states"_a, "threads"_a, "variant"_a.none() = nb::none(), "normal"_a.none() = nb::none(), "Run a forward program; results go into the arrays given.");
    m.def("backward", &backward, "replay"_a, "code"_a, "current"_a, "states"_a, "coefficients"_a, "inner"_a,
          "grad_outputs"_a, "grad_states"_a, "grad_current"_a.none(), "grad_initial"_a, "grad_coefficients"_a, "threads"_a,
          "variant"_a.none() = nb::none(), "normal"_a.none() = nb::none(), "grad_normal"_a = nb::list(),
          "Run a backward program; results go into the arrays given.");
    m.def("spread", &spread, "x"_a, "g"_a, "normal"_a, "slope"_a, "threads"_a, "variant"_a.none() = nb::none(),
          "Carry gradients through a normalisation, in place: g = g * scale + (x - center) * slope + shift.");
}
