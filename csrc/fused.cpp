// The fused programs of one instruction set: fused_programs.hpp, unrolled while compiling.
//
// Every value is computed by the same expression as in the interpreter (opcodes.hpp), so the bits are the same.
#include "fused.hpp"

#include "fused_programs.hpp"
#include "lanes.hpp"
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

// PLAIN: all constants and coefficients have one value for all neurons, and every row is a row.
template <class Program, bool PLAIN>
struct Loop : Registers<float> {
    static constexpr int OPERANDS = sizeof(Program::kinds) - 1;
    static constexpr int VALUES = sizeof(Program::code) / sizeof(Fused);
    static constexpr int RESULTS = sizeof(Program::results) / sizeof(int32_t);

    // Whether an operand is read once, before the loop.
    static constexpr bool hoisted(int operand) { return PLAIN && Program::kinds[operand] == 'u'; }

    // A copy of the slots, which the compiler knows not to be written by the loop.
    struct Places {
        const char* operands[OPERANDS];
        ptrdiff_t strides[OPERANDS];
        char* results[RESULTS];
        bool streamed[RESULTS];
        Places(const Slot* slots, const int32_t* places) {
            for (int k = 0; k < OPERANDS; ++k) {
                operands[k] = slots[places[k]].data;
                strides[k] = PLAIN ? BYTES : slots[places[k]].step * BYTES;
            }
            for (int k = 0; k < RESULTS; ++k) {
                results[k] = slots[places[OPERANDS + k]].data;
                streamed[k] = slots[places[OPERANDS + k]].streamed;
            }
        }
    };

    struct Work {
        V operands[OPERANDS], values[VALUES];
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

    template <int K>
    RANVIER_INLINE void load(Work& w, const Places& at, ptrdiff_t k, bool before_loop) {
        const ptrdiff_t stride = PLAIN ? BYTES : at.strides[K];
        if (hoisted(K) == before_loop) w.operands[K] = *reinterpret_cast<const Memory*>(at.operands[K] + k * stride);
    }

    template <int K>
    RANVIER_INLINE void save(const Work& w, const Places& at, ptrdiff_t k) {
        const V value = w.values[Program::results[K]];
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
    bool plain = true;
    for (int k = 0; k < Loop<Program, true>::OPERANDS; ++k) {
        plain = plain && slots[places[k]].step == (Program::kinds[k] == 'u' ? 0 : 1);
    }
    if (plain) {
        Loop<Program, true>::run(slots, places, n, ahead);
    } else {
        Loop<Program, false>::run(slots, places, n, ahead);
    }
}

}  // namespace

extern const ExecuteFused RANVIER_FUSED_TABLE(RANVIER_VARIANT)[];
#define RANVIER_RUN(name, ...) run<fused_##name>,
const ExecuteFused RANVIER_FUSED_TABLE(RANVIER_VARIANT)[] = {RANVIER_FUSED(RANVIER_RUN) nullptr};

}  // namespace ranvier
