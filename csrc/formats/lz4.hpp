// LZ4 frames. Sources: the LZ4 frame format description 1.6 and block format description; xxHash specification 0.1.
#pragma once

#include "decode.hpp"

namespace ranvier::formats {

// A frame, and what it was unpacked to: -1 bytes for one that is broken, does not fit or is in any way unusual. The
// library judges those, so whatever is unpacked here is what it unpacks.
struct Packed {
    Bytes frame;
    Bytes plain{nullptr, -1};
};

// Unpacks frames, two at a time, one behind the other into either of two memories of `room` bytes each.
void unpack_lz4(Packed* frames, int64_t num, uint8_t* one, uint8_t* two, int64_t room);

}  // namespace ranvier::formats
