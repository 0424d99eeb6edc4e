#include "shape.hpp"

#include <map>

#include "fused_programs.hpp"
#include "opcodes.hpp"

namespace ranvier {
namespace {

bool same(const Fused& x, const Fused& y) {
    return x.opcode == y.opcode && x.a == y.a && x.b == y.b && x.c == y.c && x.d == y.d;
}

template <class Program>
bool fits(const Shape& shape) {
    if (shape.kinds != Program::kinds) return false;
    if (shape.code.size() != sizeof(Program::code) / sizeof(Fused)) return false;
    if (shape.results.size() != sizeof(Program::results) / sizeof(int32_t)) return false;
    for (size_t k = 0; k < shape.code.size(); ++k) {
        if (!same(shape.code[k], Program::code[k])) return false;
    }
    for (size_t k = 0; k < shape.results.size(); ++k) {
        if (shape.results[k] != Program::results[k]) return false;
    }
    return true;
}

struct Entry {
    const char* name;
    bool (*fits)(const Shape&);
};
#define RANVIER_ENTRY(name, ...) {#name, fits<fused_##name>},
const Entry ENTRIES[] = {RANVIER_FUSED(RANVIER_ENTRY){nullptr, nullptr}};

}  // namespace

Shape::Shape(const Code& code_) {
    const Layout& l = code_.layout;
    std::map<int32_t, int32_t> value_of;    // slot -> the value it holds now
    std::map<int32_t, int32_t> operand_of;  // slot -> operand in memory
    const auto place = [&](int32_t slot) -> int32_t {
        if (const auto found = value_of.find(slot); found != value_of.end()) return found->second;
        // Constants that happen to be equal share a slot: counted use by use they leave the shape as it is.
        const bool constant = slot >= l.registers && slot < l.current();
        const auto next = static_cast<int32_t>(places.size());
        const int32_t operand = constant ? next : operand_of.emplace(slot, next).first->second;
        if (operand == next) {
            kinds += constant ? 'u' : 'r';
            places.push_back(slot);
        }
        return -1 - operand;
    };
    for (const Instruction& i : code_.instructions) {
        const int n = arity(i.opcode);
        const int32_t a = place(i.a), b = n > 1 ? place(i.b) : a, c = n > 2 ? place(i.c) : a, d = n > 3 ? place(i.d) : a;
        code.push_back({i.opcode, a, b, c, d});
        value_of[i.target] = static_cast<int32_t>(code.size()) - 1;
    }
    for (int32_t s = l.first_result(); s < l.total(); ++s) {
        results.push_back(value_of.at(s));  // every result is written: Code has checked it
        places.push_back(s);
    }
}

std::string Shape::text() const {
    const std::vector<std::string> names = opcode_names();
    std::string out = "\"" + kinds + "\", (";
    for (const Fused& f : code) {
        out += "{op_" + names[static_cast<size_t>(f.opcode)];
        for (int32_t place : {f.a, f.b, f.c, f.d}) out += ", " + std::to_string(place);
        out += "}, ";
    }
    out.replace(out.size() - 2, 2, "), (");
    for (int32_t value : results) out += std::to_string(value) + ", ";
    return out.replace(out.size() - 2, 2, ")");
}

int find_fused(const Shape& shape) {
    for (int k = 0; ENTRIES[k].name != nullptr; ++k) {
        if (ENTRIES[k].fits(shape)) return k;
    }
    return -1;
}

std::string fused_name(int index) { return index < 0 ? "" : ENTRIES[index].name; }

}  // namespace ranvier
