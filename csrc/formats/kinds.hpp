// The formats that are decoded here, by name.
#pragma once

#include <string>
#include <vector>

#include "walk.hpp"

namespace ranvier::formats {

struct Kind {
    const char* name;
    Decode Decoders::*decode;  // null: AEDAT 4, whose packets are told apart first
    Parts Decoders::*parts;    // null: by one thread
};

// Null for a name that nobody knows.
const Kind* kind_named(const std::string& name);

// The instruction sets of this processor, the best one first.
const std::vector<const Decoders*>& variants();

Found run(const Kind& kind, const Decoders& all, const Source& source, const int64_t* parameters, const int64_t* state,
          const Columns& out, const Company& company, int& error);

}  // namespace ranvier::formats
