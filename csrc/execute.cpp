// The interpreter: runs a step's instructions over one block of neurons. Compiled once for each instruction set.
#include "execute.hpp"
#include "fused.hpp"
#include "lanes.hpp"
#include "maths.hpp"
#include "opcodes.hpp"

namespace ranvier {
namespace {

template <class T>
struct Machine : Registers<T> {
    using typename Registers<T>::V;
    using typename Registers<T>::M;
    using typename Registers<T>::Operand;
    using Registers<T>::WIDTH;
    using Registers<T>::pick;
    using Registers<T>::truth;
    using Registers<T>::absolute;
    using Registers<T>::store;

    // Which of an instruction's operands is one number for the whole row.
    enum Fixed { NONE, FIRST, SECOND, THIRD, SOME };

    // FIXED: what is known when compiling: such an operand is loaded once, and all others lie in rows.
    template <Fixed FIXED, class F>
    RANVIER_INLINE void map_known(const Instruction& i, const Slot* slots, ptrdiff_t n, F f) {
        const Operand a(slots[i.a]), b(slots[i.b]), c(slots[i.c]), d(slots[i.d]);
        const auto value = [](const Operand& from, ptrdiff_t k) { return FIXED == SOME ? from.load(k) : from.load_row(k); };
        const V first = a.load(0), second = b.load(0), third = c.load(0);
        char* target = slots[i.target].data;
        for (ptrdiff_t k = 0; k < n / WIDTH; k += 4) {
#pragma GCC unroll 4
            for (ptrdiff_t j = k; j < k + 4; ++j) {
                store(target, j, f(FIXED == FIRST ? first : value(a, j), FIXED == SECOND ? second : value(b, j),
                                   FIXED == THIRD ? third : value(c, j), value(d, j)));
            }
        }
    }

    template <int ARITY, class F>
    RANVIER_INLINE void map(const Instruction& i, const Slot* slots, ptrdiff_t n, F f) {
        const int32_t read[] = {i.a, i.b, i.c, i.d};
        Fixed fixed = NONE;
        for (int k = 0; k < ARITY; ++k) {
            if (slots[read[k]].step == 0) fixed = fixed == NONE && k < 3 ? static_cast<Fixed>(FIRST + k) : SOME;
        }
        switch (fixed) {
            case NONE: return map_known<NONE>(i, slots, n, f);
            case FIRST: return map_known<FIRST>(i, slots, n, f);
            case SECOND: return map_known<SECOND>(i, slots, n, f);
            case THIRD: return map_known<THIRD>(i, slots, n, f);
            case SOME: return map_known<SOME>(i, slots, n, f);
        }
    }

    // A row of GRAIN numbers, wherever it lies.
    RANVIER_INLINE void gather(T* row, const Operand& from, ptrdiff_t k) {
        for (ptrdiff_t j = 0; j < GRAIN / WIDTH; ++j) store(reinterpret_cast<char*>(row), j, from.load(k + j));
    }

    template <class F>
    RANVIER_INLINE void map_function(const Instruction& i, const Slot* slots, ptrdiff_t n, F f) {
        alignas(64) T x[GRAIN], y[GRAIN];
        const Operand a(slots[i.a]), from_y(Slot{reinterpret_cast<char*>(y), 1});
        for (ptrdiff_t k = 0; k < n / WIDTH; k += GRAIN / WIDTH) {
            gather(x, a, k);
            for (ptrdiff_t j = 0; j < GRAIN; ++j) y[j] = f(x[j]);
            for (ptrdiff_t j = 0; j < GRAIN / WIDTH; ++j) store(slots[i.target].data, k + j, from_y.load(j));
        }
    }

    // As map_function; numbers too large for the fast reduction of angles go through the C library one by one.
    template <class F, class G>
    RANVIER_INLINE void map_turns(const Instruction& i, const Slot* slots, ptrdiff_t n, F f, G precise) {
        alignas(64) T x[GRAIN], y[GRAIN];
        const Operand a(slots[i.a]), from_y(Slot{reinterpret_cast<char*>(y), 1});
        for (ptrdiff_t k = 0; k < n / WIDTH; k += GRAIN / WIDTH) {
            gather(x, a, k);
            for (ptrdiff_t j = 0; j < GRAIN; ++j) y[j] = f(x[j]);
            for (ptrdiff_t j = 0; j < GRAIN; ++j) {
                if (!((x[j] < 0 ? -x[j] : x[j]) <= static_cast<T>(TURNS_BOUND))) y[j] = precise(x[j]);
            }
            for (ptrdiff_t j = 0; j < GRAIN / WIDTH; ++j) store(slots[i.target].data, k + j, from_y.load(j));
        }
    }

    template <class F>
    RANVIER_INLINE void map_function2(const Instruction& i, const Slot* slots, ptrdiff_t n, F f) {
        alignas(64) T x[GRAIN], e[GRAIN], y[GRAIN];
        const Operand a(slots[i.a]), b(slots[i.b]), from_y(Slot{reinterpret_cast<char*>(y), 1});
        for (ptrdiff_t k = 0; k < n / WIDTH; k += GRAIN / WIDTH) {
            gather(x, a, k);
            gather(e, b, k);
            for (ptrdiff_t j = 0; j < GRAIN; ++j) y[j] = f(x[j], e[j]);
            for (ptrdiff_t j = 0; j < GRAIN / WIDTH; ++j) store(slots[i.target].data, k + j, from_y.load(j));
        }
    }

    static void run(const Instruction* code, int count, const Slot* slots, ptrdiff_t n, Ahead ahead);
};

// Numbers of one type at a time: floats by maths.hpp, doubles by the C library.
template <class T>
struct Functions;
template <>
struct Functions<float> {
    RANVIER_INLINE float floor(float x) { return __builtin_floorf(x); }
    RANVIER_INLINE float round(float x) { return __builtin_rintf(x); }
    RANVIER_INLINE float sqrt(float x) { return __builtin_sqrtf(x); }
#define RANVIER_BY_DOUBLE(name) \
    RANVIER_INLINE float name(float x) { return static_cast<float>(name##_of(static_cast<double>(x))); }
    RANVIER_BY_DOUBLE(exp) RANVIER_BY_DOUBLE(expm1) RANVIER_BY_DOUBLE(log) RANVIER_BY_DOUBLE(log1p)
    RANVIER_BY_DOUBLE(sin) RANVIER_BY_DOUBLE(cos) RANVIER_BY_DOUBLE(tanh) RANVIER_BY_DOUBLE(sigmoid)
    RANVIER_BY_DOUBLE(atan) RANVIER_BY_DOUBLE(erf)
#undef RANVIER_BY_DOUBLE
    RANVIER_INLINE float pow(float x, float y) {
        return static_cast<float>(pow_of(static_cast<double>(x), static_cast<double>(y)));
    }
};
template <>
struct Functions<double> {
    RANVIER_INLINE double round(double x) { return __builtin_rint(x); }
#define RANVIER_BY_LIBRARY(name) \
    RANVIER_INLINE double name(double x) { return __builtin_##name(x); }
    RANVIER_BY_LIBRARY(floor) RANVIER_BY_LIBRARY(sqrt) RANVIER_BY_LIBRARY(exp) RANVIER_BY_LIBRARY(expm1)
    RANVIER_BY_LIBRARY(log) RANVIER_BY_LIBRARY(log1p) RANVIER_BY_LIBRARY(sin) RANVIER_BY_LIBRARY(cos)
    RANVIER_BY_LIBRARY(tanh) RANVIER_BY_LIBRARY(atan) RANVIER_BY_LIBRARY(erf)
#undef RANVIER_BY_LIBRARY
    RANVIER_INLINE double sigmoid(double x) { return 1.0 / (1.0 + __builtin_exp(-x)); }
    RANVIER_INLINE double pow(double x, double y) { return __builtin_pow(x, y); }
};

template <class T>
void Machine<T>::run(const Instruction* code, int count, const Slot* slots, ptrdiff_t n, Ahead ahead) {
    using F = Functions<T>;
    const ptrdiff_t share = (ahead.end - ahead.next) / (count > 0 ? count : 1) + 1;
    for (const Instruction* i = code; i != code + count; ++i) {
        for (const char* stop = ahead.next + share; ahead.next < ahead.end && ahead.next < stop; ahead.next += 64) {
            __builtin_prefetch(ahead.next);
        }
        switch (i->opcode) {
#define RANVIER_CASE(arity, name, value)                     \
    case op_##name:                                           \
        map<arity>(*i, slots, n, [](V a, V b, V c, V d) {     \
            (void)b, (void)c, (void)d;                        \
            return value;                                     \
        });                                                   \
        break;
#define RANVIER_CASE_1(name, value) RANVIER_CASE(1, name, (value))
#define RANVIER_CASE_2(name, value) RANVIER_CASE(2, name, (value))
#define RANVIER_CASE_3(name, value) RANVIER_CASE(3, name, (value))
#define RANVIER_CASE_4(name, value) RANVIER_CASE(4, name, (value))
            RANVIER_VECTOR_1(RANVIER_CASE_1)
            RANVIER_VECTOR_2(RANVIER_CASE_2)
            RANVIER_VECTOR_3(RANVIER_CASE_3)
            RANVIER_VECTOR_4(RANVIER_CASE_4)
            case op_sin:
                map_turns(*i, slots, n, [](T x) { return F::sin(x); }, [](T x) { return static_cast<T>(__builtin_sin(x)); });
                break;
            case op_cos:
                map_turns(*i, slots, n, [](T x) { return F::cos(x); }, [](T x) { return static_cast<T>(__builtin_cos(x)); });
                break;
#define RANVIER_CASE_F(name)                                        \
    case op_##name:                                                 \
        map_function(*i, slots, n, [](T x) { return F::name(x); }); \
        break;
            RANVIER_CASE_F(floor) RANVIER_CASE_F(round) RANVIER_CASE_F(sqrt) RANVIER_CASE_F(exp) RANVIER_CASE_F(expm1)
            RANVIER_CASE_F(log) RANVIER_CASE_F(log1p) RANVIER_CASE_F(tanh) RANVIER_CASE_F(sigmoid)
            RANVIER_CASE_F(atan) RANVIER_CASE_F(erf)
            case op_pow:
                map_function2(*i, slots, n, [](T x, T y) { return F::pow(x, y); });
                break;
            default:
                break;  // codes are checked when they are made
        }
    }
}

}  // namespace

extern const ExecuteFused RANVIER_FUSED_TABLE(RANVIER_VARIANT)[];
extern const Halves RANVIER_HALVES(RANVIER_VARIANT);
extern const Normals RANVIER_NORMALS(RANVIER_VARIANT);
extern const Variant RANVIER_VARIANT;
const Variant RANVIER_VARIANT = {RANVIER_VARIANT_NAME, Machine<float>::run, Machine<double>::run,
                                 RANVIER_FUSED_TABLE(RANVIER_VARIANT), &RANVIER_HALVES(RANVIER_VARIANT),
                                 &RANVIER_NORMALS(RANVIER_VARIANT), usable};

}  // namespace ranvier
