// Elementary functions for float results, computed in double: results are almost always correctly rounded.
//
// Every function is branch-free arithmetic on one number, so that a loop over it becomes SIMD code on any machine, and
// it uses neither fused multiply-add nor tables, so that every instruction set gives the same bits. Coefficients are
// printed by coefficients.py. Valid for arguments that are floats; infinities, NaN and signed zeros as in C.
#pragma once

#include <cstdint>

#define RANVIER_INLINE static inline __attribute__((always_inline))
#define RANVIER_INLINE_MEMBER inline __attribute__((always_inline))

namespace ranvier {

RANVIER_INLINE uint64_t bits_of(double x) { return __builtin_bit_cast(uint64_t, x); }
RANVIER_INLINE double from_bits(uint64_t x) { return __builtin_bit_cast(double, x); }

constexpr uint64_t SIGN = 0x8000000000000000u;
constexpr double ROUNDER = 6755399441055744.0;  // 1.5 * 2^52: adding it rounds to an integer, kept in the low bits
constexpr double HUGE_VALUE = __builtin_huge_val();
constexpr double NOT_A_NUMBER = __builtin_nan("");

RANVIER_INLINE double magnitude(double x) { return from_bits(bits_of(x) & ~SIGN); }
RANVIER_INLINE double with_sign(double size, double sign) {
    return from_bits((bits_of(size) & ~SIGN) | (bits_of(sign) & SIGN));
}

// 2^k for the integer k that was rounded by adding ROUNDER.
RANVIER_INLINE double power_of_two(double k_plus_rounder) {
    return from_bits((bits_of(k_plus_rounder) + 1023u) << 52);
}

// The parts of exp(x) = scale * (1 + rest), |rest| < 0.42. Beyond +-150 floats overflow or vanish anyway.
struct Exponential {
    double scale, rest;
};
RANVIER_INLINE Exponential split_exp(double x) {
    x = x < -150.0 ? -150.0 : x;
    x = x > 150.0 ? 150.0 : x;
    const double shifted = x * 1.4426950408889634 + ROUNDER;
    const double k = shifted - ROUNDER;
    const double r = (x - k * 0.69314718055989033) - k * 5.4979230187083712e-14;
    double p = 0.000024869004778413061747;
    p = p * r + 0.00019907599236958638631;
    p = p * r + 0.0013888837074440798885;
    p = p * r + 0.0083332834937651679769;
    p = p * r + 0.041666666796397610837;
    p = p * r + 0.1666666678647057323;
    p = p * r + 0.49999999999943044937;
    p = p * r + 0.99999999999550093207;
    return {power_of_two(shifted), p * r};
}

RANVIER_INLINE double exp_of(double x) {
    const Exponential e = split_exp(x);
    return e.scale * e.rest + e.scale;
}

RANVIER_INLINE double expm1_of(double x) {
    const Exponential e = split_exp(x);
    const double y = e.scale * e.rest + (e.scale - 1.0);
    return x == 0.0 ? x : y;
}

RANVIER_INLINE double log_of(double x) {
    // x = 2^e m with m in [sqrt(1/2), sqrt(2)): adding the offset carries into the exponent where m would be too large.
    const uint64_t offset = 0x3ff0000000000000u - 0x3fe6a09e667f3bcdu;
    const uint64_t moved = bits_of(x) + offset;
    const double m = from_bits((moved & 0x000fffffffffffffu) + 0x3fe6a09e667f3bcdu);
    const double e = from_bits((moved >> 52) | 0x4330000000000000u) - 4503599627370496.0 - 1023.0;
    const double s = (m - 1.0) / (m + 1.0), z = s * s;
    double p = 0.23616988018825040908;
    p = p * z + 0.28535018661150470957;
    p = p * z + 0.40000385182450240232;
    p = p * z + 0.66666665244988650998;
    p = p * z + 2.0000000000083778653;
    double y = e * 0.69314718055994531 + s * p;
    y = x == HUGE_VALUE ? x : y;
    y = x == 0.0 ? -HUGE_VALUE : y;
    return x >= 0.0 ? y : NOT_A_NUMBER;
}

RANVIER_INLINE double log1p_of(double x) {
    const double u = 1.0 + x;
    const double y = log_of(u) + (x - (u - 1.0)) / u;  // what rounding 1 + x lost, to first order
    const double at_ends = ((x == 0.0) | (u == HUGE_VALUE)) ? x : y;
    return x == -1.0 ? -HUGE_VALUE : at_ends;
}

RANVIER_INLINE double sigmoid_of(double x) { return 1.0 / (1.0 + exp_of(-x)); }

RANVIER_INLINE double tanh_of(double x) {
    double a = magnitude(x);
    a = a > 20.0 ? 20.0 : a;
    const Exponential e = split_exp(2.0 * a);
    const double t = e.scale * e.rest + (e.scale - 1.0);
    return with_sign(t / (t + 2.0), x);
}

RANVIER_INLINE double atan_of(double x) {
    const double a = magnitude(x);
    const bool large = a > 2.414213562373095, middle = a > 0.4142135623730950;
    const double numerator = large ? -1.0 : (middle ? a - 1.0 : a);
    const double denominator = large ? a : (middle ? a + 1.0 : 1.0);
    const double base = large ? 1.5707963267948966 : (middle ? 0.78539816339744831 : 0.0);
    const double t = numerator / denominator, z = t * t;
    double p = -0.037651893081283221318;
    p = p * z + 0.069740180276106211364;
    p = p * z - 0.089925136547890618913;
    p = p * z + 0.11103452683648506143;
    p = p * z - 0.14285386322016512648;
    p = p * z + 0.19999993047557926554;
    p = p * z - 0.33333333276864911978;
    p = p * z + 0.99999999999924387131;
    return with_sign(base + t * p, x);
}

RANVIER_INLINE double erf_of(double x) {
    double a = magnitude(x);
    a = a > 4.0 ? 4.0 : a;  // 1 - erf(4) = 1.5e-8 is lost in a float
    const double z = a * a;
    double p = 1.0589380641075019183e-6;
    p = p * z - 0.000013909340021874598594;
    p = p * z + 0.0001195656256820732956;
    p = p * z - 0.00085426379970872296266;
    p = p * z + 0.005223783477189248115;
    p = p * z - 0.026866133235095591563;
    p = p * z + 0.11283791308604581452;
    p = p * z - 0.37612638889635306771;
    p = p * z + 1.1283791670946767327;
    const double u = (a - 2.5) / 1.5;
    double q = 1.7581148051902644065e-6;
    q = q * u - 5.0535334089026873326e-6;
    q = q * u + 7.6653008175495308282e-6;
    q = q * u - 0.000020504708403019308884;
    q = q * u + 0.000063409332290626019934;
    q = q * u - 0.00016447866403796163521;
    q = q * u + 0.00040873798595246473574;
    q = q * u - 0.001004799700198874503;
    q = q * u + 0.0024037214510805009705;
    q = q * u - 0.0055709256936074615824;
    q = q * u + 0.012489367000793379629;
    q = q * u - 0.027005276189744354384;
    q = q * u + 0.056110493629760632595;
    q = q * u - 0.11152102073476087532;
    q = q * u + 0.21080636406114358065;
    return with_sign(a > 1.0 ? 1.0 - exp_of(-z) * q : a * p, x);
}

// Sine and cosine up to this size; the caller takes the C library beyond it, and for infinities and NaN.
constexpr double TURNS_BOUND = 1e6;

struct Angle {
    double r;          // in [-pi/4, pi/4]
    uint64_t quarter;  // how many quarter turns were taken off, in the low bits
};
RANVIER_INLINE Angle quarter_turns(double x) {
    const double shifted = x * 0.63661977236758134 + ROUNDER;
    const double k = shifted - ROUNDER;
    // pi/2 in three parts; the first two have 33 bits, so that their products with k < 2^20 are exact.
    const double r = ((x - k * 1.57079632673412561417) - k * 6.07710050630396597660e-11) - k * 2.02226624879595063154e-21;
    return {r, bits_of(shifted)};
}
RANVIER_INLINE double sine_or_cosine(double r, uint64_t quarter) {
    const double z = r * r;
    double s = -2.4756487429387384526e-8;
    s = s * z + 2.7555270903015516531e-6;
    s = s * z - 0.00019841263293637902756;
    s = s * z + 0.0083333333238689860108;
    s = s * z - 0.16666666666616624371;
    s = s * z + 0.99999999999999571183;
    double c = -2.7173337252956945544e-7;
    c = c * z + 0.000024798927470004570409;
    c = c * z - 0.0013888880387608341016;
    c = c * z + 0.041666666543792260525;
    c = c * z - 0.49999999999350328508;
    c = c * z + 0.99999999999994432939;
    const double y = (quarter & 1u) != 0 ? c : r * s;
    return from_bits(bits_of(y) ^ ((quarter & 2u) << 62));
}
RANVIER_INLINE double sin_of(double x) {
    const Angle a = quarter_turns(x);
    return sine_or_cosine(a.r, a.quarter);
}
RANVIER_INLINE double cos_of(double x) {
    const Angle a = quarter_turns(x);
    return sine_or_cosine(a.r, a.quarter + 1u);
}

RANVIER_INLINE double pow_of(double x, double y) {
    const double ax = magnitude(x), ay = magnitude(y);
    double power = exp_of(y * log_of(ax));
    power = ((ax == 1.0) & (ay == HUGE_VALUE)) ? 1.0 : power;
    // Floats from 2^24 on are even integers.
    const double whole = (ay + ROUNDER) - ROUNDER, half = ay * 0.5, half_whole = (half + ROUNDER) - ROUNDER;
    const bool integer = (whole == ay) | (ay >= 16777216.0);
    const bool odd = (whole == ay) & (half_whole != half) & (ay < 16777216.0);
    const uint64_t flip = odd ? (bits_of(x) & SIGN) : 0u;
    const double signed_power = from_bits(bits_of(power) ^ flip);
    const double result = ((x < 0.0) & !integer & (ax != HUGE_VALUE)) ? NOT_A_NUMBER : signed_power;
    return ((y == 0.0) | (x == 1.0)) ? 1.0 : result;
}

}  // namespace ranvier
