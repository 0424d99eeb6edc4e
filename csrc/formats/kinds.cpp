#include "kinds.hpp"

#include "packets.hpp"

namespace ranvier::formats {
namespace {

constexpr Kind KINDS[] = {
    {"evt2", &Decoders::evt2, &Decoders::evt2_parts},
    {"evt21", &Decoders::evt21, nullptr},
    {"evt3", &Decoders::evt3, nullptr},
    {"dat", &Decoders::dat, &Decoders::dat_parts},
    {"aedat2", &Decoders::aedat2, nullptr},
    {"aedat3", &Decoders::aedat3, nullptr},
    {"aedat4", nullptr, nullptr},
    {"aedat4_items", &Decoders::aedat4_items, nullptr},
    {"nmnist_bin", &Decoders::nmnist_bin, &Decoders::nmnist_bin_parts},
    {"es", &Decoders::es, nullptr},
};

}  // namespace

const Kind* kind_named(const std::string& name) {
    for (const Kind& kind : KINDS) {
        if (name == kind.name) return &kind;
    }
    return nullptr;
}

const std::vector<const Decoders*>& variants() {
    static const std::vector<const Decoders*> usable = [] {
        std::vector<const Decoders*> found;
#ifdef RANVIER_X86
        for (const Decoders* d : {&DECODERS_AVX512, &DECODERS_AVX2}) {
            if (d->usable()) found.push_back(d);
        }
#endif
        found.push_back(&DECODERS_BASELINE);
        return found;
    }();
    return usable;
}

Found run(const Kind& kind, const Decoders& all, const Source& source, const int64_t* parameters, const int64_t* state,
          const Columns& out, const Company& company, int& error) {
    if (kind.decode == nullptr) return packets(all, source, parameters, out, company);
    const Parts* parts = kind.parts == nullptr ? nullptr : &(all.*kind.parts);
    return walk(all.*kind.decode, parts, source, parameters, state, out, company, error);
}

}  // namespace ranvier::formats
