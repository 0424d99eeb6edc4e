// Rows on the way through a normalisation, for one instruction set.
#include "normal.hpp"

#include "half_lanes.hpp"

namespace ranvier {
namespace {

// How a number lies in the caller's memory: T the machine's own type.
template <class Number>
struct Own {
    using T = Number;
    using V = typename Registers<T>::V;
    static constexpr ptrdiff_t ITEM = sizeof(T);
    RANVIER_INLINE V load(const char* from) { return *reinterpret_cast<const typename Registers<T>::Memory*>(from); }
    RANVIER_INLINE void store(char* target, V x) { *reinterpret_cast<typename Registers<T>::Memory*>(target) = x; }
};
template <class Kind>
struct Half {
    using T = float;
    using V = Registers<float>::V;
    static constexpr ptrdiff_t ITEM = HALF;
    RANVIER_INLINE V load(const char* from) { return (V)Kind::widen(load_halves(from)); }
    RANVIER_INLINE void store(char* target, V x) { store_halves(target, Kind::narrow((Words)x)); }
};

using Doubles = Registers<double>::Memory;
typedef float FewFloats __attribute__((vector_size(BYTES / 2), aligned(4), may_alias));
RANVIER_INLINE Registers<double>::V load_doubles(const float* from) {
    return __builtin_convertvector(*reinterpret_cast<const FewFloats*>(from), Registers<double>::V);
}
RANVIER_INLINE Registers<double>::V load_doubles(const double* from) { return *reinterpret_cast<const Doubles*>(from); }

// Whole registers, then one that is filled up.
template <class Kind>
struct Rows {
    using T = typename Kind::T;
    using V = typename Kind::V;
    using OwnRow = Own<T>;
    static constexpr ptrdiff_t WIDTH = BYTES / static_cast<ptrdiff_t>(sizeof(T)), OWN = sizeof(T);

    static void normalise(const char* x, const char* scale, const char* shift, char* y, ptrdiff_t n) {
        ptrdiff_t k = 0;
        for (; k + WIDTH <= n; k += WIDTH) {
            OwnRow::store(y + k * OWN, Kind::load(x + k * Kind::ITEM) * OwnRow::load(scale + k * OWN) + OwnRow::load(shift + k * OWN));
        }
        if (k == n) return;
        const V value = part<Kind>(x, k, n) * part<OwnRow>(scale, k, n) + part<OwnRow>(shift, k, n);
        put<OwnRow>(y, k, n, value);
    }

    static void gather(const char* x, const char* center, const char* g, char* sum, char* product, ptrdiff_t n) {
        ptrdiff_t k = 0;
        for (; k + WIDTH <= n; k += WIDTH) {
            const V gradient = OwnRow::load(g + k * OWN);
            const V away = Kind::load(x + k * Kind::ITEM) - OwnRow::load(center + k * OWN);
            OwnRow::store(sum + k * OWN, OwnRow::load(sum + k * OWN) + gradient);
            OwnRow::store(product + k * OWN, OwnRow::load(product + k * OWN) + gradient * away);
        }
        if (k == n) return;
        const V gradient = part<OwnRow>(g, k, n), away = part<Kind>(x, k, n) - part<OwnRow>(center, k, n);
        put<OwnRow>(sum, k, n, part<OwnRow>(sum, k, n) + gradient);
        put<OwnRow>(product, k, n, part<OwnRow>(product, k, n) + gradient * away);
    }

    static void spread(const char* x, const char* center, char* g, const char* scale, const char* slope, const char* shift,
                       ptrdiff_t n) {
        ptrdiff_t k = 0;
        for (; k + WIDTH <= n; k += WIDTH) {
            const V away = Kind::load(x + k * Kind::ITEM) - OwnRow::load(center + k * OWN);
            const V gradient = Kind::load(g + k * Kind::ITEM) * OwnRow::load(scale + k * OWN);
            Kind::store(g + k * Kind::ITEM, gradient + away * OwnRow::load(slope + k * OWN) + OwnRow::load(shift + k * OWN));
        }
        if (k == n) return;
        const V away = part<Kind>(x, k, n) - part<OwnRow>(center, k, n);
        const V gradient = part<Kind>(g, k, n) * part<OwnRow>(scale, k, n);
        put<Kind>(g, k, n, gradient + away * part<OwnRow>(slope, k, n) + part<OwnRow>(shift, k, n));
    }

    static void add_up(const char* row, double* columns, ptrdiff_t n) {
        const T* numbers = reinterpret_cast<const T*>(row);
        ptrdiff_t k = 0;
        for (; k + BYTES / 8 <= n; k += BYTES / 8) *reinterpret_cast<Doubles*>(columns + k) += load_doubles(numbers + k);
        for (; k < n; ++k) columns[k] += static_cast<double>(numbers[k]);
    }

private:
    // The numbers from k on, fewer than fill a register; zeros behind them.
    template <class Any>
    RANVIER_INLINE V part(const char* row, ptrdiff_t k, ptrdiff_t n) {
        char rest[BYTES] = {};
        __builtin_memcpy(rest, row + k * Any::ITEM, static_cast<size_t>((n - k) * Any::ITEM));
        return Any::load(rest);
    }
    template <class Any>
    RANVIER_INLINE void put(char* row, ptrdiff_t k, ptrdiff_t n, V value) {
        char rest[BYTES];
        Any::store(rest, value);
        __builtin_memcpy(row + k * Any::ITEM, rest, static_cast<size_t>((n - k) * Any::ITEM));
    }
};

template <class Kind>
constexpr NormalRows ROWS = {Rows<Kind>::normalise, Rows<Kind>::gather, Rows<Kind>::spread, Rows<Kind>::add_up};

}  // namespace

extern const Normals RANVIER_NORMALS(RANVIER_VARIANT);
const Normals RANVIER_NORMALS(RANVIER_VARIANT) = {ROWS<Own<float>>, ROWS<Own<double>>, ROWS<Half<BFloat16>>, ROWS<Half<Float16>>};

}  // namespace ranvier
