// The fused programs of one instruction set: fused_programs.hpp, unrolled while compiling.
//
// Every value is computed by the same expression as in the interpreter (opcodes.hpp), so the bits are the same.
#include "fused.hpp"

#include "fused_programs.hpp"
#include "half_lanes.hpp"
#include "opcodes.hpp"

namespace ranvier {
namespace {

// 0, 1, ... N - 1 as template arguments, without the standard library.
template <int... K>
struct Indices {};
template <int N, int... K>
struct Count : Count<N - 1, N - 1, K...> {};
template <int... K>
struct Count<0, K...> {
    using Type = Indices<K...>;
};

// PLAIN: all constants and coefficients have one value for all neurons, and every row is a row. SEEN: so have they, and
// some rows are seen through a lens.
enum class Mode { PLAIN, SEEN, ANY };

template <class Program, Mode MODE>
struct Loop : Registers<float> {
    static constexpr int OPERANDS = sizeof(Program::kinds) - 1;
    static constexpr int VALUES = sizeof(Program::code) / sizeof(Fused);
    static constexpr int RESULTS = sizeof(Program::results) / sizeof(int32_t);

    // Whether an operand is read once, before the loop.
    static constexpr bool hoisted(int operand) { return MODE != Mode::ANY && Program::kinds[operand] == 'u'; }

    // A copy of the slots, which the compiler knows not to be written by the loop.
    struct Places {
        const char* operands[OPERANDS];
        ptrdiff_t strides[OPERANDS];
        char* results[RESULTS];
        bool streamed[RESULTS], has_lens[OPERANDS + RESULTS];
        Lens lenses[MODE == Mode::SEEN ? OPERANDS + RESULTS : 1];
        Places(const Slot* slots, const int32_t* places) {
            for (int k = 0; k < OPERANDS; ++k) {
                operands[k] = slots[places[k]].data;
                strides[k] = MODE == Mode::PLAIN ? BYTES : slots[places[k]].step * BYTES;
            }
            for (int k = 0; k < RESULTS; ++k) {
                results[k] = slots[places[OPERANDS + k]].data;
                streamed[k] = slots[places[OPERANDS + k]].streamed;
            }
            for (int k = 0; MODE == Mode::SEEN && k < OPERANDS + RESULTS; ++k) {
                const Lens* lens = slots[places[k]].lens;
                has_lens[k] = lens != nullptr;
                if (lens != nullptr) lenses[k] = *lens;
            }
        }
    };

    struct Work {
        V operands[OPERANDS], values[VALUES];
        Shorts waiting[RESULTS];  // the first half of a register that goes around the caches
        RANVIER_INLINE_MEMBER V get(int32_t place) const { return place < 0 ? operands[-1 - place] : values[place]; }
    };

    template <int OPCODE>
    RANVIER_INLINE V apply(V a, V b, V c, V d) {
        (void)b, (void)c, (void)d;
#define RANVIER_APPLY(name, value) \
    if constexpr (OPCODE == op_##name) return value;
        RANVIER_VECTOR_1(RANVIER_APPLY)
        RANVIER_VECTOR_2(RANVIER_APPLY)
        RANVIER_VECTOR_3(RANVIER_APPLY)
        RANVIER_VECTOR_4(RANVIER_APPLY)
#undef RANVIER_APPLY
    }

    template <int K>
    RANVIER_INLINE void step(Work& w) {
        constexpr Fused f = Program::code[K];
        w.values[K] = apply<f.opcode>(w.get(f.a), w.get(f.b), w.get(f.c), w.get(f.d));
    }

    // Numbers of the caller's, as float.
    RANVIER_INLINE V widen(Format format, const char* from, ptrdiff_t k) {
        if (format == Format::own) return *reinterpret_cast<const Memory*>(from + k * BYTES);
        return (V)BFloat16::widen(load_halves(from + k * (BYTES / 2)));
    }
    RANVIER_INLINE V row(const char* from, ptrdiff_t k) { return *reinterpret_cast<const Memory*>(from + k * BYTES); }

    RANVIER_INLINE V read(const Lens& lens, const char* from, ptrdiff_t k) {
        const V x = widen(lens.format, from, k);
        return lens.scale != nullptr ? x * row(lens.scale, k) + row(lens.shift, k) : x;
    }

    RANVIER_INLINE void write(const Lens& lens, char* target, bool streamed, Shorts& waiting, ptrdiff_t k, V value) {
        if (lens.format == Format::own) {
            streamed ? stream(target, k, value) : store(target, k, value);
        } else if (const Words words = BFloat16::narrow((Words)value); !streamed) {
            store_halves(target + k * (BYTES / 2), words);
        } else if (k % 2 == 0) {
            waiting = shorten(words);
        } else {
            stream_two(target + (k - 1) * (BYTES / 2), waiting, shorten(words));
        }
        if (lens.sum == nullptr) return;
        const V away = widen(lens.format, lens.x, k) - row(lens.center, k);
        store(lens.sum, k, row(lens.sum, k) + value);
        store(lens.product, k, row(lens.product, k) + value * away);
    }

    template <int K>
    RANVIER_INLINE void load(Work& w, const Places& at, ptrdiff_t k, bool before_loop) {
        if (hoisted(K) != before_loop) return;
        const ptrdiff_t stride = MODE == Mode::PLAIN ? BYTES : at.strides[K];
        if constexpr (MODE == Mode::SEEN && Program::kinds[K] == 'r') {
            if (at.has_lens[K]) {
                w.operands[K] = read(at.lenses[K], at.operands[K], k);
                return;
            }
        }
        w.operands[K] = *reinterpret_cast<const Memory*>(at.operands[K] + k * stride);
    }

    template <int K>
    RANVIER_INLINE void save(Work& w, const Places& at, ptrdiff_t k) {
        const V value = w.values[Program::results[K]];
        if constexpr (MODE == Mode::SEEN) {
            if (at.has_lens[OPERANDS + K]) {
                return write(at.lenses[OPERANDS + K], at.results[K], at.streamed[K], w.waiting[K], k, value);
            }
        }
        at.streamed[K] ? stream(at.results[K], k, value) : store(at.results[K], k, value);
    }

    template <int... O, int... I, int... R>
    RANVIER_INLINE void run(const Places at, ptrdiff_t n, Ahead ahead, Indices<O...>, Indices<I...>, Indices<R...>) {
        Work w;
        (load<O>(w, at, 0, true), ...);
        for (ptrdiff_t k = 0; k < n / WIDTH; ++k) {
            if (ahead.next + k * BYTES < ahead.end) __builtin_prefetch(ahead.next + k * BYTES);
            (load<O>(w, at, k, false), ...);
            (step<I>(w), ...);
            (save<R>(w, at, k), ...);
        }
    }

    RANVIER_INLINE void run(const Slot* slots, const int32_t* places, ptrdiff_t n, Ahead ahead) {
        run(Places(slots, places), n, ahead, typename Count<OPERANDS>::Type(), typename Count<VALUES>::Type(),
            typename Count<RESULTS>::Type());
    }
};

template <class Program>
void run(const Slot* slots, const int32_t* places, ptrdiff_t n, Ahead ahead) {
    using Plain = Loop<Program, Mode::PLAIN>;
    bool plain = true, seen = false;
    for (int k = 0; k < Plain::OPERANDS; ++k) {
        plain = plain && slots[places[k]].step == (Program::kinds[k] == 'u' ? 0 : 1);
    }
    for (int k = 0; k < Plain::OPERANDS + Plain::RESULTS; ++k) seen = seen || slots[places[k]].lens != nullptr;
    if (seen) {
        Loop<Program, Mode::SEEN>::run(slots, places, n, ahead);
    } else if (plain) {
        Plain::run(slots, places, n, ahead);
    } else {
        Loop<Program, Mode::ANY>::run(slots, places, n, ahead);
    }
}

}  // namespace

extern const ExecuteFused RANVIER_FUSED_TABLE(RANVIER_VARIANT)[];
#define RANVIER_RUN(name, ...) run<fused_##name>,
const ExecuteFused RANVIER_FUSED_TABLE(RANVIER_VARIANT)[] = {RANVIER_FUSED(RANVIER_RUN) nullptr};

}  // namespace ranvier
