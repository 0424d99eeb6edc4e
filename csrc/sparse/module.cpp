// The Python module: checks arrays and tables once, when a session is built, then runs steps without the lock.
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

#include "neurons.hpp"
#include "stages.hpp"
#include "../team.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace ranvier::sparse {
namespace {

using Array = nb::ndarray<nb::device::cpu, nb::c_contig>;
using Row = std::optional<Array>;
using Sizes = std::tuple<int64_t, int64_t, int64_t>;  // height, width, channels
using Table = std::vector<int32_t>;

[[noreturn]] void refuse(const std::string& name, const std::string& expected, const std::string& got) {
    throw std::invalid_argument(name + ": expected " + expected + ", got " + got);
}

struct Set {
    const Kernels* kernels;
    const Variant* machine;
};

const std::vector<Set>& variants() {
    static const std::vector<Set> usable = [] {
        std::vector<Set> found;
#ifdef RANVIER_X86
        for (const Set& s : {Set{&KERNELS_AVX512, &AVX512}, Set{&KERNELS_AVX2, &AVX2}}) {
            if (s.kernels->usable() && s.machine->usable()) found.push_back(s);
        }
#endif
        found.push_back({&KERNELS_BASELINE, &BASELINE});
        return found;
    }();
    return usable;
}

const Set& variant(const std::optional<std::string>& name) {
    if (!name) return variants().front();
    for (const Set& s : variants()) {
        if (*name == s.kernels->name) return s;
    }
    refuse("variant", "one of variants()", *name);
}

Shape shape_of(const Sizes& sizes) {
    const auto [height, width, channels] = sizes;
    if (height < 1 || width < 1 || channels < 1 || height * width * channels > INT32_MAX / 2) refuse("shape", "sizes >= 1, below 2^30 in all", "others");
    return {height, width, channels};
}

// Offsets from 0 to the number of values, never falling.
void check_starts(const std::string& name, const Table& starts, int64_t count, size_t values) {
    bool good = static_cast<int64_t>(starts.size()) == count + 1 && starts.front() == 0 && static_cast<size_t>(starts.back()) == values;
    for (size_t k = 1; good && k < starts.size(); ++k) good = starts[k - 1] <= starts[k];
    if (!good) refuse(name, "offsets into its table", "others");
}

void check_range(const std::string& name, const Table& values, int64_t below) {
    for (int32_t v : values) {
        if (v < 0 || v >= below) refuse(name, "numbers from 0 to " + std::to_string(below - 1), std::to_string(v));
    }
}

std::vector<Tap> taps_of(const std::string& name, const Table& inputs, const Table& kernels, int64_t below, int64_t kernel_below) {
    if (inputs.size() != kernels.size()) refuse(name, "as many places as kernel places", "another number");
    check_range(name, inputs, below);
    check_range(name, kernels, kernel_below);
    std::vector<Tap> taps;
    for (size_t k = 0; k < inputs.size(); ++k) taps.push_back({inputs[k], kernels[k]});
    return taps;
}

bool slides(const Geometry& g) {
    for (size_t x = 0; x + 1 < g.target_start.size(); ++x) {
        for (int32_t k = g.target_start[x] + 1; k < g.target_start[x + 1]; ++k) {
            if (g.targets[k].input != g.targets[k - 1].input + 1 || g.targets[k].kernel != g.targets[k - 1].kernel - 1) return false;
        }
    }
    return true;
}

// Whether output rows meet three rows of inputs each, those of the next one below.
void find_steps(Geometry& g, int64_t kernel_height, int64_t height_in) {
    const auto height = static_cast<int64_t>(g.row_start.size()) - 1;
    if (kernel_height != 3 || g.rows.empty()) return;
    int64_t at = 0;
    while (g.row_start[at + 1] == 0) ++at;  // the first row that meets any input
    g.above = at + g.rows[0].kernel - g.rows[0].input;
    g.steps = true;
    for (int64_t y = 0; g.steps && y < height; ++y) {
        int32_t k = g.row_start[y];
        for (int64_t kernel = 0; kernel < 3; ++kernel) {
            const int64_t input = y - g.above + kernel;
            if (input < 0 || input >= height_in) continue;
            g.steps &= k < g.row_start[y + 1] && g.rows[k].input == input && g.rows[k].kernel == kernel;
            k += g.steps;
        }
        g.steps &= k == g.row_start[y + 1];
    }
}

Axis axis_of(const std::string& name, const Table& starts, const Table& inputs, int64_t size_in, int64_t size_out) {
    check_starts(name, starts, size_out, inputs.size());
    check_range(name, inputs, size_in);
    Axis axis{starts, inputs, {}, {}};
    for (int32_t i = 0; i < size_in; ++i) {
        axis.output_start.push_back(static_cast<int32_t>(axis.outputs.size()));
        for (int32_t o = 0; o < size_out; ++o) {
            for (int32_t k = starts[o]; k < starts[o + 1]; ++k) {
                if (inputs[k] == i) axis.outputs.push_back(o);
            }
        }
    }
    axis.output_start.push_back(static_cast<int32_t>(axis.outputs.size()));
    return axis;
}

// A session that also keeps the arrays alive which its stages point at.
class Kept {
public:
    Kept(int64_t batch, const Sizes& input, const std::optional<std::string>& name)
        : set_(variant(name)), session_(checked(batch), shape_of(input), *set_.kernels) {}
    Kept(const Kept&) = delete;
    Kept& operator=(const Kept&) = delete;

    void linear(int64_t outputs, const Array& weight, const Row& bias, const Row& scale, const Array& in, const Array& out,
                double crossover, bool lazy) {
        const int64_t inputs = session_.last().size();
        const Weight w = weight_of(weight, bias, scale, inputs, outputs);
        const Exchange exchange{floats("in", in, batch() * inputs), floats("out", out, batch() * outputs)};
        session_.add(std::make_unique<Linear>(w, exchange, crossover, lazy), {1, 1, outputs});
    }

    void convolution(const Sizes& sizes, const Array& weight, const Row& bias, const Row& scale, const Array& in,
                     const Array& out, double crossover, bool lazy, std::tuple<int64_t, int64_t> kernel, int64_t groups,
                     const std::vector<Table>& rows, const std::vector<Table>& segments, const std::vector<Table>& targets) {
        const Shape from = session_.last().shape, to = shape_of(sizes);
        const auto [kernel_height, kernel_width] = kernel;
        if (kernel_height < 1 || kernel_width < 1 || groups < 1 || from.channels % groups || to.channels % groups) {
            refuse("convolution", "a kernel >= 1 and groups that divide the channels", "others");
        }
        if (rows.size() != 3 || segments.size() != 4 || targets.size() != 3) refuse("convolution", "3, 4 and 3 tables", "others");
        Geometry g;
        g.kernel_width = kernel_width, g.groups = groups;
        check_starts("rows", rows[0], to.height, rows[1].size());
        g.row_start = rows[0];
        g.rows = taps_of("rows", rows[1], rows[2], from.height, kernel_height);
        check_starts("segments", segments[0], to.width, segments[1].size());
        g.segment_start = segments[0];
        if (segments[2].size() != segments[1].size() || segments[3].size() != segments[1].size()) refuse("segments", "tables of one length", "others");
        for (size_t k = 0; k < segments[1].size(); ++k) {
            const Segment s{segments[1][k], segments[2][k], segments[3][k]};
            if (s.first < 0 || s.first >= s.last || s.last > from.width || s.kernel < 0 || s.kernel + s.last - s.first > kernel_width) {
                refuse("segments", "columns of input and kernel", "others");
            }
            g.segments.push_back(s);
        }
        check_starts("targets", targets[0], from.width, targets[1].size());
        g.target_start = targets[0];
        g.targets = taps_of("targets", targets[1], targets[2], to.width, kernel_width);
        g.slides = slides(g);
        find_steps(g, kernel_height, from.height);
        g.mean_taps = static_cast<double>(g.rows.size()) / static_cast<double>(to.height) *
                      static_cast<double>(g.targets.size()) / static_cast<double>(to.width);
        const Weight w = weight_of(weight, bias, scale, kernel_height * kernel_width * from.channels, to.channels / groups, to.channels);
        const Exchange exchange{floats("in", in, batch() * from.size()), floats("out", out, batch() * to.size())};
        session_.add(std::make_unique<Convolution>(w, exchange, crossover, lazy, std::move(g)), to);
    }

    void neurons(int registers, int states, std::vector<double> constants, const std::vector<int32_t>& words,
                 std::vector<bool> in_place, const std::vector<Array>& values, const Row& weight, const Row& bias, const Row& scale) {
        const Shape shape = session_.last().shape;
        Code code({ranvier::Kind::forward, registers, 0, static_cast<int>(values.size()), states, 1}, std::move(constants), words,
                  std::move(in_place), true);
        std::vector<Values> rows;
        for (const Array& value : values) {
            const auto count = static_cast<int64_t>(value.size());
            if (count != 1 && count != shape.channels && count != shape.size()) refuse("values", "one, one a channel or one a neuron", std::to_string(count));
            rows.push_back({floats("values", value, count), count});
        }
        const int first = num_states_;
        for (int k = 0; k < states; ++k) new_state(batch() * shape.size());
        Recurrence recurrence;
        if (weight) {
            recurrence.weight = weight_of(*weight, bias, scale, shape.size(), shape.size());
            recurrence.present = true;
            recurrence.last_spikes = num_states_;
            new_state(batch() * shape.size());
        }
        auto stage = std::make_unique<Neurons>(std::move(code), Machine{set_.machine}, std::move(rows), first, recurrence);
        stage->out.shape = shape;
        auto* product = session_.stages().empty() ? nullptr : dynamic_cast<Product*>(session_.stages().back().get());
        if (product != nullptr && stage->takes_patches()) product->allow_patches();
        session_.add(std::move(stage), shape);
    }

    void pool(const Sizes& sizes, const std::vector<Table>& rows, const std::vector<Table>& columns, const std::vector<float>& divisor) {
        const Shape from = session_.last().shape, to = shape_of(sizes);
        if (from.channels != to.channels) refuse("pool", "as many channels out as in", std::to_string(to.channels));
        if (rows.size() != 2 || columns.size() != 2) refuse("pool", "2 tables an axis", "others");
        if (!divisor.empty() && static_cast<int64_t>(divisor.size()) != to.height * to.width) refuse("divisor", "one a pixel or none", std::to_string(divisor.size()));
        session_.add(std::make_unique<Pool>(axis_of("rows", rows[0], rows[1], from.height, to.height),
                                            axis_of("columns", columns[0], columns[1], from.width, to.width), divisor), to);
    }

    void delay(int64_t steps) {
        if (steps < 1) refuse("delay", "at least 1 step", std::to_string(steps));
        const Shape shape = session_.last().shape;
        const int state = num_states_;
        new_state(batch() * steps * shape.size());
        session_.add(std::make_unique<Delay>(steps, state), shape);
    }

    void flatten() { session_.add(std::make_unique<Flatten>(), {1, 1, session_.last().size()}); }

    void foreign(const Sizes& sizes, const Array& in, const Array& out) {
        const Shape to = shape_of(sizes);
        const Exchange exchange{floats("in", in, batch() * session_.last().size()), floats("out", out, batch() * to.size())};
        session_.add(std::make_unique<Foreign>(exchange), to);
    }

    // Work on these states from now on, in place. They must not be touched elsewhere while a step runs.
    void bind(const std::vector<Array>& states) {
        if (states.size() != state_sizes_.size()) refuse("states", std::to_string(state_sizes_.size()) + " arrays", std::to_string(states.size()));
        std::vector<float*> pointers;
        for (size_t k = 0; k < states.size(); ++k) pointers.push_back(floats("states", states[k], state_sizes_[k], false));
        bound_ = states;
        session_.states = std::move(pointers);
        session_.steps = 0;
    }

    // Run a step on frames of float32 or uint8, or of bits in uint8: number 8 n + k is bit k of byte n. last: channels lie
    // side by side. first: the number that the first frame begins with.
    int start(const Array& frames, int threads, bool bits, bool last, int64_t first) {
        if (session_.states.size() != state_sizes_.size()) refuse("states", "bound states", "none");
        if (threads < 1) refuse("threads", "at least 1", std::to_string(threads));
        const bool bytes = frames.dtype() == nb::dtype<uint8_t>();
        if (bits && !bytes) refuse("frames", "uint8 for bits", "another type");
        if (!bytes && frames.dtype() != nb::dtype<float>()) refuse("frames", "float32 or uint8", "another type");
        const int64_t needed = batch() * session_.input_size(), numbers = static_cast<int64_t>(frames.size()) * (bits ? 8 : 1);
        if (first < 0 || numbers - first < needed) refuse("frames", std::to_string(needed) + " numbers", std::to_string(numbers - first));
        session_.threads = threads;
        const Frames::Form form = bits ? Frames::Form::bits : bytes ? Frames::Form::uint8 : Frames::Form::float32;
        const nb::gil_scoped_release release;
        return session_.start({form, frames.data(), first, last});
    }
    int resume() {
        const nb::gil_scoped_release release;
        return session_.resume();
    }
    void output(const Array& target) {
        float* data = floats("target", target, batch() * session_.last().size(), false);
        session_.last().write(data);
    }
    std::vector<std::tuple<int64_t, int64_t, int64_t, int64_t, double, std::vector<int64_t>, int>> stats() const {
        std::vector<std::tuple<int64_t, int64_t, int64_t, int64_t, double, std::vector<int64_t>, int>> found;
        for (const auto& stage : session_.stages()) {
            const Stats& s = stage->stats;
            found.emplace_back(s.steps, s.events, s.inputs, s.synops, s.last_density,
                               std::vector<int64_t>(s.forms.begin(), s.forms.end()), static_cast<int>(s.last));
        }
        return found;
    }
    int64_t steps() const { return session_.steps; }

private:
    static int64_t checked(int64_t batch) {
        if (batch < 1) refuse("batch", "at least 1", std::to_string(batch));
        return batch;
    }
    int64_t batch() const { return session_.batch(); }
    void new_state(int64_t size) {
        state_sizes_.push_back(size);
        ++num_states_;
    }
    float* floats(const std::string& name, const Array& array, int64_t size, bool keep = true) {
        if (array.dtype() != nb::dtype<float>()) refuse(name, "float32", "another type");
        if (static_cast<int64_t>(array.size()) != size) refuse(name, std::to_string(size) + " numbers", std::to_string(array.size()));
        if (keep) kept_.push_back(array);
        return static_cast<float*>(array.data());
    }
    Weight weight_of(const Array& weight, const Row& bias, const Row& scale, int64_t rows, int64_t row, int64_t outputs = 0) {
        Weight w;
        const auto type = weight.dtype();
        if (type == nb::dtype<float>()) w.kind = Kind::float32;
        else if (type == nb::dtype<int16_t>()) w.kind = Kind::bfloat16;
        else if (type == nb::dtype<int8_t>()) w.kind = Kind::int8;
        else refuse("weight", "float32, bfloat16 as int16, or int8", "another type");
        const bool whole = outputs == 0 || outputs == row;  // rows of one group are padded, those of several are not
        w.row = whole ? (row + PAD - 1) / PAD * PAD : row;
        if (static_cast<int64_t>(weight.size()) != rows * w.row) refuse("weight", std::to_string(rows * w.row) + " numbers", std::to_string(weight.size()));
        const int64_t padded = whole ? w.row : (outputs + PAD - 1) / PAD * PAD;
        w.data = weight.data();
        w.bytes = static_cast<int64_t>(weight.nbytes());
        kept_.push_back(weight);
        if (bias) w.bias = floats("bias", *bias, padded);
        if (scale) w.scale = floats("scale", *scale, padded);
        if ((w.kind == Kind::int8) != (w.scale != nullptr)) refuse("scale", "one for int8 weights only", "another");
        if (w.scale != nullptr && w.bias == nullptr) refuse("bias", "one for int8 weights", "none");
        return w;
    }

    const Set& set_;
    Session session_;
    std::vector<Array> kept_, bound_;
    std::vector<int64_t> state_sizes_;
    int num_states_ = 0;
};

}  // namespace
}  // namespace ranvier::sparse

NB_MODULE(_events, m) {
    using namespace ranvier::sparse;
    nb::set_leak_warnings(false);  // Python ends before its caches of codes do
    m.doc() = "Event-driven networks: stages that touch only the weights of neurons that fired.";
    m.def("forget_team", &ranvier::forget_team, "Use no thread of torch any more, as in a child of a process that ran it.");
    m.attr("PAD") = PAD;
    m.def("opcodes", &ranvier::opcode_names, "Names of the machine's instructions, in the order of their numbers.");
    m.def("variants", [] {
        std::vector<std::string> names;
        for (const Set& s : variants()) names.emplace_back(s.kernels->name);
        return names;
    }, "Instruction sets this processor has, fastest first.");
    nb::class_<Kept>(m, "Session")
        .def(nb::init<int64_t, const Sizes&, const std::optional<std::string>&>(), "batch"_a, "source"_a, "variant"_a.none() = nb::none())
        .def("linear", &Kept::linear, "outputs"_a, "weight"_a, "bias"_a.none(), "scale"_a.none(), "in_"_a, "out"_a, "crossover"_a, "lazy"_a)
        .def("convolution", &Kept::convolution, "sizes"_a, "weight"_a, "bias"_a.none(), "scale"_a.none(), "in_"_a, "out"_a,
             "crossover"_a, "lazy"_a, "kernel"_a, "groups"_a, "rows"_a, "segments"_a, "targets"_a)
        .def("neurons", &Kept::neurons, "registers"_a, "states"_a, "constants"_a, "words"_a, "in_place"_a, "values"_a,
             "weight"_a.none() = nb::none(), "bias"_a.none() = nb::none(), "scale"_a.none() = nb::none())
        .def("pool", &Kept::pool, "sizes"_a, "rows"_a, "columns"_a, "divisor"_a)
        .def("delay", &Kept::delay, "steps"_a)
        .def("flatten", &Kept::flatten)
        .def("foreign", &Kept::foreign, "sizes"_a, "in_"_a, "out"_a)
        .def("bind", &Kept::bind, "states"_a, "Work on these states from now on, in place.")
        .def("start", &Kept::start, "frames"_a, "threads"_a, "bits"_a = false, "last"_a = false, "first"_a = 0, "Run a step; -1: done, -2: not finite, else the stage that waits.")
        .def("resume", &Kept::resume, "Go on after the stage that waited.")
        .def("output", &Kept::output, "target"_a, "Write the output, channels-last.")
        .def("stats", &Kept::stats)
        .def_prop_ro("steps", &Kept::steps);
}
