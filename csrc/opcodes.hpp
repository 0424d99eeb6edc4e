// The instructions of the vector machine: name and meaning, in one list by number of operands.
//
// Operands are a, b, c, d: whole SIMD registers in VECTOR and FUSED instructions, single numbers in FUNCTION ones.
// truth(m) is 1 where m, else 0; pick(m, x, y) is x where m, else y. Fused names read "first_then": sub_ge is
// (a - b) >= c, mul_rsub is c - a * b. Fusing saves trips through the cache, never a rounding.
#pragma once

#define RANVIER_VECTOR_1(X) \
    X(copy, a)              \
    X(neg, -a)              \
    X(abs, absolute(a))     \
    X(sign, truth(a > 0) - truth(a < 0)) \
    X(not, 1 - a)

#define RANVIER_VECTOR_2(X)       \
    X(add, a + b)                 \
    X(sub, a - b)                 \
    X(mul, a * b)                 \
    X(div, a / b)                 \
    X(min, pick(a != a, a, pick(a < b, a, b))) \
    X(max, pick(a != a, a, pick(a > b, a, b))) \
    X(gt, truth(a > b))           \
    X(ge, truth(a >= b))          \
    X(lt, truth(a < b))           \
    X(le, truth(a <= b))          \
    X(eq, truth(a == b))          \
    X(ne, truth(a != b))          \
    X(and, a * b)                 \
    X(or, pick(a != a, a, pick(a > b, a, b)))

#define RANVIER_THEN(X, first, value) \
    X(first##_add, (value) + c)       \
    X(first##_sub, (value) - c)       \
    X(first##_rsub, c - (value))      \
    X(first##_mul, (value) * c)       \
    X(first##_div, (value) / c)       \
    X(first##_rdiv, c / (value))      \
    X(first##_gt, truth((value) > c)) \
    X(first##_ge, truth((value) >= c)) \
    X(first##_lt, truth((value) < c)) \
    X(first##_le, truth((value) <= c))

#define RANVIER_VECTOR_3(X)       \
    X(where, pick(a != 0, b, c))  \
    RANVIER_THEN(X, add, a + b)   \
    RANVIER_THEN(X, sub, a - b)   \
    RANVIER_THEN(X, mul, a * b)   \
    RANVIER_THEN(X, div, a / b)

#define RANVIER_VECTOR_4(X)             \
    X(mul_mul_add, a * b + c * d)       \
    X(mul_mul_sub, a * b - c * d)       \
    X(gt_where, pick(a > b, c, d))      \
    X(ge_where, pick(a >= b, c, d))     \
    X(lt_where, pick(a < b, c, d))      \
    X(le_where, pick(a <= b, c, d))     \
    X(eq_where, pick(a == b, c, d))     \
    X(ne_where, pick(a != b, c, d))

#define RANVIER_FUNCTION_1(X) \
    X(floor) X(round) X(sqrt) X(exp) X(expm1) X(log) X(log1p) X(sin) X(cos) X(tanh) X(sigmoid) X(atan) X(erf)

#define RANVIER_FUNCTION_2(X) X(pow)

namespace ranvier {

#define RANVIER_NAME(name, ...) op_##name,
enum Opcode : int {
    RANVIER_VECTOR_1(RANVIER_NAME) RANVIER_FUNCTION_1(RANVIER_NAME) END_OF_ARITY_1,
    BEFORE_ARITY_2 = END_OF_ARITY_1 - 1,
    RANVIER_VECTOR_2(RANVIER_NAME) RANVIER_FUNCTION_2(RANVIER_NAME) END_OF_ARITY_2,
    BEFORE_ARITY_3 = END_OF_ARITY_2 - 1,
    RANVIER_VECTOR_3(RANVIER_NAME) END_OF_ARITY_3,
    BEFORE_ARITY_4 = END_OF_ARITY_3 - 1,
    RANVIER_VECTOR_4(RANVIER_NAME) NUM_OPCODES,
};
#undef RANVIER_NAME

inline int arity(int opcode) {
    return opcode < END_OF_ARITY_1 ? 1 : opcode < END_OF_ARITY_2 ? 2 : opcode < END_OF_ARITY_3 ? 3 : 4;
}

}  // namespace ranvier
